//! `blockloom bench`: sequential and parallel execution of the same blocks, in
//! one process and in turns.
//!
//! What is measured and how is `blockloom_benches`' business; here blocks are
//! chosen and results written. A run that finds two results that differ ends
//! there: a wrong answer has no speed.

mod console;
mod memory;
mod output;
mod replay;
mod selection;
mod session;
mod summary;
mod targets;

use crate::{
    BenchArgs, BenchMode, CliError, Console,
    console::{Unit, table},
};
use blockloom_benches::{
    Findings, Group, Latency, Protocol, Provenance, Setting, StageTimes, Sweep, SweepPoint,
};
use blockloom_engine::Mode;
use blockloom_fixtures::workload::{Parameters, Recipe, catalogue};
use selection::{Job, recipe};
pub(crate) use selection::{Loader, jobs};
use session::Session;
pub(crate) use session::{failed, workload};
use std::{env, time::Duration};

/// Measures what `args` asks for and reports to `console`; gives everything
/// found out.
///
/// # Errors
///
/// [`CliError`] if there is no such workload or file, a block is refused, a
/// result is wrong, or results cannot be written.
pub fn bench(args: &BenchArgs, console: &mut Console<'_>) -> Result<Findings, CliError> {
    if let (Some(workers), Some(folder)) = (args.peak_of, &args.peak_chain) {
        replay::measure_peak(folder, workers, console)?;
        return Ok(findings(args));
    }
    if let Some(chains) = replay::asked(args)? {
        replay::bench(args, &chains, console)?;
        return Ok(findings(args));
    }
    if let Some(workers) = args.peak_of {
        memory::measure_here(args, workers, console)?;
        return Ok(findings(args));
    }
    if args.list {
        list(console)?;
        return Ok(findings(args));
    }
    let findings =
        if args.targets { targets::measure(args, console)? } else { chosen(args, console)? };
    output::write(args, &findings, console)?;
    Ok(findings)
}

/// Measures the workloads on the command line.
fn chosen(args: &BenchArgs, console: &mut Console<'_>) -> Result<Findings, CliError> {
    let mut found = findings(args);
    let jobs = jobs(&args.workloads)?;
    let swept = args.sweep.as_deref().map(recipe).transpose()?;
    let latency = latency(args.latency_us, console)?;
    let mut session = Session::start(args, &args.workers, mode(args), latency)?;
    let n_points = if swept.is_some() { SWEEP_STEPS as usize + 1 } else { 0 };
    let n_rounds = (jobs.len() + n_points) * session.rounds_per_job();
    let bar = console.bar(Some(n_rounds as u64), Unit::Items);
    let parameters = parameters(args);
    for job in &jobs {
        let title = title(job, &parameters, args.latency_us);
        let (workload, measurements) = session.measure(job, &parameters, &bar)?;
        for one in &measurements {
            bar.suspend(|| console.record(one))?;
        }
        if args.report.is_some() {
            found.stages.push(StageTimes::of(&workload, session.engine())?);
        }
        match found.groups.iter_mut().find(|group| group.title == title) {
            Some(group) => group.measurements.extend(measurements),
            None => found.groups.push(Group { title, measurements }),
        }
    }
    if let Some(recipe) = swept {
        found.sweep = Some(sweep(recipe, &parameters, &mut session, &bar)?);
    }
    bar.finish_and_clear();
    for group in &found.groups {
        console.line(&console::group(group))?;
        summary::report(group, console)?;
    }
    if let Some(sweep) = &found.sweep {
        console.line(&console::sweep(sweep))?;
        for point in &sweep.points {
            summary::record_point(point, console)?;
        }
    }
    Ok(found)
}

/// Steps from no contention to full.
const SWEEP_STEPS: u32 = 10;

