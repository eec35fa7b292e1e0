//! Lines that are not about one workload at one worker count.

use crate::{CliError, Console};
use blockloom_benches::{
    Group, LARGE_BLOCK_GAS, Measurement, MemoryPoint, SweepPoint, Verdict,
    figure::{self, ratio},
    geometric_mean,
};
use serde::Serialize;

/// A workload as `--list --json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) workload: &'static str,
    pub(crate) family: &'static str,
    pub(crate) summary: &'static str,
}

/// The large mainnet blocks of a run together.
#[derive(Debug, Serialize)]
struct Mean<'a> {
    /// Always `"mainnet"`.
    summary: &'static str,
    above_gas: u64,
    workers: usize,
    blocks: usize,
    ratio_geometric_mean: f64,
    ratio_lowest: f64,
    lowest: &'a str,
}

/// Reports the geometric mean over the large blocks of `group`, per worker
/// count, if those are mainnet blocks.
pub(crate) fn report(group: &Group, console: &mut Console<'_>) -> Result<(), CliError> {
    for workers in group.worker_counts() {
        let large: Vec<_> = group
            .measurements
            .iter()
            .filter(|one| one.workers == workers && one.gas > LARGE_BLOCK_GAS)
            .filter(|one| one.workload.starts_with("mainnet_"))
            .collect();
        let Some(lowest) = large.iter().min_by(|a, b| a.ratio.total_cmp(&b.ratio)) else {
            continue;
        };
        let mean = Mean {
            summary: "mainnet",
            above_gas: LARGE_BLOCK_GAS,
            workers,
            blocks: large.len(),
            ratio_geometric_mean: geometric_mean(large.iter().map(|one| one.ratio)),
            ratio_lowest: lowest.ratio,
            lowest: &lowest.workload,
        };
        console.record(&mean)?;
        console.line(&format!(
            "above {} Mgas at {}: geometric mean {}x over {} blocks, lowest {}x ({})",
            LARGE_BLOCK_GAS / 1_000_000,
            figure::workers(workers),
            ratio(mean.ratio_geometric_mean),
            mean.blocks,
            ratio(mean.ratio_lowest),
            mean.lowest,
        ))?;
    }
    Ok(())
}

/// Writes a point of a sweep as JSON: its measurements, each with the hot
/// ratio.
pub(crate) fn record_point(point: &SweepPoint, console: &mut Console<'_>) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Record<'a> {
        hot_ratio: f64,
        #[serde(flatten)]
        measurement: &'a Measurement,
    }
    for measurement in &point.measurements {
        console.record(&Record { hot_ratio: point.hot_ratio, measurement })?;
    }
    Ok(())
}

/// Writes a verdict as JSON.
pub(crate) fn record_verdict(verdict: &Verdict, console: &mut Console<'_>) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Record<'a> {
        target: &'a str,
        blocks: &'a str,
        workers: usize,
        bound: &'a str,
        measured: Option<f64>,
        met: bool,
        workload: Option<&'a str>,
    }
    let [_, _, _, bound, ..] = &verdict.cells();
    console.record(&Record {
        target: verdict.target.what,
        blocks: verdict.target.setting.title(),
        workers: verdict.target.workers,
        bound,
        measured: verdict.measured,
        met: verdict.is_met(),
        workload: verdict.workload.as_deref(),
    })
}

/// Writes a peak as JSON.
pub(crate) fn record_memory(
    point: &MemoryPoint,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Record<'a> {
        memory: &'a str,
        txs: usize,
        workers: usize,
        peak_bytes: u64,
        sequential_peak_bytes: u64,
    }
    console.record(&Record {
        memory: &point.workload,
        txs: point.txs,
        workers: point.workers,
        peak_bytes: point.peak_bytes,
        sequential_peak_bytes: point.sequential_peak_bytes,
    })
}
