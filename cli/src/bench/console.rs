//! Measurements as tables on the terminal.

use crate::console::table;
use blockloom_benches::{
    Group, Measurement, MemoryPoint, Standing, Sweep, Verdict,
    figure::{bytes, count, milliseconds, ratio, some_bytes},
};
use comfy_table::CellAlignment;

/// A group's measurements.
pub(crate) fn group(group: &Group) -> String {
    let mut rows = table([
        "workload",
        "workers",
        "txs",
        "gas",
        "seq ms",
        "par ms",
        "ratio",
        "10th-90th",
        "CPU ratio",
        "Mgas/s",
        "tx/s",
        "runs/tx",
        "valid/tx",
        "peak",
        "seq peak",
    ]);
    for one in &group.measurements {
        rows.add_row(row(one));
    }
    format!("{}\n{rows}", group.title)
}

fn row(one: &Measurement) -> [String; 15] {
    // Where the engine chose the sequential path there is no parallel run, and
    // the ratio is about noise.
    let workers = if one.workers_used == 0 {
        format!("{} (0 used)", one.workers)
    } else {
        one.workers.to_string()
    };
    [
        one.workload.clone(),
        workers,
        one.txs.to_string(),
        count(one.gas as f64),
        milliseconds(one.sequential_ms),
        milliseconds(one.parallel_ms),
        format!("{}x", ratio(one.ratio)),
        format!("{}-{}", ratio(one.ratio_low), ratio(one.ratio_high)),
        ratio(one.cpu_ratio),
        format!("{:.0}", one.gas_per_second / 1e6),
        count(one.txs_per_second),
        format!("{:.2}", one.executions_per_tx),
        format!("{:.2}", one.validations_per_tx),
        some_bytes(one.peak_bytes),
        some_bytes(one.sequential_peak_bytes),
    ]
}

/// A sweep's points.
pub(crate) fn sweep(sweep: &Sweep) -> String {
    let mut rows = table(["hot ratio", "workers", "ratio", "10th-90th", "runs/tx", "CPU ratio"]);
    for point in &sweep.points {
        for one in &point.measurements {
            rows.add_row([
                format!("{:.1}", point.hot_ratio),
                one.workers.to_string(),
                format!("{}x", ratio(one.ratio)),
                format!("{}-{}", ratio(one.ratio_low), ratio(one.ratio_high)),
                format!("{:.2}", one.executions_per_tx),
                ratio(one.cpu_ratio),
            ]);
        }
    }
    format!("Contention: {}\n{rows}", sweep.workload)
}

/// Peaks by size of the block.
pub(crate) fn memory(points: &[MemoryPoint]) -> String {
    let mut rows = table(["txs", "peak", "bytes/tx", "seq peak", "seq bytes/tx"]);
    let per_tx = |size: u64, txs: usize| format!("{:.0}", size as f64 / txs.max(1) as f64);
    for point in points {
        rows.add_row([
            point.txs.to_string(),
            bytes(point.peak_bytes as f64),
            per_tx(point.peak_bytes, point.txs),
            bytes(point.sequential_peak_bytes as f64),
            per_tx(point.sequential_peak_bytes, point.txs),
        ]);
    }
    format!("Memory\n{rows}")
}

/// What became of each target.
pub(crate) fn verdicts(verdicts: &[Verdict]) -> String {
    let mut rows = table([
        "blocks",
        "workload",
        "workers",
        "target",
        "measured",
        "10th-90th",
        "",
        "measured on",
    ]);
    for column in [1, 6, 7] {
        if let Some(column) = rows.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    for verdict in verdicts {
        let [blocks, what, workers, bound, measured, spread, on] = verdict.cells();
        let standing = match verdict.standing() {
            Standing::Met => "met",
            Standing::Missed => "MISSED",
            Standing::NotMeasured => "not measured",
        };
        rows.add_row([blocks, what, workers, bound, measured, spread, standing.to_owned(), on]);
    }
    let n_met = verdicts.iter().filter(|verdict| verdict.is_met()).count();
    format!("Targets\n{rows}\n{n_met} of {} met", verdicts.len())
}
