//! `blockloom inspect`: what bounds the speedup of a block, and what a virtual
//! clock says that more workers than there are cores would come to.
//!
//! What each transaction costs is measured, alone and in order, and so is what
//! workers do beside that. The workers of the simulation are the engine's own,
//! and run the real transactions; only the clock is made up: it moves by those
//! costs. The stages around the parallel part are measured as they are.
//!
//! What working beside another core adds to each step is one factor, such that two
//! virtual workers come to what two real ones do.
//!
//! Where the machine has the cores, real workers are measured once more, in turns
//! with the sequential path, and stand beside what was simulated.

use crate::{
    CliError, Console, InspectArgs,
    bench::{Loader, failed, jobs, workload},
    console::table,
};
use blockloom_benches::{Engines, Measurement, Protocol, Workload, WorkloadError, measure};
use blockloom_engine::{BlockError, Calibration, Config, Costs, Engine, Mode};
use blockloom_fixtures::workload::Parameters;
use serde::Serialize;
use std::{num::NonZero, thread, time::Duration};

/// Simulations of each worker count; the median counts.
const ROUNDS: usize = 15;

/// What was found out about one block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The block.
    pub block: String,
    /// Transactions in it.
    pub txs: usize,
    /// Gas it uses.
    pub gas: u64,
    /// The whole block on stock sequential revm, in milliseconds.
    pub sequential_ms: f64,
    /// All transactions one after another.
    pub total_ms: f64,
    /// The longest transaction.
    pub largest_ms: f64,
    /// The longest chain of transactions each of which depends on the one
    /// before.
    pub critical_path_ms: f64,
    /// What else workers do, as measured for the simulations.
    pub steps: Steps,
    /// What more workers come to.
    pub speedups: Vec<Speedup>,
}

/// What workers do beside running transactions, measured on this machine and
/// with this block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Steps {
    /// Microseconds until a thread that was asleep works.
    pub waking_us: f64,
    /// What a core at work takes beside another one, by what it takes alone.
    pub crowding: f64,
    /// What running ahead takes, by what running in order does, where workers
    /// tell each other what is final.
    pub ahead: f64,
    /// Nanoseconds to judge a result of an average transaction and make it
    /// final.
    pub judge_ns: f64,
    /// Nanoseconds to take over what an average transaction did.
    pub hear_ns: f64,
}

/// Speedup over stock sequential revm with so many workers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Speedup {
    /// How many.
    pub workers: usize,
    /// By the virtual clock.
    pub simulated: f64,
    /// At most, for the transactions alone: they cannot all be done before the
    /// critical path is, nor faster than the workers share them.
    pub bound: f64,
    /// On this machine, where it has so many cores.
    pub measured: Option<f64>,
    /// Simulated by measured, less one.
    pub difference: Option<f64>,
}

/// Inspects what `args` names and reports to `console`.
///
/// # Errors
///
/// [`CliError`] if there is no such workload or file, or a block is refused;
/// [`CliError::Uncalibrated`] if `args` asks for simulations that are close to
/// what is measured, and one is not.
pub fn inspect(args: &InspectArgs, console: &mut Console<'_>) -> Result<Vec<Inspection>, CliError> {
    let engine = Engine::new(Config::default())?;
    let n_cores = thread::available_parallelism().map_or(1, NonZero::get);
    let counts: Vec<_> = args.simulate.iter().copied().filter(|count| *count <= n_cores).collect();
    let engines = Engines::new(&counts, Mode::Adaptive)?;
    let parameters = Parameters { gas_target: args.gas, ..Parameters::default() };
    let mut loader = Loader::default();
    let mut inspections = Vec::new();
    for job in jobs(&args.blocks)? {
        let workload = workload(&job, &parameters, &engines, &mut loader)?;
        let costs = engine
            .measure(&workload.spec, &workload.block, &workload.base, args.samples)
            .map_err(|source| refused(&workload, source))?;
        let measured = measured(args, &workload, &engines)?;
        let speedups = args.simulate.iter().map(|workers| {
            let measured = measured.iter().find(|one| one.workers == *workers);
            let measured = measured.map(|one| one.ratio);
            let simulated = engine
                .predict(&workload.spec, &workload.block, &workload.base, &costs, *workers, ROUNDS)
                .map_err(|source| refused(&workload, source))?;
            Ok(Speedup {
                workers: *workers,
                simulated,
                bound: bound(&costs, *workers),
                measured,
                difference: measured.map(|measured| simulated / measured - 1.0),
            })
        });
        let inspection = Inspection {
            block: workload.name.clone(),
            txs: workload.n_txs(),
            gas: workload.gas(),
            sequential_ms: milliseconds(costs.sequential),
            total_ms: milliseconds(costs.total()),
            largest_ms: milliseconds(costs.largest()),
            critical_path_ms: milliseconds(costs.critical_path()),
            steps: Steps::of(&costs),
            speedups: speedups.collect::<Result<_, CliError>>()?,
        };
        console.record(&inspection)?;
        report(&inspection, console)?;
        inspections.push(inspection);
    }
    match args.within {
        Some(percent) => check(&inspections, percent).map(|()| inspections),
        None => Ok(inspections),
    }
}

