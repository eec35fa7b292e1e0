//! Where workers read the state before the block.

use super::{
    errands::{Errands, Inbox, errands},
    runtime::Ahead,
};
use alloy_primitives::B256;
use blockloom_state::{AnyReader, BaseStateError, CachedCode, CodeCache, ErasedReader};
use revm::DatabaseRef;
use std::{fmt, sync::Arc};

/// Opens readers of the state after a block, one for each worker.
///
/// A client's database is rarely `Sync`: a read transaction belongs to one
/// thread. So each worker gets a reader of its own, and keeps it for one block.
/// Readers must be independent of the database that the executor runs on.
///
/// What they answer is a hint: every answer that counted is compared with the
/// executor's own database before a result is used. Readers of another block
/// make results useless, never wrong. Only code is taken at its hash's word.
///
/// Any `Fn(B256) -> Result<R, BaseStateError>` is a factory.
pub trait SnapshotFactory: Send + Sync + 'static {
    /// What one worker reads through.
    type Reader: DatabaseRef + Send + 'static;

    /// A reader of the state after the block whose hash is `parent`.
    ///
    /// # Errors
    ///
    /// If there is none; the block is then run without that worker.
    fn reader(&self, parent: B256) -> Result<Self::Reader, BaseStateError>;
}

impl<F, R> SnapshotFactory for F
where
    F: Fn(B256) -> Result<R, BaseStateError> + Send + Sync + 'static,
    R: DatabaseRef + Send + 'static,
{
    type Reader = R;

    fn reader(&self, parent: B256) -> Result<R, BaseStateError> {
        self(parent)
    }
}

/// A [`SnapshotFactory`] of any type.
pub(super) trait AnySnapshots: Send + Sync {
    fn open(&self, parent: B256) -> Result<AnyReader<'static>, BaseStateError>;
}

impl<S: SnapshotFactory> AnySnapshots for S {
    fn open(&self, parent: B256) -> Result<AnyReader<'static>, BaseStateError> {
        Ok(Box::new(ErasedReader(self.reader(parent)?)))
    }
}

/// How the workers of one block get at the state before it.
#[derive(Clone)]
pub(super) enum Source {
    /// A reader for each.
    Snapshots(Arc<dyn AnySnapshots>, B256),
    /// The caller's thread asks its own database for them.
    Errands(Errands),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshots(_, parent) => f.debug_tuple("Snapshots").field(parent).finish(),
            Self::Errands(_) => f.write_str("Errands"),
        }
    }
}

impl Source {
    /// Snapshots, where there are any and it is known of which block; else the
    /// caller's thread, which is to look into the inbox.
    pub(super) fn choose(ahead: &Ahead, parent: Option<B256>) -> (Self, Option<Inbox>) {
        if let (Some(snapshots), Some(parent)) = (&ahead.snapshots, parent) {
            return (Self::Snapshots(Arc::clone(snapshots), parent), None);
        }
        let (questions, inbox) = errands();
        (Self::Errands(questions), Some(inbox))
    }

    /// What one worker reads through.
    pub(super) fn open(&self, code: Arc<CodeCache>) -> Result<Base, BaseStateError> {
        let reader = match self {
            Self::Snapshots(snapshots, parent) => snapshots.open(*parent)?,
            Self::Errands(errands) => Box::new(errands.runner()),
        };
        Ok(Base::new(reader, code))
    }
}

/// The state before the block as one worker reads it; code comes from a cache
/// of all blocks.
pub(super) type Base = CachedCode<AnyReader<'static>, Arc<CodeCache>>;
