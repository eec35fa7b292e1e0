//! How a block is run: in parallel, sequentially, or both.

use super::totals::{BlockRecord, Stages};
use crate::{CliError, ReplayArgs, verify::between_results};
use alloy_primitives::B256;
use blockloom_engine::{
    BlockError, ChainSpec, Config, ConsensusError, Engine, Executed, Mode, RecoveredBlock,
};
use blockloom_state::Snapshot;
use std::time::{Duration, Instant};

/// An engine, and whether to hold it against the sequential one.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) engine: Engine,
    compare: bool,
}

/// What running a block gave.
pub(crate) struct Run {
    /// The result and how it went.
    pub executed: Executed,
    /// Wall time.
    pub time: Duration,
    /// Wall time of the sequential run, where there was one.
    pub sequential_time: Option<Duration>,
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
        let config = Config { workers: args.workers, mode, ..Config::default() };
        Ok(Self { engine: Engine::new(config)?, compare: args.compare })
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
        base: &impl Snapshot,
        stages: &mut Stages,
    ) -> Result<Run, CliError> {
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
        Ok(Run { executed, time, sequential_time })
    }
}

fn check_agreement(
    block: &RecoveredBlock,
    parallel: &Result<Executed, BlockError>,
    sequential: &Result<Executed, BlockError>,
) -> Result<(), CliError> {
    let differences = between_results(
        &parallel.as_ref().map(|executed| &executed.output),
        &sequential.as_ref().map(|executed| &executed.output),
    );
    differences.first().map_or(Ok(()), |first| {
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
    }
}
