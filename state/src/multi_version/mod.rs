//! What every transaction of a block wrote, kept apart by writer, so that
//! each reader finds what the transactions below it left.

mod account;
mod chain;
mod index;
mod location;
mod reads;
mod slot;
mod stamp;
#[cfg(test)]
mod tests;
mod writes;

pub use account::AccountWrite;
pub use location::{AccountIdx, ReadError, Reader, SlotIdx, WriteSet};
pub use stamp::Stamp;

pub(crate) use account::{WrittenAccount, add_credit};
pub(crate) use slot::WrittenSlot;

use crate::sync::Mutex;
use account::AccountCell;
use alloy_primitives::{Address, U256};
use foldhash::fast::RandomState;
use index::Index;
use location::{Written, dense};
use revm::state::AccountInfo;
use slot::SlotCell;
use stamp::Raised;
use std::hash::BuildHasher;

/// Locations per transaction that a memory is made for, accounts and slots
/// each. Mainnet's blocks touch about ten of either; more only cost a second
/// look.
const EXPECTED_PER_TRANSACTION: usize = 8;

/// The multi-version memory of one block.
///
/// Per location it keeps the newest entry of every writer, ordered by
/// transaction: a value, a commutative balance credit, a destruction or
/// creation, or an estimate. The base value is kept beside them, so each
/// location is fetched from the base state once, whoever asks. Locations have
/// dense indices, which read and write sets keep, so that validation hashes
/// nothing again.
///
/// Locations are told apart by their full keys: a hash only finds the bucket.
///
/// # Locks
///
/// One lock per location that somebody has written, never two of these at
/// once, and none is held while the base state is read. A writer's list of what
/// it wrote is locked before any of them; only the writer itself asks for it.
/// Finding a location and reading one that nobody has written takes no lock.
#[derive(Debug)]
pub struct MultiVersionMemory {
    hasher: RandomState,
    account_index: Index,
    slot_index: Index,
    accounts: boxcar::Vec<AccountCell>,
    slots: boxcar::Vec<SlotCell>,
    written: Vec<Mutex<Written>>,
    /// Some account was destroyed or created; raised before that is published.
    any_wiped: Raised,
}

impl MultiVersionMemory {
    /// Memory for a block of `transactions` transactions, with nothing written.
    #[must_use]
    pub fn new(transactions: usize) -> Self {
        let expected = EXPECTED_PER_TRANSACTION * transactions;
        Self {
            hasher: RandomState::default(),
            account_index: Index::new(expected),
            slot_index: Index::new(expected),
            accounts: boxcar::Vec::new(),
            slots: boxcar::Vec::new(),
            written: (0..transactions).map(|_| Mutex::default()).collect(),
            any_wiped: Raised::default(),
        }
    }

    /// Forgets everything and keeps the space. Costs O(n) in the locations the
    /// memory held, so it is best done off the critical path.
    pub fn clear(&mut self) {
        self.account_index.clear();
        self.slot_index.clear();
        self.accounts.clear();
        self.slots.clear();
        for written in &mut self.written {
            written.get_mut().clear();
        }
        self.any_wiped = Raised::default();
    }

    /// Makes a memory that is empty fit for a block of `transactions`
    /// transactions.
    pub fn fit(&mut self, transactions: usize) {
        let expected = EXPECTED_PER_TRANSACTION * transactions;
        self.account_index.fit(expected);
        self.slot_index.fit(expected);
        self.written.resize_with(transactions, Mutex::default);
    }

    /// The index of `address`, which is new if nobody has asked for it before.
    pub fn account(&self, address: Address) -> AccountIdx {
        let is = |idx| self.accounts[idx as usize].address == address;
        let make = || dense(self.accounts.push(AccountCell::new(address)));
        AccountIdx(self.account_index.find_or_add(self.hasher.hash_one(address), is, make))
    }

    /// The index of `slot` of `account`, which is new if nobody has asked for
    /// it before.
    pub fn slot(&self, account: AccountIdx, slot: U256) -> SlotIdx {
        let make = || dense(self.slots.push(SlotCell::new(account, slot)));
        let hash = self.slot_hash(account, slot);
        SlotIdx(self.slot_index.find_or_add(hash, self.is_slot(account, slot), make))
    }

    fn slot_hash(&self, account: AccountIdx, slot: U256) -> u64 {
        self.hasher.hash_one((account.0, slot.as_limbs()))
    }

    fn is_slot(&self, account: AccountIdx, slot: U256) -> impl Fn(u32) -> bool {
        move |idx| {
            let cell = &self.slots[idx as usize];
            cell.slot == slot && cell.account == account
        }
    }

    fn find_account(&self, address: &Address) -> Option<AccountIdx> {
        let is = |idx| self.accounts[idx as usize].address == *address;
        self.account_index.find(self.hasher.hash_one(address), is).map(AccountIdx)
    }

    fn account_cell(&self, account: AccountIdx) -> &AccountCell {
        &self.accounts[account.position()]
    }

    fn slot_cell(&self, slot: SlotIdx) -> &SlotCell {
        &self.slots[slot.0 as usize]
    }

    /// Sets an account's base value before anybody reads it; `wiped` if of its
    /// slots in the base state only those count that are set here as well.
    pub fn preset_account(&self, address: Address, info: Option<AccountInfo>, wiped: bool) {
        self.account_cell(self.account(address)).preset(info, wiped);
    }

    /// Sets a slot's base value before anybody reads it.
    pub fn preset_slot(&self, address: Address, slot: U256, value: U256) {
        self.slot_cell(self.slot(self.account(address), slot)).preset(value);
    }

    /// The account in the base state, if some reader of this memory has
    /// fetched it.
    #[must_use]
    pub fn known_account(&self, address: &Address) -> Option<Option<AccountInfo>> {
        self.account_cell(self.find_account(address)?).known_base().cloned()
    }

    /// The slot in the base state, if some reader of this memory has fetched
    /// it.
    #[must_use]
    pub fn known_slot(&self, address: &Address, slot: U256) -> Option<U256> {
        let account = self.find_account(address)?;
        let hash = self.slot_hash(account, slot);
        let slot = self.slot_index.find(hash, self.is_slot(account, slot))?;
        self.slots[slot as usize].known_base()
    }
}
