//! Locations, and who reads and writes them.

use super::AccountWrite;
use alloy_primitives::U256;
use blockloom_scheduler::TxIdx;

/// An account's place in a [`MultiVersionMemory`](super::MultiVersionMemory):
/// dense, valid for its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountIdx(pub(super) u32);

impl AccountIdx {
    /// The index with this position, which must come from
    /// [`position`](Self::position).
    ///
    /// # Panics
    ///
    /// If `position` does not fit 32 bits, and later, where it is used, if the
    /// memory has no such account.
    #[must_use]
    pub fn new(position: usize) -> Self {
        Self(dense(position))
    }

    /// The position as a plain number, to travel through revm as an account id.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

/// A slot's place in a [`MultiVersionMemory`](super::MultiVersionMemory): dense,
/// valid for its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIdx(pub(super) u32);

pub(super) fn dense(position: usize) -> u32 {
    u32::try_from(position).expect("a block touches fewer than 2^32 locations")
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Which transaction.
    pub tx: TxIdx,
    /// It runs long before its turn, so it wants to hear of the very first
    /// write to what it reads.
    pub is_early: bool,
}

impl From<TxIdx> for Reader {
    fn from(tx: TxIdx) -> Self {
        Self { tx, is_early: false }
    }
}

/// Why a read has no value.
#[derive(Debug, PartialEq, Eq)]
pub enum ReadError<E> {
    /// The value is an estimate: this transaction is expected to write it
    /// again.
    Blocked(TxIdx),
    /// The base state failed.
    Base(E),
}

/// What one incarnation wrote, by location.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    /// Accounts whose basics changed, each once.
    pub accounts: Vec<(AccountIdx, AccountWrite)>,
    /// Slots that changed and their values, each once.
    pub slots: Vec<(SlotIdx, U256)>,
}

impl WriteSet {
    /// Empties the set and keeps its memory.
    pub fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
    }
}

/// Locations that a transaction's newest incarnation wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) accounts: Vec<AccountIdx>,
    pub(super) slots: Vec<SlotIdx>,
}

impl Written {
    pub(super) const fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.slots.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
    }

    pub(super) fn sort(&mut self) {
        self.accounts.sort_unstable();
        self.slots.sort_unstable();
    }
}
