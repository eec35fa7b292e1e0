//! One block of a test on trial: which rules it breaks, and whether that is
//! what the test says.

use super::{
    difference::{Difference, Differences, between_logs, between_states},
    engines::Engines,
    exception::is_expected,
    verdict::{BlockName, Finding},
};
use crate::{
    chain_of_causes,
    rejection::{Place, Rejection, check_root},
};
use alloy_primitives::B256;
use blockloom_engine::{Block, BlockOutput, RecoveredBlock};
use blockloom_fixtures::{
    allocate,
    blockchain_test::{BlockchainTest, PostState, TestBlock, TestReceipt},
};
use blockloom_state::MemoryState;

/// A block on trial.
///
/// A block that should be valid is judged as a node would, up to the first
/// rule it breaks. For an invalid one all broken rules are collected: old
/// tests have blocks with several faults (a transaction that may not be there,
/// and a header that does not commit to it), and name the one they are about.
pub(crate) struct Trial<'t> {
    test: &'t BlockchainTest,
    block: &'t TestBlock,
    engines: &'t Engines,
    name: BlockName,
    findings: Vec<Finding>,
    broken: Vec<Rejection>,
}

/// A block that breaks no rule, and the state after it.
pub(crate) struct Outcome {
    pub(crate) hash: B256,
    pub(crate) block: Block,
    pub(crate) state: MemoryState,
}

impl<'t> Trial<'t> {
    /// A trial of the block at `position` of `test`.
    pub(crate) fn new(test: &'t BlockchainTest, position: usize, engines: &'t Engines) -> Self {
        let block = &test.blocks[position];
        let name = BlockName { position, number: block.number };
        Self { test, block, engines, name, findings: Vec::new(), broken: Vec::new() }
    }

    /// Notes that the block breaks a rule.
    pub(crate) fn reject(&mut self, rejection: Rejection) {
        self.broken.push(rejection);
    }

    /// The block, if its bytes are one.
    pub(crate) fn decode(&mut self) -> Option<Block> {
        match self.block.decode() {
            Ok(block) => {
                self.name.number = Some(block.header.number);
                Some(block)
            }
            Err(error) => {
                self.reject(Rejection::Rlp(error));
                None
            }
        }
    }

    /// Takes `block` through every check in its `place`, on top of the state
    /// `before`.
    pub(crate) fn judge(
        &mut self,
        block: Block,
        place: &Place<'_>,
        before: &MemoryState,
    ) -> Option<Outcome> {
        for check in place.checks_before() {
            self.broken.extend(check(place, &block).err().map(Rejection::from));
        }
        if self.block.is_valid() && !self.broken.is_empty() {
            return None;
        }
        let recovered = match self.engines.any().recover(block) {
            Ok(recovered) => recovered,
            Err(error) => {
                self.reject(error.into());
                return None;
            }
        };
        let output = self.execute(&recovered, place, before)?;
        let mismatch = place.check_after(&recovered, &output).err();
        if self.block.is_valid() {
            self.compare(&output, mismatch.is_some());
        }
        self.broken.extend(mismatch.map(Rejection::from));
        let mut state = before.clone();
        state.apply(&output.changes);
        if let Err(error) = check_root(&recovered, state.root()) {
            self.compare_end(recovered.hash, &state);
            self.reject(error.into());
        }
        let RecoveredBlock { hash, block, .. } = recovered;
        self.broken.is_empty().then_some(Outcome { hash, block, state })
    }

    /// Runs the block on every engine; gives the sequential result.
    fn execute(
        &mut self,
        block: &RecoveredBlock,
        place: &Place<'_>,
        before: &MemoryState,
    ) -> Option<BlockOutput> {
        let runs = self.engines.run(place.spec, block, before);
        for (workers, difference) in runs.departures {
            self.push(Some(workers), difference);
        }
        match runs.sequential {
            Ok(output) => Some(output),
            // A node would not have come here with a block that is broken
            // already, so that one cannot be executed is no news: its number
            // alone can make it ask for a block that does not exist.
            Err(error) if error.as_invalid().is_none() && !self.broken.is_empty() => None,
            Err(error) => {
                self.reject(error.into());
                None
            }
        }
    }

    /// Every disagreement with what the test says about the block. `accepted`
    /// is its hash, if it was.
    pub(crate) fn end(mut self, accepted: Option<B256>) -> Vec<Finding> {
        let reason = self.block.expect_exception.as_deref();
        let is_valid = self.block.is_valid();
        let expected = match reason {
            _ if is_valid => "accepted".to_owned(),
            Some(reason) => format!("rejected ({reason})"),
            None => "rejected (no reason given)".to_owned(),
        };
        let mut found = Differences::default();
        if let Some(hash) = accepted {
            found.check("import", "accepted", expected.as_str());
            if let Some(stated) = &self.block.header_hash {
                found.check("header hash", &hash, stated);
            }
        } else if is_valid || !self.broken.iter().any(|broken| is_expected(reason, broken)) {
            let broken: Vec<_> = self.broken.iter().map(|broken| chain_of_causes(broken)).collect();
            found.push(None, "import".into(), format!("rejected: {}", broken.join("; ")), expected);
        }
        self.add(found);
        self.findings
    }

    fn push(&mut self, workers: Option<usize>, difference: Difference) {
        self.findings.push(Finding { block: Some(self.name), workers, difference });
    }

    fn add(&mut self, found: Differences) {
        found.into_vec().into_iter().for_each(|difference| self.push(None, difference));
    }

    /// Names what is wrong with a state whose root is, if the block is the one
    /// whose state the test gives.
    fn compare_end(&mut self, hash: B256, state: &MemoryState) {
        if let PostState::Accounts(accounts) = &self.test.post
            && hash == self.test.last_block_hash
        {
            let differences = between_states(state, &allocate(accounts));
            differences.into_iter().for_each(|difference| self.push(None, difference));
        }
    }

    /// Compares `output` with the receipts and access list the test spells out.
    ///
    /// Where the header commits to them they are looked at only if the result
    /// does not match it, to name the transaction; the header is right then,
    /// and some suites spell out receipts it does not commit to. Before
    /// Byzantium receipts hold state roots, so their root is not checked, and
    /// this comparison is all there is.
    fn compare(&mut self, output: &BlockOutput, is_mismatch: bool) {
        let mut found = Differences::default();
        if let Some(receipts) = &self.block.receipts
            && (is_mismatch || receipts.iter().any(|receipt| receipt.succeeded.is_none()))
        {
            compare_receipts(output, receipts, &mut found);
        }
        if is_mismatch
            && let (Some(expected), Some(got)) =
                (&self.block.block_access_list, &output.access_list)
            && got != expected
        {
            let (got, expected) = (format!("{got:?}"), format!("{expected:?}"));
            found.push(None, "block access list".to_owned(), got, expected);
        }
        self.add(found);
    }
}

fn compare_receipts(output: &BlockOutput, expected: &[TestReceipt], found: &mut Differences) {
    found.check("number of receipts", &output.receipts.len(), &expected.len());
    for (tx_idx, (got, expected)) in output.receipts.iter().zip(expected).enumerate() {
        let at = Some(tx_idx);
        if let Some(succeeded) = expected.succeeded {
            found.check_at(at, || "receipt status".into(), &got.success, &succeeded);
        }
        found.check_at(
            at,
            || "receipt cumulative gas".into(),
            &got.cumulative_gas_used,
            &expected.cumulative_gas_used,
        );
        between_logs(tx_idx, &got.logs, &expected.logs, found);
    }
}
