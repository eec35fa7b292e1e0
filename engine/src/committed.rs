//! The committed prefix of a block on the parallel path.

use crate::{
    base::SharedBase,
    final_view::FinalView,
    payoff::Payoff,
    sprint,
    tally::Tally,
    transactions::Transactions,
    transfer::{Transfer, TransferRules},
    writes,
};
use alloy_evm::{Evm, EvmEnv, eth::EthEvm, precompiles::PrecompilesMap};
use alloy_primitives::{Address, U256};
use blockloom_scheduler::TxIdx;
use blockloom_state::{
    AccountBasics, AccountIdx, AccountWrite, BaseStateError, BlockState, Drift, MultiVersionMemory,
    WriteSet,
};
use revm::{
    DatabaseRef,
    context::TxEnv,
    context_interface::result::{EVMError, ExecutionResult, HaltReason, ResultAndState},
    inspector::NoOpInspector,
    state::EvmState,
};

/// What is final beside the multi-version memory: receipts, gas, and the
/// beneficiary's rewards. Its owner is whoever holds the frontier.
///
/// The transactions' own writes are not copied: those of a committed
/// transaction stay in the memory, which no later one changes.
#[derive(Debug)]
pub(crate) struct Committed<'a> {
    memory: &'a MultiVersionMemory,
    env: EvmEnv,
    tally: Tally,
    /// Due to the beneficiary on top of what the memory says it has: rewards
    /// of committed speculation. A transaction that runs at the frontier and
    /// writes the beneficiary moves them into the memory.
    rewards: U256,
    payoff: Payoff,
    /// The state before the transactions, which takes over the memory's at the
    /// end; collects the access list, where one is asked for, as it goes.
    state: BlockState<SharedBase<'a>>,
}

impl<'a> Committed<'a> {
    pub(crate) fn new(
        memory: &'a MultiVersionMemory,
        state: BlockState<SharedBase<'a>>,
        env: EvmEnv,
        tally: Tally,
        payoff: Payoff,
    ) -> Self {
        state.preset(memory);
        let rewards = U256::ZERO;
        Self { memory, env, tally, rewards, payoff, state }
    }

    /// The state with everything in it that is committed, receipts and gas;
    /// once nobody works on the block of so many `transactions` any more.
    pub(crate) fn into_parts(
        mut self,
        transactions: usize,
    ) -> Result<(BlockState<SharedBase<'a>>, Tally), BaseStateError> {
        self.state.absorb(self.memory, TxIdx::new(self.tally.receipts.len()));
        self.state.credit(self.beneficiary(), self.rewards)?;
        if self.tally.receipts.len() < transactions {
            // The rest finds little there, and looking for it takes time.
            self.state.base_mut().memory = None;
        }
        Ok((self.state, self.tally))
    }

    const fn beneficiary(&self) -> Address {
        self.env.block_env.beneficiary
    }

    /// Rewards that the memory does not know of.
    pub(crate) const fn rewards(&self) -> U256 {
        self.rewards
    }

    /// The memory took over all rewards.
    pub(crate) const fn rewards_are_written(&mut self) {
        self.rewards = U256::ZERO;
    }

    /// Whether results must be complete, account by account, because somebody
    /// looks at them.
    pub(crate) const fn wants_states(&self) -> bool {
        self.state.builds_access_list()
    }

    /// Gas left for a transaction with this limit, if that is too little.
    pub(crate) fn missing_gas(&self, gas_limit: u64) -> Option<u64> {
        self.tally.missing_gas(gas_limit)
    }

    /// The beneficiary as `reader`, below whom everything is final, finds it,
    /// rewards included; `None` if there is no such account.
    pub(crate) fn beneficiary_before(
        &self,
        reader: TxIdx,
    ) -> Result<Option<AccountBasics>, BaseStateError> {
        let known = self.basics(self.memory.account(self.beneficiary()), reader)?;
        if self.rewards.is_zero() {
            return Ok(known);
        }
        let known = known.unwrap_or(AccountBasics::NOBODY);
        // What `pay` has checked fits; a later credit that does not is found
        // there, and revm itself is asked.
        let balance = known.balance.saturating_add(self.rewards);
        Ok(Some(AccountBasics { balance, ..known }))
    }

    /// Adds `reward` of the speculation of `tx`, whose own writes are in the
    /// memory, to what the beneficiary is due.
    ///
    /// `false` if only revm itself can: a reward of zero touches the
    /// beneficiary, and what that does to an empty account depends on the fork
    /// (EIP-161); and a balance that would overflow stays as it is.
    pub(crate) fn pay(&mut self, tx: TxIdx, reward: U256) -> Result<bool, BaseStateError> {
        let now = self.beneficiary_before(tx.next())?.unwrap_or(AccountBasics::NOBODY);
        if (reward.is_zero() && now.is_empty()) || now.balance.checked_add(reward).is_none() {
            return Ok(false);
        }
        self.rewards += reward;
        Ok(true)
    }

