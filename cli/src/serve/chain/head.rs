//! Moving the head: back to where branches part, and on along the new one.

use super::{Chain, KnownBlock, ReadError, Verdict, body};
use alloy_primitives::B256;
use alloy_rpc_types_engine::ForkchoiceState;
use blockloom_state::StoreError;
use std::sync::Arc;

/// Blocks the consensus client has named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Markers {
    pub(crate) safe: Option<B256>,
    pub(crate) finalized: Option<B256>,
}

/// Why the head was not moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForkchoiceError {
    /// The safe or finalized block is no ancestor of the head.
    #[error("the {which} block {hash} is not an ancestor of the head")]
    NotAncestor {
        /// Which one.
        which: &'static str,
        /// Its hash.
        hash: B256,
    },
    /// The head is zero, which names no block.
    #[error("the head is the zero hash")]
    ZeroHead,
    /// The branches part further back than can be unwound.
    #[error("cannot go back to block {number}: undo records reach to block {oldest}")]
    TooDeep {
        /// Where they part.
        number: u64,
        /// Lowest block that can be reached.
        oldest: u64,
    },
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ForkchoiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoUndo { number, oldest } => Self::TooDeep { number, oldest },
            error => Self::Store(error),
        }
    }
}

/// The way from the canonical chain to a block.
struct Path {
    /// The last canonical block on it.
    from: u64,
    /// Blocks above, oldest first.
    blocks: Vec<Arc<KnownBlock>>,
}

impl Chain {
    /// Makes the named head the tip, if it is known, and notes what is safe and
    /// final. A head that is an ancestor of the tip already changes nothing, as
    /// the Engine API permits.
    ///
    /// What fails half-way leaves the store after some block of either branch.
    pub(crate) fn choose(&self, state: &ForkchoiceState) -> Result<Verdict, ForkchoiceError> {
        let _work = self.work.lock();
        let head = state.head_block_hash;
        if head.is_zero() {
            return Err(ForkchoiceError::ZeroHead);
        }
        if let Some(verdict) = self.invalid(&head) {
            return Ok(verdict);
        }
        let Some(path) = self.path_to(head)? else { return Ok(Verdict::UnknownParent) };
        if path.blocks.is_empty() && path.from < self.store.tip().number {
            return Ok(Verdict::Valid);
        }
        let marked = |which, hash: B256| match hash.is_zero() {
            true => Ok(None),
            false if self.is_on(&path, &hash)? => Ok(Some(hash)),
            false => Err(ForkchoiceError::NotAncestor { which, hash }),
        };
        let markers = Markers {
            safe: marked("safe", state.safe_block_hash)?,
            finalized: marked("finalized", state.finalized_block_hash)?,
        };
        self.follow(&path)?;
        let mut recent = self.recent.write();
        recent.markers = markers;
        let lowest = self.store.tip().number.saturating_sub(self.depth);
        recent.known.retain(|_, block| block.block.header().number > lowest);
        Ok(Verdict::Valid)
    }

    /// What is safe and final.
    pub(crate) fn markers(&self) -> Markers {
        self.recent.read().markers
    }

    /// The way to `head`; `None` if it is not known.
    fn path_to(&self, head: B256) -> Result<Option<Path>, ReadError> {
        let mut blocks = Vec::new();
        let mut at = head;
        loop {
            // Ends: every block has a lower number than the one before.
            if let Some(from) = self.canonical_number(&at)? {
                blocks.reverse();
                return Ok(Some(Path { from, blocks }));
            }
            let Some(block) = self.known(&at) else { return Ok(None) };
            at = block.block.header().parent_hash;
            blocks.push(block);
        }
    }

    /// Whether the block is on the chain that ends with `path`.
    fn is_on(&self, path: &Path, hash: &B256) -> Result<bool, ReadError> {
        let is_above = path.blocks.iter().any(|block| block.block.hash == *hash);
        Ok(is_above || self.canonical_number(hash)?.is_some_and(|number| number <= path.from))
    }

    fn follow(&self, path: &Path) -> Result<(), StoreError> {
        let _moves = self.moves.write();
        if path.from < self.store.tip().number {
            self.store.unwind(path.from)?;
        }
        for block in &path.blocks {
            let prepared = self.store.prepare(&block.changes)?;
            let (header, hash) = (block.block.header(), block.block.hash);
            self.store.commit_archived(header, hash, &prepared, &body::pack(block))?;
        }
        Ok(())
    }
}
