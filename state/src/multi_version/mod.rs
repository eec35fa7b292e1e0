//! What every transaction of a block wrote, kept apart by writer, so that
//! each reader finds what the transactions below it left.

mod account;
mod chain;
mod slot;
#[cfg(test)]
mod tests;

pub use account::AccountWrite;

use crate::{changes::AccountBasics, sync::Mutex};
use account::AccountCell;
use alloy_primitives::{Address, U256, map::FbBuildHasher};
use blockloom_scheduler::TxIdx;
use chain::Interest;
use dashmap::DashMap;
use revm::state::AccountInfo;
use slot::{SlotCell, Source};

/// An account's place in a [`MultiVersionMemory`]: dense, valid for its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountIdx(u32);

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
        Self(u32::try_from(position).expect("a block touches fewer than 2^32 accounts"))
    }

    /// The position as a plain number, to travel through revm as an account id.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

/// A slot's place in a [`MultiVersionMemory`]: dense, valid for its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIdx(u32);

impl SlotIdx {
    fn new(position: usize) -> Self {
        Self(u32::try_from(position).expect("a block touches fewer than 2^32 slots"))
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
struct Written {
    accounts: Vec<AccountIdx>,
    slots: Vec<SlotIdx>,
}

impl Written {
    const fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.slots.is_empty()
    }

    fn sort(&mut self) {
        self.accounts.sort_unstable();
        self.slots.sort_unstable();
    }
}

/// The multi-version memory of one block.
///
/// Per location it keeps the newest entry of every writer, ordered by
/// transaction: a value, a commutative balance credit, a destruction or
/// creation, or an estimate. The base value is kept beside them, so each
/// location is fetched from the base state once, whoever asks. A location is
/// hashed once per worker and named by a dense index after that.
///
/// Locations are told apart by their full keys: a hash only finds the bucket.
///
/// # Locks
///
/// One lock per location, never two at once, and none is held while the base
/// state is read.
#[derive(Debug)]
pub struct MultiVersionMemory {
    account_index: DashMap<Address, AccountIdx, FbBuildHasher<20>>,
    slot_index: DashMap<(AccountIdx, U256), SlotIdx, foldhash::fast::RandomState>,
    accounts: boxcar::Vec<AccountCell>,
    slots: boxcar::Vec<SlotCell>,
    written: Vec<Mutex<Written>>,
}

impl MultiVersionMemory {
    /// Memory for a block of `transactions` transactions, with nothing written.
    #[must_use]
    pub fn new(transactions: usize) -> Self {
        Self {
            account_index: DashMap::default(),
            slot_index: DashMap::default(),
            accounts: boxcar::Vec::new(),
            slots: boxcar::Vec::new(),
            written: (0..transactions).map(|_| Mutex::default()).collect(),
        }
    }

    /// The index of `address`. Takes a shard lock; remember the answer.
    pub fn account(&self, address: Address) -> AccountIdx {
        *self
            .account_index
            .entry(address)
            .or_insert_with(|| AccountIdx::new(self.accounts.push(AccountCell::new(address))))
    }

    /// The index of `slot` of `account`. Takes a shard lock; remember the
    /// answer.
    pub fn slot(&self, account: AccountIdx, slot: U256) -> SlotIdx {
        *self
            .slot_index
            .entry((account, slot))
            .or_insert_with(|| SlotIdx::new(self.slots.push(SlotCell::new(account, slot))))
    }

    fn account_cell(&self, account: AccountIdx) -> &AccountCell {
        &self.accounts[account.position()]
    }

    fn slot_cell(&self, slot: SlotIdx) -> &SlotCell {
        &self.slots[slot.0 as usize]
    }

    /// Sets an account's base value before anybody reads it.
    pub fn preset_account(&self, address: Address, info: Option<AccountInfo>) {
        self.account_cell(self.account(address)).preset(info);
    }

    /// Sets a slot's base value before anybody reads it.
    pub fn preset_slot(&self, address: Address, slot: U256, value: U256) {
        self.slot_cell(self.slot(self.account(address), slot)).preset(value);
    }

    /// The account in the base state, if some reader of this memory has
    /// fetched it.
    #[must_use]
    pub fn known_account(&self, address: &Address) -> Option<Option<AccountInfo>> {
        let account = *self.account_index.get(address)?;
        self.account_cell(account).known_base().cloned()
    }

    /// The slot in the base state, if some reader of this memory has fetched
    /// it.
    #[must_use]
    pub fn known_slot(&self, address: &Address, slot: U256) -> Option<U256> {
        let account = *self.account_index.get(address)?;
        let slot = *self.slot_index.get(&(account, slot))?;
        self.slot_cell(slot).known_base()
    }

