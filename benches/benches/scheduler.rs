//! The scheduler alone: what one transaction costs with nothing to execute.

use blockloom_scheduler::{Limits, Scheduler, Step, Task};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TRANSACTIONS: usize = 10_000;

/// All transactions through the frontier, none speculatively.
fn at_the_frontier() -> usize {
    let scheduler = Scheduler::new(TRANSACTIONS, Limits::default(), []);
    while let Task::Frontier(mut frontier) = scheduler.next_task() {
        while let Step::Execute(version) = frontier.step() {
            frontier.commit(version, false);
        }
    }
    scheduler.committed()
}

/// All transactions started speculatively, then committed one by one.
fn speculatively() -> usize {
    let limits = Limits { window: u32::MAX, fixed_window: true, ..Limits::default() };
    let scheduler = Scheduler::new(TRANSACTIONS, limits, []);
    let Task::Frontier(mut frontier) = scheduler.next_task() else { return 0 };
    while let Task::Execute(version) = scheduler.next_task() {
        assert!(!scheduler.finish(version), "nothing is suspect");
    }
    while let Step::Validate(version) = frontier.step() {
        frontier.commit(version, true);
    }
    drop(frontier);
    scheduler.committed()
}

fn transitions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheduler");
    group.throughput(Throughput::Elements(TRANSACTIONS as u64));
    group.bench_function("at_the_frontier", |bencher| bencher.iter(at_the_frontier));
    group.bench_function("speculatively", |bencher| bencher.iter(speculatively));
    group.finish();
    assert_eq!(at_the_frontier(), TRANSACTIONS);
    assert_eq!(speculatively(), TRANSACTIONS);
}

criterion_group!(benches, transitions);
criterion_main!(benches);
