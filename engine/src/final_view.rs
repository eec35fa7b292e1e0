//! The state at the frontier, where every lower transaction is final.

use crate::base::BaseReader;
use alloy_primitives::{Address, B256, U256};
use blockloom_scheduler::TxIdx;
use blockloom_state::{AccountIdx, BaseStateError, MultiVersionMemory};
use revm::{
    Database, DatabaseRef,
    state::{AccountId, AccountInfo, Bytecode},
};
use std::{fmt, sync::OnceLock};

/// A revm database that reads what the transactions below one of them left,
/// all of which are final, and the rewards that the beneficiary is still due.
///
/// Notes nothing: what runs on it cannot be overtaken.
pub(crate) struct FinalView<'a> {
    memory: &'a MultiVersionMemory,
    base: BaseReader<'a>,
    beneficiary: Address,
    reader: TxIdx,
    /// Not yet in the memory.
    rewards: U256,
    failure: OnceLock<BaseStateError>,
}

impl fmt::Debug for FinalView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinalView").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl<'a> FinalView<'a> {
    pub(crate) fn new(
        memory: &'a MultiVersionMemory,
        base: BaseReader<'a>,
        beneficiary: Address,
    ) -> Self {
        let (reader, rewards) = (TxIdx::default(), U256::ZERO);
        Self { memory, base, beneficiary, reader, rewards, failure: OnceLock::new() }
    }

    /// Reads as transaction `reader` from now on.
    pub(crate) const fn begin(&mut self, reader: TxIdx, rewards: U256) {
        self.reader = reader;
        self.rewards = rewards;
    }

    /// The first failure of the base state, once one is met: revm reports it
    /// in words of its own, or swallows it.
    pub(crate) fn failure(&self) -> Option<BaseStateError> {
        self.failure.get().cloned()
    }

    fn remember<T>(&self, answer: Result<T, BaseStateError>) -> Result<T, BaseStateError> {
        if let Err(error) = &answer {
            self.failure.get_or_init(|| error.clone());
        }
        answer
    }

    fn slot(&self, account: AccountIdx, key: U256) -> Result<U256, BaseStateError> {
        let slot = self.memory.slot(account, key);
        let load = |address, key| self.base.storage_ref(address, key);
        self.remember(self.memory.final_slot(slot, self.reader, load))
    }
}

impl Database for FinalView<'_> {
    type Error = BaseStateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, BaseStateError> {
        let account = self.memory.account(address);
        let load = |address| self.base.basic_ref(address);
        let mut info = self.remember(self.memory.final_account(account, self.reader, load))?;
        if address == self.beneficiary && !self.rewards.is_zero() {
            let info = info.get_or_insert_default();
            // Whoever added to the rewards made sure that the sum fits.
            info.balance = info.balance.saturating_add(self.rewards);
        }
        if let Some(info) = &mut info {
            info.account_id = AccountId::new(account.position());
        }
        Ok(info)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, BaseStateError> {
        self.remember(self.base.code_by_hash_ref(code_hash))
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, BaseStateError> {
        self.slot(self.memory.account(address), key)
    }

    fn storage_by_account_id(
        &mut self,
        _address: Address,
        account: AccountId,
        key: U256,
    ) -> Result<U256, BaseStateError> {
        self.slot(AccountIdx::new(account.get()), key)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, BaseStateError> {
        self.remember(self.base.block_hash_ref(number))
    }
}
