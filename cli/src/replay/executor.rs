//! How a block is run: in parallel, sequentially, or both.

use super::{
    shadow::{Shadow, Shadowed, ShadowedRun, first_difference},
    totals::{BlockRecord, Stages},
};
use crate::{CliError, ReplayArgs};
use alloy_primitives::B256;
use blockloom_engine::{
    BlockError, ChainSpec, Config, ConsensusError, Engine, Executed, Load, Mode, RecoveredBlock,
};
use revm::DatabaseRef;
use std::time::{Duration, Instant};

/// An engine, and whether to hold it against the sequential one.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) engine: Engine,
    /// An engine of one worker, for blocks that are executed while the other
    /// cores have better things to do than to speculate.
    alone: Option<Engine>,
    compare: bool,
    shadow: Option<Shadow>,
}

/// What running a block gave.
pub(crate) struct Run {
    /// The result and how it went.
    pub executed: Executed,
    /// Wall time.
    pub time: Duration,
    /// Wall time of the sequential run, where there was one.
    pub sequential_time: Option<Duration>,
    /// What shadowing it came to, if it was.
    pub shadowed: Option<Shadowed>,
}

impl Executor {
    pub(crate) fn new(args: &ReplayArgs) -> Result<Self, CliError> {
        // A comparison is about the parallel path, so it is forced there; left
        // to itself the engine takes the sequential one for small blocks.
        let mode = match (args.sequential, args.compare) {
            (true, _) => Mode::Sequential,
            (false, true) => Mode::Parallel,
            (false, false) => Mode::Adaptive,
        };
        let executor = Self::with(args.workers, mode, args.compare)?;
        Ok(Self { shadow: Shadow::of(&args.shadow), ..executor })
    }

    /// An executor with an engine of this mode and so many workers.
    pub(crate) fn with(workers: usize, mode: Mode, compare: bool) -> Result<Self, CliError> {
        let engine = |workers| Engine::new(Config { workers, mode, ..Config::default() });
        let shared = engine(workers)?;
        let alone =
            if mode == Mode::Adaptive && shared.workers() > 1 { Some(engine(1)?) } else { None };
        Ok(Self { engine: shared, alone, compare, shadow: None })
    }

    /// Runs `block` on `base` while other stages are at work on other blocks:
    /// on all workers only if they have left the cores to it.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub(crate) fn run_beside(
        &self,
        load: Load,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &(impl DatabaseRef + Sync),
        stages: &mut Stages,
    ) -> Result<Run, CliError> {
        let Some(alone) = self.alone.as_ref().filter(|_| !load.is_idle()) else {
            return self.run(spec, block, base, stages);
        };
        if let Some(run) = self.run_shadowed(alone, spec, block, base, stages)? {
            return Ok(run);
        }
        let start = Instant::now();
        let result = alone.execute(spec, block, base);
        let time = start.elapsed();
        stages.execute += time;
        let executed = result.map_err(|error| refused(block.header().number, block.hash, error))?;
        Ok(Run { executed, time, sequential_time: None, shadowed: None })
    }

    /// Runs `block` on `base`.
    ///
    /// # Errors
    ///
    /// [`CliError::InvalidBlock`] and [`CliError::Internal`] as the engine
    /// finds, [`CliError::Disagreement`] if the two runs differ.
    pub(crate) fn run(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &(impl DatabaseRef + Sync),
        stages: &mut Stages,
    ) -> Result<Run, CliError> {
        if let Some(run) = self.run_shadowed(&self.engine, spec, block, base, stages)? {
            return Ok(run);
        }
        let sequential = |stages: &mut Stages| {
            let start = Instant::now();
            let result = self.engine.execute_sequential(spec, block, base);
            stages.sequential += start.elapsed();
            (result, start.elapsed())
        };
        // The first run of a block finds caches cold, so the two take turns
        // at going first.
        let goes_first = block.header().number.is_multiple_of(2);
        let before = (self.compare && goes_first).then(|| sequential(stages));
        let start = Instant::now();
        let result = self.engine.execute(spec, block, base);
        let time = start.elapsed();
        stages.execute += time;
        let after = (self.compare && !goes_first).then(|| sequential(stages));

        let sequential_time = match before.or(after) {
            Some((sequential, sequential_time)) => {
                check_agreement(block, &result, &sequential)?;
                Some(sequential_time)
            }
            None => None,
        };
        let executed = result.map_err(|error| refused(block.header().number, block.hash, error))?;
        Ok(Run { executed, time, sequential_time, shadowed: None })
    }

    /// Runs `block` on `engine` and beside it sequentially, if it is one of
    /// those that are shadowed.
    fn run_shadowed(
        &self,
        engine: &Engine,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &(impl DatabaseRef + Sync),
        stages: &mut Stages,
    ) -> Result<Option<Run>, CliError> {
        let due = self.shadow.as_ref().filter(|shadow| shadow.is_due(block.hash));
        let Some(shadow) = due else { return Ok(None) };
        let ShadowedRun { executed, time, outcome } = shadow.run(engine, spec, block, base)?;
        stages.execute += time;
        Ok(Some(Run { executed, time, sequential_time: None, shadowed: Some(outcome) }))
    }
}

fn check_agreement(
    block: &RecoveredBlock,
    parallel: &Result<Executed, BlockError>,
    sequential: &Result<Executed, BlockError>,
) -> Result<(), CliError> {
    first_difference(parallel, sequential).map_or(Ok(()), |first| {
        Err(CliError::Disagreement {
            number: block.header().number,
            hash: block.hash,
            difference: first.to_string(),
        })
    })
}

/// The engine refused a block: the block's fault, or ours.
pub(crate) fn refused(number: u64, hash: B256, error: BlockError) -> CliError {
    if error.as_invalid().is_some() {
        CliError::InvalidBlock { number, hash, source: Box::new(error) }
    } else {
        CliError::Internal { number, source: Box::new(error) }
    }
}

/// A block breaks a rule of its chain.
pub(crate) fn invalid(block: &RecoveredBlock, error: ConsensusError) -> CliError {
    let (number, hash) = (block.header().number, block.hash);
    CliError::InvalidBlock { number, hash, source: Box::new(error) }
}

/// What to report of a verified block.
pub(crate) fn record(block: &RecoveredBlock, run: &Run, root_verified: bool) -> BlockRecord {
    BlockRecord {
        block: block.header().number,
        hash: block.hash,
        txs: block.block.body.transactions.len(),
        gas: run.executed.output.gas_used,
        time: run.time,
        sequential_time: run.sequential_time,
        executions: run.executed.stats.executions,
        root_verified,
        shadow: run.shadowed,
    }
}
