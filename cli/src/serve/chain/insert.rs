//! A block that arrives: every check, and its execution.

use super::{Chain, KnownBlock, MAX_INVALID, ReadError, post_state};
use crate::{
    rejection::{Place, Rejection, check_root},
    verify::OMMER_DEPTH,
};
use alloy_consensus::{Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxReceipt};
use alloy_primitives::B256;
use blockloom_engine::{Ancestor, Block, BlockError};
use blockloom_state::{BlockChanges, CacheSize, Overlay, StateAt, StoreError};
use std::sync::Arc;

/// What a block's execution keeps in memory of the state it runs on: what a
/// block reads, not a chain of them.
const BLOCK_CACHE: CacheSize = CacheSize { accounts: 1 << 14, slots: 1 << 15 };

/// What became of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is right, and known from now on.
    Valid,
    /// It breaks a rule, or one of its ancestors does.
    Invalid {
        /// The nearest ancestor that is right; zero if that is a block of proof
        /// of work.
        latest_valid: B256,
        /// The rule.
        reason: String,
    },
    /// Its parent is not known, or the parent's state is not kept any more.
    UnknownParent,
}

/// Why a block could not be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InsertError {
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine failed for a reason that is not the block's.
    #[error(transparent)]
    Engine(BlockError),
}

/// Why a block ends here.
enum Refusal {
    Block(Rejection),
    Us(InsertError),
}

impl<E: Into<InsertError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Us(error.into())
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Execution(error) if error.as_invalid().is_none() => {
                Self::Us(InsertError::Engine(error))
            }
            rejection => Self::Block(rejection),
        }
    }
}

/// A state that a block can run on.
pub(super) struct Parent<'a> {
    pub(super) header: Header,
    /// Blocks on top of the state that are not canonical, oldest first.
    pub(super) branch: Vec<Arc<KnownBlock>>,
    pub(super) state: Overlay<StateAt<'a>>,
}

impl Parent<'_> {
    /// State root after the branch and `changes` on top of it.
    pub(super) fn root_after<'b>(
        &'b self,
        changes: impl IntoIterator<Item = &'b BlockChanges>,
    ) -> Result<B256, StoreError> {
        let branch = self.branch.iter().map(|block| &*block.changes);
        self.state.base().root_after(branch.chain(changes))
    }
}

impl Chain {
    /// Checks and executes `block`, whose hash is `hash`.
    pub(crate) fn insert(&self, block: Block, hash: B256) -> Result<Verdict, InsertError> {
        let _work = self.work.lock();
        if self.is_valid(&hash)? {
            return Ok(Verdict::Valid);
        }
        if let Some(verdict) = self.invalid(&hash) {
            return Ok(verdict);
        }
        let parent_hash = block.header.parent_hash;
        if let Some(verdict) = self.invalid(&parent_hash) {
            return Ok(self.remember_invalid(hash, verdict));
        }
        let Some(parent) = self.parent(parent_hash)? else { return Ok(Verdict::UnknownParent) };
        match self.judge(block, &parent) {
            Ok(block) => {
                self.recent.write().known.insert(hash, Arc::new(block));
                Ok(Verdict::Valid)
            }
            Err(Refusal::Us(error)) => Err(error),
            Err(Refusal::Block(rejection)) => {
                let is_stake = parent.header.difficulty.is_zero();
                let latest_valid = if is_stake { parent_hash } else { B256::ZERO };
                let reason = crate::chain_of_causes(&rejection);
                Ok(self.remember_invalid(hash, Verdict::Invalid { latest_valid, reason }))
            }
        }
    }

    /// The verdict on an invalid block, if it was judged before.
    pub(crate) fn invalid(&self, hash: &B256) -> Option<Verdict> {
        self.recent.read().invalid.get(hash).cloned()
    }

    /// Whether the block is known, or canonical.
    pub(super) fn is_valid(&self, hash: &B256) -> Result<bool, ReadError> {
        Ok(self.known(hash).is_some() || self.canonical_number(hash)?.is_some())
    }

