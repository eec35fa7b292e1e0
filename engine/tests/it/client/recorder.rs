//! A database that writes down what it is asked, and the state over it.

use alloy_evm::block::BalIndexedDatabase;
use alloy_primitives::{Address, B256, U256};
use blockloom_state::{MemoryState, MemoryStateError};
use parking_lot::{Mutex, MutexGuard};
use revm::{
    Database, DatabaseCommit, DatabaseRef,
    database::State,
    database_interface::bal::EvmDatabaseError,
    state::{AccountInfo, Bytecode, EvmState},
};
use std::sync::Arc;

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    Account(Address),
    Code(B256),
    Slot(Address, U256),
    BlockHash(u64),
}

/// Answers from a state, in order of asking; fails from question `fails_at` on.
#[derive(Debug)]
pub(crate) struct Recorder {
    state: Arc<MemoryState>,
    asked: Vec<Asked>,
    fails_at: usize,
}

/// The database is out of order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecorderError {
    #[error("out of order")]
    OutOfOrder,
    #[error(transparent)]
    State(#[from] MemoryStateError),
}

impl revm::context_interface::DBErrorMarker for RecorderError {}

impl Recorder {
    fn note(&mut self, asked: Asked) -> Result<&MemoryState, RecorderError> {
        self.asked.push(asked);
        let is_broken = self.asked.len() > self.fails_at;
        if is_broken { Err(RecorderError::OutOfOrder) } else { Ok(&self.state) }
    }
}

impl Database for Recorder {
    type Error = RecorderError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, RecorderError> {
        Ok(self.note(Asked::Account(address))?.basic_ref(address)?)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, RecorderError> {
        Ok(self.note(Asked::Code(code_hash))?.code_by_hash_ref(code_hash)?)
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, RecorderError> {
        Ok(self.note(Asked::Slot(address, index))?.storage_ref(address, index)?)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, RecorderError> {
        Ok(self.note(Asked::BlockHash(number))?.block_hash_ref(number)?)
    }
}

/// What executors of these tests run on: a client's usual state, which can be
/// looked into whatever became of the executor.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Arc<Mutex<State<Recorder>>>);

impl Ledger {
    /// The state before a block; its database fails from question `fails_at`
    /// on.
    pub(crate) fn new(state: &Arc<MemoryState>, fails_at: usize) -> Self {
        let recorder = Recorder { state: Arc::clone(state), asked: Vec::new(), fails_at };
        let state = State::builder().with_database(recorder).with_bundle_update().build();
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State<Recorder>> {
        self.0.lock()
    }

    /// What the database was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state().database.asked.clone()
    }
}

impl Database for Ledger {
    type Error = EvmDatabaseError<RecorderError>;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.state().basic(address)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        self.state().code_by_hash(code_hash)
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, Self::Error> {
        Database::storage(&mut *self.state(), address, index)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.state().block_hash(number)
    }
}

impl DatabaseCommit for Ledger {
    fn commit(&mut self, changes: EvmState) {
        self.state().commit(changes);
    }
}

impl BalIndexedDatabase for Ledger {
    fn set_bal_index(&mut self, index: u64) {
        BalIndexedDatabase::set_bal_index(&mut *self.state(), index);
    }

    fn bump_bal_index(&mut self) {
        BalIndexedDatabase::bump_bal_index(&mut *self.state());
    }
}
