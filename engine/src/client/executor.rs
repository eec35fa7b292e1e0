//! A block executor whose transactions run ahead.

use super::{
    evm::{AheadEvm, AheadEvmFactory, RunsAhead},
    plan::{BlockKey, BlockPlan},
    stats::AheadStats,
    strategy::{PlanFactory, Strategy},
    stream::{CommittedBy, StreamError, execute_streaming},
};
use alloy_evm::{
    Evm,
    block::{
        BalIndexedDatabase, BlockExecutionError, BlockExecutionResult, BlockExecutor,
        BlockExecutorFactory, CommitChanges, ExecutableTx, ExecutableTxParts, GasOutput, StateDB,
    },
};
use alloy_primitives::B256;
use parking_lot::Mutex;
use revm::{Inspector, context_interface::Block};
use std::{collections::VecDeque, fmt, ops::ControlFlow, sync::Arc};

/// Plans that wait for their executor, at most; the oldest makes room.
const MAX_PLANS: usize = 8;

/// Finds a block's parent in the inner factory's context.
type ParentOf<F> = for<'a> fn(&<F as BlockExecutorFactory>::ExecutionCtx<'a>) -> B256;

/// Plans by the block they are for.
type Plans<Tx> = Mutex<VecDeque<(BlockKey, BlockPlan<Tx>)>>;

/// A block executor factory around another one, whose EVM factory is an
/// [`AheadEvmFactory`].
///
/// The inner factory must be built on that, because alloy-evm's executors take
/// the results of transactions from their EVM only; receipts, gas, errors and
/// hooks then are the inner executor's own work.
pub struct ParallelBlockExecutorFactory<F: BlockExecutorFactory> {
    inner: F,
    parent_of: Option<ParentOf<F>>,
    plans: Arc<Plans<<F::EvmFactory as alloy_evm::EvmFactory>::Tx>>,
}

impl<F: BlockExecutorFactory + Clone> Clone for ParallelBlockExecutorFactory<F> {
    fn clone(&self) -> Self {
        let plans = Arc::clone(&self.plans);
        Self { inner: self.inner.clone(), parent_of: self.parent_of, plans }
    }
}

impl<F: BlockExecutorFactory> fmt::Debug for ParallelBlockExecutorFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParallelBlockExecutorFactory").finish_non_exhaustive()
    }
}

impl<F, E, S> ParallelBlockExecutorFactory<F>
where
    F: BlockExecutorFactory<EvmFactory = AheadEvmFactory<E, S>>,
    E: PlanFactory,
    S: Strategy<E>,
{
    /// Wraps `inner`.
    pub fn new(inner: F) -> Self {
        Self { inner, parent_of: None, plans: Arc::default() }
    }

    /// Lets executors tell from their context which block's state they run on,
    /// so that [`execute_block`](BlockExecutor::execute_block) can use
    /// [snapshots](super::SnapshotFactory). For Ethereum: `|ctx| ctx.parent_hash`.
    #[must_use]
    pub fn with_parent_of(self, parent_of: ParentOf<F>) -> Self {
        Self { parent_of: Some(parent_of), ..self }
    }

    /// The wrapped factory.
    pub const fn inner(&self) -> &F {
        &self.inner
    }

    /// Says what is going to be run in `block`. The next executor for it takes
    /// the plan; one that nobody takes is forgotten after a few others.
    ///
    /// This is for callers that run transactions one by one and cannot reach
    /// the executor before. Whoever can tells it directly
    /// ([`ParallelBlockExecutor::plan`]), and `execute_block` needs no plan.
    pub fn announce(&self, block: &impl Block, plan: BlockPlan<E::Tx>) {
        let mut plans = self.plans.lock();
        if plans.len() == MAX_PLANS {
            plans.pop_front();
        }
        plans.push_back((BlockKey::of(block), plan));
    }

    /// The newest plan for `block`.
    fn plan_for(&self, block: &impl Block) -> Option<BlockPlan<E::Tx>> {
        let key = BlockKey::of(block);
        let mut plans = self.plans.lock();
        let position = plans.iter().rposition(|(of, _)| *of == key)?;
        plans.remove(position).map(|(_, plan)| plan)
    }
}

