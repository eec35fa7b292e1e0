//! A block with the state it runs on, and factories of executors for it.

use super::recorder::Asked;
use alloy_consensus::transaction::Recovered;
use alloy_evm::{
    EvmEnv,
    eth::{EthBlockExecutionCtx, EthBlockExecutorFactory, EthEvmFactory},
};
use alloy_primitives::{Address, B256};
use blockloom_engine::{
    ChainSpec, Mode, RecoveredBlock, Transaction,
    client::{
        Ahead, AheadConfig, AheadEvmFactory, Ethereum, ParallelBlockExecutorFactory, PlainReceipts,
        SprintEvmFactory,
    },
};
use blockloom_state::{BaseStateError, MemoryState};
use std::sync::Arc;

/// One block, ready to run.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) spec: ChainSpec,
    pub(crate) block: RecoveredBlock,
    pub(crate) base: Arc<MemoryState>,
}

pub(crate) type Inner<E> = EthBlockExecutorFactory<PlainReceipts, ChainSpec, E>;
pub(crate) type Wrapped<E, S> = ParallelBlockExecutorFactory<Inner<AheadEvmFactory<E, S>>>;

impl Chain {
    pub(crate) fn env(&self) -> EvmEnv {
        self.spec.evm_env(self.block.header())
    }

    pub(crate) fn ctx(&self) -> EthBlockExecutionCtx<'_> {
        self.block.context()
    }

    pub(crate) fn transactions(&self) -> Vec<Recovered<&Transaction>> {
        let body = &self.block.block.body;
        let senders = self.block.senders.iter();
        senders
            .enumerate()
            .map(|(position, sender)| {
                Recovered::new_unchecked(&body.transactions[position], *sender)
            })
            .collect()
    }

    /// Where in `asked` the end begins that is about those who are paid at the
    /// end of the block, and nobody else.
    pub(crate) fn payments(&self, asked: &[Asked]) -> usize {
        let is_paid = |asked: &Asked| matches!(asked, Asked::Account(of) if self.pays(*of));
        asked.iter().rposition(|asked| !is_paid(asked)).map_or(0, |last| last + 1)
    }

    /// Whether a withdrawal or a reward goes there.
    fn pays(&self, address: Address) -> bool {
        let body = &self.block.block.body;
        let withdrawals = body.withdrawals.iter().flatten();
        let miners = body.ommers.iter().chain([self.block.header()]);
        withdrawals.into_iter().any(|withdrawal| withdrawal.address == address)
            || miners.into_iter().any(|header| header.beneficiary == address)
    }

    /// The executor factory that is wrapped, unwrapped.
    pub(crate) fn stock(&self) -> Inner<EthEvmFactory> {
        EthBlockExecutorFactory::new(PlainReceipts, self.spec.clone(), EthEvmFactory::default())
    }

    /// The same, whose transactions run ahead on snapshots.
    pub(crate) fn wrapped(
        &self,
        workers: usize,
        mode: Mode,
    ) -> Wrapped<SprintEvmFactory, Ethereum> {
        let ahead = ahead(workers, mode).with_snapshots(self.snapshots());
        self.wrapped_by(ahead).with_parent_of(|ctx| ctx.parent_hash)
    }

    /// The same on `ahead`.
    pub(crate) fn wrapped_by(&self, ahead: Ahead) -> Wrapped<SprintEvmFactory, Ethereum> {
        let evms = AheadEvmFactory::new(ahead, SprintEvmFactory, Ethereum);
        let inner = EthBlockExecutorFactory::new(PlainReceipts, self.spec.clone(), evms);
        ParallelBlockExecutorFactory::new(inner)
    }

    /// Readers of the state before this block.
    pub(crate) fn snapshots(
        &self,
    ) -> impl Fn(B256) -> Result<Arc<MemoryState>, BaseStateError> + Send + Sync + 'static {
        let (base, parent) = (Arc::clone(&self.base), self.block.header().parent_hash);
        move |of| {
            assert_eq!(of, parent, "the state of the parent is asked for");
            Ok(Arc::clone(&base))
        }
    }
}

pub(crate) fn ahead(workers: usize, mode: Mode) -> Ahead {
    let config = AheadConfig { workers, mode, ..AheadConfig::default() };
    Ahead::new(config).expect("threads can be started")
}
