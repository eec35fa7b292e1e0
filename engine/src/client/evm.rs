//! An EVM whose results may have been made ahead.

use super::{
    frontier::Frontier,
    plan::BlockPlan,
    prospect::Prospect,
    runtime::Ahead,
    stats::AheadStats,
    strategy::{PlanFactory, Strategy},
    transfer,
};
use crate::transfer::{Transfer, TransferRules};
use alloy_evm::{Database, Evm, EvmEnv, EvmFactory};
use alloy_primitives::{Address, Bytes};
use revm::{
    Inspector,
    context::{CfgEnv, DBErrorMarker},
    context_interface::result::ResultAndState,
    inspector::NoOpInspector,
};
use std::{fmt, mem, time::Instant};

/// An EVM factory around another one, whose EVMs run planned transactions ahead.
///
/// It can stand wherever the other one did. An EVM without a plan, or with an
/// inspector, is the inner EVM.
#[derive(Clone, Debug)]
pub struct AheadEvmFactory<E, S> {
    inner: E,
    strategy: S,
    ahead: Ahead,
}

impl<E: PlanFactory, S: Strategy<E>> AheadEvmFactory<E, S> {
    /// Wraps `inner`, whose EVMs can be run ahead by `strategy`.
    pub const fn new(ahead: Ahead, inner: E, strategy: S) -> Self {
        Self { inner, strategy, ahead }
    }

    /// What its EVMs share.
    pub const fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    fn wrap<DB: Database, I: Inspector<E::Context<DB>>>(
        &self,
        inner: E::Evm<DB, I>,
        is_inspecting: bool,
    ) -> AheadEvm<E, S, DB, I> {
        let env = EvmEnv::new(inner.cfg_env().clone(), inner.block().clone());
        let transfers = self.strategy.transfers(&env);
        let factory = self.clone();
        AheadEvm { inner, factory, transfers, planned: Planned::Nothing, is_inspecting }
    }
}

impl<E: PlanFactory, S: Strategy<E>> EvmFactory for AheadEvmFactory<E, S> {
    type Evm<DB: Database, I: Inspector<E::Context<DB>>> = AheadEvm<E, S, DB, I>;
    type Context<DB: Database> = E::Context<DB>;
    type Tx = E::Tx;
    type Error<DBError: DBErrorMarker> = E::Error<DBError>;
    type HaltReason = E::HaltReason;
    type Spec = E::Spec;
    type BlockEnv = E::BlockEnv;
    type Precompiles = E::Precompiles;

    fn create_evm<DB: Database>(
        &self,
        db: DB,
        evm_env: EvmEnv<E::Spec, E::BlockEnv>,
    ) -> Self::Evm<DB, NoOpInspector> {
        self.wrap(self.inner.create_evm(db, evm_env), false)
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<E::Context<DB>>>(
        &self,
        db: DB,
        input: EvmEnv<E::Spec, E::BlockEnv>,
        inspector: I,
    ) -> Self::Evm<DB, I> {
        self.wrap(self.inner.create_evm_with_inspector(db, input, inspector), true)
    }
}

/// What is planned on one EVM.
#[derive(Debug)]
enum Planned<E: PlanFactory, S: Strategy<E>> {
    Nothing,
    /// Nobody runs ahead yet.
    Soon(Box<Prospect<E::Tx>>),
    Running(Box<Frontier<E, S>>),
}

/// An EVM around another one, which takes results from those that ran ahead
/// where they stand, computes plain transfers if its strategy
/// [can](Strategy::transfers), and runs everything else itself.
///
/// [`transact_raw`](Evm::transact_raw) gives in every case what the inner EVM
/// would: result, state, and what it asks of the database, in order.
pub struct AheadEvm<E, S, DB, I>
where
    E: PlanFactory,
    S: Strategy<E>,
    DB: Database,
    I: Inspector<E::Context<DB>>,
{
    inner: E::Evm<DB, I>,
    factory: AheadEvmFactory<E, S>,
    /// What plain transfers are computed by.
    transfers: Option<TransferRules>,
    planned: Planned<E, S>,
    is_inspecting: bool,
}

impl<E, S, DB, I> fmt::Debug for AheadEvm<E, S, DB, I>
where
    E: PlanFactory,
    S: Strategy<E>,
    DB: Database,
    I: Inspector<E::Context<DB>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AheadEvm")
            .field("is_inspecting", &self.is_inspecting)
            .finish_non_exhaustive()
    }
}

/// An EVM that can be told what is going to be run.
pub trait RunsAhead: Evm {
    /// Starts anew with `plan`, from the next transaction on.
    fn plan(&mut self, plan: BlockPlan<Self::Tx>);

    /// The result of the last transaction was committed, or is not going to be.
    /// Coming to the next one without a word means that it was.
    fn settle(&mut self, is_committed: bool);

    /// What came of running ahead, since the last plan.
    fn stats(&self) -> AheadStats;
}

