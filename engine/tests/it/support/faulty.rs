//! A base state that cannot be read in places.

use super::gate::Key;
use alloy_primitives::{Address, B256, U256};
use blockloom_state::MemoryState;
use revm::{
    DatabaseRef,
    context_interface::DBErrorMarker,
    state::{AccountInfo, Bytecode},
};

/// What happens at a broken location.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Error,
    Panic,
}

/// A base state with broken locations.
#[derive(Debug)]
pub(crate) struct Faulty<'a> {
    base: &'a MemoryState,
    broken: Vec<Key>,
    fault: Fault,
}

/// Why a location could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot read {0}")]
pub(crate) struct Unreadable(String);

impl DBErrorMarker for Unreadable {}

impl<'a> Faulty<'a> {
    /// Reading any of `broken` is an error.
    pub(crate) const fn new(base: &'a MemoryState, broken: Vec<Key>) -> Self {
        Self { base, broken, fault: Fault::Error }
    }

    /// Reading `broken` panics.
    pub(crate) fn panicking(base: &'a MemoryState, broken: Key) -> Self {
        Self { base, broken: vec![broken], fault: Fault::Panic }
    }

    fn pass(&self, key: Key) -> Result<(), Unreadable> {
        match self.fault {
            _ if !self.broken.contains(&key) => Ok(()),
            Fault::Error => Err(Unreadable(format!("{key:?}"))),
            Fault::Panic => panic!("the disk is on fire"),
        }
    }
}

impl DatabaseRef for Faulty<'_> {
    type Error = Unreadable;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Unreadable> {
        self.pass(Key::Account(address))?;
        self.base.basic_ref(address).map_err(|error| Unreadable(error.to_string()))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Unreadable> {
        self.base.code_by_hash_ref(code_hash).map_err(|error| Unreadable(error.to_string()))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Unreadable> {
        self.pass(Key::Slot(address, slot))?;
        self.base.storage_ref(address, slot).map_err(|error| Unreadable(error.to_string()))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Unreadable> {
        self.base.block_hash_ref(number).map_err(|error| Unreadable(error.to_string()))
    }
}
