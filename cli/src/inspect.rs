//! `blockloom inspect`: what bounds the speedup of a block, and what a virtual
//! clock says that more workers than there are cores would come to.
//!
//! What each transaction costs is measured, alone and in order. The workers of
//! the simulation are the engine's own, and run the real transactions; only the
//! clock is made up: it moves by those costs. The stages around the parallel
//! part are measured as they are.

use crate::{
    CliError, Console, InspectArgs,
    bench::{Loader, failed, jobs, workload},
    console::table,
};
use blockloom_benches::{Engines, Measurement, Protocol, Workload, WorkloadError, measure};
use blockloom_engine::{BlockError, Config, Costs, Engine, Mode, Order, Simulation};
use blockloom_fixtures::workload::Parameters;
use serde::Serialize;
use std::{num::NonZero, sync::Arc, thread, time::Duration};

/// Simulations of each worker count; the fastest counts, as with what they are
/// held against.
const ROUNDS: usize = 3;

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
    /// What more workers come to.
    pub speedups: Vec<Speedup>,
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
}

/// Inspects what `args` names and reports to `console`.
///
/// # Errors
///
/// [`CliError`] if there is no such workload or file, or a block is refused.
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
            Ok(Speedup {
                workers: *workers,
                simulated: simulated(&engine, &workload, &costs, *workers)?,
                bound: bound(&costs, *workers),
                measured: measured.map(|one| one.ratio),
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
            speedups: speedups.collect::<Result<_, CliError>>()?,
        };
        console.record(&inspection)?;
        report(&inspection, console)?;
        inspections.push(inspection);
    }
    Ok(inspections)
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

/// Speedup with so many virtual workers.
fn simulated(
    engine: &Engine,
    workload: &Workload,
    costs: &Arc<Costs>,
    workers: usize,
) -> Result<f64, CliError> {
    let order = Order::Time(Arc::clone(costs));
    let simulation = Simulation { workers, order, seed: 0 };
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let Workload { spec, block, base, .. } = workload;
        let run = engine.simulate(spec, block, base, &simulation);
        let executed = run.result.map_err(|source| refused(workload, source))?;
        let stages = executed.stats.stages;
        let around = stages.plan + stages.open + stages.gather + stages.sequential + stages.close;
        best = best.min(around + run.time);
    }
    Ok(costs.sequential.as_secs_f64() / best.as_secs_f64())
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
    let mut rows = table(["workers", "simulated speedup", "bound", "measured"]);
    for Speedup { workers, simulated, bound, measured } in &inspection.speedups {
        rows.add_row([
            workers.to_string(),
            format!("{simulated:.2}"),
            format!("{bound:.2}"),
            measured.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}")),
        ]);
    }
    console.line(&rows.to_string())
}
