//! Findings as Markdown.

use crate::{
    findings::{Findings, Group, MemoryPoint, Sweep, SweepPoint, memory_growth},
    measurement::Measurement,
    targets::{Standing, Verdict},
};
use std::fmt::Write;

/// Line before the part of a file that [`insert`] replaces.
pub const BEGIN: &str = "<!-- targets -->";
/// Line after it.
pub const END: &str = "<!-- end of targets -->";

/// All of `findings` as one page: targets, every measurement, contention and
/// memory.
#[must_use]
pub fn page(findings: &Findings) -> String {
    let mut page = String::from("# Measured results\n\n");
    page += "Generated; every number below was measured by the command, and rows that miss their \
             target stay.\n";
    page += "What is inside the timer: the essay at the head of `benches/src/lib.rs`.\n\n";
    page += &provenance(findings);
    if !findings.verdicts.is_empty() {
        let n_met = findings.verdicts.iter().filter(|verdict| verdict.is_met()).count();
        page.push_str(&format!(
            "\n## Targets\n\n{n_met} of {} met.\n\n{}",
            findings.verdicts.len(),
            targets(&findings.verdicts)
        ));
    }
    for group in &findings.groups {
        page.push_str(&format!("\n## {}\n\n{}", group.title, measurements(group)));
    }
    if let Some(sweep) = &findings.sweep {
        page.push_str(&format!("\n## Contention\n\n{}", contention(sweep)));
    }
    if !findings.memory.is_empty() {
        page.push_str(&format!("\n## Memory\n\n{}", memory(&findings.memory)));
    }
    page
}

/// The table of targets with its provenance, for a page of somebody else's.
#[must_use]
pub fn section(findings: &Findings) -> String {
    format!("{}\n{}", targets(&findings.verdicts), provenance(findings))
}

/// `page` with what stands between the lines [`BEGIN`] and [`END`] replaced by
/// `section`; `None` if it has no such lines.
#[must_use]
pub fn insert(page: &str, section: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", section.trim()))
}

fn provenance(findings: &Findings) -> String {
    let at = &findings.provenance;
    format!(
        "- Machine: {}\n- Commit: `{}`\n- Command: `{}`\n- Date: {}\n- {}\n",
        at.machine, at.commit, at.command, at.date, findings.protocol
    )
}

fn targets(verdicts: &[Verdict]) -> String {
    let rows = verdicts.iter().map(|verdict| {
        let [blocks, what, workers, bound, measured, spread, at_once, on] = verdict.cells();
        let standing = match verdict.standing() {
            Standing::Met => "met",
            Standing::Missed => "**missed**",
            Standing::NotMeasured => "not measured",
        };
        [blocks, what, workers, bound, measured, spread, at_once, standing.to_owned(), on]
    });
    table(Verdict::TITLES, 2, rows)
}

fn measurements(group: &Group) -> String {
    table(Measurement::TITLES, 1, group.measurements.iter().map(Measurement::cells))
}

fn contention(sweep: &Sweep) -> String {
    let rows = sweep.points.iter().flat_map(SweepPoint::rows);
    format!("Workload {}.\n\n{}", sweep.workload, table(SweepPoint::TITLES, 0, rows))
}

fn memory(points: &[MemoryPoint]) -> String {
    let rows = points.iter().map(MemoryPoint::cells);
    format!("{}\n\n{}", memory_growth(points), table(MemoryPoint::TITLES, 0, rows))
}

/// A Markdown table; the first `n_text` columns to the left, the others to the
/// right.
fn table<const N: usize>(
    titles: [&str; N],
    n_text: usize,
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut text = format!("| {} |\n|", titles.join(" | "));
    for column in 0..N {
        text += if column < n_text.max(1) { " --- |" } else { " ---: |" };
    }
    text.push('\n');
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        machine::Provenance,
        measurement::example,
        targets::{Bound, Scope, Setting, Target},
    };

    fn findings() -> Findings {
        let target = Target {
            what: "anything",
            setting: Setting::Ordinary,
            scope: Scope::All,
            workers: 2,
            bound: Bound::Ratio(1.8),
        };
        let measurements = vec![example("a", 1), example("a", 2)];
        Findings {
            provenance: Provenance {
                machine: "a machine".to_owned(),
                commit: "abc".to_owned(),
                command: "blockloom bench".to_owned(),
                date: "today".to_owned(),
            },
            protocol: "Once.".to_owned(),
            verdicts: vec![target.judge(&measurements)],
            groups: vec![Group { title: "Group".to_owned(), measurements }],
            sweep: None,
            stages: vec![],
            memory: vec![],
        }
    }

    #[test]
    fn a_missed_target_is_said_to_be() {
        let page = page(&findings());
        let expected = "| Generated blocks, 30 Mgas | anything | 2 | ≥ 1.8 | 1.50 | 1.40–1.60 | \
                        1.90 | **missed** | a |";
        assert!(page.contains(expected), "{page}");
        assert!(page.contains("0 of 1 met") && page.contains("Commit: `abc`"), "{page}");
    }

    #[test]
    fn only_the_marked_part_of_a_page_is_replaced() {
        let before = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nThe end.\n");
        let after = insert(&before, "new").unwrap();
        assert_eq!(after, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nThe end.\n"));
        assert_eq!(insert(&after, "new").unwrap(), after);
        assert_eq!(insert("# Title\n", "new"), None);
    }
}
