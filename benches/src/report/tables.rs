//! The numbers behind the plots.

use super::markup::escaped;
use crate::{
    findings::{Group, MemoryPoint},
    measurement::Measurement,
    targets::{Standing, Verdict},
};
use std::{fmt::Write, mem};

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
    table(Measurement::TITLES, 1, group.measurements.iter().map(|one| cells(one.cells())))
}

/// Peak memory by size of the block.
pub(super) fn memory(points: &[MemoryPoint]) -> String {
    table(MemoryPoint::TITLES, 1, points.iter().map(|point| cells(point.cells())))
}

/// A row whose first cell is text.
fn cells<const N: usize>(row: [String; N]) -> [Cell; N] {
    let mut is_first = true;
    row.map(|cell| if mem::take(&mut is_first) { text(cell) } else { number(cell) })
}

/// Targets and what became of them.
pub(super) fn targets(verdicts: &[Verdict]) -> String {
    let rows = verdicts.iter().map(|verdict| {
        let [blocks, what, workers, bound, measured, spread, at_once, on] = verdict.cells();
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
            number(at_once),
            (standing.0, standing.1.to_owned()),
            text(on),
        ]
    });
    table(Verdict::TITLES, 2, rows)
}
