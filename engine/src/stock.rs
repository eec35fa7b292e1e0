//! Stock revm through alloy-evm's own block executor: the sequential path,
//! and the steps before and after the transactions for both paths.

use crate::{
    base::{BaseReader, SharedBase},
    block::{Receipt, RecoveredBlock, Transaction},
    chain_spec::ChainSpec,
    committed::Committed,
    due::{Due, Moved},
    error::{BlockError, Place},
    output::{BlockOutput, ExecutionStats, StopWatch},
    payoff::Payoff,
    sprint,
    tally::Tally,
    transactions::Transactions,
    transfer::{TRANSFER_GAS, Transfer, TransferRules},
};
use alloy_consensus::{EthereumReceipt, TxType};
use alloy_evm::{
    Evm, EvmEnv, EvmFactory,
    block::{BlockExecutionError, BlockExecutor},
    eth::{
        EthBlockExecutor, EthEvm, EthEvmFactory,
        receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
    },
    precompiles::PrecompilesMap,
};
use blockloom_state::{BaseStateError, BlockState, MultiVersionMemory};
use revm::{
    DatabaseRef,
    context_interface::result::{HaltReason, ResultAndState},
    inspector::NoOpInspector,
};
use std::fmt::Debug;

/// Receipts without their bloom filters, which are computed after the block,
/// where they can be computed in parallel.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainReceipts;

impl ReceiptBuilder for PlainReceipts {
    type Transaction = Transaction;
    type Receipt = Receipt;

    fn build_receipt<E: Evm>(&self, ctx: ReceiptBuilderCtx<'_, TxType, E>) -> Receipt {
        EthereumReceipt {
            tx_type: ctx.tx_type,
            success: ctx.result.is_success(),
            cumulative_gas_used: ctx.cumulative_gas_used,
            logs: ctx.result.into_logs(),
        }
    }
}

/// Somebody who looks on while transactions run one after another.
pub(crate) trait Observer {
    /// Whether the transaction at `position` is to run now.
    fn goes_on(&mut self, position: usize) -> bool;

    /// A transaction has run.
    fn ran(&mut self, result: &ResultAndState<HaltReason>);

    /// It was a plain transfer and was computed, with this outcome.
    fn moved(&mut self, _outcome: Moved) {}
}

/// Nobody.
struct Unobserved;

impl Observer for Unobserved {
    fn goes_on(&mut self, _position: usize) -> bool {
        true
    }

    fn ran(&mut self, _result: &ResultAndState<HaltReason>) {}
}

/// The stock executor of a block, over its state.
pub(crate) type Executor<'a, B> = EthBlockExecutor<
    'a,
    EthEvm<BlockState<B>, NoOpInspector, PrecompilesMap>,
    &'a ChainSpec,
    PlainReceipts,
>;

/// A block under stock execution.
#[derive(Clone, Copy)]
pub(crate) struct Stock<'a> {
    pub(crate) spec: &'a ChainSpec,
    pub(crate) block: &'a RecoveredBlock,
    pub(crate) transactions: &'a Transactions<'a>,
    /// Threads that may help; none for the sequential path.
    pub(crate) pool: Option<&'a rayon::ThreadPool>,
    /// Build an access list even where the fork does not ask for one.
    pub(crate) access_list: bool,
    /// Instructions sprint. They do not in the oracle.
    pub(crate) sprints: bool,
}

impl<'a> Stock<'a> {
    /// A block as every path runs it, if nothing else is asked for.
    pub(crate) const fn new(
        spec: &'a ChainSpec,
        block: &'a RecoveredBlock,
        transactions: &'a Transactions<'a>,
    ) -> Self {
        // System calls alone are done before sprinting pays.
        let sprints = !block.senders.is_empty();
        Self { spec, block, transactions, pool: None, access_list: false, sprints }
    }

