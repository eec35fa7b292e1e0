//! Measurements as tables on the terminal.

use crate::console::table;
use blockloom_benches::{
    Group, Measurement, MemoryPoint, Standing, Sweep, SweepPoint, Verdict, memory_growth,
};
use comfy_table::{CellAlignment, Table};

/// A group's measurements.
pub(crate) fn group(group: &Group) -> String {
    let rows = group.measurements.iter().map(Measurement::cells);
    format!("{}\n{}", group.title, filled(Measurement::TITLES, rows))
}

/// A sweep's points.
pub(crate) fn sweep(sweep: &Sweep) -> String {
    let rows = sweep.points.iter().flat_map(SweepPoint::rows);
    format!("Contention: {}\n{}", sweep.workload, filled(SweepPoint::TITLES, rows))
}

/// Peaks by size of the block.
pub(crate) fn memory(points: &[MemoryPoint]) -> String {
    let rows = points.iter().map(MemoryPoint::cells);
    format!("{}\n{}", memory_growth(points), filled(MemoryPoint::TITLES, rows))
}

fn filled<const N: usize>(titles: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Table {
    let mut table = table(titles);
    table.add_rows(rows);
    table
}

/// What became of each target.
pub(crate) fn verdicts(verdicts: &[Verdict]) -> String {
    let mut rows = table(Verdict::TITLES);
    for column in [1, 7, 8] {
        if let Some(column) = rows.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    for verdict in verdicts {
        let [blocks, what, workers, bound, measured, spread, at_once, on] = verdict.cells();
        let standing = match verdict.standing() {
            Standing::Met => "met",
            Standing::Missed => "MISSED",
            Standing::NotMeasured => "not measured",
        };
        let standing = standing.to_owned();
        rows.add_row([blocks, what, workers, bound, measured, spread, at_once, standing, on]);
    }
    let n_met = verdicts.iter().filter(|verdict| verdict.is_met()).count();
    format!("Targets\n{rows}\n{n_met} of {} met", verdicts.len())
}
