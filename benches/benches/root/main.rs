//! State roots: time per block, beside what keccak alone takes for the nodes.
//!
//! `root/<state>/<slots>/...`:
//!
//! - `keccak`: hashing as many nodes of the same size and nothing else, the
//!   least any trie of this shape can take on one thread;
//! - `tries/<threads>`: from hashed keys, old and new values to the root and the
//!   records of every node; all from memory, since the same block has been
//!   prepared before;
//! - `prepare/<threads>`: the same from a block's changes: keys are hashed, and
//!   old values looked up in RocksDB.
//!
//! For each block a line on stderr gives the nodes hashed and both in multiples
//! of the first, taken in turns: medians of pairs. So is keccak with as many
//! threads, each with its share: what the cores give. Every thread has a core of
//! its own.
//!
//! Blocks are committed between measurements, so that the trie has a history;
//! RocksDB is given the time to compact what was written, else it has one of the
//! cores for seconds. The root is checked against a full recomputation by the
//! store's own verification at the end.

mod states;

use blockloom_benches::{median, stay_on_core};
use blockloom_state::{LookedUp, Prepared, Store};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rayon::{iter::ParallelIterator, slice::ParallelSlice};
use states::{Shape, buffers, commit};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SHAPES: [Shape; 4] = [
    Shape::Accounts(10_000),
    Shape::Accounts(100_000),
    Shape::Accounts(1_000_000),
    Shape::Contract(1_000_000),
];
const SLOTS: [u64; 3] = [100, 1_000, 10_000];
const THREADS: [usize; 2] = [1, 2];

/// Rounds in which everything takes its turn.
const ROUNDS: usize = 15;

/// How long `run` takes. What it makes is dropped when the clock has stopped, as
/// criterion does it.
fn time<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let made = black_box(run());
    let elapsed = start.elapsed();
    drop(made);
    elapsed
}

fn tries(store: &Store, looked_up: &LookedUp) -> Prepared {
    store.prepare_looked_up(looked_up).expect("the store answers")
}

fn roots(criterion: &mut Criterion) {
    let pools = THREADS.map(|n| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).start_handler(stay_on_core);
        pool.build().expect("threads can be started")
    });
    for shape in SHAPES {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let store = shape.store(&folder.path().join("store"));
        for round in 1..=3 {
            commit(&store, &store.prepare(&shape.block(10_000, round)).expect("the store answers"));
        }
        for (round, slots) in (4..).zip(SLOTS) {
            let block = shape.block(slots, round);
            let prepared = store.prepare(&block).expect("the store answers");
            let hashed = prepared.hashed();
            let mut group = criterion.benchmark_group(format!("root/{}/{slots}", shape.name()));
            group.throughput(Throughput::Elements(hashed.count()));
            let nodes = buffers(hashed);
            group.bench_function("keccak", |bencher| {
                bencher.iter(|| {
                    nodes.iter().fold(0, |sum: u8, node| {
                        sum.wrapping_add(alloy_primitives::keccak256(node)[0])
                    })
                });
            });
            let looked_up = store.look_up(&block).expect("the store answers");
            for pool in &pools {
                let id = BenchmarkId::new("tries", pool.current_num_threads());
                group.bench_function(id, |bencher| {
                    bencher.iter_batched(
                        || (),
                        |()| pool.install(|| tries(&store, &looked_up)),
                        BatchSize::PerIteration,
                    );
                });
                let id = BenchmarkId::new("prepare", pool.current_num_threads());
                group.bench_function(id, |bencher| {
                    bencher.iter_batched(
                        || (),
                        |()| pool.install(|| store.prepare(&block).expect("the store answers")),
                        BatchSize::PerIteration,
                    );
                });
                let again = pool.install(|| store.prepare(&block)).expect("the store answers");
                assert_eq!((again.root(), again.hashed()), (prepared.root(), hashed));
            }
            group.finish();
            for pool in &pools {
                let hash = |node: &Vec<u8>| {
                    black_box(alloy_primitives::keccak256(node));
                };
                let share = nodes.len().div_ceil(pool.current_num_threads());
                let rounds = [(); ROUNDS].map(|()| {
                    let alone = time(|| nodes.iter().for_each(hash));
                    let shared = time(|| {
                        pool.install(|| {
                            nodes.par_chunks(share).for_each(|nodes| nodes.iter().for_each(hash));
                        });
                    });
                    let in_memory = time(|| pool.install(|| tries(&store, &looked_up)));
                    let whole =
                        time(|| pool.install(|| store.prepare(&block)).expect("the store answers"));
                    [shared, in_memory, whole]
                        .map(|taken| taken.as_secs_f64() / alone.as_secs_f64())
                });
                eprintln!(
                    "root/{}/{slots}: {} nodes hashed; in multiples of keccak alone, with {} \
                     threads: keccak {:.2}, tries {:.2}, prepare {:.2}",
                    shape.name(),
                    hashed.count(),
                    pool.current_num_threads(),
                    median(&rounds.map(|[shared, ..]| shared)),
                    median(&rounds.map(|[_, tries, _]| tries)),
                    median(&rounds.map(|[.., prepare]| prepare)),
                );
            }
            commit(&store, &prepared);
        }
        store.verify().expect("the store is whole");
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_millis(500));
    targets = roots
}
criterion_main!(benches);
