//! `blockloom verify`: known answers, sequentially and in parallel.
//!
//! Each case runs on stock sequential revm, whose result is compared with what
//! the fixture says, and in parallel at every worker count asked for, whose
//! results are compared with the sequential one as whole values. Verdicts are
//! reported in the order of files and cases, whatever finished first.

mod chain_test;
mod difference;
mod discover;
mod engines;
mod exception;
mod known;
mod mainnet;
mod recorded;
mod state_test;
mod trial;
mod verdict;

pub(crate) use chain_test::OMMER_DEPTH;
pub(crate) use difference::{Difference, between_outputs};
pub(crate) use discover::{FileKind, case_files, is_mainnet_set};
pub(crate) use engines::between_results;
pub(crate) use mainnet::spec_of;
pub use verdict::VerifyTotals;

use crate::{
    CliError, Console, VerifyArgs,
    batch::in_order,
    console::{Unit, table},
    recorded::RecordedCase,
};
use blockloom_engine::translate_at_once;
use blockloom_fixtures::{
    blockchain_test,
    mainnet::{MainnetBlock, MainnetSet, load_file as mainnet_block},
    state_test as official_state_test,
};
use discover::CaseFile;
use engines::Engines;
use indicatif::ProgressBar;
use std::{
    any::Any,
    collections::BTreeMap,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread::available_parallelism,
};
use verdict::{CaseVerdict, FailureRecord, Finding, SkipRecord, Verdict};

/// Runs every case and reports to `console`; the totals are the last line.
///
/// # Errors
///
/// [`CliError`] if a file cannot be used, nothing is there to run, or results
/// cannot be written. A failing case is no error; it is in the totals.
pub fn verify(args: &VerifyArgs, console: &mut Console<'_>) -> Result<VerifyTotals, CliError> {
    // Each case is run a few times, too few for its code to be translated of its own
    // accord.
    translate_at_once();
    let files = case_files(&args.paths)?;
    if files.is_empty() {
        return Err(CliError::NothingToRun { path: args.paths[0].clone() });
    }
    let bar = console.bar(Some(files.len() as u64), Unit::Items);
    let mut report = Report::new(console, &bar);
    in_order(
        files.iter(),
        available_parallelism().unwrap_or(NonZeroUsize::MIN),
        || Runner::new(&args.workers),
        |runner, file| runner.run_file(file, args.filter.as_deref()),
        |verdicts| report.file(verdicts?),
    )?;
    bar.finish_and_clear();
    match &args.filter {
        Some(filter) if report.totals.cases == 0 => {
            Err(CliError::NothingMatches { filter: filter.clone() })
        }
        _ => report.end(),
    }
}

/// What the cases of one file came to.
struct FileVerdicts {
    file: String,
    verdicts: Vec<CaseVerdict>,
}

/// One thread's engines.
///
/// Mainnet blocks are run with a block access list, for which there are known
/// answers; tests the way a node runs them.
struct Runner<'a> {
    workers: &'a [usize],
    with_list: Option<Engines>,
    plain: Option<Engines>,
    /// The set of the last mainnet block: its blocks share one file of code.
    set: Option<(PathBuf, MainnetSet)>,
}

impl<'a> Runner<'a> {
    const fn new(workers: &'a [usize]) -> Self {
        Self { workers, with_list: None, plain: None, set: None }
    }

    fn run_file(
        &mut self,
        file: &CaseFile,
        filter: Option<&str>,
    ) -> Result<FileVerdicts, CliError> {
        let name = file.path.display().to_string();
        let chosen =
            |case: &str| filter.is_none_or(|text| name.contains(text) || case.contains(text));
        let verdicts = match file.kind {
            FileKind::MainnetBlock => self.run_mainnet(&file.path, chosen)?,
            FileKind::BlockchainTests => self.run_tests(&file.path, chosen)?,
            FileKind::StateTests => self.run_state_tests(&file.path, chosen)?,
            FileKind::Recorded => self.run_recorded(&file.path, &name, chosen)?,
        };
        Ok(FileVerdicts { file: name, verdicts })
    }

