//! The same block again and again, sequentially and in parallel, in turns.

use crate::{
    clock::Timing,
    figure,
    workload::{Workload, WrongAnswer},
};
use blockloom_engine::{
    BlockError, BlockOutput, Config, Engine, EngineError, Executed, ExecutionStats, Mode,
};
use blockloom_state::Snapshot;
use std::{
    num::NonZeroUsize,
    sync::Barrier,
    thread::{self, available_parallelism},
    time::Duration,
};

/// Most runs of a block that one sample is made of.
const MAX_REPEATS: u32 = 256;

/// Engines that run against each other, kept from block to block as a client
/// would keep them.
#[derive(Debug)]
pub struct Engines {
    mode: Mode,
    sequential: Engine,
    parallel: Vec<Engine>,
    /// More sequential engines, which run beside the first.
    others: Vec<Engine>,
}

impl Engines {
    /// The sequential engine, one in this `mode` for each of `workers`, and
    /// sequential ones for all cores that those use.
    ///
    /// # Errors
    ///
    /// If threads cannot be started.
    pub fn new(workers: &[usize], mode: Mode) -> Result<Self, EngineError> {
        let sequential = Config { workers: 1, mode: Mode::Sequential, ..Config::default() };
        let start =
            |workers: &usize| Engine::new(Config { workers: *workers, mode, ..Config::default() });
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        let most = workers.iter().filter(|count| **count <= cores).max().map_or(1, |most| *most);
        Ok(Self {
            mode,
            sequential: Engine::new(sequential)?,
            parallel: workers.iter().map(start).collect::<Result<_, _>>()?,
            others: (1..most).map(|_| Engine::new(sequential)).collect::<Result<_, _>>()?,
        })
    }

    /// The baseline.
    #[must_use]
    pub const fn sequential(&self) -> &Engine {
        &self.sequential
    }

    /// The others, in the order in which they were asked for.
    #[must_use]
    pub fn parallel(&self) -> &[Engine] {
        &self.parallel
    }

    /// As many sequential engines as the parallel one at `position` has workers;
    /// `None` for one, or where there are not so many cores.
    fn beside_each_other(&self, position: usize) -> Option<Vec<&Engine>> {
        let others = self.parallel[position].workers().checked_sub(1).filter(|count| *count > 0)?;
        Some(self.others.get(..others)?.iter().chain([&self.sequential]).collect())
    }

    /// The engine at `position` as it was at the start, the sequential one being 0.
    fn anew(&self, position: usize) -> Result<Engine, EngineError> {
        let workers = self.contestant(position).workers();
        let mode = if position == 0 { Mode::Sequential } else { self.mode };
        Engine::new(Config { workers, mode, ..Config::default() })
    }

    fn contestant(&self, position: usize) -> &Engine {
        position.checked_sub(1).map_or(&self.sequential, |position| &self.parallel[position])
    }
}

/// How often blocks are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Rounds that count. In each, every engine gives one sample.
    pub samples: usize,
    /// Rounds before those, which do not count.
    pub warm_ups: usize,
    /// Blocks that take less are run several times per sample, until the
    /// sequential engine is busy for this long; the sample is their mean.
    pub min_sample: Duration,
    /// Each run is the first of its engine, on a thread that has run nothing
    /// before: nothing is known of any code.
    pub is_cold: bool,
}

impl Default for Protocol {
    fn default() -> Self {
        let min_sample = Duration::from_millis(1);
        Self { samples: 21, warm_ups: 8, min_sample, is_cold: false }
    }
}

/// What all rounds on one workload gave.
#[derive(Clone, Debug)]
pub struct Rounds {
    /// How the parallel engines chose their path.
    pub mode: Mode,
    /// Runs that each sample is the mean of.
    pub repeats: u32,
    /// One sample of the sequential engine per round.
    pub sequential: Vec<Timing>,
    /// One per parallel engine, in their order.
    pub parallel: Vec<Contestant>,
}

