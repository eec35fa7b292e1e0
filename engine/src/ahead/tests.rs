//! Who is there when, and that it makes no difference.

use super::gate::Gate;
use crate::{
    BlockError, ChainSpec, Config, Engine, Executed, InvalidBlock, RecoveredBlock, Worth,
    crew::Crew, pace::Unpaced,
};
use blockloom_fixtures::workload::{Parameters, find};
use blockloom_state::MemoryState;
use std::{sync::Barrier, thread};

/// Two workers, by when the other one comes.
enum Two {
    /// When the caller has left.
    Late,
    /// As soon as the caller.
    Prompt,
}

impl Crew for Two {
    const KEEPS_TIME: bool = true;

    type Pace = Unpaced;

    fn size(&self) -> usize {
        2
    }

    fn run<T>(&self, work: impl Fn(usize, Unpaced) + Sync, lead: impl FnOnce(Unpaced) -> T) -> T {
        if matches!(self, Self::Late) {
            let done = lead(Unpaced);
            work(1, Unpaced);
            return done;
        }
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                work(1, Unpaced);
            });
            start.wait();
            lead(Unpaced)
        })
    }
}

/// Rounds until everybody was there as a test wants; one or two are nearly
/// always enough.
const MOST_ROUNDS: usize = 2_000;

fn quick_block(workload: &str) -> (RecoveredBlock, MemoryState) {
    let parameters = Parameters { seed: 3, txs: Some(300), ..Parameters::default() };
    let workload = find(workload).unwrap().build(&parameters).unwrap();
    let hash = workload.block.header.hash_slow();
    (RecoveredBlock { hash, block: workload.block, senders: workload.senders }, workload.base)
}

/// An engine to which every block is worth several workers.
fn eager() -> Engine {
    Engine::new(Config { workers: 1, worth: Worth::NOTHING, ..Config::default() }).unwrap()
}

fn run(
    engine: &Engine,
    (block, base): &(RecoveredBlock, MemoryState),
    crew: &Two,
) -> [Result<Executed, BlockError>; 2] {
    let spec = ChainSpec::mainnet();
    [engine.execute_on(&spec, block, base, crew), engine.execute_sequential(&spec, block, base)]
}

#[test]
fn a_block_is_over_before_the_scouts_are_awake() {
    let engine = eager();
    for workload in ["erc20_independent", "mix_hot_30"] {
        let block = quick_block(workload);
        // The first round finds caches cold, and its transactions not that quick.
        let alone = (0..MOST_ROUNDS).any(|round| {
            let [alone, expected] = run(&engine, &block, &Two::Late).map(Result::unwrap);
            assert_eq!(alone.output, expected.output, "{workload}, round {round}");
            alone.stats.sequential == 300
        });
        assert!(alone, "{workload}: in no round did the leader begin alone");
    }
}

#[test]
fn scouts_come_while_the_leader_is_on_its_way() {
    let engine = eager();
    for workload in ["erc20_independent", "mix_hot_30", "zipf_slots"] {
        let block = quick_block(workload);
        let helped = (0..MOST_ROUNDS).any(|round| {
            let [shared, expected] = run(&engine, &block, &Two::Prompt).map(Result::unwrap);
            assert_eq!(shared.output, expected.output, "{workload}, round {round}");
            shared.stats.sequential < 300
        });
        assert!(helped, "{workload}: in no round did scouts come before the end");
    }
}

#[test]
fn a_block_that_fails_keeps_nobody_waiting() {
    let mut scene = quick_block("erc20_independent");
    // After the probe, and before any board can be there.
    scene.0.senders[5] = scene.0.senders[4];
    let check = |[failed, expected]: [Result<Executed, BlockError>; 2]| {
        let (failed, expected) = (failed.unwrap_err(), expected.unwrap_err());
        assert_eq!(failed.to_string(), expected.to_string());
        let BlockError::Invalid { reason, .. } = failed else { panic!("{failed}") };
        assert!(matches!(*reason, InvalidBlock::Transaction { index: 5, .. }), "{reason}");
    };
    check(run(&eager(), &scene, &Two::Late));
    check(run(&eager(), &scene, &Two::Prompt));
}

#[test]
fn a_scout_that_comes_to_a_closed_gate_makes_no_board() {
    let gate = Gate::default();
    drop(gate.closing());
    assert!(gate.enter(|| unreachable!("nobody needs a board"), Unpaced).is_none());
}
