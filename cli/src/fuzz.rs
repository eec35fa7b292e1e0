//! `blockloom fuzz`: random blocks, in parallel and sequentially, for as long
//! as one likes.
//!
//! Blocks come from the grammar of `blockloom_fixtures::random`, each from the
//! seed and its own index, so that every one can be had again alone. Each runs
//! sequentially, and in parallel under a few schedules: ways to set the engine
//! up and to disturb its base state. A schedule under which anything differs is
//! a divergence; its block is shrunk and written down for `blockloom verify`.

mod contest;
mod schedule;
mod soak;
#[cfg(test)]
mod tests;

use crate::{
    CliError, Console, FuzzArgs,
    batch::in_order,
    console::{Unit, table},
    verify::Difference,
};
use blockloom_engine::translate_at_once;
use contest::{Contest, Divergence};
use serde::Serialize;
use soak::Soak;
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread::available_parallelism,
    time::Instant,
};

/// Divergences after which a run ends: what is wrong is wrong often.
const MOST_DIVERGENCES: u64 = 10;

/// Totals of a run; the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FuzzTotals {
    /// Blocks that ran.
    pub blocks: u64,
    /// Transactions in them.
    pub txs: u64,
    /// Parallel executions, each under a schedule of its own.
    pub schedules: u64,
    /// Those that were not what the sequential execution is.
    pub divergences: u64,
}

/// A divergence as `--json` prints it.
#[derive(Debug, Serialize)]
struct DivergenceRecord<'a> {
    /// Always `"diverged"`.
    result: &'static str,
    /// The run's seed.
    seed: u64,
    /// Index of the block.
    block: u64,
    /// Transactions left of it, shrunk.
    txs: usize,
    /// The schedule, in words.
    schedule: &'a str,
    transaction: Option<usize>,
    location: &'a str,
    parallel: &'a str,
    sequential: &'a str,
    /// The recorded case.
    file: &'a Path,
    /// What runs the whole block again.
    command: &'a str,
}

/// Runs random blocks and reports divergences to `console`; the totals are the
/// last line.
///
/// # Errors
///
/// [`CliError`] if threads cannot be started, or results and cases not be
/// written. A divergence is no error; it is in the totals.
pub fn fuzz(args: &FuzzArgs, console: &mut Console<'_>) -> Result<FuzzTotals, CliError> {
    // Random code is run a few times, too few to be translated of its own accord.
    translate_at_once();
    run(args, console, || Contest::new(args))
}

fn run(
    args: &FuzzArgs,
    console: &mut Console<'_>,
    contest: impl Fn() -> Contest + Sync,
) -> Result<FuzzTotals, CliError> {
    let bar = console.bar(Some(args.blocks), Unit::Items);
    let started = Instant::now();
    let is_time = |_: &u64| args.time.is_none_or(|limit| started.elapsed() < limit);
    let indices = (args.from..args.from.saturating_add(args.blocks)).take_while(is_time);
    let mut totals = FuzzTotals::default();
    let mut soak = args.soak.then(|| Soak::of(args.blocks));
    in_order(
        indices,
        available_parallelism().unwrap_or(NonZeroUsize::MIN),
        contest,
        |contest, index| contest.hold(index),
        |held| {
            let held = held?;
            totals.blocks += 1;
            totals.txs += held.txs as u64;
            totals.schedules += held.schedules;
            bar.inc(1);
            if let Some(soak) = &mut soak {
                bar.suspend(|| soak.ran(totals.blocks, console))?;
            }
            for divergence in &held.divergences {
                totals.divergences += 1;
                bar.suspend(|| report(args, divergence, console))?;
            }
            if totals.divergences >= MOST_DIVERGENCES { Err(Stop::Enough) } else { Ok(()) }
        },
    )
    .or_else(|stop| match stop {
        Stop::Enough => Ok(()),
        Stop::Failed(error) => Err(*error),
    })?;
    bar.finish_and_clear();
    let mut summary = table(["", "blocks", "transactions", "schedules", "divergences"]);
    let counts = [totals.blocks, totals.txs, totals.schedules, totals.divergences];
    summary.add_row(["total".to_owned()].into_iter().chain(counts.map(|count| count.to_string())));
    console.line(&summary.to_string())?;
    console.record(&totals)?;
    soak.map_or(Ok(()), |soak| soak.end())?;
    Ok(totals)
}

/// Why a run ends before its last block.
enum Stop {
    Enough,
    Failed(Box<CliError>),
}

impl From<CliError> for Stop {
    fn from(error: CliError) -> Self {
        Self::Failed(Box::new(error))
    }
}

fn report(
    args: &FuzzArgs,
    divergence: &Divergence,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let Divergence { index, case, schedule, txs, difference } = divergence;
    let name = format!("fuzz-{}-{index}", args.seed);
    let file: PathBuf = case.save(&args.out, &name)?;
    let Difference { transaction, location, got, expected } = difference;
    let command = &case.origin;
    console.record(&DivergenceRecord {
        result: "diverged",
        seed: args.seed,
        block: *index,
        txs: *txs,
        schedule,
        transaction: *transaction,
        location,
        parallel: got,
        sequential: expected,
        file: &file,
        command,
    })?;
    console.line(&format!(
        "DIVERGED seed {}, block {index}, shrunk to {txs} transactions, {schedule}\n  {difference}\n  \
         again: {command}\n         blockloom verify {}",
        args.seed,
        file.display()
    ))
}