    /// The account as the transactions below `reader` left it; notes that
    /// `reader` looked. `is_sender` says that this is the account `reader` is
    /// paid from: only such readers hear of later credits, the others seldom
    /// care and are checked at the frontier.
    ///
    /// Source: Block-STM, `MVMemory.read`.
    ///
    /// # Errors
    ///
    /// [`ReadError::Blocked`] at an estimate, [`ReadError::Base`] if `load`
    /// fails.
    pub fn read_account<E>(
        &self,
        account: AccountIdx,
        reader: TxIdx,
        is_sender: bool,
        load: impl FnOnce(Address) -> Result<Option<AccountInfo>, E>,
    ) -> Result<Option<AccountInfo>, ReadError<E>> {
        let interest = if is_sender { Interest::Whole } else { Interest::Shape };
        self.account_cell(account)
            .read(reader, interest, load)
            .map_err(ReadError::Base)?
            .map_err(ReadError::Blocked)
    }

    /// The slot as the transactions below `reader` left it: zero where one of
    /// them destroyed or created the account since. Notes that `reader` looked.
    ///
    /// The account itself must have been read by `reader` before; that read
    /// is what tells it of a later destruction.
    ///
    /// # Errors
    ///
    /// [`ReadError::Blocked`] at an estimate, [`ReadError::Base`] if `load`
    /// fails.
    pub fn read_slot<E>(
        &self,
        slot: SlotIdx,
        reader: TxIdx,
        load: impl FnOnce(Address, U256) -> Result<U256, E>,
    ) -> Result<U256, ReadError<E>> {
        let cell = self.slot_cell(slot);
        let account = self.account_cell(cell.account);
        let wipe = account.newest_wipe(reader).map_err(ReadError::Blocked)?;
        match cell.source(reader, wipe, true).map_err(ReadError::Blocked)? {
            Source::Written(value) => Ok(value),
            Source::Wiped => Ok(U256::ZERO),
            Source::Base => cell.base(|| load(account.address, cell.slot)).map_err(ReadError::Base),
        }
    }

    /// The account as `reader` would find it now, without noting anything;
    /// `None` if that cannot be said.
    #[must_use]
    pub fn peek_account(
        &self,
        account: AccountIdx,
        reader: TxIdx,
    ) -> Option<Option<AccountBasics>> {
        self.account_cell(account).peek(reader)
    }

    /// The slot as `reader` would find it now, without noting anything; `None`
    /// if that cannot be said.
    #[must_use]
    pub fn peek_slot(&self, slot: SlotIdx, reader: TxIdx) -> Option<U256> {
        let cell = self.slot_cell(slot);
        let wipe = self.account_cell(cell.account).newest_wipe(reader).ok()?;
        match cell.source(reader, wipe, false).ok()? {
            Source::Written(value) => Some(value),
            Source::Wiped => Some(U256::ZERO),
            Source::Base => cell.known_base(),
        }
    }

    /// Publishes what the newest incarnation of `writer` wrote, in place of
    /// what earlier ones did, and adds to `overtaken` the transactions that
    /// have read something older. Empties `writes`. All transactions below
    /// `committed` are final, and nobody reads as one of them any more.
    ///
    /// Source: Block-STM, `MVMemory.record`.
    pub fn publish(
        &self,
        writer: TxIdx,
        writes: &mut WriteSet,
        committed: TxIdx,
        overtaken: &mut Vec<TxIdx>,
    ) {
        let mut now = Written {
            accounts: writes.accounts.iter().map(|(account, _)| *account).collect(),
            slots: writes.slots.iter().map(|(slot, _)| *slot).collect(),
        };
        for (account, write) in writes.accounts.drain(..) {
            self.account_cell(account).publish(writer, write, committed, overtaken);
        }
        for (slot, value) in writes.slots.drain(..) {
            self.slot_cell(slot).publish(writer, value, committed, overtaken);
        }
        let mut written = self.written[writer.position()].lock();
        if !written.is_empty() {
            now.sort();
            self.withdraw(writer, &written, &now, overtaken);
        }
        *written = now;
    }

    /// Takes back what `writer` wrote at locations of `written` that are not in
    /// `now`, which is sorted.
    fn withdraw(
        &self,
        writer: TxIdx,
        written: &Written,
        now: &Written,
        overtaken: &mut Vec<TxIdx>,
    ) {
        for account in &written.accounts {
            if now.accounts.binary_search(account).is_err() {
                self.account_cell(*account).withdraw(writer, overtaken);
            }
        }
        for slot in &written.slots {
            if now.slots.binary_search(slot).is_err() {
                self.slot_cell(*slot).withdraw(writer, overtaken);
            }
        }
    }

    /// Turns what `writer` last published into estimates.
    ///
    /// Source: Block-STM, `MVMemory.convert_writes_to_estimates`.
    pub fn mark_estimates(&self, writer: TxIdx) {
        let written = self.written[writer.position()].lock();
        for account in &written.accounts {
            self.account_cell(*account).estimate(writer);
        }
        for slot in &written.slots {
            self.slot_cell(*slot).estimate(writer);
        }
    }
}