    fn executor<B>(&self, state: BlockState<B>) -> Executor<'a, B>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let env = self.spec.evm_env(self.block.header());
        let evm = if self.sprints {
            sprint::evm(state, env)
        } else {
            EthEvmFactory::default().create_evm(state, env)
        };
        EthBlockExecutor::new(evm, self.block.context(), self.spec, PlainReceipts)
    }

    /// Whether the block's access list is asked for.
    pub(crate) fn builds_access_list(&self) -> bool {
        self.access_list || self.spec.has_access_list_at(self.block.header().timestamp)
    }

    fn error<B>(
        &self,
        place: Place,
        error: BlockExecutionError,
        executor: &Executor<'a, B>,
    ) -> BlockError
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let failure = executor.evm().db().failure().get().cloned();
        BlockError::from_executor(self.block.header().number, place, error, failure)
    }

    /// The state before the transactions: `base`, and the system calls on top
    /// (EIP-4788, EIP-2935).
    pub(crate) fn begun<B>(&self, base: B) -> Result<Executor<'a, B>, BlockError>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        // Each has a sender and mostly somebody it calls.
        let mut state = BlockState::with_room(base, 2 * self.transactions.len());
        if self.builds_access_list() {
            state.build_access_list();
        }
        state.set_access_index(0);
        let mut executor = self.executor(state);
        match executor.apply_pre_execution_changes() {
            Ok(()) => Ok(executor),
            Err(error) => Err(self.error(Place::Before, error, &executor)),
        }
    }

    /// Runs the whole block, one transaction after another.
    ///
    /// With `plain`, plain transfers are computed instead of interpreted;
    /// `stats` counts them. Without it this is stock revm throughout: the
    /// oracle.
    pub(crate) fn run(
        &self,
        base: BaseReader<'_>,
        plain: Option<&TransferRules>,
        stats: &mut ExecutionStats,
    ) -> Result<BlockOutput, BlockError> {
        let mut watch = StopWatch::start();
        let executor = self.begun(base)?;
        stats.stages.open = watch.lap();
        self.finish_from(0, executor, plain, stats, watch)
    }

    /// Runs what is left of the block from the transaction at `first` on, and
    /// ends it.
    pub(crate) fn finish_from<B>(
        &self,
        first: usize,
        mut executor: Executor<'a, B>,
        plain: Option<&TransferRules>,
        stats: &mut ExecutionStats,
        mut watch: StopWatch,
    ) -> Result<BlockOutput, BlockError>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        self.run_from(first, &mut executor, plain, stats, &mut Unobserved)?;
        stats.stages.sequential += watch.lap();
        let output = self.finish_executor(executor)?;
        stats.stages.close = watch.lap();
        Ok(output)
    }

    /// Runs transactions from the one at `first` on, one after another, while
    /// `observer` lets it; that hears of each but the plain transfers.
    pub(crate) fn run_from<B>(
        &self,
        first: usize,
        executor: &mut Executor<'a, B>,
        plain: Option<&TransferRules>,
        stats: &mut ExecutionStats,
        observer: &mut impl Observer,
    ) -> Result<(), BlockError>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let plain = plain.filter(|_| !self.builds_access_list());
        let mut due = Due::to(self.block.header().beneficiary);
        for position in first..self.transactions.len() {
            if !observer.goes_on(position) {
                break;
            }
            stats.sequential += 1;
            stats.executions += 1;
            let transfer = plain.and_then(|rules| Transfer::of(self.transactions, position, rules));
            if let Some(transfer) = transfer
                && let Some(outcome) = self.transfer(position, &transfer, executor, &mut due)
            {
                stats.transfers += 1;
                observer.moved(outcome);
                continue;
            }
            self.settle(&mut due, executor)?;
            self.execute(position, executor, observer)?;
        }
        self.settle(&mut due, executor)
    }

    fn execute<B>(
        &self,
        position: usize,
        executor: &mut Executor<'a, B>,
        observer: &mut impl Observer,
    ) -> Result<(), BlockError>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let env = self.transactions.env(position);
        let transaction = self.transactions.recovered(position);
        match executor.execute_transaction_without_commit((env, transaction)) {
            Ok(result) => {
                observer.ran(&result.result);
                executor.evm_mut().db_mut().set_access_index(position as u64 + 1);
                executor.commit_transaction(result);
                Ok(())
            }
            Err(error) => {
                let place = Place::Transaction(position, self.transactions.hash(position));
                Err(self.error(place, error, executor))
            }
        }
    }

    /// Computes a plain transfer, if it is no more than that, and gives its
    /// outcome; the beneficiary's reward is added to `due`.
    fn transfer<B>(
        &self,
        position: usize,
        transfer: &Transfer,
        executor: &mut Executor<'a, B>,
        due: &mut Due,
    ) -> Option<Moved>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let available = self.block.header().gas_limit - executor.cumulative_tx_gas_used;
        if self.transactions.gas_limit(position) > available {
            return None;
        }
        let outcome = due.transfer(transfer, executor.evm.db_mut())?;
        executor.cumulative_tx_gas_used += TRANSFER_GAS;
        executor.block_regular_gas_used += TRANSFER_GAS;
        let kind = self.transactions.kind(position);
        executor.receipts.push(Transfer::receipt(kind, executor.cumulative_tx_gas_used));
        Some(outcome)
    }

    /// Pays the beneficiary what it is due.
    fn settle<B>(&self, due: &mut Due, executor: &mut Executor<'a, B>) -> Result<(), BlockError>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        due.settle(executor.evm_mut().db_mut())
            .map_err(|source| BlockError::base_state(self.block.header().number, None, source))
    }

    /// What is final so far, and what to go on with.
    pub(crate) fn take_apart<B>(executor: Executor<'a, B>) -> (Tally, BlockState<B>, EvmEnv)
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let (state, env) = executor.evm.finish();
        let mut tally = Tally::new(&env);
        tally.receipts = executor.receipts;
        tally.gas_used = executor.cumulative_tx_gas_used;
        tally.regular_gas = executor.block_regular_gas_used;
        tally.state_gas = executor.block_state_gas_used;
        tally.blob_gas = executor.blob_gas_used;
        (tally, state, env)
    }

    /// The executor of a block of which so much is final.
    pub(crate) fn put_together<B>(&self, tally: Tally, state: BlockState<B>) -> Executor<'a, B>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let mut executor = self.executor(state);
        executor.receipts = tally.receipts;
        executor.cumulative_tx_gas_used = tally.gas_used;
        executor.block_regular_gas_used = tally.regular_gas;
        executor.block_state_gas_used = tally.state_gas;
        executor.blob_gas_used = tally.blob_gas;
        executor
    }

    /// Hands the block over to the parallel path after its first transactions.
    pub(crate) fn hand_over<'m>(
        &self,
        executor: Executor<'a, SharedBase<'m>>,
        memory: &'m MultiVersionMemory,
        workers: usize,
    ) -> Committed<'m> {
        let (tally, state, env) = Self::take_apart(executor);
        let payoff = Payoff::new(self.transactions.len(), workers);
        Committed::new(memory, state, env, tally, payoff)
    }

    /// Runs what is left of a block whose first transactions are in
    /// `committed`, and ends it.
    pub(crate) fn close(
        &self,
        committed: Committed<'_>,
        plain: &TransferRules,
        stats: &mut ExecutionStats,
    ) -> Result<BlockOutput, BlockError> {
        let mut watch = StopWatch::start();
        let (state, tally) = committed
            .into_parts(self.transactions.len())
            .map_err(|source| BlockError::base_state(self.block.header().number, None, source))?;
        let first = tally.receipts.len();
        let executor = self.put_together(tally, state);
        stats.stages.gather = watch.lap();
        self.finish_from(first, executor, Some(plain), stats, watch)
    }

    /// Requests, withdrawals, rewards and the DAO fork; then the result.
    fn finish_executor<B>(&self, mut executor: Executor<'a, B>) -> Result<BlockOutput, BlockError>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let number = self.block.header().number;
        executor.evm_mut().db_mut().set_access_index(self.transactions.len() as u64 + 1);
        let failure = executor.evm().db().failure();
        let (mut evm, result) = executor.finish().map_err(|error| {
            BlockError::from_executor(number, Place::After, error, failure.get().cloned())
        })?;
        Ok(BlockOutput {
            receipts: result.receipts,
            requests: result.requests,
            gas_used: result.gas_used,
            blob_gas_used: result.blob_gas_used,
            access_list: evm.db_mut().take_access_list(),
            changes: match self.pool {
                Some(pool) => evm.db().changes_on(pool),
                None => evm.db().changes(),
            },
        })
    }
}