    fn run_mainnet(
        &mut self,
        path: &Path,
        chosen: impl Fn(&str) -> bool,
    ) -> Result<Vec<CaseVerdict>, CliError> {
        let case = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let case = case.split('.').next().unwrap_or_default().to_owned();
        if !chosen(&case) {
            return Ok(Vec::new());
        }
        let block = self.load_mainnet(path, &case)?;
        let engines = engines(&mut self.with_list, self.workers, true)?;
        let verdict = guarded(|| Ok(mainnet::verify(&block, engines)))?;
        Ok(vec![CaseVerdict { case, verdict }])
    }

    /// Loads a block, through its set if that lists it.
    fn load_mainnet(&mut self, path: &Path, case: &str) -> Result<MainnetBlock, CliError> {
        let folder = path.parent().and_then(Path::parent);
        let (Some(folder), Ok(number)) = (folder, case.parse()) else {
            return Ok(mainnet_block(path)?);
        };
        let set = match self.set.take() {
            Some((open, set)) if open == folder => set,
            _ if folder.join("index.json").is_file() => MainnetSet::open(folder)?,
            _ => return Ok(mainnet_block(path)?),
        };
        let listed = set.path(number) == path;
        let (_, set) = self.set.insert((folder.to_owned(), set));
        Ok(if listed { set.load(number)? } else { mainnet_block(path)? })
    }

    fn run_tests(
        &mut self,
        path: &Path,
        chosen: impl Fn(&str) -> bool,
    ) -> Result<Vec<CaseVerdict>, CliError> {
        let mut verdicts = Vec::new();
        for test in blockchain_test::load(path)? {
            if !chosen(&test.name) {
                continue;
            }
            let engines = engines(&mut self.plain, self.workers, false)?;
            let verdict = guarded(|| {
                chain_test::verify(&test, engines).map_err(|source| CliError::Network {
                    path: path.to_owned(),
                    case: test.name.clone(),
                    source,
                })
            })?;
            let verdict = known::excuse(&test.name, verdict);
            verdicts.push(CaseVerdict { case: test.name, verdict });
        }
        Ok(verdicts)
    }

    fn run_recorded(
        &mut self,
        path: &Path,
        name: &str,
        chosen: impl Fn(&str) -> bool,
    ) -> Result<Vec<CaseVerdict>, CliError> {
        if !chosen(name) {
            return Ok(Vec::new());
        }
        let case = RecordedCase::load(path)?;
        let engines = engines(&mut self.plain, self.workers, false)?;
        let verdict = guarded(|| recorded::verify(&case, engines))?;
        Ok(vec![CaseVerdict { case: case.origin, verdict }])
    }

    fn run_state_tests(
        &mut self,
        path: &Path,
        chosen: impl Fn(&str) -> bool,
    ) -> Result<Vec<CaseVerdict>, CliError> {
        let mut tests = official_state_test::load(path)?;
        tests.retain(|test| chosen(&test.name));
        if tests.is_empty() {
            return Ok(Vec::new());
        }
        let engines = engines(&mut self.plain, self.workers, false)?;
        let unknown = |case: &str, source| CliError::Network {
            path: path.to_owned(),
            case: case.to_owned(),
            source,
        };
        let mut verdicts = Vec::new();
        for test in &tests {
            let verdict = guarded(|| {
                state_test::verify(test, engines).map_err(|source| unknown(&test.name, source))
            })?;
            let verdict = known::excuse_state_test(test, verdict);
            verdicts.push(CaseVerdict { case: test.name.clone(), verdict });
        }
        for group in state_test::groups(&tests) {
            let case = group.name();
            let verdict =
                guarded(|| group.verify(engines).map_err(|source| unknown(&case, source)))?;
            verdicts.push(CaseVerdict { case, verdict });
        }
        Ok(verdicts)
    }
}

