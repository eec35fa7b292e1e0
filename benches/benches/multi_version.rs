//! The multi-version memory alone, on one thread.

use alloy_primitives::{Address, U256};
use blockloom_scheduler::TxIdx;
use blockloom_state::{MultiVersionMemory, SlotIdx, WriteSet};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::convert::Infallible;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TRANSACTIONS: usize = 1024;

fn base_slot(_: Address, slot: U256) -> Result<U256, Infallible> {
    Ok(slot)
}

/// Memory in which `writers` transactions have written one slot.
fn written(writers: usize) -> (MultiVersionMemory, SlotIdx) {
    let memory = MultiVersionMemory::new(TRANSACTIONS);
    let slot = memory.slot(memory.account(Address::repeat_byte(1)), U256::from(1));
    let mut overtaken = Vec::new();
    for writer in 0..writers {
        let mut writes = WriteSet { accounts: vec![], slots: vec![(slot, U256::from(writer))] };
        memory.publish(TxIdx::new(writer), &mut writes, TxIdx::new(0), &mut overtaken);
    }
    (memory, slot)
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("multi_version/peek");
    for writers in [0, 1, 16, 256] {
        let (memory, slot) = written(writers);
        memory.read_slot(slot, TxIdx::new(0).into(), base_slot).expect("the base answers");
        let reader = TxIdx::new(TRANSACTIONS / 2);
        group.bench_function(BenchmarkId::new("writers", writers), |bencher| {
            bencher.iter(|| memory.peek_slot(slot, reader));
        });
    }
    group.finish();
}

fn publish(criterion: &mut Criterion) {
    let memory = MultiVersionMemory::new(TRANSACTIONS);
    let account = memory.account(Address::repeat_byte(1));
    let slots: Vec<_> = (0..4u64).map(|slot| memory.slot(account, U256::from(slot))).collect();
    let mut writes = WriteSet::default();
    let mut overtaken = Vec::new();
    criterion.bench_function("multi_version/publish/slots_4", |bencher| {
        bencher.iter(|| {
            writes.slots.extend(slots.iter().map(|slot| (*slot, U256::from(7))));
            overtaken.clear();
            memory.publish(TxIdx::new(9), &mut writes, TxIdx::new(0), &mut overtaken);
        });
    });
}

criterion_group!(benches, read, publish);
criterion_main!(benches);