/// Measures the workload of `recipe` at rising hot ratios, memory aside.
fn sweep(
    recipe: &'static Recipe,
    parameters: &Parameters,
    session: &mut Session,
    bar: &indicatif::ProgressBar,
) -> Result<Sweep, CliError> {
    let job = Job::Generated(recipe);
    let mut points = Vec::new();
    for step in 0..=SWEEP_STEPS {
        let hot_ratio = f64::from(step) / f64::from(SWEEP_STEPS);
        let parameters = Parameters { hot_ratio, ..*parameters };
        let (_, measurements) = session.measure_time(&job, &parameters, bar)?;
        points.push(SweepPoint { hot_ratio, measurements });
    }
    Ok(Sweep { workload: recipe.name().to_owned(), points })
}

/// What `--list` prints.
fn list(console: &mut Console<'_>) -> Result<(), CliError> {
    let mut names = table(["workload", "", ""]);
    for column in names.column_iter_mut() {
        column.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    for recipe in catalogue() {
        let (name, family, summary) = (recipe.name(), recipe.family().name(), recipe.summary());
        names.add_row([name, family, summary]);
        console.record(&summary::Listed { workload: name, family, summary })?;
    }
    console.line(&names.to_string())
}

/// Findings of nothing yet.
fn findings(args: &BenchArgs) -> Findings {
    let protocol = protocol(args);
    let mode = match args.mode {
        BenchMode::Adaptive => "the engine chooses its path, as users get it",
        BenchMode::Parallel => "the parallel path is forced",
    };
    let command: Vec<_> =
        env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    Findings {
        provenance: Provenance::of(format!("blockloom {}", command.join(" "))),
        protocol: format!(
            "Rounds: {}, after {} to warm up{}; {mode}; spreads are from the 10th to the 90th \
             percentile.",
            protocol.samples,
            protocol.warm_ups,
            if protocol.is_cold { ", each run the first of its engine" } else { "" },
        ),
        verdicts: Vec::new(),
        groups: Vec::new(),
        sweep: None,
        stages: Vec::new(),
        memory: Vec::new(),
    }
}

fn protocol(args: &BenchArgs) -> Protocol {
    Protocol { samples: args.samples, is_cold: args.cold, ..Protocol::default() }
}

/// The mode on the command line.
const fn mode(args: &BenchArgs) -> Mode {
    match args.mode {
        BenchMode::Adaptive => Mode::Adaptive,
        BenchMode::Parallel => Mode::Parallel,
    }
}

fn parameters(args: &BenchArgs) -> Parameters {
    let default = Parameters::default();
    Parameters {
        seed: args.seed.unwrap_or(default.seed),
        gas_target: args.gas,
        txs: args.txs,
        accounts: args.accounts,
        hot_ratio: args.hot_ratio.unwrap_or(default.hot_ratio),
        zipf_exponent: args.zipf.unwrap_or(default.zipf_exponent),
    }
}

/// The wait of each read, calibrated, and said.
fn latency(us: Option<u64>, console: &mut Console<'_>) -> Result<Option<Latency>, CliError> {
    let Some(us) = us.filter(|us| *us > 0) else { return Ok(None) };
    let latency = Latency::calibrated(Duration::from_micros(us));
    let measured = latency.measured.as_secs_f64() * 1e6;
    console.line(&format!(
        "each read of the base state waits {measured:.1} µs, where {us} µs were asked for"
    ))?;
    Ok(Some(latency))
}

/// What the blocks that `job` belongs to have in common.
fn title(job: &Job, parameters: &Parameters, latency_us: Option<u64>) -> String {
    let size = |job: &Job| match (job, parameters.txs) {
        (Job::File(_), _) => Setting::Mainnet.title().to_owned(),
        (Job::Generated(_), Some(txs)) => format!("Generated blocks, {txs} transactions"),
        (Job::Generated(_), None) => {
            format!("Generated blocks, {} Mgas", parameters.gas_target as f64 / 1e6)
        }
    };
    match latency_us.filter(|us| *us > 0) {
        Some(us) => format!("{}, {us} µs per read", size(job)),
        None => size(job),
    }
}