impl<F, E, S> BlockExecutorFactory for ParallelBlockExecutorFactory<F>
where
    F: BlockExecutorFactory<EvmFactory = AheadEvmFactory<E, S>>,
    E: PlanFactory,
    S: Strategy<E>,
{
    type EvmFactory = AheadEvmFactory<E, S>;
    type TxExecutionResult = F::TxExecutionResult;
    type ExecutionCtx<'a> = F::ExecutionCtx<'a>;
    type Transaction = F::Transaction;
    type Receipt = F::Receipt;
    type Executor<'a, DB: StateDB, I: Inspector<E::Context<DB>>> =
        ParallelBlockExecutor<F::Executor<'a, DB, I>>;

    fn evm_factory(&self) -> &Self::EvmFactory {
        self.inner.evm_factory()
    }

    fn create_executor<'a, DB, I>(
        &'a self,
        mut evm: AheadEvm<E, S, DB, I>,
        ctx: Self::ExecutionCtx<'a>,
    ) -> Self::Executor<'a, DB, I>
    where
        DB: StateDB,
        I: Inspector<E::Context<DB>>,
    {
        let mut parent = self.parent_of.map(|parent_of| parent_of(&ctx));
        if let Some(plan) = self.plan_for(evm.block()) {
            parent = plan.parent.or(parent);
            evm.plan(BlockPlan { parent, ..plan });
        }
        ParallelBlockExecutor { inner: self.inner.create_executor(evm, ctx), parent }
    }
}

/// A block executor around another one, on an EVM that [runs ahead](RunsAhead).
///
/// Every call goes on to the inner executor, whose EVM is fast where results
/// were made ahead. `execute_block` makes its transactions the plan.
#[derive(Debug)]
pub struct ParallelBlockExecutor<X> {
    inner: X,
    /// Whose state the block runs on, where that is known.
    parent: Option<B256>,
}

impl<X: BlockExecutor<Evm: RunsAhead>> ParallelBlockExecutor<X> {
    /// Says which transactions are going to be run.
    pub fn plan(&mut self, plan: BlockPlan<<X::Evm as Evm>::Tx>) {
        let parent = plan.parent.or(self.parent);
        self.inner.evm_mut().plan(BlockPlan { parent, ..plan });
    }

    /// What came of running ahead, since the last plan.
    pub fn stats(&self) -> AheadStats {
        self.inner.evm().stats()
    }

    /// Executes a block whose transactions are handed to `sink` one by one, see
    /// [`execute_streaming`].
    ///
    /// # Errors
    ///
    /// [`StreamError`], which says how many transactions were handed out.
    pub fn execute_streaming(
        mut self,
        transactions: impl IntoIterator<Item = impl ExecutableTx<Self>>,
        sink: impl FnMut(CommittedBy<Self>) -> ControlFlow<()>,
    ) -> Result<BlockExecutionResult<X::Receipt>, StreamError>
    where
        X: BlockExecutor<Receipt: Clone>,
        <X::Evm as Evm>::Tx: Clone,
    {
        let transactions = self.plan_all(transactions);
        execute_streaming(self, transactions, sink)
    }

    /// Makes `transactions` the plan, and takes them apart.
    fn plan_all<T: ExecutableTx<X>>(
        &mut self,
        transactions: impl IntoIterator<Item = T>,
    ) -> Vec<(<X::Evm as Evm>::Tx, T::Recovered)>
    where
        <X::Evm as Evm>::Tx: Clone,
    {
        let transactions: Vec<_> =
            transactions.into_iter().map(ExecutableTxParts::into_parts).collect();
        let planned = transactions.iter().map(|(env, _)| env.clone()).collect();
        self.plan(BlockPlan { parent: None, transactions: planned });
        transactions
    }

    fn settled<T>(
        &mut self,
        outcome: Result<T, BlockExecutionError>,
    ) -> Result<T, BlockExecutionError> {
        self.inner.evm_mut().settle(outcome.is_ok());
        outcome
    }
}

