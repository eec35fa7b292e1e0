//! The same seed gives the same schedule, and mistakes that workers make are
//! found.

use super::{
    Order, Simulated, Simulation, Step,
    turns::{PLANNED, Trouble},
};
use crate::{
    BlockError, BlockOutput, ChainSpec, Config as EngineConfig, Engine, InternalError, Mode, Point,
    RecoveredBlock, Sharing, pace::Mistake,
};
use blockloom_fixtures::workload::{Parameters, find};
use blockloom_state::MemoryState;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// Schedules in which a mistake must be found, and nothing without it.
const SEEDS: u64 = 20;

struct Scene {
    engine: Arc<Engine>,
    block: RecoveredBlock,
    base: MemoryState,
    expected: BlockOutput,
}

impl Scene {
    /// A block of this workload, whose transactions meet.
    fn new(workload: &str, sharing: Sharing) -> Self {
        Self::of(workload, EngineConfig { sharing, ..EngineConfig::default() })
    }

    /// The same on an engine that is set up like this, but for its workers.
    fn of(workload: &str, config: EngineConfig) -> Self {
        let config = EngineConfig { workers: 1, mode: Mode::Parallel, ..config };
        let engine = Arc::new(Engine::new(config).unwrap());
        let parameters = Parameters { seed: 7, txs: Some(16), ..Parameters::default() };
        let workload = find(workload).unwrap().build(&parameters).unwrap();
        let (hash, senders) = (workload.block.header.hash_slow(), workload.senders);
        let block = RecoveredBlock { hash, block: workload.block, senders };
        let base = workload.base;
        let expected = engine.execute_sequential(&ChainSpec::mainnet(), &block, &base);
        let expected = expected.unwrap().output;
        Self { engine, block, base, expected }
    }

    /// The same block with its first `n_transactions` only.
    fn cut(&self, n_transactions: usize) -> Self {
        let mut block = self.block.clone();
        block.block.body.transactions.truncate(n_transactions);
        block.senders.truncate(n_transactions);
        let expected = self.engine.execute_sequential(&ChainSpec::mainnet(), &block, &self.base);
        let engine = Arc::clone(&self.engine);
        Self { engine, block, base: self.base.clone(), expected: expected.unwrap().output }
    }

    fn run(&self, order: Order, seed: u64, trouble: Option<Trouble>) -> Simulated {
        let simulation = Simulation { workers: 4, order, seed };
        let spec = ChainSpec::mainnet();
        self.engine.simulate_with(&spec, &self.block, &self.base, &simulation, trouble)
    }

    /// Whether some schedule gives something else than the sequential run.
    fn goes_wrong(&self, trouble: Option<Trouble>) -> bool {
        (0..SEEDS).any(|seed| {
            let run = self.run(Order::Random, seed, trouble);
            run.result.map(|executed| executed.output).ok().as_ref() != Some(&self.expected)
        })
    }

    /// Readers that met an estimate, over all schedules.
    fn blocked(&self, trouble: Option<Trouble>) -> usize {
        let run = |seed| self.run(Order::Random, seed, trouble).result.unwrap().stats.blocked;
        (0..SEEDS).map(run).sum()
    }
}

const POINTS: [Point; 10] = [
    Point::Run,
    Point::Read,
    Point::Publish,
    Point::Report,
    Point::Check,
    Point::Abort,
    Point::Judge,
    Point::RunHere,
    Point::Commit,
    Point::Wait,
];

const SHARING: [Sharing; 2] = [Sharing::News, Sharing::Memory];

fn orders(scene: &Scene) -> Vec<Order> {
    let spec = ChainSpec::mainnet();
    let costs = scene.engine.measure(&spec, &scene.block, &scene.base, 1).unwrap();
    vec![
        Order::Random,
        Order::Circle,
        Order::Priorities,
        Order::Late,
        Order::Starve(0),
        Order::Starve(1),
        Order::Shifts(2),
        Order::Time(costs),
    ]
}

#[test]
fn a_seed_is_a_schedule_to_the_last_step() {
    for sharing in SHARING {
        let scene = Scene::new("amm_one_pool", sharing);
        for order in orders(&scene) {
            let [one, other] = [(); 2].map(|()| scene.run(order.clone(), 5, None));
            assert!(one.steps.len() > scene.block.senders.len(), "{order:?}: {:?}", one.steps);
            assert_eq!(one.steps, other.steps, "{sharing:?}, {order:?}");
            assert_eq!(one.time, other.time, "{sharing:?}, {order:?}");
            assert_eq!(one.result.unwrap().output, scene.expected, "{sharing:?}, {order:?}");
        }
        let [one, other] = [1, 2].map(|seed| scene.run(Order::Random, seed, None).steps);
        assert_ne!(one, other, "another seed is another schedule");
    }
}

