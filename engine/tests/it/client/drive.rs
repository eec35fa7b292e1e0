//! Callers of a block executor, and everything they see of it.

use super::{
    chain::Chain,
    recorder::{Asked, Ledger},
};
use alloy_consensus::transaction::Recovered;
use alloy_evm::{
    Evm, EvmEnv, EvmFactory,
    block::{
        BalIndexedDatabase, BlockExecutionError, BlockExecutionResult, BlockExecutor,
        BlockExecutorFactory, CommitChanges, GasOutput, TxResult,
    },
    eth::EthBlockExecutionCtx,
};
use blockloom_engine::Transaction;
use parking_lot::Mutex;
use revm::{
    context::{BlockEnv, TxEnv},
    context_interface::result::{ExecutionResult, HaltReason, ResultAndState},
    database::{BundleState, states::bundle_state::BundleRetention},
    primitives::hardfork::SpecId,
    state::EvmState,
};
use std::{
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

/// How a caller goes about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// `execute_block`.
    WholeBlock,
    /// As reth does for new payloads: `execute_transaction`, one by one, and
    /// stop at the first that fails.
    OneByOne,
    /// The same with positions, while an access list is built.
    Indexed,
    /// First without committing, then commits, as a node's parallel path does.
    Apart,
    /// As builders do: goes on where a transaction fails, refuses every third,
    /// and runs that again.
    Picky,
    /// Leaves out every fifth transaction, and goes on where one fails.
    Leaping,
    /// Swaps neighbours, and goes on where one fails.
    Swapping,
    /// Stops in the middle and closes the block.
    HalfWay,
}

/// One call and what came of it, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Gas(Option<GasOutput>),
    Result(ExecutionResult<HaltReason>, EvmState),
    Error(String),
}

/// Everything a caller can see of one block.
#[derive(Debug, PartialEq)]
pub(crate) struct Transcript<R> {
    pub(crate) calls: Vec<Seen>,
    /// What the state hook was told, in order.
    pub(crate) hooks: Vec<EvmState>,
    pub(crate) end: Result<BlockExecutionResult<R>, String>,
    /// What became of the state.
    pub(crate) bundle: BundleState,
    pub(crate) access_list: Option<alloy_eip7928::BlockAccessList>,
    /// What the database was asked, in order.
    pub(crate) asked: Vec<Asked>,
}

/// The environment of a factory's EVMs.
pub(crate) type EnvOf<F> = EvmEnv<<<F as BlockExecutorFactory>::EvmFactory as EvmFactory>::Spec>;

/// A factory of Ethereum executors, of whatever EVM.
pub(crate) trait Factory:
    for<'a> BlockExecutorFactory<
        EvmFactory: EvmFactory<Tx = TxEnv, BlockEnv = BlockEnv, HaltReason = HaltReason>,
        ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
        Transaction = Transaction,
        Receipt: Debug + PartialEq,
    >
{
}

impl<F> Factory for F where
    F: for<'a> BlockExecutorFactory<
            EvmFactory: EvmFactory<Tx = TxEnv, BlockEnv = BlockEnv, HaltReason = HaltReason>,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = Transaction,
            Receipt: Debug + PartialEq,
        >
{
}

/// What fails while a block is run. A number is that of a question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// The database fails from this question on.
    pub(crate) question: usize,
    /// The state hook panics when it has been told so many times.
    pub(crate) hook: usize,
}

impl From<usize> for Faults {
    fn from(question: usize) -> Self {
        Self { question, hook: usize::MAX }
    }
}

/// Runs the block of `chain` as `caller` does, with `faults`.
pub(crate) fn drive<F: Factory<EvmFactory: EvmFactory<Spec = SpecId>>>(
    factory: &F,
    chain: &Chain,
    caller: Caller,
    faults: impl Into<Faults>,
) -> Transcript<F::Receipt> {
    drive_in(factory, chain.env(), chain, caller, faults)
}

/// The same in an environment of its own.
pub(crate) fn drive_in<F: Factory>(
    factory: &F,
    env: EnvOf<F>,
    chain: &Chain,
    caller: Caller,
    faults: impl Into<Faults>,
) -> Transcript<F::Receipt> {
    let faults = faults.into();
    let ledger = Ledger::new(&chain.base, faults.question);
    let hooks = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&hooks);
    {
        let mut state = ledger.state();
        state.set_state_hook(Some(Box::new(move |state: EvmState| {
            let mut told = told.lock();
            if told.len() == faults.hook {
                // A panic that prints nothing.
                resume_unwind(Box::new("the hook fails"));
            }
            told.push(state);
        })));
        if caller == Caller::Indexed {
            state.bal_state = std::mem::take(&mut state.bal_state).with_bal_builder();
        }
    }
    let mut calls = Vec::new();
    let evm = factory.evm_factory().create_evm(ledger.clone(), env);
    let executor = factory.create_executor(evm, chain.ctx());
    let end =
        catch_unwind(AssertUnwindSafe(|| run(executor, &chain.transactions(), caller, &mut calls)));
    let end = match end {
        Ok(end) => end.map_err(|error| format!("{error:?}")),
        Err(panic) => Err(format!("panic: {:?}", panic.downcast_ref::<&str>())),
    };
    let mut asked = ledger.asked();
    // alloy-evm pays in an order that is another one every time.
    let first_paid = chain.payments(&asked);
    asked[first_paid..].sort_unstable();
    let mut state = ledger.state();
    state.set_state_hook(None);
    state.merge_transitions(BundleRetention::Reverts);
    let bundle = state.take_bundle();
    let access_list = state.take_built_alloy_bal();
    let hooks = std::mem::take(&mut *hooks.lock());
    Transcript { calls, hooks, end, bundle, access_list, asked }
}