/// What one parallel engine did.
#[derive(Clone, Debug, Default)]
pub struct Contestant {
    /// Its worker threads.
    pub workers: usize,
    /// One sample per round.
    pub samples: Vec<Timing>,
    /// The counters of every run that counted.
    pub stats: Vec<ExecutionStats>,
    /// Per round, what sequential engines take for one run each while one of
    /// them is at work for each worker. Empty for one worker, or where there
    /// are not so many cores.
    pub at_once: Vec<Vec<Duration>>,
}

/// The engine with so many workers.
fn who(workers: usize) -> String {
    if workers == 0 { "sequential".to_owned() } else { figure::workers(workers) }
}

/// Why a measurement has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The block does not execute.
    #[error("workload {workload}, {}", who(*workers))]
    Refused {
        /// The workload.
        workload: String,
        /// Workers of the engine; 0 for the sequential one.
        workers: usize,
        /// The engine's reason.
        source: BlockError,
    },
    /// The threads of an engine cannot be started.
    #[error(transparent)]
    Start(#[from] EngineError),
    /// The sequential result is not the known answer.
    #[error("workload {workload}: the sequential result is not the known answer")]
    WrongAnswer {
        /// The workload.
        workload: String,
        /// What is wrong.
        source: WrongAnswer,
    },
    /// A result is not that of the first sequential run.
    #[error("workload {workload}, {}: the result is not the sequential one", who(*workers))]
    Disagreement {
        /// The workload.
        workload: String,
        /// Workers of the engine; 0 for the sequential one.
        workers: usize,
        /// Its result.
        got: Box<BlockOutput>,
        /// The sequential result.
        expected: Box<BlockOutput>,
    },
}

/// Runs `workload` on the state `base`, which gives the answers of its own.
///
/// 1. The sequential engine runs it once; the result is held against the known
///    answer, and is what every later result must equal.
/// 2. In each round every engine runs it. Who begins changes from round to
///    round, so that nobody always finds the caches as the same other left
///    them.
/// 3. At the end of a round sequential engines run it at once, one for each
///    worker of a parallel one: what the cores give when there is nothing to
///    share.
/// 4. Each result is compared and dropped after its timer has stopped, before
///    the next run.
///
/// `after_round` is called after each round.
///
/// # Errors
///
/// If the block fails, or any two results differ.
pub fn measure<S: Snapshot>(
    workload: &Workload,
    base: &S,
    engines: &Engines,
    protocol: &Protocol,
    mut after_round: impl FnMut(),
) -> Result<Rounds, MeasureError> {
    let Protocol { is_cold, .. } = *protocol;
    let mut trial = Trial { workload, base, engines, is_cold, expected: None };
    let (_, first) = trial.run(0, 1)?;
    // The first run finds cold caches; the second tells how long one takes.
    let (_, again) = trial.run(0, 1)?;
    let repeats = repeats(first.wall.min(again.wall), protocol.min_sample);
    let n_contestants = engines.parallel.len() + 1;
    let mut rounds = Rounds {
        mode: engines.mode,
        repeats,
        sequential: Vec::with_capacity(protocol.samples),
        parallel: engines
            .parallel
            .iter()
            .map(|engine| Contestant { workers: engine.workers(), ..Contestant::default() })
            .collect(),
    };
    for round in 0..protocol.warm_ups + protocol.samples {
        for turn in 0..n_contestants {
            let position = (turn + round) % n_contestants;
            let (stats, sample) = trial.run(position, repeats)?;
            if round >= protocol.warm_ups {
                rounds.add(position, sample, stats);
            }
        }
        for position in 0..engines.parallel.len() {
            let Some(engines) = engines.beside_each_other(position) else { continue };
            let times = trial.run_at_once(&engines, repeats)?;
            if round >= protocol.warm_ups {
                rounds.parallel[position].at_once.push(times);
            }
        }
        after_round();
    }
    Ok(rounds)
}

