//! The numbers behind the plots.

use super::markup::escaped;
use crate::{
    figure::{bytes, count, milliseconds, ratio, some_bytes},
    findings::{Group, MemoryPoint, memory_growth},
    measurement::Measurement,
    targets::{Standing, Verdict},
};
use std::fmt::Write;

/// One cell and its class.
type Cell = (&'static str, String);

fn number(text: impl Into<String>) -> Cell {
    ("", text.into())
}

fn text(text: impl Into<String>) -> Cell {
    ("text", text.into())
}

/// A table; the first `n_text` columns have their titles to the left.
fn table<const N: usize>(
    titles: [&str; N],
    n_text: usize,
    rows: impl Iterator<Item = [Cell; N]>,
) -> String {
    let mut table = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    let cell = |table: &mut String, tag: &str, class: &str, content: &str| {
        // Writing to a string does not fail.
        let _ = write!(table, "<{tag} class=\"{class}\">{}</{tag}>", escaped(content));
    };
    for (position, title) in titles.iter().enumerate() {
        cell(&mut table, "th", if position < n_text { "text" } else { "" }, title);
    }
    table += "</tr></thead>\n<tbody>\n";
    for row in rows {
        table += "<tr>";
        for (class, content) in &row {
            cell(&mut table, "td", class, content);
        }
        table += "</tr>\n";
    }
    table + "</tbody></table></div>\n"
}

/// Every measurement of a group.
pub(super) fn numbers(group: &Group) -> String {
    let titles = [
        "workload",
        "workers",
        "txs",
        "gas",
        "sequential ms",
        "parallel ms",
        "ratio",
        "spread",
        "CPU ratio",
        "Mgas/s",
        "tx/s",
        "runs/tx",
        "validations/tx",
        "peak",
        "sequential peak",
    ];
    table(titles, 1, group.measurements.iter().map(row))
}

fn row(one: &Measurement) -> [Cell; 15] {
    [
        text(one.workload.as_str()),
        number(one.workers.to_string()),
        number(one.txs.to_string()),
        number(count(one.gas as f64)),
        number(milliseconds(one.sequential_ms)),
        number(milliseconds(one.parallel_ms)),
        number(ratio(one.ratio)),
        number(format!("{}–{}", ratio(one.ratio_low), ratio(one.ratio_high))),
        number(ratio(one.cpu_ratio)),
        number(format!("{:.0}", one.gas_per_second / 1e6)),
        number(count(one.txs_per_second)),
        number(format!("{:.2}", one.executions_per_tx)),
        number(format!("{:.2}", one.validations_per_tx)),
        number(some_bytes(one.peak_bytes)),
        number(some_bytes(one.sequential_peak_bytes)),
    ]
}

/// Targets and what became of them.
pub(super) fn targets(verdicts: &[Verdict]) -> String {
    let rows = verdicts.iter().map(|verdict| {
        let [blocks, what, workers, bound, measured, spread, on] = verdict.cells();
        let standing = match verdict.standing() {
            Standing::Met => ("met", "met"),
            Standing::Missed => ("missed", "missed"),
            Standing::NotMeasured => ("", "not measured"),
        };
        [
            text(blocks),
            text(what),
            number(workers),
            number(bound),
            number(measured),
            number(spread),
            (standing.0, standing.1.to_owned()),
            text(on),
        ]
    });
    let titles =
        ["blocks", "workload", "workers", "target", "measured", "spread", "", "measured on"];
    table(titles, 2, rows)
}

/// Peak memory by size of the block.
pub(super) fn memory(points: &[MemoryPoint]) -> String {
    let per_tx = |size: u64, txs: usize| format!("{:.0}", size as f64 / txs.max(1) as f64);
    let rows = points.iter().map(|point| {
        [
            text(point.workload.as_str()),
            number(point.txs.to_string()),
            number(point.workers.to_string()),
            number(bytes(point.peak_bytes as f64)),
            number(per_tx(point.peak_bytes, point.txs)),
            number(bytes(point.sequential_peak_bytes as f64)),
            number(per_tx(point.sequential_peak_bytes, point.txs)),
        ]
    });
    let titles = [
        "workload",
        "txs",
        "workers",
        "parallel peak",
        "bytes/tx",
        "sequential peak",
        "sequential bytes/tx",
    ];
    let growth = memory_growth(points).map_or_else(String::new, |[parallel, sequential]| {
        format!(
            "<p>By least squares, parallel takes {:.0} bytes per transaction (R² = {:.3}) and \
             sequential {:.0} (R² = {:.3}).</p>\n",
            parallel.slope, parallel.r_squared, sequential.slope, sequential.r_squared
        )
    });
    table(titles, 1, rows) + &growth
}
