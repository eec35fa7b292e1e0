//! What every transaction of a block wrote, kept apart by writer, so that
//! each reader finds what the transactions below it left.

mod account;
mod chain;
mod index;
mod slot;
mod stamp;
#[cfg(test)]
mod tests;

pub use account::AccountWrite;

pub use stamp::Stamp;

pub(crate) use account::{WrittenAccount, add_credit};
pub(crate) use slot::WrittenSlot;

use crate::{changes::AccountBasics, sync::Mutex};
use account::AccountCell;
use alloy_primitives::{Address, U256};
use blockloom_scheduler::TxIdx;
use chain::Interest;
use foldhash::fast::RandomState;
use index::Index;
use revm::state::AccountInfo;
use slot::{SlotCell, Source};
use stamp::Raised;
use std::hash::BuildHasher;

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
        Self(dense(position))
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

fn dense(position: usize) -> u32 {
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
struct Written {
    accounts: Vec<AccountIdx>,
    slots: Vec<SlotIdx>,
}

impl Written {
    const fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.slots.is_empty()
    }

    fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
    }

    fn sort(&mut self) {
        self.accounts.sort_unstable();
        self.slots.sort_unstable();
    }
}

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

    /// The account as the transactions below `reader` left it, and the stamp
    /// of that reading.
    ///
    /// Notes that `reader` looked, so that lower writers can tell it of a later
    /// change; of credits only if `is_sender` says that this is the account it
    /// is paid from: the others seldom care. Before the first write only early
    /// readers are noted: the others find out when they compare stamps.
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
        reader: Reader,
        is_sender: bool,
        load: impl FnOnce(Address) -> Result<Option<AccountInfo>, E>,
    ) -> Result<(Option<AccountInfo>, Stamp), ReadError<E>> {
        let interest = if is_sender { Interest::Whole } else { Interest::Shape };
        self.account_cell(account)
            .read(reader, Some(interest), load)
            .map_err(ReadError::Base)?
            .map_err(ReadError::Blocked)
    }

    /// The slot as the transactions below `reader` left it: zero where one of
    /// them destroyed or created the account since; and the stamp of that
    /// reading. Notes that `reader` looked, as
    /// [`read_account`](Self::read_account) does.
    ///
    /// # Errors
    ///
    /// [`ReadError::Blocked`] at an estimate, [`ReadError::Base`] if `load`
    /// fails.
    pub fn read_slot<E>(
        &self,
        slot: SlotIdx,
        reader: Reader,
        load: impl FnOnce(Address, U256) -> Result<U256, E>,
    ) -> Result<(U256, Stamp), ReadError<E>> {
        self.slot_value(slot, reader, true, load)
    }

    /// The account as `reader`, below whom everything is final, finds it.
    ///
    /// # Errors
    ///
    /// Whatever `load` answers.
    ///
    /// # Panics
    ///
    /// If a transaction below is not final.
    pub fn final_account<E>(
        &self,
        account: AccountIdx,
        reader: TxIdx,
        load: impl FnOnce(Address) -> Result<Option<AccountInfo>, E>,
    ) -> Result<Option<AccountInfo>, E> {
        let read = self.account_cell(account).read(reader.into(), None, load)?;
        Ok(read.unwrap_or_else(|writer| panic!("{writer} below {reader} is not final")).0)
    }

    /// The slot as `reader`, below whom everything is final, finds it.
    ///
    /// # Errors
    ///
    /// Whatever `load` answers.
    ///
    /// # Panics
    ///
    /// If a transaction below is not final.
    pub fn final_slot<E>(
        &self,
        slot: SlotIdx,
        reader: TxIdx,
        load: impl FnOnce(Address, U256) -> Result<U256, E>,
    ) -> Result<U256, E> {
        match self.slot_value(slot, reader.into(), false, load) {
            Ok((value, _)) => Ok(value),
            Err(ReadError::Base(error)) => Err(error),
            Err(ReadError::Blocked(writer)) => panic!("{writer} below {reader} is not final"),
        }
    }

    fn slot_value<E>(
        &self,
        slot: SlotIdx,
        reader: Reader,
        register: bool,
        load: impl FnOnce(Address, U256) -> Result<U256, E>,
    ) -> Result<(U256, Stamp), ReadError<E>> {
        let cell = self.slot_cell(slot);
        let account = self.account_cell(cell.account);
        let wipe = self.newest_wipe(account, reader.tx).map_err(ReadError::Blocked)?;
        let (source, stamp) = cell.source(reader, wipe, register).map_err(ReadError::Blocked)?;
        let value = match source {
            Source::Written(value) => value,
            Source::Wiped => U256::ZERO,
            Source::Base if account.is_base_wiped() => cell.known_base().unwrap_or_default(),
            Source::Base => {
                cell.base(|| load(account.address, cell.slot)).map_err(ReadError::Base)?
            }
        };
        Ok((value, stamp))
    }

    fn newest_wipe(&self, account: &AccountCell, reader: TxIdx) -> Result<Option<TxIdx>, TxIdx> {
        if self.any_wiped.is_raised() { account.newest_wipe(reader) } else { Ok(None) }
    }

    /// Whether no write has reached the account since a read with this stamp.
    #[must_use]
    pub fn is_account_unchanged(&self, account: AccountIdx, stamp: Stamp) -> bool {
        self.account_cell(account).stamp() == stamp
    }

    /// Whether no write has reached the slot since a read with this stamp, nor
    /// ever a wipe the account it belongs to.
    #[must_use]
    pub fn is_slot_unchanged(&self, slot: SlotIdx, stamp: Stamp) -> bool {
        let cell = self.slot_cell(slot);
        cell.stamp() == stamp
            && !(self.any_wiped.is_raised() && self.account_cell(cell.account).was_ever_wiped())
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
        let unknown = |_, _| Err(());
        self.slot_value(slot, reader.into(), false, unknown).ok().map(|(value, _)| value)
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
        if writes.accounts.iter().any(|(_, write)| write.is_wipe()) {
            self.any_wiped.raise();
        }
        let mut written = self.written[writer.position()].lock();
        let before = (!written.is_empty()).then(|| std::mem::take(&mut *written));
        written.accounts.extend(writes.accounts.iter().map(|(account, _)| *account));
        written.slots.extend(writes.slots.iter().map(|(slot, _)| *slot));
        for (account, write) in writes.accounts.drain(..) {
            self.account_cell(account).publish(writer, write, committed, overtaken);
        }
        for (slot, value) in writes.slots.drain(..) {
            self.slot_cell(slot).publish(writer, value, committed, overtaken);
        }
        if let Some(before) = before {
            written.sort();
            self.withdraw(writer, &before, &written, overtaken);
        }
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

    /// What the transactions below `end`, which are final, left in accounts;
    /// in no order.
    pub(crate) fn written_accounts(&self, end: TxIdx) -> impl Iterator<Item = WrittenAccount<'_>> {
        self.accounts.iter().filter_map(move |(_, cell)| cell.written(end))
    }

    /// What they left in slots, but for those wiped later, each with the
    /// account it belongs to as that was before the block; in no order.
    pub(crate) fn written_slots(
        &self,
        end: TxIdx,
    ) -> impl Iterator<Item = (Address, &Option<AccountInfo>, WrittenSlot)> {
        let any_wiped = self.any_wiped.is_raised();
        let accounts = &self.accounts;
        self.slots.iter().filter_map(move |(_, cell)| {
            let written = cell.written(end)?;
            let account = &accounts[written.account.position()];
            if any_wiped && account.last_wipe(end).is_some_and(|wipe| written.writer < wipe) {
                return None;
            }
            Some((account.address, account.known_base().unwrap_or(&None), written))
        })
    }
}
