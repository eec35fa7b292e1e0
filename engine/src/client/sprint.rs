//! Ethereum's EVM, with instructions that sprint.

use crate::sprint;
use alloy_evm::{
    Database, EvmEnv, EvmFactory,
    eth::{EthEvm, EthEvmContext, EthEvmFactory},
    precompiles::PrecompilesMap,
};
use revm::{
    Inspector,
    context::{BlockEnv, DBErrorMarker, TxEnv},
    context_interface::result::{EVMError, HaltReason},
    inspector::NoOpInspector,
    primitives::hardfork::SpecId,
};

/// alloy-evm's [`EthEvmFactory`] with one thing changed: simple instructions of
/// its EVMs run one after another without going back to revm's loop in between.
/// The EVMs are of the same type and give the same results, gas and errors, in
/// less time.
///
/// EVMs with an inspector are stock ones, so an inspector sees every
/// instruction.
///
/// Useful alone as well as inside an
/// [`AheadEvmFactory`](super::AheadEvmFactory), whose scouts sprint whether or
/// not the caller's own EVM does.
#[derive(Clone, Copy, Debug, Default)]
pub struct SprintEvmFactory;

impl EvmFactory for SprintEvmFactory {
    type Evm<DB: Database, I: Inspector<EthEvmContext<DB>>> = EthEvm<DB, I, PrecompilesMap>;
    type Context<DB: Database> = EthEvmContext<DB>;
    type Tx = TxEnv;
    type Error<DBError: DBErrorMarker> = EVMError<DBError>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;

    fn create_evm<DB: Database>(
        &self,
        db: DB,
        env: EvmEnv,
    ) -> EthEvm<DB, NoOpInspector, PrecompilesMap> {
        sprint::evm(db, env)
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<EthEvmContext<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> EthEvm<DB, I, PrecompilesMap> {
        EthEvmFactory::default().create_evm_with_inspector(db, env, inspector)
    }
}
