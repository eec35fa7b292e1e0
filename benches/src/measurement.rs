//! What the rounds on one workload come to.

use crate::{
    clock::Timing,
    figure::{count, milliseconds, ratio, some_bytes, some_ratio, spread},
    pairing::{Contestant, Rounds},
    statistics::{median, quantile},
    workload::Workload,
};
use blockloom_engine::{ExecutionStats, Mode, Stages};
use serde::Serialize;
use std::time::Duration;

/// One workload at one worker count, as `blockloom bench --json` prints it.
///
/// Times are medians over the samples. A ratio pairs the samples of one round
/// and is sequential by parallel, so above 1 parallel is faster; what is given
/// is the median of the ratios, not the ratio of the medians.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// Name of the workload.
    pub workload: String,
    /// Transactions in the block.
    pub txs: usize,
    /// Gas the block uses.
    pub gas: u64,
    /// Worker threads of the parallel engine.
    pub workers: usize,
    /// How the parallel engine chose its path: `adaptive`, by itself;
    /// `parallel` or `sequential`, because it was told to.
    pub mode: &'static str,
    /// Workers that took part, of the median run; 0 where the engine chose the
    /// sequential path.
    pub workers_used: usize,
    /// Rounds that counted.
    pub samples: usize,
    /// Runs that each sample is the mean of.
    pub repeats: u32,
    /// Wait per read of the base state, as measured; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<f64>,
    /// Time of the sequential run, in milliseconds.
    pub sequential_ms: f64,
    /// Time of the parallel run, in milliseconds.
    pub parallel_ms: f64,
    /// Sequential time by parallel time.
    pub ratio: f64,
    /// A tenth of the rounds have a lower ratio.
    pub ratio_low: f64,
    /// A tenth of the rounds have a higher ratio.
    pub ratio_high: f64,
    /// What the cores give where there is nothing to share: one sequential run
    /// for each worker, all at once, in multiples of the work that one alone
    /// does in the same time. Absent for one worker, and where there are not so
    /// many cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<f64>,
    /// Gas per second in parallel.
    pub gas_per_second: f64,
    /// Transactions per second in parallel.
    pub txs_per_second: f64,
    /// Times a transaction was run on average, whatever came of it; 1 for an
    /// empty block.
    pub executions_per_tx: f64,
    /// Read sets checked ahead of the frontier, per transaction.
    pub validations_per_tx: f64,
    /// Executions per block that were thrown away because a read was stale.
    pub aborts: f64,
    /// Executions per block given up because a read met an estimate.
    pub blocked: f64,
    /// Transactions per block executed at the frontier.
    pub at_frontier: f64,
    /// Plain transfers per block that were computed without the EVM.
    pub transfers: f64,
    /// Transactions per block that ran one after another, by the engine's own
    /// choice.
    pub one_by_one: f64,
    /// Where the time of the parallel run went.
    pub stages: EngineStages,
    /// CPU time of the parallel run by that of the sequential one.
    pub cpu_ratio: f64,
    /// CPU time of the sequential run, in milliseconds.
    pub sequential_cpu_ms: f64,
    /// CPU time of the parallel run, in milliseconds.
    pub parallel_cpu_ms: f64,
    /// Memory of a parallel run at its peak, its result included; `null` where
    /// it was not, or cannot be, measured.
    pub peak_bytes: Option<u64>,
    /// The same of a sequential run.
    pub sequential_peak_bytes: Option<u64>,
}

/// Time by stage of a run of the engine, each the mean over the rounds, in
/// milliseconds; see [`Stages`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EngineStages {
    /// Looking at the block.
    pub plan_ms: f64,
    /// System calls, and the first transactions.
    pub open_ms: f64,
    /// Transactions that several workers run.
    pub parallel_ms: f64,
    /// Taking over what they wrote.
    pub gather_ms: f64,
    /// Transactions that run one after another.
    pub sequential_ms: f64,
    /// Requests, withdrawals, and putting the result together.
    pub close_ms: f64,
}

impl EngineStages {
    fn of(stats: &[ExecutionStats]) -> Self {
        let mean = |of: fn(&Stages) -> Duration| {
            let total: Duration = stats.iter().map(|stats| of(&stats.stages)).sum();
            total.as_secs_f64() * 1e3 / stats.len() as f64
        };
        Self {
            plan_ms: mean(|stages| stages.plan),
            open_ms: mean(|stages| stages.open),
            parallel_ms: mean(|stages| stages.parallel),
            gather_ms: mean(|stages| stages.gather),
            sequential_ms: mean(|stages| stages.sequential),
            close_ms: mean(|stages| stages.close),
        }
    }
}

impl Measurement {
    /// Titles of the [`cells`](Self::cells) of a measurement; the first is of
    /// text, the others of numbers.
    pub const TITLES: [&str; 16] = [
        "workload",
        "workers",
        "txs",
        "gas",
        "seq ms",
        "par ms",
        "ratio",
        "10th–90th",
        "at once",
        "CPU ratio",
        "Mgas/s",
        "tx/s",
        "runs/tx",
        "validations/tx",
        "peak",
        "seq peak",
    ];

