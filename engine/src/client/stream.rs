//! Transactions as they become final.

use alloy_evm::{
    Evm,
    block::{
        BlockExecutionError, BlockExecutionResult, BlockExecutor, ExecutableTx, GasOutput, TxResult,
    },
};
use revm::{context_interface::result::ExecutionResult, state::EvmState};
use std::{
    ops::ControlFlow,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

/// One transaction that is final, while later ones are still running.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed<R, H> {
    /// Its position in the block.
    pub index: usize,
    /// Its receipt.
    pub receipt: R,
    /// Gas it used.
    pub gas: GasOutput,
    /// What the EVM said of it.
    pub result: ExecutionResult<H>,
    /// Every account and slot it accessed, those it changed marked as touched
    /// and changed: its state diff and its access set.
    pub accessed: EvmState,
}

/// What an executor hands out of a transaction.
pub type CommittedBy<X> =
    Committed<<X as BlockExecutor>::Receipt, <<X as BlockExecutor>::Evm as Evm>::HaltReason>;

/// Why a stream ended before its block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The block has no result.
    #[error("after {committed} transactions")]
    Execution {
        /// Transactions that were handed out.
        committed: usize,
        /// Why.
        #[source]
        source: BlockExecutionError,
    },
    /// Whoever listened had enough.
    #[error("cancelled after {committed} transactions")]
    Cancelled {
        /// Transactions that were handed out.
        committed: usize,
    },
}

/// Executes a block on `executor` and hands each transaction to `sink` as soon
/// as it is committed, in block order, on the calling thread.
///
/// While `sink` works, nothing else becomes final: that is the back-pressure.
/// Workers go on running ahead meanwhile, at most to the end of the block. If
/// it breaks, the executor is dropped, and with it whatever runs ahead.
///
/// # Errors
///
/// [`StreamError`], which says how many transactions were handed out.
pub fn execute_streaming<X>(
    mut executor: X,
    transactions: impl IntoIterator<Item = impl ExecutableTx<X>>,
    mut sink: impl FnMut(CommittedBy<X>) -> ControlFlow<()>,
) -> Result<BlockExecutionResult<X::Receipt>, StreamError>
where
    X: BlockExecutor<Receipt: Clone>,
{
    let mut committed = 0;
    let failed = |committed| move |source| StreamError::Execution { committed, source };
    executor.apply_pre_execution_changes().map_err(failed(committed))?;
    for transaction in transactions {
        let (result, accessed, gas) =
            execute(&mut executor, transaction).map_err(failed(committed))?;
        let Some(receipt) = executor.receipts().last().cloned() else {
            let source = BlockExecutionError::msg("the executor keeps no receipts");
            return Err(failed(committed)(source));
        };
        let flow = sink(Committed { index: committed, receipt, gas, result, accessed });
        committed += 1;
        if flow.is_break() {
            return Err(StreamError::Cancelled { committed });
        }
    }
    executor.apply_post_execution_changes().map_err(failed(committed))
}

/// One transaction: what the EVM said, what it accessed, and its gas.
type Ran<X> =
    (ExecutionResult<<<X as BlockExecutor>::Evm as Evm>::HaltReason>, EvmState, GasOutput);

fn execute<X: BlockExecutor>(
    executor: &mut X,
    transaction: impl ExecutableTx<X>,
) -> Result<Ran<X>, BlockExecutionError> {
    let output = executor.execute_transaction_without_commit(transaction)?;
    let result = output.result().result.clone();
    let accessed = output.result().state.clone();
    let gas = executor.commit_transaction(output);
    Ok((result, accessed, gas))
}

/// A sink for [`execute_streaming`] and the iterator that its transactions come
/// out of, on another thread.
///
/// At most `capacity` of them wait in between; then the block waits as well.
/// Dropping the iterator cancels the block.
pub fn committed_channel<R, H>(capacity: usize) -> (CommittedSender<R, H>, CommittedStream<R, H>) {
    let (sender, receiver) = sync_channel(capacity);
    (CommittedSender(sender), CommittedStream(receiver))
}

/// Where committed transactions go.
#[derive(Clone, Debug)]
pub struct CommittedSender<R, H>(SyncSender<Committed<R, H>>);

impl<R, H> CommittedSender<R, H> {
    /// Hands one over, when there is room; breaks if nobody listens any more.
    pub fn send(&self, committed: Committed<R, H>) -> ControlFlow<()> {
        match self.0.send(committed) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// Committed transactions, in block order; ends with the block, or where it
/// failed.
#[derive(Debug)]
pub struct CommittedStream<R, H>(Receiver<Committed<R, H>>);

impl<R, H> Iterator for CommittedStream<R, H> {
    type Item = Committed<R, H>;

    fn next(&mut self) -> Option<Committed<R, H>> {
        self.0.recv().ok()
    }
}
