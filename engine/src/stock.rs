//! Stock revm through alloy-evm's own block executor: the sequential path,
//! and the steps before and after the transactions for both paths.

use crate::{
    base::{BaseReader, SharedBase},
    block::{Receipt, RecoveredBlock, Transaction},
    chain_spec::ChainSpec,
    committed::Committed,
    error::{BlockError, InternalError, Place, from_executor},
    output::BlockOutput,
    prepared::{Prepared, recovered},
};
use alloy_consensus::{EthereumReceipt, TxType};
use alloy_evm::{
    Evm, EvmFactory,
    block::{BlockExecutionError, BlockExecutor},
    eth::{
        EthBlockExecutionCtx, EthBlockExecutor, EthEvm, EthEvmFactory,
        receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
    },
    precompiles::PrecompilesMap,
};
use blockloom_state::{BaseStateError, BlockState, MultiVersionMemory};
use revm::{DatabaseRef, inspector::NoOpInspector};
use std::{borrow::Cow, fmt::Debug};

/// Receipts without their bloom filters, which are computed after the block,
/// where they can be computed in parallel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainReceipts;

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

type Executor<'a, B> = EthBlockExecutor<
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
    pub(crate) prepared: &'a [Prepared],
    /// Build an access list even where the fork does not ask for one.
    pub(crate) access_list: bool,
}

impl<'a> Stock<'a> {
    fn executor<B>(&self, state: BlockState<B>) -> Executor<'a, B>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let header = self.block.header();
        let body = &self.block.block.body;
        let evm = EthEvmFactory::default().create_evm(state, self.spec.evm_env(header));
        let ctx = EthBlockExecutionCtx {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            ommers: &body.ommers,
            withdrawals: body.withdrawals.as_ref().map(|list| Cow::Borrowed(list.as_slice())),
            extra_data: header.extra_data.clone(),
            tx_count_hint: Some(body.transactions.len()),
            slot_number: header.slot_number,
        };
        EthBlockExecutor::new(evm, ctx, self.spec, PlainReceipts)
    }

    fn builds_access_list(&self) -> bool {
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
        from_executor(self.block.header().number, place, error, failure)
    }

    /// The state before the transactions: `base`, and the system calls on top
    /// (EIP-4788, EIP-2935).
    fn begun<B>(&self, base: B) -> Result<Executor<'a, B>, BlockError>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let mut state = BlockState::new(base);
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
    pub(crate) fn run<R: DatabaseRef>(
        &self,
        base: BaseReader<'_, R>,
    ) -> Result<BlockOutput, BlockError> {
        let mut executor = self.begun(base)?;
        for position in 0..self.prepared.len() {
            let env = self.prepared[position].env.clone();
            let transaction = recovered(self.block, position);
            match executor.execute_transaction_without_commit((env, transaction)) {
                Ok(result) => {
                    executor.evm_mut().db_mut().set_access_index(position as u64 + 1);
                    executor.commit_transaction(result);
                }
                Err(error) => {
                    let hash = *self.block.block.body.transactions[position].tx_hash();
                    let place = Place::Transaction(position, hash);
                    return Err(self.error(place, error, &executor));
                }
            }
        }
        self.finish_executor(executor)
    }

    /// Opens the block for the parallel path: system calls done, nothing else
    /// committed.
    pub(crate) fn open<'m, R: DatabaseRef>(
        &self,
        memory: &'m MultiVersionMemory,
        base: SharedBase<'m, R>,
    ) -> Result<Committed<'m, R>, BlockError> {
        let (state, env) = self.begun(base)?.evm.finish();
        Ok(Committed::new(memory, state, env, self.prepared.len()))
    }

    /// Ends a block whose transactions are all in `committed`.
    pub(crate) fn close<R: DatabaseRef>(
        &self,
        committed: Committed<'_, R>,
    ) -> Result<BlockOutput, BlockError> {
        let (state, tally) = committed.into_parts().map_err(|source| BlockError::Internal {
            number: self.block.header().number,
            reason: InternalError::BaseState { transaction: None, source },
        })?;
        let mut executor = self.executor(state);
        executor.receipts = tally.receipts;
        executor.cumulative_tx_gas_used = tally.gas_used;
        executor.block_regular_gas_used = tally.regular_gas;
        executor.block_state_gas_used = tally.state_gas;
        executor.blob_gas_used = tally.blob_gas;
        self.finish_executor(executor)
    }

    /// Requests, withdrawals, rewards and the DAO fork; then the result.
    fn finish_executor<B>(&self, mut executor: Executor<'a, B>) -> Result<BlockOutput, BlockError>
    where
        B: DatabaseRef<Error = BaseStateError> + Debug,
    {
        let number = self.block.header().number;
        executor.evm_mut().db_mut().set_access_index(self.prepared.len() as u64 + 1);
        let failure = executor.evm().db().failure();
        let (mut evm, result) = executor
            .finish()
            .map_err(|error| from_executor(number, Place::After, error, failure.get().cloned()))?;
        Ok(BlockOutput {
            receipts: result.receipts,
            requests: result.requests,
            gas_used: result.gas_used,
            blob_gas_used: result.blob_gas_used,
            access_list: evm.db_mut().take_access_list(),
            changes: evm.db().changes(),
        })
    }
}
