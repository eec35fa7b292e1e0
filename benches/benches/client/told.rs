//! An EVM that has all results before it is asked.

use alloy_evm::{
    Database, Evm, EvmEnv, EvmFactory,
    eth::{EthEvm, EthEvmContext, EthEvmFactory},
    precompiles::PrecompilesMap,
};
use alloy_primitives::{Address, Bytes};
use revm::{
    Inspector,
    context::{BlockEnv, CfgEnv, DBErrorMarker, TxEnv},
    context_interface::result::{EVMError, HaltReason, ResultAndState},
    inspector::NoOpInspector,
    primitives::hardfork::SpecId,
};
use std::sync::{Arc, Mutex};

/// What a block's transactions come to, in order.
pub(crate) type Results = Vec<ResultAndState<HaltReason>>;

/// Makes EVMs that were told all results.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(pub(crate) Arc<Mutex<Results>>);

/// An EVM that was told all results, and is Ethereum's for everything else.
pub(crate) struct ToldEvm<DB: Database, I> {
    inner: EthEvm<DB, I, PrecompilesMap>,
    results: std::vec::IntoIter<ResultAndState<HaltReason>>,
}

impl EvmFactory for Told {
    type Evm<DB: Database, I: Inspector<EthEvmContext<DB>>> = ToldEvm<DB, I>;
    type Context<DB: Database> = EthEvmContext<DB>;
    type Tx = TxEnv;
    type Error<DBError: DBErrorMarker> = EVMError<DBError>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;

    fn create_evm<DB: Database>(&self, db: DB, env: EvmEnv) -> ToldEvm<DB, NoOpInspector> {
        let results = self.0.lock().map(|mut results| std::mem::take(&mut *results));
        let results = results.unwrap_or_default().into_iter();
        ToldEvm { inner: EthEvmFactory::default().create_evm(db, env), results }
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<EthEvmContext<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> ToldEvm<DB, I> {
        let inner = EthEvmFactory::default().create_evm_with_inspector(db, env, inspector);
        ToldEvm { inner, results: Vec::new().into_iter() }
    }
}

impl<DB: Database, I: Inspector<EthEvmContext<DB>>> Evm for ToldEvm<DB, I> {
    type DB = DB;
    type Tx = TxEnv;
    type Error = EVMError<DB::Error>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;
    type Inspector = I;

    fn block(&self) -> &BlockEnv {
        self.inner.block()
    }

    fn cfg_env(&self) -> &CfgEnv {
        self.inner.cfg_env()
    }

    fn chain_id(&self) -> u64 {
        self.inner.chain_id()
    }

    fn transact_raw(&mut self, tx: TxEnv) -> Result<ResultAndState<HaltReason>, Self::Error> {
        match self.results.next() {
            Some(result) => Ok(result),
            None => self.inner.transact_raw(tx),
        }
    }

    fn transact_system_call(
        &mut self,
        caller: Address,
        contract: Address,
        data: Bytes,
    ) -> Result<ResultAndState<HaltReason>, Self::Error> {
        self.inner.transact_system_call(caller, contract, data)
    }

    fn finish(self) -> (DB, EvmEnv) {
        self.inner.finish()
    }

    fn set_inspector_enabled(&mut self, enabled: bool) {
        self.inner.set_inspector_enabled(enabled);
    }

    fn components(&self) -> (&DB, &I, &PrecompilesMap) {
        self.inner.components()
    }

    fn components_mut(&mut self) -> (&mut DB, &mut I, &mut PrecompilesMap) {
        self.inner.components_mut()
    }
}
