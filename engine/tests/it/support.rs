//! What the tests share.

pub(crate) mod block;
pub(crate) mod forks;
pub(crate) mod gate;

pub(crate) mod code {
    pub(crate) use blockloom_fixtures::handmade::{Code, input};
}

pub(crate) mod world {
    pub(crate) use blockloom_fixtures::handmade::{ETHER, MINER, World, contract, nobody, user};
}

pub(crate) mod faulty {
    pub(crate) use blockloom_fixtures::handmade::{Faulty, Flaky, ON_FIRE, Recording};
}

pub(crate) mod jitter {
    pub(crate) use blockloom_fixtures::handmade::Jitter;
}

use alloy_primitives::{Address, U256};
use block::{Tx, block, header};
use blockloom_engine::{
    BlockError, BlockOutput, ChainSpec, Config, Engine, Executed, ExecutionStats, Mode, Order,
    RecoveredBlock, Sharing, Simulation, Worth, translate_at_once,
};
use blockloom_state::Snapshot;
use forks::{Fork, spec};
use gate::{Gate, Key};
use parking_lot::{Mutex, MutexGuard};
use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};
use world::World;

/// The worker counts every comparison runs at.
pub(crate) const WORKERS: [usize; 4] = [1, 2, 4, 8];

/// Virtual workers of a simulated run.
const SIMULATED: usize = 3;

/// Held by whoever makes one worker wait for another: tests that share a
/// process share the engines' threads, and two that wait would wait for ever.
static WAITING: Mutex<()> = Mutex::new(());

/// Engines of every worker count, each with both ways of sharing.
fn of_every_kind(config: Config) -> Vec<Engine> {
    let sharing = [Sharing::News, Sharing::Memory];
    let kinds = WORKERS.into_iter().flat_map(|workers| sharing.map(|sharing| (workers, sharing)));
    kinds.map(|(workers, sharing)| build(Config { workers, sharing, ..config })).collect()
}

static ENGINES: LazyLock<Vec<Engine>> = LazyLock::new(|| of_every_kind(forced()));

static BARE: LazyLock<Vec<Engine>> =
    LazyLock::new(|| of_every_kind(Config { access_list: false, ..forced() }));

/// Engines that choose their path: as users get them, and so that every block
/// is worth it, which begins one after another, goes on in parallel, and may
/// give that up again.
static ADAPTIVE: LazyLock<Vec<Engine>> = LazyLock::new(|| {
    let user = Config { workers: 2, ..Config::default() };
    let eager = Config { worth: Worth::NOTHING, ..user };
    [user, eager, Config { sharing: Sharing::Memory, ..eager }].map(build).into()
});

/// The parallel path whatever the block, and the block's access list, so that
/// every account a transaction touched is looked at.
fn forced() -> Config {
    Config { mode: Mode::Parallel, access_list: true, ..Config::default() }
}

/// An engine. Blocks are run a few times here, too few for their code to be
/// translated of its own accord.
fn build(config: Config) -> Engine {
    translate_at_once();
    Engine::new(config).expect("threads can be started")
}

/// An engine that takes the parallel path whatever the block.
pub(crate) fn engine(workers: usize) -> Engine {
    build(Config { workers, ..forced() })
}

/// Makes sure that nobody else makes workers wait.
pub(crate) fn waiting_alone() -> MutexGuard<'static, ()> {
    WAITING.lock()
}

/// Engines for every entry of [`WORKERS`], shared by all tests of a process.
pub(crate) fn engines() -> &'static [Engine] {
    &ENGINES
}

/// The same without access lists.
fn bare_engines() -> &'static [Engine] {
    &BARE
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
        assert_same(&actual, &expected, workers);
    }
    check_bare(spec, block, base);
    (expected, total)
}

/// The same for engines that build no access list: one that chooses its path,
/// and those for every entry of [`WORKERS`] that run in parallel.
#[track_caller]
fn check_bare<S: Snapshot>(spec: &ChainSpec, block: &RecoveredBlock, base: &S) {
    let answer = |result| verdict(result).map(|run| run.0);
    let expected = answer(bare_engines()[0].execute_sequential(spec, block, base));
    for engine in bare_engines().iter().chain(&*ADAPTIVE) {
        let actual = answer(engine.execute(spec, block, base));
        assert_same(&actual, &expected, engine.workers());
    }
}

/// Asserts that a parallel answer is the sequential one, and says where it
/// first differs.
#[track_caller]
fn assert_same(actual: &Answer, expected: &Answer, workers: usize) {
    if actual == expected {
        return;
    }
    let (Ok(actual), Ok(expected)) = (actual, expected) else {
        panic!("{workers} workers: {actual:?}\nsequential: {expected:?}");
    };
    let receipts = actual.receipts.iter().zip(&expected.receipts);
    for (position, (actual, expected)) in receipts.enumerate() {
        assert_eq!(actual, expected, "transaction {position}, {workers} workers");
    }
    for address in actual.changes.accounts.keys().chain(expected.changes.accounts.keys()) {
        let [actual, expected] = [actual, expected].map(|of| of.changes.accounts.get(address));
        assert_eq!(actual, expected, "account {address}, {workers} workers");
    }
    for (actual, expected) in
        actual.access_list.iter().flatten().zip(expected.access_list.iter().flatten())
    {
        assert_eq!(actual, expected, "access list, {workers} workers");
    }
    panic!("{workers} workers: {actual:?}\nsequential: {expected:?}");
}