type Ended<X> = Result<BlockExecutionResult<<X as BlockExecutor>::Receipt>, BlockExecutionError>;

/// Goes about the block as `caller` does.
fn run<X>(
    mut executor: X,
    transactions: &[Recovered<&Transaction>],
    caller: Caller,
    calls: &mut Vec<Seen>,
) -> Ended<X>
where
    X: BlockExecutor<
            Evm: Evm<DB = Ledger, Tx = TxEnv, HaltReason = HaltReason>,
            Transaction = Transaction,
        >,
{
    if caller == Caller::WholeBlock {
        return executor.execute_block(transactions.iter().copied());
    }
    executor.apply_pre_execution_changes()?;
    let end = if caller == Caller::HalfWay { transactions.len() / 2 } else { transactions.len() };
    let mut order: Vec<_> = (0..end).collect();
    if caller == Caller::Swapping {
        order.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    }
    for position in order {
        let transaction = transactions[position];
        match caller {
            Caller::WholeBlock => {}
            Caller::Indexed => {
                let gas = executor.execute_transaction_with_index(transaction, position)?;
                calls.push(Seen::Gas(Some(gas)));
            }
            Caller::OneByOne | Caller::HalfWay => {
                calls.push(Seen::Gas(Some(executor.execute_transaction(transaction)?)));
            }
            Caller::Apart => {
                let output = executor.execute_transaction_without_commit(transaction)?;
                calls.push(seen(&output));
                calls.push(Seen::Gas(Some(executor.commit_transaction(output))));
            }
            Caller::Leaping if position % 5 == 4 => {}
            Caller::Leaping | Caller::Swapping => {
                let mut result = None;
                let gas = executor.execute_transaction_with_result_closure(transaction, |output| {
                    result = Some(seen(output));
                });
                calls.extend(result);
                calls.push(gas_or_error(gas.map(Some)));
            }
            Caller::Picky => {
                let mut pick = |is_wanted: bool, calls: &mut Vec<Seen>| {
                    let mut result = None;
                    let gas =
                        executor.execute_transaction_with_commit_condition(transaction, |output| {
                            result = Some(seen(output));
                            if is_wanted { CommitChanges::Yes } else { CommitChanges::No }
                        });
                    calls.extend(result);
                    calls.push(gas_or_error(gas));
                };
                if position % 3 == 2 {
                    pick(false, calls);
                }
                pick(true, calls);
            }
        }
    }
    if caller == Caller::Indexed {
        executor.evm_mut().db_mut().bump_bal_index();
    }
    executor.apply_post_execution_changes()
}

fn seen<R: TxResult<HaltReason = HaltReason>>(output: &R) -> Seen {
    let ResultAndState { result, state } = output.result();
    Seen::Result(result.clone(), state.clone())
}

fn gas_or_error(gas: Result<Option<GasOutput>, BlockExecutionError>) -> Seen {
    match gas {
        Ok(gas) => Seen::Gas(gas),
        Err(error) => Seen::Error(format!("{error:?}")),
    }
}

/// Asserts that two transcripts are the same, and says where they first differ.
#[track_caller]
pub(crate) fn assert_same<R: Debug + PartialEq>(
    actual: &Transcript<R>,
    expected: &Transcript<R>,
    what: &str,
) {
    if actual == expected {
        return;
    }
    assert_eq!(actual.calls.len(), expected.calls.len(), "{what}: calls");
    for (position, actual) in actual.calls.iter().enumerate() {
        assert_eq!(actual, &expected.calls[position], "{what}: call {position}");
    }
    assert_eq!(actual.hooks.len(), expected.hooks.len(), "{what}: hooks");
    for (position, actual) in actual.hooks.iter().enumerate() {
        assert_eq!(actual, &expected.hooks[position], "{what}: hook {position}");
    }
    assert_eq!(actual.end, expected.end, "{what}: end");
    assert_eq!(actual.access_list, expected.access_list, "{what}: access list");
    let first = (0..actual.asked.len())
        .find(|position| actual.asked.get(*position) != expected.asked.get(*position));
    if let Some(first) = first {
        panic!(
            "{what}: question {first} was {:?}, not {:?}",
            actual.asked[first],
            expected.asked.get(first)
        );
    }
    assert_eq!(actual.asked.len(), expected.asked.len(), "{what}: questions");
    assert_eq!(actual.bundle, expected.bundle, "{what}: bundle");
}
