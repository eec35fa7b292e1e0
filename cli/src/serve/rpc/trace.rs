//! Traces: transactions run once more, with an onlooker.
//!
//! Tracers are those of revm-inspectors without JavaScript: the opcode logger
//! and, among others, `callTracer` and `prestateTracer`.

use super::{RpcFailure, answer, blocks, call::refusal, strict::Hash, transactions};
use crate::serve::chain::{Chain, FullBlock};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_evm::{Evm, EvmFactory, FromRecoveredTx, block::SystemCaller, eth::EthEvmFactory};
use alloy_rpc_types_trace::{
    common::TraceResult,
    geth::{GethDebugTracingOptions, GethTrace},
};
use blockloom_state::StateAt;
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};
use revm::{DatabaseCommit, context::TxEnv, database::CacheDB};
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError, TransactionContext};

type Traces = Vec<TraceResult<GethTrace, String>>;

pub(super) fn register(module: &mut RpcModule<Chain>) -> Result<(), RegisterMethodError> {
    answer(module, "debug_traceBlockByNumber", |params, chain| {
        let mut params = params.sequence();
        let number: BlockNumberOrTag = params.next()?;
        trace_block(chain, number.into(), params.optional_next()?)
    })?;
    answer(module, "debug_traceBlockByHash", |params, chain| {
        let mut params = params.sequence();
        let Hash(hash) = params.next()?;
        trace_block(chain, hash.into(), params.optional_next()?)
    })?;
    answer(module, "debug_traceTransaction", trace_transaction)
}

fn trace_block(
    chain: &Chain,
    id: BlockId,
    options: Option<GethDebugTracingOptions>,
) -> Result<Traces, RpcFailure> {
    let (block, state) = {
        let _still = chain.stand_still();
        let block = blocks::find(chain, id)?;
        let block = block.ok_or_else(|| RpcFailure::server("block not found"))?;
        let state = before(chain, &block)?;
        (block, state)
    };
    let mut replay = Replay::begin(chain, &block, state)?;
    let options = options.unwrap_or_default();
    let trace = |position| {
        let result = replay.trace(position, options.clone())?;
        let tx_hash = Some(*transaction(&block, position)?.tx_hash());
        Ok(TraceResult::Success { result, tx_hash })
    };
    (0..block.transactions().len()).map(trace).collect()
}

fn trace_transaction(params: &Params<'_>, chain: &Chain) -> Result<GethTrace, RpcFailure> {
    let mut params = params.sequence();
    let Hash(hash) = params.next()?;
    let options: Option<GethDebugTracingOptions> = params.optional_next()?;
    let (block, position, state) = {
        let _still = chain.stand_still();
        let found = transactions::find(chain, &hash)?;
        let (block, position) = found.ok_or_else(|| RpcFailure::server("transaction not found"))?;
        let state = before(chain, &block)?;
        (block, position, state)
    };
    let mut replay = Replay::begin(chain, &block, state)?;
    (0..position).try_for_each(|earlier| replay.pass(earlier))?;
    replay.trace(position, options.unwrap_or_default())
}

/// The state before the block.
fn before<'a>(chain: &'a Chain, block: &FullBlock) -> Result<StateAt<'a>, RpcFailure> {
    let parent = block.header().number.checked_sub(1);
    let parent = parent.ok_or_else(|| RpcFailure::server("genesis is not traceable"))?;
    Ok(chain.state_at(parent)?)
}

fn transaction(
    block: &FullBlock,
    position: usize,
) -> Result<&blockloom_engine::Transaction, RpcFailure> {
    block.transactions().get(position).ok_or_else(transactions::out_of_place)
}

/// A block that is run once more, one transaction after another.
struct Replay<'a> {
    block: &'a FullBlock,
    env: alloy_evm::EvmEnv,
    db: CacheDB<StateAt<'a>>,
}

impl<'a> Replay<'a> {
    /// Does what a block does before its first transaction.
    fn begin(chain: &Chain, block: &'a FullBlock, state: StateAt<'a>) -> Result<Self, RpcFailure> {
        let env = chain.spec().evm_env(block.header());
        let mut db = CacheDB::new(state);
        let mut evm = EthEvmFactory::default().create_evm(&mut db, env.clone());
        let mut caller = SystemCaller::new(chain.spec());
        let begun = caller.apply_pre_execution_changes(block.header(), &mut evm);
        begun.map_err(|error| RpcFailure::internal(&error))?;
        Ok(Self { block, env, db })
    }

    fn transaction(&self, position: usize) -> Result<TxEnv, RpcFailure> {
        let transaction = transaction(self.block, position)?;
        let sender = transactions::sender(transaction)?;
        Ok(TxEnv::from_recovered_tx(transaction, sender))
    }

    /// Runs the transaction at `position`, which is next.
    fn pass(&mut self, position: usize) -> Result<(), RpcFailure> {
        let transaction = self.transaction(position)?;
        let mut evm = EthEvmFactory::default().create_evm(&mut self.db, self.env.clone());
        evm.transact_commit(transaction).map_err(refusal)?;
        Ok(())
    }

    /// The same, with the tracer of `options` looking on.
    fn trace(
        &mut self,
        position: usize,
        options: GethDebugTracingOptions,
    ) -> Result<GethTrace, RpcFailure> {
        let place = TransactionContext {
            block_hash: Some(self.block.hash),
            tx_index: Some(position),
            tx_hash: Some(*transaction(self.block, position)?.tx_hash()),
        };
        let transaction = self.transaction(position)?;
        let mut inspector = DebugInspector::new(options).map_err(unsupported)?;
        let mut evm = EthEvmFactory::default().create_evm_with_inspector(
            &mut self.db,
            self.env.clone(),
            &mut inspector,
        );
        let ran = evm.transact(transaction.clone()).map_err(refusal)?;
        let block = &self.env.block_env;
        let trace = inspector
            .get_result(Some(place), &transaction, block, &ran, &mut self.db)
            .map_err(|error| match error {
                DebugInspectorError::Database(error) => RpcFailure::internal(&error),
                error => unsupported(error),
            })?;
        self.db.commit(ran.state);
        Ok(without_nothing(trace))
    }
}

/// The trace as geth prints it: what is empty or zero is left out.
fn without_nothing(mut trace: GethTrace) -> GethTrace {
    if let GethTrace::Default(frame) = &mut trace {
        for log in &mut frame.struct_logs {
            log.return_data.take_if(|data| data.is_empty());
            log.memory.take_if(|memory| memory.is_empty());
            log.refund_counter.take_if(|refund| *refund == 0);
        }
    }
    trace
}

fn unsupported<E: std::fmt::Display>(error: DebugInspectorError<E>) -> RpcFailure
where
    DebugInspectorError<E>: std::fmt::Display,
{
    RpcFailure::invalid_params(error.to_string())
}
