//! What the tests share.

use blockloom_engine::{
    BlockError, BlockOutput, ChainSpec, Config, Engine, Executed, ExecutionStats, Mode,
    RecoveredBlock,
};
use blockloom_state::Snapshot;
use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// The worker counts every comparison runs at.
pub(crate) const WORKERS: [usize; 4] = [1, 2, 4, 8];

static ENGINES: LazyLock<Vec<Engine>> = LazyLock::new(|| WORKERS.map(engine).into());

/// An engine that takes the parallel path whatever the block.
pub(crate) fn engine(workers: usize) -> Engine {
    let config = Config { workers, mode: Mode::Parallel, access_list: true, ..Config::default() };
    Engine::new(config).expect("threads can be started")
}

/// One engine per entry of [`WORKERS`], shared by all tests of a process.
pub(crate) fn engines() -> &'static [Engine] {
    &ENGINES
}

/// An error as a whole: kind, place and words.
fn verdict(result: Result<Executed, BlockError>) -> Result<(BlockOutput, ExecutionStats), String> {
    result.map(|executed| (executed.output, executed.stats)).map_err(|error| format!("{error:?}"))
}

/// Executes `block` sequentially and at every worker count, asserts that all
/// agree on everything, and returns the answer and the summed statistics of
/// the parallel runs.
#[track_caller]
pub(crate) fn check<S: Snapshot>(
    spec: &ChainSpec,
    block: &RecoveredBlock,
    base: &S,
) -> (Result<BlockOutput, String>, ExecutionStats) {
    let expected = verdict(engines()[0].execute_sequential(spec, block, base)).map(|run| run.0);
    let mut total = ExecutionStats::default();
    for engine in engines() {
        let workers = engine.workers();
        let actual = verdict(engine.execute(spec, block, base)).map(|(output, stats)| {
            total.executions += stats.executions;
            total.aborts += stats.aborts;
            total.blocked += stats.blocked;
            total.at_frontier += stats.at_frontier;
            output
        });
        assert_eq!(actual, expected, "{workers} workers");
    }
    (expected, total)
}

/// The shared test data, or `None`, said loudly, where it is absent. In CI it
/// must be there.
pub(crate) fn data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("BLOCKLOOM_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(folder);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", path.display());
    eprintln!("SKIPPED: 1 suite, because {} is missing", path.display());
    None
}
