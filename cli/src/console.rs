//! Where results go: one line or table at a time, for people or programs.

use crate::CliError;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal, Write, stderr};

/// Results on one writer, progress on stderr.
pub struct Console<'a> {
    results: &'a mut dyn Write,
    json: bool,
    quiet: bool,
}

impl std::fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("json", &self.json)
            .field("quiet", &self.quiet)
            .finish_non_exhaustive()
    }
}

impl<'a> Console<'a> {
    /// A console that writes results to `results`: JSON objects if `json`,
    /// else text. `quiet` turns progress bars off.
    pub fn new(results: &'a mut dyn Write, json: bool, quiet: bool) -> Self {
        Self { results, json, quiet }
    }

    /// Whether results are meant for a program.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Writes `record` as one line of JSON; for people, writes nothing.
    pub(crate) fn record(&mut self, record: &impl Serialize) -> Result<(), CliError> {
        if !self.json {
            return Ok(());
        }
        let line = serde_json::to_string(record).map_err(std::io::Error::from)?;
        self.write(&line)
    }

    /// Writes one line for people; for programs, writes nothing.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), CliError> {
        if self.json { Ok(()) } else { self.write(line) }
    }

    fn write(&mut self, line: &str) -> Result<(), CliError> {
        writeln!(self.results, "{line}").map_err(CliError::from)?;
        // A reader at the other end of a pipe follows line by line.
        self.results.flush().map_err(CliError::from)
    }

    /// A progress bar on a terminal, hidden everywhere else.
    ///
    /// `length` is in `unit`; without one the bar only spins.
    pub(crate) fn bar(&self, length: Option<u64>, unit: Unit) -> ProgressBar {
        if self.quiet || self.json || !stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let template = match (length, unit) {
            (Some(_), Unit::Bytes) => {
                "{bar:40} {bytes}/{total_bytes} [{elapsed_precise}, {eta} left] {msg}"
            }
            (Some(_), Unit::Items) => "{bar:40} {pos}/{len} [{elapsed_precise}, {eta} left] {msg}",
            (None, _) => "{spinner} [{elapsed_precise}] {msg}",
        };
        let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        bar.with_style(
            // The templates are the three constants above, so none is refused.
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        )
    }
}

/// What a progress bar counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Files or cases.
    Items,
}

/// A table with these column titles, numbers (every column after the first)
/// to the right.
pub(crate) fn table<const N: usize>(titles: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─')
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(titles);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
