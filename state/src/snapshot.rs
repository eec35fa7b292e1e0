//! The state before a block, as workers read it.

use alloy_primitives::{Address, B256, U256};
use revm::{
    DatabaseRef,
    context_interface::DBErrorMarker,
    state::{AccountInfo, Bytecode},
};
use std::{error::Error, fmt, marker::PhantomData, sync::Arc};

/// The base state failed to answer; says why in the words of whoever keeps it.
///
/// Cheap to clone, because the same failure travels through revm and beside
/// it.
#[derive(Clone, Debug)]
pub struct BaseStateError(Arc<dyn Error + Send + Sync>);

impl BaseStateError {
    /// Wraps a failure of a base state.
    pub fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }
}

impl fmt::Display for BaseStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for BaseStateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl DBErrorMarker for BaseStateError {}

/// State before a block, read by many workers at once.
///
/// Anything that is `DatabaseRef` and `Sync` is a snapshot that all workers
/// share. Where readers cannot be shared (database transactions of many
/// clients), [`ReaderPerWorker`] opens one for each.
pub trait Snapshot: Sync {
    /// What one worker reads through.
    type Reader<'a>: DatabaseRef + Send
    where
        Self: 'a;

    /// Opens a reader. All readers of a snapshot must give the same answers.
    ///
    /// # Errors
    ///
    /// If the underlying database refuses another reader.
    fn reader(&self) -> Result<Self::Reader<'_>, BaseStateError>;
}

impl<T: DatabaseRef + Sync> Snapshot for T {
    type Reader<'a>
        = &'a T
    where
        T: 'a;

    fn reader(&self) -> Result<&T, BaseStateError> {
        Ok(self)
    }
}

/// A snapshot that opens one reader per worker with a function.
pub struct ReaderPerWorker<F, R> {
    open: F,
    reader: PhantomData<fn() -> R>,
}

impl<F, R> ReaderPerWorker<F, R> {
    /// A snapshot whose readers come from `open`.
    pub const fn new(open: F) -> Self {
        Self { open, reader: PhantomData }
    }
}

impl<F, R> fmt::Debug for ReaderPerWorker<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReaderPerWorker")
    }
}

impl<F, R, E> Snapshot for ReaderPerWorker<F, R>
where
    F: Fn() -> Result<R, E> + Sync,
    R: DatabaseRef + Send,
    E: Error + Send + Sync + 'static,
{
    type Reader<'a>
        = R
    where
        Self: 'a;

    fn reader(&self) -> Result<R, BaseStateError> {
        (self.open)().map_err(BaseStateError::new)
    }
}

/// A reader of any type.
pub type AnyReader<'a> = Box<dyn DatabaseRef<Error = BaseStateError> + Send + 'a>;

/// A [`Snapshot`] of any type.
///
/// Executing a block is a lot of code. Behind this it is compiled once, and not
/// again for each kind of base state; what is read there is kept by whoever
/// reads, so that the call through a pointer does not count.
pub trait AnySnapshot: Sync {
    /// Opens a reader, as [`Snapshot::reader`] does.
    ///
    /// # Errors
    ///
    /// If the underlying database refuses another reader.
    fn any_reader(&self) -> Result<AnyReader<'_>, BaseStateError>;
}

impl<S: Snapshot> AnySnapshot for S {
    fn any_reader(&self) -> Result<AnyReader<'_>, BaseStateError> {
        Ok(Box::new(ErasedReader(self.reader()?)))
    }
}

/// A `DatabaseRef` whose error is [`BaseStateError`], whatever it was before.
#[derive(Clone, Debug)]
pub struct ErasedReader<R>(pub R);

impl<R: DatabaseRef> DatabaseRef for ErasedReader<R> {
    type Error = BaseStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, BaseStateError> {
        self.0.basic_ref(address).map_err(BaseStateError::new)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, BaseStateError> {
        self.0.code_by_hash_ref(hash).map_err(BaseStateError::new)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, BaseStateError> {
        self.0.storage_ref(address, slot).map_err(BaseStateError::new)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, BaseStateError> {
        self.0.block_hash_ref(number).map_err(BaseStateError::new)
    }
}