/// [`check`] for a block of `transactions` on `fork`.
#[track_caller]
pub(crate) fn run(fork: Fork, world: &World, transactions: Vec<Tx>) -> Answer {
    let (spec, block) = (spec(fork), block(header(fork), world, transactions));
    check_simulated(&spec, &block, world);
    check(&spec, &block, &world.0).0
}

/// [`check`] on schedules that hold up everybody at every step, let results
/// come in late, or leave one worker behind, each with both ways of sharing.
#[track_caller]
fn check_simulated(spec: &ChainSpec, block: &RecoveredBlock, world: &World) {
    let orders = [Order::Random, Order::Circle, Order::Late, Order::Priorities, Order::Starve(0)];
    // One worker of their own: virtual ones come on top.
    let of_one = |engines: &'static [Engine]| engines.iter().filter(|one| one.workers() == 1);
    for engine in of_one(engines()).chain(of_one(bare_engines())) {
        let answer = |result| verdict(result).map(|run| run.0);
        let expected = answer(engine.execute_sequential(spec, block, &world.0));
        for order in &orders {
            let simulation = Simulation { workers: SIMULATED, order: order.clone(), seed: 1 };
            let simulated = engine.simulate(spec, block, &world.0, &simulation);
            assert_same(&answer(simulated.result), &expected, SIMULATED);
        }
    }
}

/// [`check_stale`] for a block of `transactions` on `fork`: that of `lower`
/// waits until another one has asked the base state for `on`.
#[track_caller]
pub(crate) fn run_stale(
    fork: Fork,
    world: &World,
    transactions: Vec<Tx>,
    lower: Address,
    on: Key,
) -> BlockOutput {
    check_stale(&spec(fork), &block(header(fork), world, transactions), world, lower, on)
}

/// What `slot` was changed to, if it was.
pub(crate) fn changed(output: &BlockOutput, address: Address, slot: u64) -> Option<U256> {
    output.changes.accounts.get(&address)?.slots.get(&U256::from(slot)).copied()
}

/// The balance of an account that was changed and exists.
pub(crate) fn balance(output: &BlockOutput, address: Address) -> Option<U256> {
    Some(output.changes.accounts.get(&address)?.after?.balance)
}

/// A block's answer, or its error in full.
pub(crate) type Answer = Result<BlockOutput, String>;

/// Executes `block` at every worker count while the first read of the account
/// `lower` waits until the base state has been asked for `on`; asserts that
/// all agree, and gives the statistics of each run with more than one worker,
/// and how those shared.
#[track_caller]
pub(crate) fn check_gated(
    spec: &ChainSpec,
    block: &RecoveredBlock,
    world: &World,
    lower: Address,
    on: Key,
) -> (Answer, Vec<(Sharing, ExecutionStats)>) {
    check_simulated(spec, block, world);
    let expected = verdict(engines()[0].execute_sequential(spec, block, &world.0));
    let expected = expected.map(|(output, _)| output);
    let mut all = Vec::new();
    let _alone = waiting_alone();
    for engine in engines() {
        let workers = engine.workers();
        let held = (workers > 1).then_some(Key::Account(lower));
        let gate = Gate::new(&world.0, held, on);
        let actual = verdict(engine.execute(spec, block, &gate)).map(|(output, stats)| {
            if workers > 1 {
                all.push((engine.config().sharing, stats));
            }
            output
        });
        assert_same(&actual, &expected, workers);
        assert!(workers == 1 || gate.worked(), "nobody else came by at {workers} workers");
    }
    let answer = |result| verdict(result).map(|run| run.0);
    let bare = answer(bare_engines()[0].execute_sequential(spec, block, &world.0));
    for engine in bare_engines().iter().filter(|engine| engine.workers() > 1) {
        let gate = Gate::new(&world.0, Some(Key::Account(lower)), on);
        assert_same(&answer(engine.execute(spec, block, &gate)), &bare, engine.workers());
        assert!(gate.worked(), "nobody else came by at {} workers", engine.workers());
    }
    (expected, all)
}

/// As [`check_gated`], for a block that is valid, where a transaction above
/// `lower`'s has then surely read what is stale; asserts that each run found
/// out.
#[track_caller]
pub(crate) fn check_stale(
    spec: &ChainSpec,
    block: &RecoveredBlock,
    world: &World,
    lower: Address,
    on: Key,
) -> BlockOutput {
    let (answer, runs) = check_gated(spec, block, world, lower, on);
    let answer = answer.expect("the block is valid");
    for (_, run) in runs {
        assert!(run.aborts > 0, "nothing was stale at {} workers: {run:?}", run.workers);
    }
    answer
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
