//! A block that arrives: every check, and its execution.

use super::{Chain, KnownBlock, MAX_INVALID, ReadError, parent::Parent, post_state};
use crate::{
    client::Job,
    rejection::{Place, Rejection, check_root},
    verify::OMMER_DEPTH,
};
use alloy_consensus::{Receipt, ReceiptEnvelope, ReceiptWithBloom, TxReceipt};
use alloy_primitives::B256;
use blockloom_engine::{Ancestor, Block, BlockError, recover_in_parallel};
use blockloom_state::StoreError;
use std::sync::Arc;

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
            spec: self.spec(),
            parent: &parent.header,
            parent_hash: block.header.parent_hash,
            ancestors: &ancestors,
        };
        place.check_before(&block).map_err(Rejection::from)?;
        let block = recover_in_parallel(block).map_err(Rejection::from)?;
        let job = Job {
            block: &block,
            base: &*parent.state,
            snapshot: parent.snapshot,
            access_list: false,
        };
        let output = job.execute(&self.factory).map_err(Rejection::from)?;
        place.check_after(&block, &output).map_err(Rejection::from)?;
        let root = parent.root_after([&output.changes])?;
        check_root(&block, root).map_err(Rejection::from)?;
        let mut receipts: Vec<_> = output.receipts.into_iter().map(envelope).collect();
        if post_state::is_needed(self.spec(), block.header()) {
            post_state::fill_in(&self.factory, &block, parent, &mut receipts)?;
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
