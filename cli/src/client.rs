//! Blocks through alloy-evm's traits, as a client that builds on them runs
//! them: an executor from the parallel factory, transactions one by one.
//!
//! The state is the client's own, here the library's [`BlockState`]; whatever
//! is a database and takes commits would do.

use crate::{recorded::AnyBase, verify::panic_message};
use alloy_consensus::transaction::Recovered;
use alloy_evm::{
    Evm, EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
    eth::EthBlockExecutorFactory,
};
use alloy_primitives::B256;
use blockloom_engine::{
    BlockError, BlockOutput, ChainSpec, InternalError, Place, RecoveredBlock, Transaction,
    client::{
        Ahead, AheadEvmFactory, BlockPlan, Ethereum, ParallelBlockExecutorFactory, PlainReceipts,
        SprintEvmFactory,
    },
};
use blockloom_state::{BlockState, CachedCode, CodeCache};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Makes Ethereum's block executors, whose transactions run ahead.
pub(crate) type Factory = ParallelBlockExecutorFactory<
    EthBlockExecutorFactory<PlainReceipts, ChainSpec, AheadEvmFactory<SprintEvmFactory, Ethereum>>,
>;

/// The factory for a chain.
pub(crate) fn factory(ahead: Ahead, spec: ChainSpec) -> Factory {
    let evms = AheadEvmFactory::new(ahead, SprintEvmFactory, Ethereum);
    ParallelBlockExecutorFactory::new(EthBlockExecutorFactory::new(PlainReceipts, spec, evms))
}

/// The state of a block in progress on `base`.
pub(crate) fn block_state<'a>(factory: &'a Factory, base: AnyBase<'a>) -> BlockState<Base<'a>> {
    BlockState::new(Base::new(base, factory.evm_factory().ahead().code()))
}

/// A block, and what it takes to execute it.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) block: &'a RecoveredBlock,
    /// The state after its parent.
    pub(crate) base: AnyBase<'a>,
    /// The parent, if workers have readers of that state; else they read
    /// through `base`.
    pub(crate) snapshot: Option<B256>,
    /// Collect an access list, whatever the fork.
    pub(crate) access_list: bool,
}

impl<'a> Job<'a> {
    /// Executes the block on an executor of `factory`. The result is that of the
    /// engine's own interface.
    ///
    /// # Errors
    ///
    /// [`BlockError`], as there.
    pub(crate) fn execute(self, factory: &Factory) -> Result<BlockOutput, BlockError> {
        catch_unwind(AssertUnwindSafe(|| self.run(factory))).unwrap_or_else(|payload| {
            let message = panic_message(&*payload).to_owned();
            let number = self.block.header().number;
            Err(BlockError::Internal { number, reason: InternalError::Panic { message } })
        })
    }

    fn run(self, factory: &Factory) -> Result<BlockOutput, BlockError> {
        let (header, spec) = (self.block.header(), factory.inner().spec());
        let mut state = block_state(factory, self.base);
        if self.access_list || spec.has_access_list_at(header.timestamp) {
            state.build_access_list();
        }
        let failure = state.failure();
        let failed = |place, error| {
            BlockError::from_executor(header.number, place, error, failure.get().cloned())
        };
        let evm = factory.evm_factory().create_evm(state, spec.evm_env(header));
        let mut executor = factory.create_executor(evm, self.block.context());
        let plan = BlockPlan::new(self.snapshot, self.transactions());
        let environments = plan.transactions.clone();
        executor.plan(plan);

        executor.apply_pre_execution_changes().map_err(|error| failed(Place::Before, error))?;
        let mut index = 0;
        for (position, parts) in environments.into_iter().zip(self.transactions()).enumerate() {
            index += 1;
            executor.evm_mut().db_mut().set_access_index(index);
            let hash = *parts.1.tx_hash();
            executor
                .execute_transaction(parts)
                .map_err(|error| failed(Place::Transaction(position, hash), error))?;
        }
        executor.evm_mut().db_mut().set_access_index(index + 1);
        let (mut evm, result) = executor.finish().map_err(|error| failed(Place::After, error))?;
        Ok(BlockOutput {
            receipts: result.receipts,
            requests: result.requests,
            gas_used: result.gas_used,
            blob_gas_used: result.blob_gas_used,
            access_list: evm.db_mut().take_access_list(),
            changes: evm.db().changes(),
        })
    }

    fn transactions(&self) -> impl Iterator<Item = Recovered<&'a Transaction>> + use<'a> {
        let transactions = self.block.block.body.transactions.iter();
        let recovered =
            |(transaction, sender): (_, &_)| Recovered::new_unchecked(transaction, *sender);
        transactions.zip(&self.block.senders).map(recovered)
    }
}

/// A base state, with code from the cache that workers use.
pub(crate) type Base<'a> = CachedCode<AnyBase<'a>, &'a CodeCache>;

#[cfg(test)]
mod tests;