impl<X> BlockExecutor for ParallelBlockExecutor<X>
where
    X: BlockExecutor<Evm: RunsAhead>,
    <X::Evm as Evm>::Tx: Clone,
{
    type Transaction = X::Transaction;
    type Receipt = X::Receipt;
    type Evm = X::Evm;
    type Result = X::Result;

    fn apply_pre_execution_changes(&mut self) -> Result<(), BlockExecutionError> {
        self.inner.apply_pre_execution_changes()
    }

    fn execute_transaction(
        &mut self,
        tx: impl ExecutableTx<Self>,
    ) -> Result<GasOutput, BlockExecutionError> {
        let gas = self.inner.execute_transaction(tx.into_parts());
        self.settled(gas)
    }

    fn execute_transaction_with_index(
        &mut self,
        tx: impl ExecutableTx<Self>,
        tx_index: usize,
    ) -> Result<GasOutput, BlockExecutionError>
    where
        <Self::Evm as Evm>::DB: BalIndexedDatabase,
    {
        let gas = self.inner.execute_transaction_with_index(tx.into_parts(), tx_index);
        self.settled(gas)
    }

    fn execute_transaction_with_index_and_result_closure(
        &mut self,
        tx: impl ExecutableTx<Self>,
        tx_index: usize,
        f: impl FnOnce(&Self::Result),
    ) -> Result<GasOutput, BlockExecutionError>
    where
        <Self::Evm as Evm>::DB: BalIndexedDatabase,
    {
        let inner = &mut self.inner;
        let gas =
            inner.execute_transaction_with_index_and_result_closure(tx.into_parts(), tx_index, f);
        self.settled(gas)
    }

    fn execute_transaction_with_result_closure(
        &mut self,
        tx: impl ExecutableTx<Self>,
        f: impl FnOnce(&Self::Result),
    ) -> Result<GasOutput, BlockExecutionError> {
        let gas = self.inner.execute_transaction_with_result_closure(tx.into_parts(), f);
        self.settled(gas)
    }

    fn execute_transaction_with_commit_condition(
        &mut self,
        tx: impl ExecutableTx<Self>,
        f: impl FnOnce(&Self::Result) -> CommitChanges,
    ) -> Result<Option<GasOutput>, BlockExecutionError> {
        let gas = self.inner.execute_transaction_with_commit_condition(tx.into_parts(), f);
        self.inner.evm_mut().settle(matches!(gas, Ok(Some(_))));
        gas
    }

    fn execute_transaction_without_commit(
        &mut self,
        tx: impl ExecutableTx<Self>,
    ) -> Result<Self::Result, BlockExecutionError> {
        self.inner.execute_transaction_without_commit(tx.into_parts())
    }

    fn commit_transaction(&mut self, output: Self::Result) -> GasOutput {
        let gas = self.inner.commit_transaction(output);
        self.inner.evm_mut().settle(true);
        gas
    }

    fn finish(
        self,
    ) -> Result<(Self::Evm, BlockExecutionResult<Self::Receipt>), BlockExecutionError> {
        self.inner.finish()
    }

    fn apply_post_execution_changes(
        self,
    ) -> Result<BlockExecutionResult<Self::Receipt>, BlockExecutionError> {
        self.inner.apply_post_execution_changes()
    }

    fn evm_mut(&mut self) -> &mut Self::Evm {
        self.inner.evm_mut()
    }

    fn evm(&self) -> &Self::Evm {
        self.inner.evm()
    }

    fn receipts(&self) -> &[Self::Receipt] {
        self.inner.receipts()
    }

    fn execute_block(
        mut self,
        transactions: impl IntoIterator<Item = impl ExecutableTx<Self>>,
    ) -> Result<BlockExecutionResult<Self::Receipt>, BlockExecutionError> {
        let transactions = self.plan_all(transactions);
        let number = self.inner.evm().block().number();
        let n_transactions = transactions.len();
        let span = tracing::debug_span!("execute_ahead", %number, transactions = n_transactions);
        let _entered = span.enter();
        self.inner.execute_block(transactions)
    }
}