    /// The measurement as a row of a table.
    #[must_use]
    pub fn cells(&self) -> [String; 16] {
        let workers = match self.workers_used {
            0 => format!("{} (0 used)", self.workers),
            _ => self.workers.to_string(),
        };
        [
            self.workload.clone(),
            workers,
            self.txs.to_string(),
            count(self.gas as f64),
            milliseconds(self.sequential_ms),
            milliseconds(self.parallel_ms),
            ratio(self.ratio),
            spread(self.ratio_low, self.ratio_high),
            some_ratio(self.at_once),
            ratio(self.cpu_ratio),
            format!("{:.0}", self.gas_per_second / 1e6),
            count(self.txs_per_second),
            format!("{:.2}", self.executions_per_tx),
            format!("{:.2}", self.validations_per_tx),
            some_bytes(self.peak_bytes),
            some_bytes(self.sequential_peak_bytes),
        ]
    }

    /// The results of `workload`, one per parallel engine.
    #[must_use]
    pub fn of(workload: &Workload, rounds: &Rounds) -> Vec<Self> {
        rounds.parallel.iter().map(|one| Self::new(workload, rounds, one)).collect()
    }

    fn new(workload: &Workload, rounds: &Rounds, contestant: &Contestant) -> Self {
        let Contestant { workers, samples, stats, at_once } = contestant;
        let pairs = || rounds.sequential.iter().zip(samples);
        let ratios: Vec<_> = pairs().map(|(one, other)| divided(one.wall, other.wall)).collect();
        let cpu: Vec<_> = pairs().map(|(one, other)| divided(other.cpu, one.cpu)).collect();
        let alone = rounds.sequential.iter().map(|timing| timing.wall);
        let at_once: Vec<_> = alone
            .zip(at_once)
            .map(|(alone, times)| times.iter().map(|time| divided(alone, *time)).sum())
            .collect();
        let parallel_ms = median_ms(samples, |timing| timing.wall);
        let per_second = |count: f64| count / parallel_ms * 1e3;
        let per_block = |of: fn(&ExecutionStats) -> usize| {
            stats.iter().map(|stats| of(stats) as f64).sum::<f64>() / stats.len() as f64
        };
        let n_txs = workload.n_txs();
        let per_tx = |of| if n_txs == 0 { 0.0 } else { per_block(of) / n_txs as f64 };
        let mut workers_used: Vec<_> = stats.iter().map(|stats| stats.workers).collect();
        workers_used.sort_unstable();
        Self {
            workload: workload.name.clone(),
            txs: n_txs,
            gas: workload.gas(),
            workers: *workers,
            mode: mode_name(rounds.mode),
            workers_used: workers_used.get(workers_used.len() / 2).copied().unwrap_or_default(),
            samples: samples.len(),
            repeats: rounds.repeats,
            latency_us: None,
            sequential_ms: median_ms(&rounds.sequential, |timing| timing.wall),
            parallel_ms,
            ratio: median(&ratios),
            ratio_low: quantile(&ratios, 0.1),
            ratio_high: quantile(&ratios, 0.9),
            at_once: (!at_once.is_empty()).then(|| median(&at_once)),
            gas_per_second: per_second(workload.gas() as f64),
            txs_per_second: per_second(n_txs as f64),
            executions_per_tx: 1.0 + per_tx(ExecutionStats::re_executions),
            validations_per_tx: per_tx(|stats| stats.validations),
            aborts: per_block(|stats| stats.aborts),
            blocked: per_block(|stats| stats.blocked),
            at_frontier: per_block(|stats| stats.at_frontier),
            transfers: per_block(|stats| stats.transfers),
            one_by_one: per_block(|stats| stats.sequential),
            stages: EngineStages::of(stats),
            cpu_ratio: median(&cpu),
            sequential_cpu_ms: median_ms(&rounds.sequential, |timing| timing.cpu),
            parallel_cpu_ms: median_ms(samples, |timing| timing.cpu),
            peak_bytes: None,
            sequential_peak_bytes: None,
        }
    }
}

const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Adaptive => "adaptive",
        Mode::Parallel => "parallel",
        Mode::Sequential => "sequential",
    }
}

fn divided(above: Duration, below: Duration) -> f64 {
    above.as_secs_f64() / below.as_secs_f64()
}

fn median_ms(samples: &[Timing], of: fn(&Timing) -> Duration) -> f64 {
    let times: Vec<_> = samples.iter().map(|timing| of(timing).as_secs_f64() * 1e3).collect();
    median(&times)
}

/// Some measurement, for tests of what is made of them.
#[cfg(test)]
pub(crate) fn example(workload: &str, workers: usize) -> Measurement {
    Measurement {
        workload: workload.to_owned(),
        txs: 100,
        gas: 2_100_000,
        workers,
        mode: "adaptive",
        workers_used: workers,
        samples: 5,
        repeats: 1,
        latency_us: None,
        sequential_ms: 3.0,
        parallel_ms: 2.0,
        ratio: 1.5,
        ratio_low: 1.4,
        ratio_high: 1.6,
        at_once: Some(1.9),
        gas_per_second: 1.05e9,
        txs_per_second: 5e4,
        executions_per_tx: 1.02,
        validations_per_tx: 0.1,
        aborts: 2.0,
        blocked: 0.0,
        at_frontier: 3.0,
        transfers: 10.0,
        one_by_one: 4.0,
        stages: EngineStages {
            plan_ms: 0.1,
            open_ms: 0.1,
            parallel_ms: 1.5,
            gather_ms: 0.1,
            sequential_ms: 0.0,
            close_ms: 0.2,
        },
        cpu_ratio: 1.1,
        sequential_cpu_ms: 3.0,
        parallel_cpu_ms: 3.3,
        peak_bytes: Some(1_000_000),
        sequential_peak_bytes: Some(500_000),
    }
}
