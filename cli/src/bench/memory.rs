//! Peak memory, in a process of its own.
//!
//! The parent starts this program again with the hidden option `--peak-of`;
//! the child builds the same block, runs it once on a new engine, and prints
//! the peak. [`PeakMeter`] says why it is done this way.

use super::{
    mode, parameters,
    selection::{Job, Loader, jobs},
    session::workload,
};
use crate::{BenchArgs, CliError, Console};
use blockloom_benches::{ENVIRONMENT, Engines, PeakMeter};
use blockloom_engine::Mode;
use blockloom_fixtures::workload::Parameters;
use serde::{Deserialize, Serialize};
use std::{
    env,
    panic::resume_unwind,
    process::{Command, Stdio},
    thread,
};

/// What a child prints.
#[derive(Debug, Serialize, Deserialize)]
struct Peak {
    peak_bytes: u64,
}

/// Peak memory of running the block of `job` once, at so many workers, 0
/// for sequentially; `None` where the system does not tell.
pub(crate) fn peak(
    job: &Job,
    parameters: &Parameters,
    mode: Mode,
    workers: usize,
) -> Result<Option<u64>, CliError> {
    let program = env::current_exe()?;
    let mut command = Command::new(program);
    command.arg("bench");
    match job {
        Job::Generated(recipe) => command.arg(recipe.name()),
        Job::File(path) => command.arg(path),
    };
    let Parameters { seed, gas_target, txs, accounts, hot_ratio, zipf_exponent } = parameters;
    command.args(["--json", "--peak-of", &workers.to_string()]);
    command.args(["--seed", &seed.to_string(), "--gas", &gas_target.to_string()]);
    command.args(["--hot-ratio", &hot_ratio.to_string(), "--zipf", &zipf_exponent.to_string()]);
    if let Some(txs) = txs {
        command.args(["--txs", &txs.to_string()]);
    }
    if let Some(accounts) = accounts {
        command.args(["--accounts", &accounts.to_string()]);
    }
    if mode == Mode::Parallel {
        command.args(["--mode", "parallel"]);
    }
    let output = command.envs(ENVIRONMENT).stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    // The same block has just run here, so that a child fails means that the
    // system does not let it look at its memory.
    Ok(serde_json::from_slice::<Peak>(&output.stdout).ok().map(|peak| peak.peak_bytes))
}

/// The child's part: runs the one block that `args` names and prints the peak.
pub(crate) fn measure_here(
    args: &BenchArgs,
    workers: usize,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let helper = Engines::new(&[], Mode::Sequential)?;
    for job in jobs(&args.workloads)? {
        // On a thread that ends: mimalloc would fill the holes that building
        // leaves in a thread's memory first, and the run would seem to take
        // less than it does.
        let built = thread::scope(|scope| {
            let build = || workload(&job, &parameters(args), &helper, &mut Loader::default());
            scope.spawn(build).join()
        });
        let workload = built.unwrap_or_else(|panic| resume_unwind(panic))?;
        let meter = PeakMeter::start()?;
        // Threads and caches of the engine count: a client has to have them.
        let counts: Vec<_> = (workers > 0).then_some(workers).into_iter().collect();
        let engines = Engines::new(&counts, mode(args))?;
        let engine = engines.parallel().first().unwrap_or(engines.sequential());
        let executed = engine.execute(&workload.spec, &workload.block, &workload.base);
        let peak_bytes = meter.bytes()?;
        drop(executed);
        console.record(&Peak { peak_bytes })?;
    }
    Ok(())
}