/// How many runs of a block that takes `one` make a sample of `sample`.
fn repeats(one: Duration, sample: Duration) -> u32 {
    let n = sample.as_nanos().div_ceil(one.as_nanos().max(1));
    u32::try_from(n).unwrap_or(u32::MAX).clamp(1, MAX_REPEATS)
}

impl Rounds {
    fn add(&mut self, position: usize, sample: Timing, stats: Vec<ExecutionStats>) {
        match position.checked_sub(1) {
            None => self.sequential.push(sample),
            Some(position) => {
                self.parallel[position].samples.push(sample);
                self.parallel[position].stats.extend(stats);
            }
        }
    }
}

/// A workload and who runs it.
struct Trial<'a, S> {
    workload: &'a Workload,
    base: &'a S,
    engines: &'a Engines,
    is_cold: bool,
    /// The result of the first sequential run.
    expected: Option<BlockOutput>,
}

impl<S: Snapshot> Trial<'_, S> {
    /// One sample of the engine at `position`, the sequential one being 0: the
    /// counters of each run, and their mean time.
    fn run(
        &mut self,
        position: usize,
        repeats: u32,
    ) -> Result<(Vec<ExecutionStats>, Timing), MeasureError> {
        let engine = self.engines.contestant(position);
        let workers = if position == 0 { 0 } else { engine.workers() };
        let mut total = Timing::default();
        let mut all_stats = Vec::new();
        for _ in 0..repeats {
            let (result, timing) = if self.is_cold {
                let engine = self.engines.anew(position)?;
                thread::scope(|scope| scope.spawn(|| self.time(&engine, workers)).join())
                    .expect("engines catch panics")
            } else {
                self.time(engine, workers)
            };
            total += timing;
            let Executed { output, stats } = result?;
            self.check(workers, output)?;
            all_stats.push(stats);
        }
        Ok((all_stats, total.divided(repeats)))
    }

    /// The mean time of one run of each of `engines`, which are sequential,
    /// while the others are at work.
    fn run_at_once(
        &self,
        engines: &[&Engine],
        repeats: u32,
    ) -> Result<Vec<Duration>, MeasureError> {
        let start = Barrier::new(engines.len());
        let run = |engine: &Engine| {
            start.wait();
            let mut total = Timing::default();
            for _ in 0..repeats {
                let (result, timing) = self.time(engine, 0);
                total += timing;
                self.compare(0, result?.output)?;
            }
            Ok(total.divided(repeats).wall)
        };
        thread::scope(|scope| {
            let threads: Vec<_> =
                engines.iter().map(|engine| scope.spawn(|| run(engine))).collect();
            threads.into_iter().map(|thread| thread.join().expect("engines catch panics")).collect()
        })
    }

    /// One run, of the sequential path if there are no `workers`.
    fn time(&self, engine: &Engine, workers: usize) -> (Result<Executed, MeasureError>, Timing) {
        let Workload { name, spec, block, .. } = self.workload;
        let (result, timing) = if workers == 0 {
            Timing::of(|| engine.execute_sequential(spec, block, self.base))
        } else {
            Timing::of(|| engine.execute(spec, block, self.base))
        };
        let refused = |source| MeasureError::Refused { workload: name.clone(), workers, source };
        (result.map_err(refused), timing)
    }

    /// Holds the first result against the known answer, and later ones against
    /// the first.
    fn check(&mut self, workers: usize, output: BlockOutput) -> Result<(), MeasureError> {
        if self.expected.is_some() {
            return self.compare(workers, output);
        }
        let Workload { name, .. } = self.workload;
        self.workload
            .check(&output)
            .map_err(|source| MeasureError::WrongAnswer { workload: name.clone(), source })?;
        self.expected = Some(output);
        Ok(())
    }

    fn compare(&self, workers: usize, output: BlockOutput) -> Result<(), MeasureError> {
        match &self.expected {
            Some(expected) if output != *expected => Err(MeasureError::Disagreement {
                workload: self.workload.name.clone(),
                workers,
                got: Box::new(output),
                expected: Box::new(expected.clone()),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