/// Transactions that the leader of `run` ran ahead on what it had run before, and
/// that saw all they depend on.
fn resting(run: &Simulated, after: impl Fn(usize) -> Vec<usize>) -> HashSet<usize> {
    let (mut n_final, mut ahead, mut resting) = (0, HashSet::new(), HashSet::new());
    for step in run.steps.iter().filter(|step| step.worker == 0) {
        let position = step.tx.position();
        match step.point {
            Point::Commit => n_final = position + 1,
            Point::Run => {
                let below: Vec<_> =
                    after(position).into_iter().filter(|tx| *tx >= n_final).collect();
                // What is above is part of the leader's foresight, too.
                let sees_nothing_else = ahead.iter().all(|tx| *tx < position);
                if sees_nothing_else && below.iter().all(|tx| ahead.contains(tx)) {
                    ahead.insert(position);
                    resting.extend((!below.is_empty()).then_some(position));
                }
            }
            _ => {}
        }
    }
    resting
}

/// Of what a leader runs ahead while it waits, the later ones rest on what the
/// earlier ones left, and are not run again.
#[test]
fn what_a_waiting_leader_runs_ahead_rests_on_what_it_ran_before() {
    for workload in ["nft_resale", "wrapped_ether"] {
        let scene = Scene::new(workload, Sharing::News);
        let spec = ChainSpec::mainnet();
        let costs = scene.engine.measure(&spec, &scene.block, &scene.base, 1).unwrap();
        let mut n_resting = 0;
        for seed in 0..10 * SEEDS {
            let simulation = Simulation { workers: 2, order: Order::Random, seed };
            let run = scene.engine.simulate(&spec, &scene.block, &scene.base, &simulation);
            let resting = resting(&run, |position| costs.transactions[position].after.clone());
            let again = |step: &&Step| {
                step.point == Point::RunHere && resting.contains(&step.tx.position())
            };
            assert_eq!(run.steps.iter().find(again), None, "{workload}, seed {seed}: {resting:?}");
            assert_eq!(run.result.unwrap().output, scene.expected, "{workload}, seed {seed}");
            n_resting += resting.len();
        }
        assert!(n_resting > 0, "{workload}: in no schedule did one rest on another");
    }
}

/// These read too little to hear anything on the way.
#[test]
fn a_scout_runs_again_what_is_stale_before_it_leaves_it_to_the_frontier() {
    let scene = Scene::new("hot_slot_compute", Sharing::News);
    let again = |seed| {
        let run = scene.run(Order::Random, seed, None);
        assert_eq!(run.result.unwrap().output, scene.expected, "seed {seed}");
        let mut under_way = HashMap::new();
        run.steps.iter().any(|step| match step.point {
            Point::Run => under_way.insert(step.worker, step.tx) == Some(step.tx),
            Point::Report => {
                under_way.remove(&step.worker);
                false
            }
            _ => false,
        })
    };
    assert!((0..SEEDS).any(again), "in no schedule was a result stale when it was there");
}

#[test]
fn everybody_takes_part_and_is_held_up_everywhere() {
    let scene = Scene::new("amm_one_pool", Sharing::Memory);
    let steps: Vec<_> =
        (0..SEEDS).flat_map(|seed| scene.run(Order::Random, seed, None).steps).collect();
    for worker in 0..4 {
        assert!(steps.iter().any(|step| step.worker == worker), "worker {worker} never ran");
    }
    for point in POINTS {
        assert!(steps.iter().any(|step| step.point == point), "nobody came to {point:?}");
    }
}

/// Whoever has not begun yet may get on, so it is not left until the end. By the
/// clock it is, where waking up takes longer than the block.
#[test]
fn others_run_ahead_in_every_order() {
    for sharing in SHARING {
        let scene = Scene::new("erc20_independent", sharing);
        let by_turns = |order: &Order| !matches!(order, Order::Time(_));
        for order in orders(&scene).into_iter().filter(by_turns) {
            let steps = scene.run(order.clone(), 1, None).steps;
            let is_ahead = |step: &Step| step.worker > 0 && step.point == Point::Run;
            assert!(steps.iter().any(is_ahead), "{sharing:?}, {order:?}");
        }
        let costs = scene.engine.measure(&ChainSpec::mainnet(), &scene.block, &scene.base, 1);
        let calibration = costs.unwrap().calibration.clone();
        for (name, steps) in [("news", calibration.news), ("memory", calibration.memory)] {
            let n_ahead = steps.ahead.iter().flatten().count();
            assert!(n_ahead * 2 > scene.block.senders.len(), "{name}: {n_ahead} ran ahead");
            assert!(steps.judge.time(5) > Duration::ZERO, "{name}: {steps:?}");
        }
    }
}

#[test]
fn a_validation_skipped_once_is_found() {
    for sharing in SHARING {
        let scene = Scene::new("hot_slot", sharing);
        assert!(!scene.goes_wrong(None), "{sharing:?}");
        assert!(scene.goes_wrong(Some(Trouble::Mistake(Mistake::JudgeNothing, 1))), "{sharing:?}");
    }
}

