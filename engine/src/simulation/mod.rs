//! Any number of virtual workers that take turns, by a seed.
//!
//! The workers, the scheduler, the memory and the commit are those of
//! production, on threads of which one at a time has the turn: where it passes
//! on is a [`Point`](crate::Point), and who gets it an [`Order`] says. So a schedule is a
//! function of block, order and seed, to the last step, and is written down.
//!
//! Two uses: schedules that a machine would hardly ever produce, for tests; and
//! a [virtual clock](Order::Time), which tells what more workers than there are
//! cores would come to.

mod calibration;
mod costs;
mod order;
mod scene;
#[cfg(test)]
mod tests;
mod turns;

pub use calibration::{Ahead, Calibration, StepCost, StepCosts};
pub use costs::{Costs, Measured};
pub use order::Order;
pub use turns::Step;

use crate::{
    block::RecoveredBlock, chain_spec::ChainSpec, engine::Engine, error::BlockError,
    output::Executed,
};
use blockloom_state::Snapshot;
use scene::Scene;
use std::{sync::Arc, time::Duration};
use turns::Trouble;

/// How to run a block on virtual workers.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// How many there are; at least one.
    pub workers: usize,
    /// Who gets the turn.
    pub order: Order,
    /// What chance is made of.
    pub seed: u64,
}

/// A block that was run on virtual workers.
#[derive(Debug)]
pub struct Simulated {
    /// What [`Engine::execute`] gives.
    pub result: Result<Executed, BlockError>,
    /// Every step, in order. Empty where the engine chose to run the block
    /// without workers.
    pub steps: Vec<Step>,
    /// Virtual time of the part that was run on virtual workers, where there is
    /// a clock.
    pub time: Duration,
}

impl Engine {
    /// Executes `block` as [`execute`](Self::execute) does, on virtual workers
    /// instead of this engine's own. The same simulation of the same block in
    /// [`Mode::Parallel`](crate::Mode) takes the same steps; in the adaptive
    /// mode the clock has a say in whether to go parallel at all.
    ///
    /// Base states that make one reader wait for another would wait for ever.
    pub fn simulate<S: Snapshot>(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &S,
        simulation: &Simulation,
    ) -> Simulated {
        self.simulate_with(spec, block, base, simulation, None)
    }

    /// The same with something that goes wrong.
    pub(crate) fn simulate_with<S: Snapshot>(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &S,
        simulation: &Simulation,
        trouble: Option<Trouble>,
    ) -> Simulated {
        Scene { engine: self, spec, block, base }.simulate(simulation, trouble)
    }

    /// Speedup over [`execute_sequential`](Self::execute_sequential) that so many
    /// virtual workers come to by the clock of `costs`, the median of `rounds`.
    /// What is no virtual time is measured, each time beside a sequential run of
    /// the same moment.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn predict<S: Snapshot>(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &S,
        costs: &Arc<Costs>,
        workers: usize,
        rounds: usize,
    ) -> Result<f64, BlockError> {
        let scene = Scene { engine: self, spec, block, base };
        scene.predict(costs, workers, rounds)
    }

    /// What each transaction of `block` costs when it is run alone, the usual of
    /// `rounds`, and what workers do beside that, for [`Order::Time`]. Takes some
    /// twenty times as long as running the block, for each round.
    ///
    /// # Errors
    ///
    /// As [`execute_sequential`](Self::execute_sequential).
    pub fn measure<S: Snapshot>(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &S,
        rounds: usize,
    ) -> Result<Arc<Costs>, BlockError> {
        costs::measure(&Scene { engine: self, spec, block, base }, rounds)
    }
}
