//! Everything one run of the bench found out: what results and reports show.

use crate::{
    machine::Provenance, measurement::Measurement, stages::StageTimes, statistics::Line,
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

/// How memory grows with the block: bytes by transactions, parallel and
/// sequential. `None` for fewer than two sizes.
#[must_use]
pub fn memory_growth(points: &[MemoryPoint]) -> Option<[Line; 2]> {
    let line = |of: fn(&MemoryPoint) -> u64| {
        let points: Vec<_> =
            points.iter().map(|point| (point.txs as f64, of(point) as f64)).collect();
        Line::through(&points)
    };
    Some([line(|point| point.peak_bytes)?, line(|point| point.sequential_peak_bytes)?])
}