    /// Brings the accounts of a valid speculation up to what stock revm would
    /// have left: `drifts`, and the beneficiary's `reward`.
    ///
    /// `false` if a balance would overflow.
    pub(crate) fn complete(
        &self,
        tx: TxIdx,
        reward: Option<U256>,
        drifts: &[Drift],
        state: &mut EvmState,
    ) -> Result<bool, BaseStateError> {
        if !writes::apply_drifts(state, drifts) {
            return Ok(false);
        }
        let Some(reward) = reward else { return Ok(true) };
        let now = self.beneficiary_before(tx)?.map(AccountBasics::into_info);
        Ok(writes::reward(state, self.beneficiary(), now, reward))
    }

    /// Takes the result of the transaction at `position` as final; its writes
    /// are in the memory already. `state` says what it did, if
    /// [`wants_states`](Self::wants_states).
    pub(crate) fn commit(
        &mut self,
        position: usize,
        transactions: &Transactions<'_>,
        result: ExecutionResult<HaltReason>,
        state: Option<&EvmState>,
    ) {
        self.tally.add(position, transactions, result);
        if let Some(state) = state {
            self.state.set_access_index(position as u64 + 1);
            self.state.list_access(state);
        }
    }

    /// What came of speculation so far.
    pub(crate) const fn payoff(&mut self) -> &mut Payoff {
        &mut self.payoff
    }

    /// Computes the transaction at `position`, if it is a plain transfer, and
    /// takes it as final; the caller publishes `writes`. `false` if it is for
    /// revm, and nothing is changed then.
    ///
    /// A base state that fails leaves it to revm as well, which asks in its own
    /// order and may find the transaction invalid before it comes to what
    /// cannot be read.
    pub(crate) fn transfer(
        &mut self,
        position: usize,
        transactions: &Transactions<'_>,
        rules: &TransferRules,
        writes: &mut WriteSet,
    ) -> bool {
        self.try_transfer(position, transactions, rules, writes).unwrap_or(false)
    }

    fn try_transfer(
        &mut self,
        position: usize,
        transactions: &Transactions<'_>,
        rules: &TransferRules,
        writes: &mut WriteSet,
    ) -> Result<bool, BaseStateError> {
        let Some(transfer) = Transfer::of(transactions, position, rules) else {
            return Ok(false);
        };
        let tx = TxIdx::new(position);
        let accounts = [transfer.from, transfer.to].map(|address| self.memory.account(address));
        let mut before = [None; 2];
        for (account, before) in accounts.iter().zip(&mut before) {
            *before = self.basics(*account, tx)?;
        }
        let Some(after) = transfer.apply(before) else { return Ok(false) };
        if !self.pay(tx, transfer.reward)? {
            return Ok(false);
        }
        writes.clear();
        for ((account, before), after) in accounts.into_iter().zip(before).zip(after) {
            let write = match before {
                // A credit leaves those alone who do not look at the balance.
                Some(before) if before.nonce == after.nonce && !before.is_empty() => {
                    AccountWrite::Credit(after.balance - before.balance)
                }
                _ => AccountWrite::Set { info: Some(after.into_info()), wiped: false },
            };
            writes.accounts.push((account, write));
        }
        self.tally.add_transfer(transactions.kind(position));
        Ok(true)
    }

    /// An account's basics as `reader`, below whom everything is final, finds
    /// them.
    fn basics(
        &self,
        account: AccountIdx,
        reader: TxIdx,
    ) -> Result<Option<AccountBasics>, BaseStateError> {
        match self.memory.peek_account(account, reader) {
            Some(known) => Ok(known),
            None => {
                let load = |address| self.state.base().basic_ref(address);
                let info = self.memory.final_account(account, reader, load)?;
                Ok(info.as_ref().map(AccountBasics::from))
            }
        }
    }
}

/// Ethereum's EVM at the frontier. One per worker, because an EVM does not change
/// threads.
pub(crate) struct FrontierEvm<'a> {
    evm: EthEvm<FinalView<'a>, NoOpInspector, PrecompilesMap>,
}

impl<'a> FrontierEvm<'a> {
    pub(crate) fn new(view: FinalView<'a>, env: EvmEnv) -> Self {
        Self { evm: sprint::evm(view, env) }
    }

    /// Runs transaction `tx`, at the frontier, without committing it.
    pub(crate) fn run(
        &mut self,
        tx: TxIdx,
        rewards: U256,
        env: TxEnv,
    ) -> Result<ResultAndState<HaltReason>, EVMError<BaseStateError>> {
        self.evm.db_mut().begin(tx, rewards);
        self.evm.transact_raw(env)
    }

    /// The base state's first failure, if it had one.
    pub(crate) fn failure(&self) -> Option<BaseStateError> {
        self.evm.db().failure()
    }
}
