//! Everything one run of the bench found out: what results and reports show.

use crate::{
    figure::{bytes, ratio, spread, workers},
    machine::Provenance,
    measurement::Measurement,
    stages::StageTimes,
    statistics::Line,
    targets::Verdict,
};

/// Everything one run of the bench found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Where and when.
    pub provenance: Provenance,
    /// How often blocks were run and in which mode, in one sentence.
    pub protocol: String,
    /// What was held against targets; empty if nothing was.
    pub verdicts: Vec<Verdict>,
    /// The measurements.
    pub groups: Vec<Group>,
    /// One workload under rising contention.
    pub sweep: Option<Sweep>,
    /// Time by stage, of some workloads.
    pub stages: Vec<StageTimes>,
    /// Memory by size of the block, ascending.
    pub memory: Vec<MemoryPoint>,
}

/// Measurements that belong together: the same kind and size of blocks on the
/// same kind of base state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// What they have in common.
    pub title: String,
    /// One per workload and worker count; those of a workload are neighbours.
    pub measurements: Vec<Measurement>,
}

/// One workload under rising contention.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// Name of the workload.
    pub workload: String,
    /// Ascending by hot ratio.
    pub points: Vec<SweepPoint>,
}

/// A workload at one hot ratio.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepPoint {
    /// Share of the transactions that go for the hot spot.
    pub hot_ratio: f64,
    /// One measurement per worker count.
    pub measurements: Vec<Measurement>,
}

/// Peak memory of one block.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryPoint {
    /// Name of the workload.
    pub workload: String,
    /// Transactions in the block.
    pub txs: usize,
    /// Workers of the parallel run.
    pub workers: usize,
    /// Peak of the parallel run.
    pub peak_bytes: u64,
    /// Peak of the sequential run.
    pub sequential_peak_bytes: u64,
}

impl SweepPoint {
    /// Titles of the [`rows`](Self::rows).
    pub const TITLES: [&str; 6] =
        ["hot ratio", "workers", "ratio", "10th–90th", "runs/tx", "CPU ratio"];

    /// One row of a table per worker count.
    pub fn rows(&self) -> impl Iterator<Item = [String; 6]> {
        self.measurements.iter().map(|one| {
            [
                format!("{:.1}", self.hot_ratio),
                one.workers.to_string(),
                ratio(one.ratio),
                spread(one.ratio_low, one.ratio_high),
                format!("{:.2}", one.executions_per_tx),
                ratio(one.cpu_ratio),
            ]
        })
    }
}

impl MemoryPoint {
    /// Titles of the [`cells`](Self::cells).
    pub const TITLES: [&str; 5] = ["txs", "peak", "bytes/tx", "seq peak", "seq bytes/tx"];

    /// The point as a row of a table.
    #[must_use]
    pub fn cells(&self) -> [String; 5] {
        let per_tx = |size: u64| format!("{:.0}", size as f64 / self.txs.max(1) as f64);
        [
            self.txs.to_string(),
            bytes(self.peak_bytes as f64),
            per_tx(self.peak_bytes),
            bytes(self.sequential_peak_bytes as f64),
            per_tx(self.sequential_peak_bytes),
        ]
    }
}

impl Group {
    /// The workloads in the order of their measurements, each with those.
    pub fn workloads(&self) -> impl Iterator<Item = (&str, &[Measurement])> {
        self.measurements
            .chunk_by(|one, next| one.workload == next.workload)
            .map(|chunk| (chunk[0].workload.as_str(), chunk))
    }

    /// The worker counts that were measured, ascending.
    #[must_use]
    pub fn worker_counts(&self) -> Vec<usize> {
        let mut counts: Vec<_> = self.measurements.iter().map(|one| one.workers).collect();
        counts.sort_unstable();
        counts.dedup();
        counts
    }
}

/// What `points` are about and how memory grows with the block, in a sentence
/// or two. Empty for none.
#[must_use]
pub fn memory_growth(points: &[MemoryPoint]) -> String {
    let Some(first) = points.first() else { return String::new() };
    let line = |of: fn(&MemoryPoint) -> u64| {
        let points: Vec<_> =
            points.iter().map(|point| (point.txs as f64, of(point) as f64)).collect();
        Line::through(&points)
    };
    let mut text = format!(
        "Peak of {}, its result included, on the parallel path at {} and sequentially.",
        first.workload,
        workers(first.workers)
    );
    let lines = (line(|point| point.peak_bytes), line(|point| point.sequential_peak_bytes));
    if let (Some(parallel), Some(sequential)) = lines {
        text += &format!(
            " By least squares that is {:.0} bytes per transaction in parallel (R² = {:.3}) and \
             {:.0} sequentially (R² = {:.3}).",
            parallel.slope, parallel.r_squared, sequential.slope, sequential.r_squared
        );
    }
    text
}
