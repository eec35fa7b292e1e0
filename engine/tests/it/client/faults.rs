//! Callers who leave, callbacks that fail, and readers that do not answer: the
//! scouts go home, and the same factory runs the next block as if nothing had
//! been.

use super::{
    chain::{Chain, Wrapped, ahead},
    drive::{Caller, assert_same, drive},
    recorder::Ledger,
};
use crate::support::{
    block::{Tx, block, header},
    code::Code,
    forks::{Fork, spec},
    world::{World, contract, user},
};
use alloy_evm::{EvmFactory, block::BlockExecutorFactory};
use alloy_primitives::{Address, B256, U256};
use blockloom_engine::{
    Mode,
    client::{Ethereum, SprintEvmFactory, StreamError},
};
use blockloom_fixtures::handmade::{Flaky, Unreadable};
use blockloom_state::{BaseStateError, MemoryState, MemoryStateError};
use parking_lot::{Condvar, Mutex};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

const TRANSACTIONS: usize = 24;

/// How long scouts may take to go home until the test is called broken; long
/// against anything a busy machine does.
const PATIENCE: Duration = Duration::from_secs(20);

/// A block whose transactions meet.
fn chain() -> Chain {
    let world = World::new().contract(contract(1), &Code::new().count(1).touch_slot(2));
    let calls = (0..TRANSACTIONS as u64).map(|n| Tx::call(user(n % 10), contract(1))).collect();
    let block = block(header(Fork::Prague), &world, calls);
    Chain { spec: spec(Fork::Prague), block, base: Arc::new(world.0) }
}

type Factory = Wrapped<SprintEvmFactory, Ethereum>;