    fn remember_invalid(&self, hash: B256, verdict: Verdict) -> Verdict {
        let mut recent = self.recent.write();
        if recent.invalid.len() >= MAX_INVALID {
            recent.invalid.clear();
        }
        recent.invalid.insert(hash, verdict.clone());
        verdict
    }

    /// The block with this hash and the state after it; `None` if there is no
    /// such block or its state is not kept.
    fn parent(&self, hash: B256) -> Result<Option<Parent<'_>>, InsertError> {
        let mut branch = Vec::new();
        let mut at = hash;
        let number = loop {
            // Ends: every block has a lower number than the one before.
            if let Some(number) = self.canonical_number(&at)? {
                break number;
            }
            let Some(block) = self.known(&at) else { return Ok(None) };
            at = block.block.header().parent_hash;
            branch.push(block);
        };
        branch.reverse();
        let state = match self.store.state_at(number) {
            Ok(state) => state,
            Err(StoreError::NoUndo { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let header = match branch.last() {
            Some(block) => block.block.header().clone(),
            None => self.canonical_header(number)?.into_inner(),
        };
        let state = Overlay::new(state, BLOCK_CACHE);
        for block in &branch {
            let changes = Arc::clone(&block.changes);
            state.push(block.block.header().number, block.block.hash, changes);
        }
        Ok(Some(Parent { header, branch, state }))
    }

    fn judge(&self, block: Block, parent: &Parent<'_>) -> Result<KnownBlock, Refusal> {
        let ancestors = match block.body.ommers.is_empty() {
            true => Vec::new(),
            false => self.ancestors(block.header.parent_hash)?,
        };
        let ancestors: Vec<_> = ancestors
            .iter()
            .map(|(hash, block)| Ancestor {
                header: &block.header,
                hash: *hash,
                ommers: &block.body.ommers,
            })
            .collect();
        let place = Place {
            spec: &self.spec,
            parent: &parent.header,
            parent_hash: block.header.parent_hash,
            ancestors: &ancestors,
        };
        place.check_before(&block).map_err(Rejection::from)?;
        let block = self.engine.recover(block).map_err(Rejection::from)?;
        let executed = self.engine.execute(&self.spec, &block, &parent.state);
        let output = executed.map_err(Rejection::from)?.output;
        place.check_after(&block, &output).map_err(Rejection::from)?;
        let root = parent.root_after([&output.changes])?;
        check_root(&block, root).map_err(Rejection::from)?;
        let mut receipts: Vec<_> = output.receipts.into_iter().map(envelope).collect();
        if post_state::is_needed(&self.spec, block.header()) {
            post_state::fill_in(&self.spec, &block, parent, &mut receipts)?;
        }
        Ok(KnownBlock { block, receipts, changes: Arc::new(output.changes) })
    }

    /// The block with this hash and those before it, as far as ommers reach.
    fn ancestors(&self, hash: B256) -> Result<Vec<(B256, Block)>, ReadError> {
        let mut ancestors = Vec::new();
        let mut at = hash;
        while ancestors.len() <= OMMER_DEPTH {
            let block = match (self.known(&at), self.canonical_number(&at)?) {
                (Some(known), _) => known.block.block.clone(),
                (None, Some(number)) => self.full_block(number)?.block,
                (None, None) => break,
            };
            let parent = block.header.parent_hash;
            ancestors.push((at, block));
            at = parent;
        }
        Ok(ancestors)
    }
}

/// The receipt with its bloom filter.
fn envelope(receipt: blockloom_engine::Receipt) -> ReceiptEnvelope {
    let logs_bloom = receipt.bloom();
    let tx_type = receipt.tx_type;
    let receipt = Receipt {
        status: receipt.success.into(),
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs: receipt.logs,
    };
    ReceiptEnvelope::from_typed(tx_type, ReceiptWithBloom { receipt, logs_bloom })
}
