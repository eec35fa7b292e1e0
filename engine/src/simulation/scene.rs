//! What is simulated: a block, the engine that runs it, and the state before.

use super::{
    Order, Simulated, Simulation,
    costs::{Costs, Shared, median, paired},
    turns::{Trouble, Turns, VirtualCrew},
};
use crate::{
    block::RecoveredBlock,
    chain_spec::ChainSpec,
    config::Config,
    engine::Engine,
    error::{BlockError, InternalError},
};
use blockloom_state::AnySnapshot;
use std::{sync::Arc, time::Duration};

#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) engine: &'a Engine,
    pub(super) spec: &'a ChainSpec,
    pub(super) block: &'a RecoveredBlock,
    pub(super) base: &'a dyn AnySnapshot,
}

impl Scene<'_> {
    /// How long stock sequential revm takes, now.
    pub(super) fn in_order(&self) -> Result<Duration, BlockError> {
        let executed = self.engine.execute_in_order(self.spec, self.block, self.base)?;
        Ok(executed.stats.elapsed)
    }

    /// An engine like this one, but for what `config` makes of its configuration.
    pub(super) fn engine(
        &self,
        config: impl FnOnce(Config) -> Config,
    ) -> Result<Engine, BlockError> {
        self.started(Engine::new(config(*self.engine.config())))
    }

    /// Threads that were started, or why not.
    pub(super) fn started<T>(
        &self,
        result: Result<T, impl std::error::Error>,
    ) -> Result<T, BlockError> {
        result.map_err(|error| BlockError::Internal {
            number: self.block.header().number,
            reason: InternalError::Panic { message: error.to_string() },
        })
    }

    /// Runs the block on virtual workers.
    pub(super) fn simulate(&self, simulation: &Simulation, trouble: Option<Trouble>) -> Simulated {
        let by_news = self.engine.shares_news(simulation.workers.max(1));
        let sharing = if by_news { Shared::News } else { Shared::Memory };
        let turns = Turns::new(simulation, sharing, trouble);
        let crew = VirtualCrew(&turns);
        let result = self.engine.execute_on(self.spec, self.block, self.base, &crew);
        let (steps, time) = turns.into_parts();
        Simulated { result, steps, time }
    }

    /// See [`Engine::predict`].
    pub(super) fn predict(
        &self,
        costs: &Arc<Costs>,
        workers: usize,
        rounds: usize,
    ) -> Result<f64, BlockError> {
        let order = Order::Time(Arc::clone(costs));
        let simulation = Simulation { workers, order, seed: 0 };
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds.max(1) {
            let beside = self.in_order()?;
            let Simulated { result, time, .. } = self.simulate(&simulation, None);
            let stats = result?.stats;
            let around = stats.elapsed.saturating_sub(stats.stages.parallel);
            times.push(paired(around, beside, costs.sequential) + time);
        }
        Ok(costs.sequential.as_secs_f64() / median(times).as_secs_f64())
    }
}
