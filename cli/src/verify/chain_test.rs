//! One official blockchain test: a chain, its forks and its invalid blocks.
//!
//! Every accepted block keeps its own state, so competing chains and reorgs
//! need no unwinding. A rejected block leaves nothing: it only ever saw its
//! parent's state by shared reference.

use super::{
    difference::{Differences, between_states},
    engines::Engines,
    trial::{Outcome, Trial},
    verdict::{Finding, Verdict},
};
use crate::rejection::{Place, Rejection};
use alloy_consensus::Header;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{B256, U256, map::B256Map};
use blockloom_engine::{Ancestor, ChainSpec, ChainSpecError};
use blockloom_fixtures::{
    allocate,
    blockchain_test::{BlockchainTest, PostState, TestBlock},
};
use blockloom_state::MemoryState;
use std::collections::BTreeMap;

/// Ancestors an ommer's parent may be among (Yellow Paper, section 11.1).
pub(crate) const OMMER_DEPTH: usize = 7;

/// Runs `test` on every engine.
///
/// # Errors
///
/// [`ChainSpecError`] if the test's network is none we know.
pub(crate) fn verify(test: &BlockchainTest, engines: &Engines) -> Result<Verdict, ChainSpecError> {
    let schedule = blob_params(test);
    let spec = ChainSpec::for_network(&test.network, test.chain_id, schedule.as_ref())?;
    if let Some(reason) = unverifiable(test) {
        return Ok(Verdict::Skipped(reason));
    }
    let mut tree = BlockTree::new(test, spec);
    for position in 0..test.blocks.len() {
        let findings = tree.offer(position, engines);
        if !findings.is_empty() {
            // Later blocks build on this one; their failures would say nothing.
            return Ok(Verdict::Failed(findings));
        }
    }
    Ok(Verdict::of(tree.check_end()))
}

/// The blob parameters that `test` pins, by fork. What it does not say (least
/// fee, blobs per transaction) follows the fork.
fn blob_params(test: &BlockchainTest) -> Option<BTreeMap<String, BlobParams>> {
    let schedule = test.blob_schedule.as_ref()?.iter().map(|(fork, given)| {
        let params = BlobParams {
            target_blob_count: given.target,
            max_blob_count: given.max,
            update_fraction: given.base_fee_update_fraction.into(),
            ..BlobParams::cancun()
        };
        (fork.clone(), params)
    });
    Some(schedule.collect())
}

/// Why `test` cannot be decided at all, if it cannot.
fn unverifiable(test: &BlockchainTest) -> Option<String> {
    let about_seal =
        |block: &TestBlock| block.expect_exception.as_deref() == Some("InvalidBlockNonce");
    test.blocks.iter().any(about_seal).then(|| {
        "expects a block to be rejected for its proof-of-work seal, which is not verified"
            .to_owned()
    })
}

/// An accepted block and the state after it.
struct Accepted {
    header: Header,
    hash: B256,
    ommers: Vec<Header>,
    total_difficulty: U256,
    state: MemoryState,
}

/// All accepted blocks of a test.
struct BlockTree<'a> {
    test: &'a BlockchainTest,
    spec: ChainSpec,
    /// By hash; looked up, never iterated.
    accepted: B256Map<Accepted>,
    head: B256,
}

impl<'a> BlockTree<'a> {
    fn new(test: &'a BlockchainTest, spec: ChainSpec) -> Self {
        let genesis = Accepted {
            header: test.genesis_header.clone(),
            hash: test.genesis_hash,
            ommers: Vec::new(),
            total_difficulty: test.genesis_header.difficulty,
            state: test.pre.clone(),
        };
        let head = genesis.hash;
        Self { test, spec, accepted: B256Map::from_iter([(head, genesis)]), head }
    }

    /// Imports the block at `position` if it is valid and gives every
    /// disagreement with what the test says about it.
    fn offer(&mut self, position: usize, engines: &Engines) -> Vec<Finding> {
        let mut trial = Trial::new(self.test, position, engines);
        let accepted = self.judge(&mut trial);
        let hash = accepted.as_ref().map(|block| block.hash);
        if let Some(block) = accepted {
            self.adopt(block);
        }
        trial.end(hash)
    }

    /// Takes the block on trial through every check, on top of its parent's
    /// state; gives it back if it breaks no rule.
    fn judge(&self, trial: &mut Trial<'_>) -> Option<Accepted> {
        let block = trial.decode()?;
        let parent_hash = block.header.parent_hash;
        let Some(parent) = self.accepted.get(&parent_hash) else {
            trial.reject(Rejection::UnknownParent { parent: parent_hash });
            return None;
        };
        let spec = self.spec.for_child_of(parent.header.number, parent.total_difficulty);
        let ancestors = self.ancestors(parent);
        let place =
            Place { spec: &spec, parent: &parent.header, parent_hash, ancestors: &ancestors };
        let Outcome { hash, block, mut state } = trial.judge(block, &place, &parent.state)?;

        state.set_block_hash(block.header.number, hash);
        let total_difficulty = parent.total_difficulty.saturating_add(block.header.difficulty);
        let ommers = block.body.ommers;
        Some(Accepted { header: block.header, hash, ommers, total_difficulty, state })
    }

    /// `parent` and the blocks before it, nearest first.
    fn ancestors<'b>(&'b self, parent: &'b Accepted) -> Vec<Ancestor<'b>> {
        let mut ancestors = Vec::with_capacity(OMMER_DEPTH);
        let mut next = Some(parent);
        while let Some(block) = next.filter(|_| ancestors.len() < OMMER_DEPTH) {
            let Accepted { header, hash, ommers, .. } = block;
            ancestors.push(Ancestor { header, hash: *hash, ommers });
            next = self.accepted.get(&block.header.parent_hash);
        }
        ancestors
    }

    /// Keeps `block`, and makes it the head if its chain is heavier.
    ///
    /// Before the merge the greater total difficulty wins and a tie changes
    /// nothing. A proof-of-stake block becomes head as it is imported, as if
    /// the consensus layer had chosen it at once.
    fn adopt(&mut self, block: Accepted) {
        let head_difficulty = self.accepted.get(&self.head).map(|head| head.total_difficulty);
        let heavier = Some(block.total_difficulty) > head_difficulty;
        if heavier || block.header.difficulty.is_zero() {
            self.head = block.hash;
        }
        self.accepted.insert(block.hash, block);
    }

    /// Compares where the chain stands with where the test says it must.
    fn check_end(&self) -> Vec<Finding> {
        let test = self.test;
        let mut found = Differences::default();
        found.check("head of the chain", &self.head, &test.last_block_hash);
        let mut differences = found.into_vec();
        match (self.accepted.get(&test.last_block_hash), &test.post) {
            (None, _) => {}
            (Some(end), PostState::Hash(root)) => {
                let mut found = Differences::default();
                found.check("state root at the end", &end.state.root(), root);
                differences.extend(found.into_vec());
            }
            (Some(end), PostState::Accounts(accounts)) => {
                differences.extend(between_states(&end.state, &allocate(accounts)));
            }
        }
        let finding = |difference| Finding { block: None, workers: None, difference };
        differences.into_iter().map(finding).collect()
    }
}
