//! The committed prefix of a block on the parallel path.

use crate::{block::Receipt, prepared::Prepared};
use alloy_consensus::EthereumReceipt;
use alloy_evm::{
    Evm, EvmEnv, EvmFactory,
    eth::{EthEvm, EthEvmFactory},
    precompiles::PrecompilesMap,
};
use alloy_primitives::{Address, B256, U256, map::Entry};
use blockloom_state::{BaseStateError, BlockState};
use revm::{
    Database, DatabaseCommit, DatabaseRef,
    context_interface::{
        Cfg,
        result::{EVMError, HaltReason, ResultAndState},
    },
    inspector::NoOpInspector,
    primitives::hardfork::SpecId,
    state::{Account, AccountInfo, Bytecode, EvmState, TransactionId},
};
use std::fmt::Debug;

/// Receipts and gas so far, as alloy-evm's executor counts them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) gas_used: u64,
    pub(crate) regular_gas: u64,
    pub(crate) state_gas: u64,
    pub(crate) blob_gas: u64,
}

/// State, receipts and gas at the frontier. Its owner is whoever holds the
/// frontier.
#[derive(Debug)]
pub(crate) struct Committed<B> {
    state: Lent<B>,
    env: EvmEnv,
    /// Blob gas counts from Cancun on.
    counts_blob_gas: bool,
    tally: Tally,
}

impl<B: DatabaseRef<Error = BaseStateError> + Debug> Committed<B> {
    pub(crate) fn new(state: BlockState<B>, env: EvmEnv, transactions: usize) -> Self {
        let tally = Tally { receipts: Vec::with_capacity(transactions), ..Tally::default() };
        let counts_blob_gas = env.cfg_env.spec.is_enabled_in(SpecId::CANCUN);
        Self { state: Lent(Some(Box::new(state))), env, counts_blob_gas, tally }
    }

    pub(crate) fn into_parts(self) -> (BlockState<B>, Tally) {
        (*self.state.0.expect(AT_HOME), self.tally)
    }

    pub(crate) fn state(&mut self) -> &mut BlockState<B> {
        self.state.state()
    }

    pub(crate) const fn env(&self) -> &EvmEnv {
        &self.env
    }

    /// Gas left for a transaction with this limit, if that is too little: the
    /// admission of alloy-evm's executor. From Amsterdam gas has two
    /// dimensions (EIP-8037); regular gas is capped per transaction, state gas
    /// is not.
    pub(crate) fn missing_gas(&self, gas_limit: u64) -> Option<u64> {
        let cfg = &self.env.cfg_env;
        let block_limit = self.env.block_env.gas_limit;
        let capped = gas_limit.min(cfg.tx_gas_limit_cap());
        let is_short = |wanted: u64, used: u64| {
            let available = block_limit.saturating_sub(used);
            (wanted > available).then_some(available)
        };
        if cfg.enable_amsterdam_eip8037 {
            is_short(capped, self.tally.regular_gas)
                .or_else(|| is_short(gas_limit, self.tally.state_gas))
        } else {
            is_short(capped, self.tally.gas_used)
        }
    }

    /// Pays `reward` to the beneficiary inside `state`, a transaction's result
    /// from which it was left out, in the way revm would have done.
    ///
    /// `false` if only revm itself can: a reward of zero touches the
    /// beneficiary, and what that does to an empty account depends on the fork
    /// (EIP-161).
    pub(crate) fn pay(
        &mut self,
        beneficiary: Address,
        reward: U256,
        state: &mut EvmState,
    ) -> Result<bool, BaseStateError> {
        let account = match state.entry(beneficiary) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(match self.state().basic(beneficiary)? {
                Some(info) => Account::from(info),
                None => Account::new_not_existing(TransactionId::ZERO),
            }),
        };
        if reward.is_zero() && account.is_empty() && !account.is_selfdestructed() {
            return Ok(false);
        }
        account.mark_touch();
        // A balance that would overflow stays as it is, as in revm.
        if let Some(balance) = account.info.balance.checked_add(reward) {
            account.info.balance = balance;
        }
        Ok(true)
    }

    /// Makes the result of the transaction at `position` final.
    pub(crate) fn commit(
        &mut self,
        position: usize,
        prepared: &Prepared,
        result: ResultAndState<HaltReason>,
    ) {
        let ResultAndState { result, state } = result;
        let gas = result.gas();
        self.tally.gas_used += gas.tx_gas_used();
        self.tally.regular_gas += gas.block_regular_gas_used();
        self.tally.state_gas += gas.block_state_gas_used();
        if self.counts_blob_gas {
            self.tally.blob_gas = self.tally.blob_gas.saturating_add(prepared.blob_gas);
        }
        self.tally.receipts.push(EthereumReceipt {
            tx_type: prepared.tx_type,
            success: result.is_success(),
            cumulative_gas_used: self.tally.gas_used,
            logs: result.into_logs(),
        });
        self.state().set_access_index(position as u64 + 1);
        self.state().commit(state);
    }
}

const AT_HOME: &str = "the state is lent for the time of one transaction only";

/// A block state that is lent to an EVM for one transaction at a time; boxed,
/// so that lending it moves a pointer.
#[derive(Debug)]
pub(crate) struct Lent<B>(Option<Box<BlockState<B>>>);

impl<B> Lent<B> {
    fn state(&mut self) -> &mut BlockState<B> {
        self.0.as_deref_mut().expect(AT_HOME)
    }
}

impl<B: DatabaseRef<Error = BaseStateError>> Database for Lent<B> {
    type Error = BaseStateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, BaseStateError> {
        self.state().basic(address)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, BaseStateError> {
        self.state().code_by_hash(code_hash)
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, BaseStateError> {
        self.state().storage(address, key)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, BaseStateError> {
        self.state().block_hash(number)
    }
}

/// Stock revm on committed state. One per worker, because an EVM does not
/// change threads; the state does.
pub(crate) struct FrontierEvm<B: DatabaseRef<Error = BaseStateError> + Debug> {
    evm: EthEvm<Lent<B>, NoOpInspector, PrecompilesMap>,
}

impl<B: DatabaseRef<Error = BaseStateError> + Debug> FrontierEvm<B> {
    pub(crate) fn new(env: EvmEnv) -> Self {
        Self { evm: EthEvmFactory::default().create_evm(Lent(None), env) }
    }

    /// Runs one transaction on `committed`, without committing it.
    pub(crate) fn run(
        &mut self,
        committed: &mut Committed<B>,
        prepared: &Prepared,
    ) -> Result<ResultAndState<HaltReason>, EVMError<BaseStateError>> {
        std::mem::swap(&mut committed.state, self.evm.db_mut());
        let result = self.evm.transact_raw(prepared.env.clone());
        std::mem::swap(&mut committed.state, self.evm.db_mut());
        result
    }
}
