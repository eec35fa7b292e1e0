//! Ways to hand the engine its base state, and several callers at once.

use crate::support::{
    block::{Tx, block, header},
    check,
    code::Code,
    engine, engines,
    forks::{Fork, spec},
    run,
    world::{World, contract, nobody, user},
};
use alloy_primitives::{Address, B256, U256};
use blockloom_engine::{BlockError, InternalError, RecoveredBlock};
use blockloom_state::{MemoryState, MemoryStateError, ReaderPerWorker};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{cell::Cell, sync::Mutex, thread};

/// A reader that cannot be shared between threads.
struct Unshared<'a> {
    base: &'a MemoryState,
    reads: Cell<usize>,
}

impl Unshared<'_> {
    fn count(&self) {
        self.reads.set(self.reads.get() + 1);
    }
}

impl DatabaseRef for Unshared<'_> {
    type Error = MemoryStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MemoryStateError> {
        self.count();
        self.base.basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, MemoryStateError> {
        self.count();
        self.base.code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, MemoryStateError> {
        self.count();
        self.base.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryStateError> {
        self.count();
        self.base.block_hash_ref(number)
    }
}

fn busy(fork: Fork) -> (World, RecoveredBlock) {
    let world = World::new()
        .contract(contract(1), &Code::new().count(1).count(2))
        .contract(contract(2), &Code::new().self_destruct(contract(1)));
    let transactions = (0..60)
        .map(|n| match n % 4 {
            0 => Tx::send(user(n % 10), nobody(n), 1),
            1 => Tx::call(user(n % 10), contract(1)),
            2 => Tx::call(user(n % 10), contract(2)).value(1),
            _ => Tx::create(user(n % 10), &Code::new().count(1).init()),
        })
        .collect();
    let block = block(header(fork), &world, transactions);
    (world, block)
}

#[test]
fn a_reader_for_each_worker_gives_the_same() {
    for fork in [Fork::Frontier, Fork::Berlin, Fork::Prague, Fork::Amsterdam] {
        let (world, block) = busy(fork);
        let (expected, _) = check(&spec(fork), &block, &world.0);
        let opened = Mutex::new(0usize);
        let open = || {
            *opened.lock().expect("nobody panics") += 1;
            Ok::<_, MemoryStateError>(Unshared { base: &world.0, reads: Cell::new(0) })
        };
        let (actual, _) = check(&spec(fork), &block, &ReaderPerWorker::new(open));
        assert_eq!(actual, expected, "{fork}");
        let readers = opened.into_inner().expect("nobody panics");
        assert!(readers >= 1 + 2 + 4 + 8, "every worker has one of its own: {readers}");
    }
}

#[test]
fn a_reader_that_cannot_be_opened_is_an_error() {
    let (world, block) = busy(Fork::Prague);
    let spec = spec(Fork::Prague);
    for engine in engines() {
        // The first readers work, later workers get none.
        for works in [0, engine.workers() - 1] {
            let opened = Mutex::new(0usize);
            let open = || {
                let mut opened = opened.lock().expect("nobody panics");
                *opened += 1;
                if *opened > works {
                    return Err(MemoryStateError::MissingBlockHash(works as u64));
                }
                Ok(Unshared { base: &world.0, reads: Cell::new(0) })
            };
            let error = engine
                .execute(&spec, &block, &ReaderPerWorker::new(open))
                .expect_err("a reader is missing");
            let BlockError::Internal { number: 300, reason } = error else {
                panic!("{error:?}");
            };
            assert!(matches!(reason, InternalError::BaseState { transaction: None, .. }));
        }
        engine.execute(&spec, &block, &world.0).expect("the engine lives on");
    }
}

#[test]
fn one_engine_serves_several_threads_at_once() {
    let engine = engine(4);
    let blocks: Vec<_> = [Fork::Frontier, Fork::Byzantium, Fork::London, Fork::Prague]
        .map(|fork| (fork, busy(fork)))
        .into();
    thread::scope(|scope| {
        for (fork, (world, block)) in &blocks {
            let engine = &engine;
            scope.spawn(move || {
                let spec = spec(*fork);
                let expected =
                    engine.execute_sequential(&spec, block, &world.0).expect("it is valid");
                for _ in 0..10 {
                    let actual = engine.execute(&spec, block, &world.0).expect("it is valid");
                    assert_eq!(actual.output, expected.output, "{fork}");
                }
            });
        }
    });
}

#[test]
fn more_workers_than_transactions() {
    for n_transactions in 0..10 {
        let transactions =
            (0..n_transactions).map(|n| Tx::send(user(n % 2), nobody(0), 1)).collect();
        run(Fork::Prague, &World::new(), transactions).expect("the block is valid");
    }
}
