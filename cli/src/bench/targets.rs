//! `--targets`: everything the table of targets is about, in one go.

use super::{
    SWEEP_STEPS, console, findings, latency, memory, parameters,
    selection::{Job, jobs, recipe},
    session::Session,
    summary, sweep,
};
use crate::{BenchArgs, CliError, Console, console::Unit};
use blockloom_benches::{Findings, Group, MemoryPoint, Setting, StageTimes, TARGETS, Verdict};
use blockloom_engine::Mode;
use blockloom_fixtures::workload::Parameters;
use std::collections::BTreeMap;

/// Workload whose contention is swept.
const SWEPT: &str = "mix_hot_30";

/// Workload whose memory is measured at several sizes, and its transactions.
const GROWING: &str = "erc20_independent";
const SIZES: [usize; 5] = [1000, 2000, 4000, 8000, 16_000];

/// Worker count of the memory measurements.
const MEMORY_WORKERS: usize = 2;

/// Measures every setting on its workloads; on those that `args` names, if it
/// names some. Mainnet blocks are measured only where `args` says where they
/// are.
pub(crate) fn measure(args: &BenchArgs, console: &mut Console<'_>) -> Result<Findings, CliError> {
    let mut found = findings(args);
    let chosen = Chosen::new(args)?;
    let mut by_setting = BTreeMap::new();
    for setting in Setting::ALL {
        if !chosen.of(setting).is_empty() {
            let group = one_setting(setting, &chosen, args, &mut found, console)?;
            by_setting.insert(setting, group.measurements.clone());
            found.groups.push(group);
        }
    }
    found.verdicts = TARGETS
        .iter()
        .map(|target| target.judge(by_setting.get(&target.setting).map_or(&[], Vec::as_slice)))
        .collect();
    if !args.no_memory && chosen.has(GROWING) {
        found.memory = growth(args)?;
    }
    report(&found, console)?;
    Ok(found)
}

/// The blocks that a run is restricted to.
struct Chosen {
    generated: Vec<Job>,
    files: Vec<Job>,
}

impl Chosen {
    fn new(args: &BenchArgs) -> Result<Self, CliError> {
        let is_file = |job: &Job| matches!(job, Job::File(_));
        let (files, mut generated): (Vec<_>, Vec<_>) =
            jobs(&args.workloads)?.into_iter().partition(is_file);
        if generated.is_empty() {
            generated = jobs(&[])?;
        }
        Ok(Self { generated, files })
    }

    fn has(&self, name: &str) -> bool {
        self.generated.iter().any(|job| matches!(job, Job::Generated(one) if one.name() == name))
    }

    /// Those that `setting` is about.
    fn of(&self, setting: Setting) -> Vec<Job> {
        if setting == Setting::Mainnet {
            return self.files.clone();
        }
        let is_part = |job: &&Job| match job {
            Job::Generated(recipe) => setting.takes_all() || setting.names(recipe.name()),
            Job::File(_) => false,
        };
        self.generated.iter().filter(is_part).cloned().collect()
    }
}

/// Measures the blocks of one setting; the ordinary one also by stage and
/// under rising contention.
fn one_setting(
    setting: Setting,
    chosen: &Chosen,
    args: &BenchArgs,
    found: &mut Findings,
    console: &mut Console<'_>,
) -> Result<Group, CliError> {
    let jobs = chosen.of(setting);
    let defaults = parameters(args);
    let gas_target = setting.gas().unwrap_or(defaults.gas_target);
    let parameters = Parameters { gas_target, ..defaults };
    let latency = latency(setting.latency_us(), console)?;
    let mut session = Session::start(args, setting.workers(), setting.mode(), latency)?;
    let is_ordinary = setting == Setting::Ordinary;
    let sweeps = is_ordinary && chosen.has(SWEPT);
    let n_points = if sweeps { SWEEP_STEPS as usize + 1 } else { 0 };
    let n_rounds = (jobs.len() + n_points) * session.rounds_per_job();
    let bar = console.bar(Some(n_rounds as u64), Unit::Items);
    let title = setting.title().to_owned();
    let mut group = Group { title, measurements: Vec::new() };
    for job in &jobs {
        let (workload, measurements) = session.measure(job, &parameters, &bar)?;
        for one in &measurements {
            bar.suspend(|| console.record(one))?;
        }
        group.measurements.extend(measurements);
        if is_ordinary && args.report.is_some() {
            found.stages.push(StageTimes::of(&workload, session.engine())?);
        }
    }
    if sweeps {
        found.sweep = Some(sweep(recipe(SWEPT)?, &parameters, &mut session, &bar)?);
    }
    bar.finish_and_clear();
    Ok(group)
}

/// Peak memory of [`GROWING`] at each of [`SIZES`].
fn growth(args: &BenchArgs) -> Result<Vec<MemoryPoint>, CliError> {
    let job = Job::Generated(recipe(GROWING)?);
    let mut points = Vec::new();
    for txs in SIZES {
        let parameters = Parameters { txs: Some(txs), ..parameters(args) };
        let peak = |workers| memory::peak(&job, &parameters, Mode::Parallel, workers);
        if let (Some(peak_bytes), Some(sequential_peak_bytes)) = (peak(MEMORY_WORKERS)?, peak(0)?) {
            let (workload, workers) = (GROWING.to_owned(), MEMORY_WORKERS);
            points.push(MemoryPoint { workload, txs, workers, peak_bytes, sequential_peak_bytes });
        }
    }
    Ok(points)
}

fn report(found: &Findings, console: &mut Console<'_>) -> Result<(), CliError> {
    for group in &found.groups {
        console.line(&format!("{}\n", console::group(group)))?;
        summary::report(group, console)?;
    }
    if let Some(sweep) = &found.sweep {
        console.line(&format!("{}\n", console::sweep(sweep)))?;
        for point in &sweep.points {
            summary::record_point(point, console)?;
        }
    }
    if !found.memory.is_empty() {
        console.line(&format!("{}\n", console::memory(&found.memory)))?;
        found.memory.iter().try_for_each(|point| summary::record_memory(point, console))?;
    }
    let verdicts: &[Verdict] = &found.verdicts;
    console.line(&console::verdicts(verdicts))?;
    verdicts.iter().try_for_each(|verdict| summary::record_verdict(verdict, console))
}