/// The engines in `slot`, started when they are first needed.
fn engines<'e>(
    slot: &'e mut Option<Engines>,
    workers: &[usize],
    access_list: bool,
) -> Result<&'e Engines, CliError> {
    let engines = match slot.take() {
        Some(engines) => engines,
        None => Engines::new(workers, access_list)?,
    };
    Ok(slot.insert(engines))
}

/// Turns a panic into the case's failure, so that one case cannot hide what
/// became of thousands of others.
fn guarded(run: impl FnOnce() -> Result<Verdict, CliError>) -> Result<Verdict, CliError> {
    // Nothing of a case is used after its panic; engines promise to survive.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let difference = Difference {
            transaction: None,
            location: "run".to_owned(),
            got: format!("panic: {}", panic_message(&*panic)),
            expected: "a verdict".to_owned(),
        };
        Ok(Verdict::Failed(vec![Finding { block: None, workers: None, difference }]))
    })
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Writes verdicts as they come and counts them.
struct Report<'r, 'a> {
    console: &'r mut Console<'a>,
    bar: &'r ProgressBar,
    totals: VerifyTotals,
    /// Skipped cases by reason.
    skips: BTreeMap<String, usize>,
}

impl<'r, 'a> Report<'r, 'a> {
    const fn new(console: &'r mut Console<'a>, bar: &'r ProgressBar) -> Self {
        let totals = VerifyTotals { cases: 0, passed: 0, failed: 0, skipped: 0 };
        Self { console, bar, totals, skips: BTreeMap::new() }
    }

    fn file(&mut self, FileVerdicts { file, verdicts }: FileVerdicts) -> Result<(), CliError> {
        for CaseVerdict { case, verdict } in verdicts {
            self.totals.cases += 1;
            match verdict {
                Verdict::Passed => self.totals.passed += 1,
                Verdict::Failed(findings) => {
                    self.totals.failed += 1;
                    self.failures(&file, &case, &findings)?;
                }
                Verdict::Skipped(reason) => {
                    self.totals.skipped += 1;
                    let record =
                        SkipRecord { result: "skipped", file: &file, case: &case, reason: &reason };
                    self.console.record(&record)?;
                    let text = format!("skipped {file}\n  case {case}\n  {reason}");
                    self.bar.suspend(|| self.console.line(&text))?;
                    *self.skips.entry(reason).or_default() += 1;
                }
            }
        }
        self.bar.inc(1);
        self.bar.set_message(format!("{} cases, {} failed", self.totals.cases, self.totals.failed));
        Ok(())
    }

    fn failures(&mut self, file: &str, case: &str, findings: &[Finding]) -> Result<(), CliError> {
        self.bar.suspend(|| self.console.line(&format!("FAILED {file}\n  case {case}")))?;
        for finding in findings {
            let record = FailureRecord::new(file, case, finding);
            self.console.record(&record)?;
            self.bar.suspend(|| self.console.line(&record.text()))?;
        }
        Ok(())
    }

    fn end(self) -> Result<VerifyTotals, CliError> {
        let totals = self.totals;
        if !self.skips.is_empty() {
            let mut skips = table(["skipped because", "cases"]);
            for (reason, count) in &self.skips {
                skips.add_row([reason.clone(), count.to_string()]);
            }
            self.console.line(&skips.to_string())?;
        }
        let mut summary = table(["", "cases", "passed", "failed", "skipped"]);
        let counts = [totals.cases, totals.passed, totals.failed, totals.skipped];
        let cells = counts.map(|count| count.to_string());
        summary.add_row(std::iter::once("total".to_owned()).chain(cells));
        self.console.line(&summary.to_string())?;
        self.console.record(&totals)?;
        Ok(totals)
    }
}
