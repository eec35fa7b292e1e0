//! Base states that fail at any moment: the block fails with what they said, or
//! comes out right; nobody waits for ever, nothing is kept, and the same engine
//! then runs the same block.

use crate::support::{
    block::{Tx, block, header},
    code::Code,
    engines,
    faulty::{Flaky, ON_FIRE},
    forks::{Fork, spec},
    world::{World, contract, user},
};
use alloy_primitives::{Address, B256, U256};
use blockloom_engine::{
    BlockError, BlockOutput, Engine, Executed, InternalError, Order, RecoveredBlock, Simulation,
};
use blockloom_state::ReaderPerWorker;
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{convert::Infallible, sync::Arc};

/// A reader that somebody can see is still there.
struct Held<'a, D> {
    base: &'a D,
    _alive: Arc<()>,
}

impl<D: DatabaseRef> DatabaseRef for Held<'_, D> {
    type Error = D::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, D::Error> {
        self.base.basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, D::Error> {
        self.base.code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, D::Error> {
        self.base.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, D::Error> {
        self.base.block_hash_ref(number)
    }
}

/// A base state that fails, with readers that are counted.
type Watched<'a> = ReaderPerWorker<
    Box<dyn Fn() -> Result<Held<'a, Flaky<'a>>, Infallible> + Sync + 'a>,
    Held<'a, Flaky<'a>>,
>;

/// A way to fail.
type Kind = for<'a> fn(&'a World, u64) -> Flaky<'a>;

const KINDS: [(&str, Kind); 3] = [
    ("once", |world, at| Flaky::once(&world.0, at)),
    ("from there on", |world, at| Flaky::from(&world.0, at)),
    ("with a panic", |world, at| Flaky::once(&world.0, at).panicking()),
];

/// Eight senders who meet at one slot and pass each other at another.
fn scene(fork: Fork) -> (World, RecoveredBlock) {
    let world = World::new().contract(contract(1), &Code::new().count(1).touch_slot(2));
    let calls = (0..8).map(|n| Tx::call(user(n), contract(1))).collect();
    let block = block(header(fork), &world, calls);
    (world, block)
}

/// Whether the failure was told; anything else but the right result is wrong.
#[track_caller]
fn is_told(result: Result<Executed, BlockError>, expected: &BlockOutput, what: &str) -> bool {
    match result {
        Ok(executed) => {
            assert_eq!(executed.output, *expected, "{what}");
            false
        }
        Err(BlockError::Internal { reason: InternalError::BaseState { .. }, .. }) => true,
        Err(BlockError::Internal { reason: InternalError::Panic { message }, .. }) => {
            assert_eq!(message, ON_FIRE, "{what}");
            true
        }
        Err(error) => panic!("{what}: {error:?}"),
    }
}

/// Runs the block with a failure at the first read, the second, and so on, until
/// there is no such read; gives how many were told, and how many had no effect.
#[track_caller]
fn fail_everywhere(
    engine: &Engine,
    (fork, kind): (Fork, Kind),
    what: &str,
    run: impl Fn(&RecoveredBlock, &Watched<'_>) -> Result<Executed, BlockError>,
) -> (u64, u64) {
    let (world, block) = scene(fork);
    let expected = engine.execute_sequential(&spec(fork), &block, &world.0);
    let expected = expected.expect("the base state is whole").output;
    let (mut told, mut without_effect) = (0, 0);
    for at in 1.. {
        let what = format!("{what}, read {at}");
        let base = kind(&world, at);
        let alive = Arc::new(());
        let open = || Ok(Held { base: &base, _alive: Arc::clone(&alive) });
        let result = run(&block, &Watched::new(Box::new(open)));
        assert_eq!(Arc::strong_count(&alive), 1, "{what}: a reader is left");
        if is_told(result, &expected, &what) {
            told += 1;
        } else {
            without_effect += 1;
        }
        let again = engine.execute(&spec(fork), &block, &world.0).expect("it is whole");
        assert_eq!(again.output, expected, "{what}, again");
        if base.n_reads() < at {
            break;
        }
    }
    (told, without_effect)
}

/// Virtual workers take the same steps each time, so every read of a run is hit.
#[test]
fn a_fault_at_any_read_of_a_schedule_is_told_or_has_no_effect() {
    for engine in engines().iter().filter(|engine| engine.workers() == 1) {
        for (name, kind) in KINDS {
            for order in [Order::Random, Order::Late, Order::Starve(0)] {
                let what = format!("{:?}, {order:?}, {name}", engine.config().sharing);
                let simulation = Simulation { workers: 3, order, seed: 1 };
                let (told, without_effect) =
                    fail_everywhere(engine, (Fork::Prague, kind), &what, |block, base| {
                        engine.simulate(&spec(Fork::Prague), block, base, &simulation).result
                    });
                println!("{what}: {told} told, {without_effect} without effect");
                assert!(told > 0, "{what}: nothing was told");
            }
        }
    }
}

#[test]
fn a_fault_at_any_read_of_real_workers_is_told_or_has_no_effect() {
    for fork in [Fork::Frontier, Fork::Prague] {
        for engine in engines() {
            for (name, kind) in KINDS {
                let (workers, sharing) = (engine.workers(), engine.config().sharing);
                let what = format!("{fork}, {workers} workers, {sharing:?}, {name}");
                let (told, _) = fail_everywhere(engine, (fork, kind), &what, |block, base| {
                    engine.execute(&spec(fork), block, base)
                });
                assert!(told > 0, "{what}: nothing was told");
            }
        }
    }
}
