//! The state that a block runs on, for the thread that runs it and for those
//! that run its transactions ahead.

use super::{Chain, InsertError, KnownBlock};
use alloy_consensus::Header;
use alloy_primitives::B256;
use blockloom_engine::client::SnapshotFactory;
use blockloom_state::{
    BaseStateError, BlockChanges, CacheSize, ErasedReader, Overlay, StateAt, Store, StoreError,
};
use parking_lot::Mutex;
use revm::DatabaseRef;
use std::sync::{Arc, Weak};

/// What a block's execution keeps in memory of the state it runs on: what a
/// block reads, not a chain of them.
const BLOCK_CACHE: CacheSize = CacheSize { accounts: 1 << 14, slots: 1 << 15 };

/// A state that a block can run on.
pub(super) struct Parent<'a> {
    pub(super) header: Header,
    /// Blocks on top of the canonical chain, oldest first.
    branch: Vec<Arc<KnownBlock>>,
    /// The canonical state under the branch.
    base: Arc<StateAt<'a>>,
    pub(super) state: Box<dyn DatabaseRef<Error = BaseStateError> + Sync + 'a>,
    /// The block, if workers have readers of the state after it.
    pub(super) snapshot: Option<B256>,
}

impl Parent<'_> {
    /// State root after the branch and `changes` on top of it.
    pub(super) fn root_after<'b>(
        &'b self,
        changes: impl IntoIterator<Item = &'b BlockChanges>,
    ) -> Result<B256, StoreError> {
        let branch = self.branch.iter().map(|block| &*block.changes);
        self.base.root_after(branch.chain(changes))
    }
}

/// Readers for workers: of the state that a block is run on, while it is, if
/// that is the store's newest one with blocks on top.
#[derive(Clone, Debug, Default)]
pub(super) struct Readers(Arc<Mutex<Option<Offer>>>);

/// A block, and the state after it.
type Offer = (B256, Weak<Overlay<Arc<Store>>>);

/// Workers come too late: another block is on.
#[derive(Debug, thiserror::Error)]
#[error("the state after block {0} is not offered any more")]
struct Gone(B256);

impl SnapshotFactory for Readers {
    type Reader = Arc<Overlay<Arc<Store>>>;

    fn reader(&self, parent: B256) -> Result<Self::Reader, BaseStateError> {
        let offer = self.0.lock().clone().filter(|(of, _)| *of == parent);
        let state = offer.and_then(|(_, state)| state.upgrade());
        state.ok_or_else(|| BaseStateError::new(Gone(parent)))
    }
}

impl Chain {
    /// The block with this hash and the state after it; `None` if there is no
    /// such block or its state is not kept.
    ///
    /// The caller holds `work`, so that the store's newest state stays what it
    /// is.
    pub(super) fn parent(&self, hash: B256) -> Result<Option<Parent<'_>>, InsertError> {
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
        let base = match self.store.state_at(number) {
            Ok(state) => Arc::new(state),
            Err(StoreError::NoUndo { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let header = match branch.last() {
            Some(block) => block.block.header().clone(),
            None => self.canonical_header(number)?.into_inner(),
        };
        if number == self.store.tip().number {
            let state = Arc::new(grown(Arc::clone(&self.store), &branch));
            *self.readers.0.lock() = Some((hash, Arc::downgrade(&state)));
            let state = Box::new(ErasedReader(state));
            return Ok(Some(Parent { header, branch, base, state, snapshot: Some(hash) }));
        }
        // What leads back to an older state belongs to this thread, so that
        // reads for the workers.
        let state = Box::new(ErasedReader(grown(Arc::clone(&base), &branch)));
        Ok(Some(Parent { header, branch, base, state, snapshot: None }))
    }
}

/// The state after `branch` on top of `base`.
fn grown<B>(base: B, branch: &[Arc<KnownBlock>]) -> Overlay<B> {
    let state = Overlay::new(base, BLOCK_CACHE);
    for block in branch {
        let changes = Arc::clone(&block.changes);
        state.push(block.block.header().number, block.block.hash, changes);
    }
    state
}