#[test]
fn a_block_that_fails_shrinks_to_the_two_that_meet() {
    let scene = Scene::new("hot_slot", Sharing::Memory);
    let trouble = Some(Trouble::Mistake(Mistake::JudgeNothing, u32::MAX));
    let config = Config { failure_persistence: None, ..Config::default() };
    let failed = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(&(1..=16_usize), |n| {
            prop_assert!(!scene.cut(n).goes_wrong(trouble));
            Ok(())
        });
    match failed {
        Err(TestError::Fail(_, smallest)) => assert_eq!(smallest, 2),
        other => panic!("it was not found: {other:?}"),
    }
}

#[test]
fn a_report_before_the_writes_is_found() {
    let scene = Scene::new("amm_one_pool", Sharing::Memory);
    assert!(!scene.goes_wrong(None));
    assert!(scene.goes_wrong(Some(Trouble::Mistake(Mistake::ReportEarly, u32::MAX))));
}

/// What is stale is never final, estimate or not: the frontier sees to that.
/// What estimates are for is that others wait for a write that is expected
/// again, and do not read what is known to be wrong.
#[test]
fn an_estimate_not_written_on_abort_is_found() {
    let scene = Scene::new("amm_one_pool", Sharing::Memory);
    assert!(scene.blocked(None) > 0, "an abort leaves estimates, and somebody meets them");
    assert_eq!(scene.blocked(Some(Trouble::Mistake(Mistake::KeepStaleWrites, u32::MAX))), 0);
}

#[test]
fn a_panic_anywhere_is_an_error_and_the_engine_goes_on() {
    for sharing in SHARING {
        let scene = Scene::new("amm_one_pool", sharing);
        for seed in 0..SEEDS {
            let run = scene.run(Order::Random, seed, Some(Trouble::Mistake(Mistake::Panic, 1)));
            match run.result {
                Err(BlockError::Internal { reason: InternalError::Panic { .. }, .. }) => {}
                other => panic!("{sharing:?}, seed {seed}: {other:?}"),
            }
        }
        assert!(!scene.goes_wrong(None), "{sharing:?}");
    }
}

/// Panics at every step that workers share, one after another: nobody waits for
/// ever, the caller gets the panic as an error, and the same engine then gives
/// the block's result.
fn panic_at_every_step(scene: &Scene, order: &Order, seed: u64, steps: &[Step]) {
    for (at, step) in steps.iter().enumerate() {
        let what = format!("{order:?}, seed {seed}, step {at}: {step:?}");
        let run = scene.run(order.clone(), seed, Some(Trouble::PanicAt(at)));
        match run.result {
            Err(BlockError::Internal { reason: InternalError::Panic { message }, .. }) => {
                assert_eq!(message, PLANNED, "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        let again = scene.run(order.clone(), seed, None);
        assert_eq!(again.steps, steps, "{what}");
        assert_eq!(again.result.unwrap().output, scene.expected, "{what}");
    }
}

#[test]
fn a_panic_at_every_step_is_an_error_and_the_engine_goes_on() {
    for sharing in SHARING {
        let mut points = HashSet::new();
        for access_list in [false, true] {
            let config = EngineConfig { sharing, access_list, ..EngineConfig::default() };
            let scene = Scene::of("amm_one_pool", config);
            let of_chance = (0..SEEDS).map(|seed| (Order::Random, seed));
            let mut n_panics = 0;
            for (order, seed) in of_chance.chain([(Order::Circle, 0), (Order::Late, 0)]) {
                let steps = scene.run(order.clone(), seed, None).steps;
                let n_new = steps.iter().filter(|step| points.insert(step.point)).count();
                // More of the same kind are in what was tried before.
                if seed == 0 || n_new > 0 {
                    panic_at_every_step(&scene, &order, seed, &steps);
                    n_panics += steps.len();
                }
            }
            println!("{sharing:?}, with access list {access_list}: {n_panics} panics");
        }
        let all = if sharing == Sharing::Memory { POINTS.len() } else { POINTS.len() - 3 };
        assert_eq!(points.len(), all, "somebody panicked at each kind of step: {points:?}");
    }
}

#[test]
fn more_workers_take_less_virtual_time_where_nothing_is_shared() {
    let scene = Scene::new("erc20_independent", Sharing::News);
    let spec = ChainSpec::mainnet();
    let costs = scene.engine.measure(&spec, &scene.block, &scene.base, 3).unwrap();
    assert!(costs.critical_path() < costs.total() / 2, "{costs:?}");
    assert!(costs.largest() <= costs.critical_path());
    let [one, four] = [1, 4].map(|workers| {
        let order = Order::Time(costs.clone());
        let simulation = Simulation { workers, order, seed: 0 };
        scene.engine.simulate(&spec, &scene.block, &scene.base, &simulation).time
    });
    assert!(four < one, "{four:?} with four workers, {one:?} with one");
}