impl<E, S, DB, I> RunsAhead for AheadEvm<E, S, DB, I>
where
    E: PlanFactory,
    S: Strategy<E>,
    DB: Database,
    I: Inspector<E::Context<DB>>,
{
    fn plan(&mut self, plan: BlockPlan<E::Tx>) {
        let ahead = &self.factory.ahead;
        let prospect = ahead
            .pool
            .as_ref()
            .and_then(|_| Prospect::of(plan, &ahead.config, self.transfers.as_ref()));
        let is_looking = prospect.as_ref().is_some_and(Prospect::is_looking);
        self.planned = prospect.map_or(Planned::Nothing, |plan| Planned::Soon(Box::new(plan)));
        if !self.is_inspecting && !is_looking {
            self.start();
        }
    }

    fn settle(&mut self, is_committed: bool) {
        match &mut self.planned {
            Planned::Nothing => {}
            Planned::Soon(prospect) => prospect.settle(is_committed),
            Planned::Running(frontier) => frontier.settle(is_committed),
        }
    }

    fn stats(&self) -> AheadStats {
        match &self.planned {
            Planned::Running(frontier) => frontier.stats(),
            Planned::Nothing | Planned::Soon(..) => AheadStats::default(),
        }
    }
}

impl<E, S, DB, I> AheadEvm<E, S, DB, I>
where
    E: PlanFactory,
    S: Strategy<E>,
    DB: Database,
    I: Inspector<E::Context<DB>>,
{
    /// The result of `tx`, if that is a plain transfer.
    fn compute(&mut self, tx: &E::Tx) -> Option<ResultAndState<E::HaltReason>> {
        let rules = self.transfers.as_ref()?;
        let transfer = Transfer::of_env(tx, rules)?;
        let (database, _, precompiles) = self.inner.components_mut();
        if self.factory.strategy.is_precompile(precompiles, &transfer.to) {
            return None;
        }
        transfer::compute(&transfer, rules, database)
    }

    /// Sends scouts ahead if something is planned.
    fn start(&mut self) {
        let Planned::Soon(prospect) = mem::replace(&mut self.planned, Planned::Nothing) else {
            return;
        };
        let Some(departure) = prospect.set_out(&self.factory.ahead.config) else {
            return;
        };
        let env = EvmEnv::new(self.inner.cfg_env().clone(), self.inner.block().clone());
        let AheadEvmFactory { inner, strategy, ahead } = &self.factory;
        if let Some(frontier) = Frontier::start(ahead, (inner, strategy), &env, departure) {
            self.planned = Planned::Running(Box::new(frontier));
        }
    }
}

impl<E, S, DB, I> Evm for AheadEvm<E, S, DB, I>
where
    E: PlanFactory,
    S: Strategy<E>,
    DB: Database,
    I: Inspector<E::Context<DB>>,
{
    type DB = DB;
    type Tx = E::Tx;
    type Error = E::Error<DB::Error>;
    type HaltReason = E::HaltReason;
    type Spec = E::Spec;
    type BlockEnv = E::BlockEnv;
    type Precompiles = E::Precompiles;
    type Inspector = I;

    fn block(&self) -> &E::BlockEnv {
        self.inner.block()
    }

    fn cfg_env(&self) -> &CfgEnv<E::Spec> {
        self.inner.cfg_env()
    }

    fn chain_id(&self) -> u64 {
        self.inner.chain_id()
    }

    fn transact_raw(&mut self, tx: E::Tx) -> Result<ResultAndState<E::HaltReason>, Self::Error> {
        if self.is_inspecting {
            // An inspector wants to see the run. Whatever was planned is void:
            // nobody is to run ahead of it for nothing.
            self.planned = Planned::Nothing;
            return self.inner.transact_raw(tx);
        }
        if let Planned::Soon(prospect) = &mut self.planned
            && !prospect.looks_at(&tx)
        {
            self.start();
        }
        if let Planned::Running(frontier) = &mut self.planned
            && let Some(result) = frontier.arrive(&tx, self.inner.db_mut())
        {
            return Ok(result);
        }
        let (result, took) = match self.compute(&tx) {
            Some(result) => (Ok(result), None),
            None => {
                let started = Instant::now();
                let result = self.inner.transact_raw(tx);
                (result, Some(started.elapsed()))
            }
        };
        match &mut self.planned {
            Planned::Nothing => {}
            Planned::Soon(prospect) => {
                prospect.ran(took, result.as_ref().ok().map(|run| &run.state))
            }
            Planned::Running(frontier) => frontier.ran(result.as_ref().ok()),
        }
        result
    }

    fn transact_system_call(
        &mut self,
        caller: Address,
        contract: Address,
        data: Bytes,
    ) -> Result<ResultAndState<E::HaltReason>, Self::Error> {
        let result = self.inner.transact_system_call(caller, contract, data)?;
        match &mut self.planned {
            Planned::Nothing => {}
            Planned::Soon(prospect) => prospect.changed(&result.state),
            Planned::Running(frontier) => frontier.changed(&result.state),
        }
        Ok(result)
    }

    fn finish(self) -> (DB, EvmEnv<E::Spec, E::BlockEnv>) {
        self.inner.finish()
    }

    fn set_inspector_enabled(&mut self, enabled: bool) {
        self.is_inspecting = enabled;
        self.inner.set_inspector_enabled(enabled);
    }

    fn components(&self) -> (&DB, &I, &E::Precompiles) {
        self.inner.components()
    }

    fn components_mut(&mut self) -> (&mut DB, &mut I, &mut E::Precompiles) {
        self.inner.components_mut()
    }
}
