//! What became of each case, in the words a report uses.

use super::difference::Difference;
use serde::Serialize;

/// What became of one case.
#[derive(Clone, Debug)]
pub(crate) struct CaseVerdict {
    /// The case's name: a test's, or a mainnet block's number.
    pub case: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a case.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// Everything agrees.
    Passed,
    /// Something does not; never empty.
    Failed(Vec<Finding>),
    /// Not run, and why.
    Skipped(String),
}

impl Verdict {
    /// Passed if nothing was found.
    pub(crate) fn of(findings: Vec<Finding>) -> Self {
        if findings.is_empty() { Self::Passed } else { Self::Failed(findings) }
    }
}

/// One disagreement within a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The block, if it is about one.
    pub block: Option<BlockName>,
    /// Worker count of the parallel run that disagrees with the sequential
    /// one; `None` if the sequential run disagrees with the fixture.
    pub workers: Option<usize>,
    /// What is different.
    pub difference: Difference,
}

/// A block within a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BlockName {
    /// Position among the blocks of the case, from 0. Competing chains and
    /// invalid blocks make the number alone ambiguous.
    pub position: usize,
    /// The header's number, if the block decodes.
    pub number: Option<u64>,
}

/// A failure as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct FailureRecord<'a> {
    /// Always `"failed"`.
    pub result: &'static str,
    /// Path of the file.
    pub file: &'a str,
    /// Name of the case.
    pub case: &'a str,
    /// The block, if the failure is about one.
    pub block: Option<BlockName>,
    /// Position of the transaction in the block, from 0.
    pub transaction: Option<usize>,
    /// Workers of the run that disagrees; `null` for the sequential run.
    pub workers: Option<usize>,
    /// What differs.
    pub location: &'a str,
    /// The value found.
    pub got: &'a str,
    /// The value that should be there.
    pub expected: &'a str,
}

impl<'a> FailureRecord<'a> {
    pub(crate) fn new(file: &'a str, case: &'a str, finding: &'a Finding) -> Self {
        Self {
            result: "failed",
            file,
            case,
            block: finding.block,
            transaction: finding.difference.transaction,
            workers: finding.workers,
            location: &finding.difference.location,
            got: &finding.difference.got,
            expected: &finding.difference.expected,
        }
    }

    /// The failure in a few lines for people, below the name of its case.
    pub(crate) fn text(&self) -> String {
        let mut place = Vec::new();
        if let Some(BlockName { position, number }) = self.block {
            place.push(format!("block at position {position}"));
            place.extend(number.map(|number| format!("number {number}")));
        }
        place.extend(self.transaction.map(|transaction| format!("transaction {transaction}")));
        place.extend(self.workers.map(|workers| format!("{workers} workers against sequential")));
        place.push(self.location.to_owned());
        format!("  {}\n    got      {}\n    expected {}", place.join(", "), self.got, self.expected)
    }
}

/// A skip as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct SkipRecord<'a> {
    /// Always `"skipped"`.
    pub result: &'static str,
    /// Path of the file.
    pub file: &'a str,
    /// Name of the case.
    pub case: &'a str,
    /// Why it was not run.
    pub reason: &'a str,
}

/// Totals of a run; the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyTotals {
    /// Cases that were chosen.
    pub cases: usize,
    /// Cases in which everything agrees.
    pub passed: usize,
    /// Cases in which something does not.
    pub failed: usize,
    /// Cases that were not run.
    pub skipped: usize,
}
