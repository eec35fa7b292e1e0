//! A base state that forces conflicts.

pub(crate) use blockloom_fixtures::handmade::Key;

use alloy_primitives::{Address, B256, U256};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// How long a gate waits before the test is called broken; long against
/// anything a busy machine does.
const PATIENCE: Duration = Duration::from_secs(20);

/// Holds up the base read of one location until another one has been read.
///
/// A view looks for lower writes before it asks the base state. So if a lower
/// transaction is held until a higher one has asked the base state for what
/// the lower one is going to write, the higher one is stale for certain.
#[derive(Debug)]
pub(crate) struct Gate<'a, D> {
    base: &'a D,
    /// Absent where a single worker would wait for itself.
    held: Option<Key>,
    until: Key,
    opened: OnceLock<()>,
    gave_up: OnceLock<()>,
}

impl<'a, D> Gate<'a, D> {
    pub(crate) fn new(base: &'a D, held: Option<Key>, until: Key) -> Self {
        Self { base, held, until, opened: OnceLock::new(), gave_up: OnceLock::new() }
    }

    /// Whether somebody was held, and let go because the other read came.
    pub(crate) fn worked(&self) -> bool {
        self.opened.get().is_some() && self.gave_up.get().is_none()
    }

    fn pass(&self, key: Key) {
        if key == self.until {
            self.opened.get_or_init(|| ());
        }
        if Some(key) != self.held {
            return;
        }
        let deadline = Instant::now() + PATIENCE;
        while self.opened.get().is_none() {
            if Instant::now() > deadline {
                self.gave_up.get_or_init(|| ());
                return;
            }
            thread::yield_now();
        }
    }
}

impl<D: DatabaseRef> DatabaseRef for Gate<'_, D> {
    type Error = D::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, D::Error> {
        self.pass(Key::Account(address));
        self.base.basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, D::Error> {
        self.base.code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, D::Error> {
        self.pass(Key::Slot(address, slot));
        self.base.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, D::Error> {
        self.base.block_hash_ref(number)
    }
}
