//! The same seed gives the same schedule, and mistakes that workers make are
//! found.

use super::{Order, Simulated, Simulation};
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
use std::sync::Arc;

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
        let config =
            EngineConfig { workers: 1, mode: Mode::Parallel, sharing, ..EngineConfig::default() };
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

    fn run(&self, order: Order, seed: u64, mistake: Option<(Mistake, u32)>) -> Simulated {
        let simulation = Simulation { workers: 4, order, seed };
        let spec = ChainSpec::mainnet();
        self.engine.simulate_with(&spec, &self.block, &self.base, &simulation, mistake)
    }

    /// Whether some schedule gives something else than the sequential run.
    fn goes_wrong(&self, mistake: Option<(Mistake, u32)>) -> bool {
        (0..SEEDS).any(|seed| {
            let run = self.run(Order::Random, seed, mistake);
            run.result.map(|executed| executed.output).ok().as_ref() != Some(&self.expected)
        })
    }

    /// Readers that met an estimate, over all schedules.
    fn blocked(&self, mistake: Option<(Mistake, u32)>) -> usize {
        let run = |seed| self.run(Order::Random, seed, mistake).result.unwrap().stats.blocked;
        (0..SEEDS).map(run).sum()
    }
}

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

#[test]
fn everybody_takes_part_and_is_held_up_everywhere() {
    let scene = Scene::new("amm_one_pool", Sharing::Memory);
    let steps: Vec<_> =
        (0..SEEDS).flat_map(|seed| scene.run(Order::Random, seed, None).steps).collect();
    for worker in 0..4 {
        assert!(steps.iter().any(|step| step.worker == worker), "worker {worker} never ran");
    }
    let points = [
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
    for point in points {
        assert!(steps.iter().any(|step| step.point == point), "nobody came to {point:?}");
    }
}

#[test]
fn a_validation_skipped_once_is_found() {
    for sharing in SHARING {
        let scene = Scene::new("hot_slot", sharing);
        assert!(!scene.goes_wrong(None), "{sharing:?}");
        assert!(scene.goes_wrong(Some((Mistake::JudgeNothing, 1))), "{sharing:?}");
    }
}

#[test]
fn a_block_that_fails_shrinks_to_the_two_that_meet() {
    let scene = Scene::new("hot_slot", Sharing::Memory);
    let mistake = Some((Mistake::JudgeNothing, u32::MAX));
    let config = Config { failure_persistence: None, ..Config::default() };
    let failed = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(&(1..=16_usize), |n| {
            prop_assert!(!scene.cut(n).goes_wrong(mistake));
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
    assert!(scene.goes_wrong(Some((Mistake::ReportEarly, u32::MAX))));
}

/// What is stale is never final, estimate or not: the frontier sees to that.
/// What estimates are for is that others wait for a write that is expected
/// again, and do not read what is known to be wrong.
#[test]
fn an_estimate_not_written_on_abort_is_found() {
    let scene = Scene::new("amm_one_pool", Sharing::Memory);
    assert!(scene.blocked(None) > 0, "an abort leaves estimates, and somebody meets them");
    assert_eq!(scene.blocked(Some((Mistake::KeepStaleWrites, u32::MAX))), 0);
}

#[test]
fn a_panic_anywhere_is_an_error_and_the_engine_goes_on() {
    for sharing in SHARING {
        let scene = Scene::new("amm_one_pool", sharing);
        for seed in 0..SEEDS {
            let run = scene.run(Order::Random, seed, Some((Mistake::Panic, 1)));
            match run.result {
                Err(BlockError::Internal { reason: InternalError::Panic { .. }, .. }) => {}
                other => panic!("{sharing:?}, seed {seed}: {other:?}"),
            }
        }
        assert!(!scene.goes_wrong(None), "{sharing:?}");
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