/// Whether every simulation is as close to what was measured as that.
fn check(inspections: &[Inspection], percent: f64) -> Result<(), CliError> {
    let all = inspections.iter().flat_map(|one| one.speedups.iter().map(move |of| (one, of)));
    let found = all.filter_map(|(one, of)| Some((one, of.workers, of.difference?)));
    let worst = found.max_by(|(.., one), (.., other)| one.abs().total_cmp(&other.abs()));
    match worst {
        Some((one, workers, difference)) if difference.abs() * 100.0 > percent => {
            Err(CliError::Uncalibrated { block: one.block.clone(), workers, difference, percent })
        }
        _ => Ok(()),
    }
}

impl Steps {
    fn of(costs: &Costs) -> Self {
        let Calibration { waking, crowding, news, .. } = &costs.calibration;
        let n_txs = costs.transactions.len().max(1);
        let n_reads: usize = costs.transactions.iter().map(|one| one.n_reads).sum();
        let hear: Duration = costs.transactions.iter().map(|one| one.hear).sum();
        Self {
            waking_us: waking.as_secs_f64() * 1e6,
            crowding: *crowding as f64 / 1e3,
            ahead: news.ahead_permille as f64 / 1e3,
            judge_ns: news.judge.time(n_reads / n_txs).as_secs_f64() * 1e9,
            hear_ns: hear.as_secs_f64() * 1e9 / n_txs as f64,
        }
    }
}

/// Parallel against sequential in turns, at the worker counts of `engines`.
fn measured(
    args: &InspectArgs,
    workload: &Workload,
    engines: &Engines,
) -> Result<Vec<Measurement>, CliError> {
    if args.no_measure || engines.parallel().is_empty() {
        return Ok(Vec::new());
    }
    let protocol = Protocol { samples: args.samples, ..Protocol::default() };
    let rounds = measure(workload, &workload.base, engines, &protocol, || {}).map_err(failed)?;
    Ok(Measurement::of(workload, &rounds))
}

fn refused(workload: &Workload, source: BlockError) -> CliError {
    WorkloadError::Refused { name: workload.name.clone(), source }.into()
}

/// The most that so many workers can make of the transactions.
fn bound(costs: &Costs, workers: usize) -> f64 {
    let total = costs.total().as_secs_f64();
    let shared = total / workers as f64;
    let least = shared.max(costs.critical_path().as_secs_f64());
    if least > 0.0 { total / least } else { 1.0 }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn report(inspection: &Inspection, console: &mut Console<'_>) -> Result<(), CliError> {
    let Inspection { block, txs, gas, .. } = inspection;
    console.line(&format!("{block}: {txs} transactions, {gas} gas"))?;
    console.line(&format!(
        "sequential {:.3} ms; transactions {:.3} ms, critical path {:.3} ms, largest {:.3} ms",
        inspection.sequential_ms,
        inspection.total_ms,
        inspection.critical_path_ms,
        inspection.largest_ms,
    ))?;
    let Steps { waking_us, crowding, ahead, judge_ns, hear_ns } = inspection.steps;
    console.line(&format!(
        "for the simulation measured here, now: waking {waking_us:.1} µs; two cores at work \
         {crowding:.2} × alone; running ahead {ahead:.2} × in order; judging {judge_ns:.0} ns, \
         hearing {hear_ns:.0} ns a transaction"
    ))?;
    let mut rows = table(["workers", "simulated speedup", "bound", "measured", "difference"]);
    for Speedup { workers, simulated, bound, measured, difference } in &inspection.speedups {
        rows.add_row([
            workers.to_string(),
            format!("{simulated:.2}"),
            format!("{bound:.2}"),
            measured.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}")),
            difference.map_or_else(|| "–".to_owned(), |part| format!("{:+.1} %", part * 100.0)),
        ]);
    }
    console.line(&rows.to_string())
}
