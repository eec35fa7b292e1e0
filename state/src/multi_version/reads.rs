//! What a transaction finds.

use super::{
    AccountIdx, MultiVersionMemory, ReadError, Reader, SlotIdx, Stamp, account::AccountCell,
    chain::Interest, slot::Source,
};
use crate::changes::AccountBasics;
use alloy_primitives::{Address, U256};
use blockloom_scheduler::TxIdx;
use revm::state::AccountInfo;

impl MultiVersionMemory {
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
}