/// Factories whose scouts have readers of their own, and whose scouts ask the
/// caller.
fn factories(chain: &Chain) -> [(&'static str, Factory); 2] {
    [
        ("snapshots", chain.wrapped(3, Mode::Parallel)),
        ("errands", chain.wrapped_by(ahead(3, Mode::Parallel))),
    ]
}

/// Waits until nobody but those who were there before has the base state.
#[track_caller]
fn assert_all_gone(chain: &Chain, before: usize, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    while Arc::strong_count(&chain.base) > before {
        assert!(Instant::now() < deadline, "{what}: somebody is left");
        thread::yield_now();
    }
}

/// Runs the whole block and holds it against the unwrapped executor.
#[track_caller]
fn assert_works(factory: &Factory, chain: &Chain, what: &str) {
    let mut expected = drive(&chain.stock(), chain, Caller::WholeBlock, usize::MAX);
    let mut actual = drive(factory, chain, Caller::WholeBlock, usize::MAX);
    // What workers need is asked as well.
    actual.asked.clear();
    expected.asked.clear();
    assert_same(&actual, &expected, what);
}

/// Streams the block to `sink`.
fn stream(
    factory: &Factory,
    chain: &Chain,
    mut sink: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<usize, StreamError> {
    let ledger = Ledger::new(&chain.base, usize::MAX);
    let evm = factory.evm_factory().create_evm(ledger, chain.env());
    let executor = factory.create_executor(evm, chain.ctx());
    let end = executor.execute_streaming(chain.transactions(), |tx| sink(tx.index));
    end.map(|result| result.receipts.len())
}

#[test]
fn a_stream_can_be_cancelled_after_any_transaction() {
    let chain = chain();
    for (name, factory) in factories(&chain) {
        let before = Arc::strong_count(&chain.base);
        for last in 0..TRANSACTIONS {
            let what = format!("{name}, cancelled after transaction {last}");
            let end = stream(&factory, &chain, |index| {
                if index == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            let Err(StreamError::Cancelled { committed }) = end else {
                panic!("{what}: {end:?}");
            };
            assert_eq!(committed, last + 1, "{what}");
            assert_works(&factory, &chain, &what);
            assert_all_gone(&chain, before, &what);
        }
    }
}

#[test]
fn a_sink_that_panics_at_any_transaction_leaves_a_factory_that_works() {
    let chain = chain();
    for (name, factory) in factories(&chain) {
        let before = Arc::strong_count(&chain.base);
        for last in 0..TRANSACTIONS {
            let what = format!("{name}, a panic at transaction {last}");
            let streamed = catch_unwind(AssertUnwindSafe(|| {
                stream(&factory, &chain, |index| {
                    if index == last {
                        // Past the hook, which would print each of them.
                        resume_unwind(Box::new(last));
                    }
                    ControlFlow::Continue(())
                })
            }));
            let payload = streamed.expect_err("the panic comes through");
            assert_eq!(payload.downcast_ref(), Some(&last), "{what}");
            assert_works(&factory, &chain, &what);
            assert_all_gone(&chain, before, &what);
        }
    }
}

/// A reader that owns its state, and fails now and then.
struct Own {
    base: Arc<MemoryState>,
    /// The read that fails, and whether it panics.
    at: u64,
    panics: bool,
    reads: Mutex<u64>,
}

impl Own {
    /// Answers through a state that fails at once, where it is time to.
    fn ask<T>(
        &self,
        question: impl FnOnce(&Flaky<'_>) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        let read = {
            let mut reads = self.reads.lock();
            *reads += 1;
            *reads
        };
        let flaky = Flaky::once(&self.base, if read == self.at { 1 } else { 0 });
        question(&if self.panics { flaky.panicking() } else { flaky })
    }
}

impl DatabaseRef for Own {
    type Error = Unreadable;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Unreadable> {
        self.ask(|base| base.basic_ref(address))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Unreadable> {
        self.ask(|base| base.code_by_hash_ref(code_hash))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Unreadable> {
        self.ask(|base| base.storage_ref(address, slot))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Unreadable> {
        self.ask(|base| base.block_hash_ref(number))
    }
}

/// What scouts meet is theirs: the caller's own database is whole.
#[test]
fn faults_and_panics_of_scouts_readers_are_not_seen() {
    let chain = chain();
    for panics in [false, true] {
        for at in 1..=30 {
            let base = Arc::clone(&chain.base);
            let snapshots = move |_parent| {
                let (base, reads) = (Arc::clone(&base), Mutex::new(0));
                Ok::<_, BaseStateError>(Own { base, at, panics, reads })
            };
            let ahead = ahead(3, Mode::Parallel).with_snapshots(snapshots);
            let factory = chain.wrapped_by(ahead).with_parent_of(|ctx| ctx.parent_hash);
            assert_works(&factory, &chain, &format!("read {at} fails, panics: {panics}"));
        }
    }
}

/// Whether whoever hangs may go on.
#[derive(Debug, Default)]
struct Release(Mutex<bool>, Condvar);

impl Release {
    fn wait(&self) {
        let mut is_released = self.0.lock();
        while !*is_released {
            self.1.wait(&mut is_released);
        }
    }

    fn release(&self) {
        *self.0.lock() = true;
        self.1.notify_all();
    }
}

/// A reader that does not answer until it is released, but to the caller.
struct Hanging {
    base: Arc<MemoryState>,
    caller: ThreadId,
    release: Arc<Release>,
}

impl Hanging {
    fn hang(&self) -> &MemoryState {
        if thread::current().id() != self.caller {
            self.release.wait();
        }
        &self.base
    }
}

impl DatabaseRef for Hanging {
    type Error = MemoryStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MemoryStateError> {
        self.hang().basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, MemoryStateError> {
        self.hang().code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, MemoryStateError> {
        self.hang().storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryStateError> {
        self.hang().block_hash_ref(number)
    }
}

/// Reads that take for ever, as far as the block is concerned.
#[test]
fn slow_reads_of_scouts_fault_nobody_and_hold_nobody_up() {
    let chain = chain();
    let before = Arc::strong_count(&chain.base);
    let release = Arc::new(Release::default());
    let (base, told) = (Arc::clone(&chain.base), Arc::clone(&release));
    let caller = thread::current().id();
    let snapshots = move |_parent: B256| {
        let (base, release) = (Arc::clone(&base), Arc::clone(&told));
        Ok::<_, BaseStateError>(Hanging { base, caller, release })
    };
    let ahead = ahead(3, Mode::Parallel).with_snapshots(snapshots);
    let factory = chain.wrapped_by(ahead).with_parent_of(|ctx| ctx.parent_hash);
    // The second time no scout has come back from the first.
    for round in ["first", "second"] {
        assert_works(&factory, &chain, &format!("while scouts hang, {round}"));
    }
    release.release();
    assert_works(&factory, &chain, "after they were released");
    drop(factory);
    assert_all_gone(&chain, before, "at the end");
}
