//! Taking over what transactions changed: into the state of a block, and into
//! the store.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use blockloom_benches::{Engines, Workload};
use blockloom_engine::Mode;
use blockloom_fixtures::workload::{Parameters, find};
use blockloom_state::{
    BlockChanges, BlockState, Durability, ErasedReader, Genesis, MemoryState, NewBlock, Store,
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use revm::{
    DatabaseCommit,
    state::{Account, AccountInfo, EvmState, EvmStorageSlot, TransactionId},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TRANSACTIONS: usize = 1000;

type State<'a> = BlockState<ErasedReader<&'a MemoryState>>;

/// The address of account `number`; 0 is the contract.
fn address(number: usize) -> Address {
    Address::left_padding_from(&(number as u64 + 0x1000).to_be_bytes())
}

/// What transaction `position` leaves: a sender that paid, a recipient, and a
/// contract in which `n_slots` slots of its own have changed.
fn result(position: usize, n_slots: usize) -> EvmState {
    let touched = |balance: u64| {
        let before = AccountInfo::from_balance(U256::from(balance));
        let after = AccountInfo::from_balance(U256::from(balance + 1));
        Account::from(before).with_info(after).with_touched_mark()
    };
    let slots = (0..n_slots).map(|slot| {
        let key = U256::from(position * n_slots + slot);
        let value = EvmStorageSlot::new_changed(U256::ZERO, U256::from(7), TransactionId::ZERO);
        (key, value)
    });
    EvmState::from_iter([
        (address(2 * position + 1), touched(1000)),
        (address(2 * position + 2), touched(10)),
        (address(0), touched(1).with_storage(slots)),
    ])
}

fn block_state(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit/block_state");
    group.throughput(Throughput::Elements(TRANSACTIONS as u64));
    let base = MemoryState::new();
    for n_slots in [0, 2, 8] {
        let results: Vec<_> = (0..TRANSACTIONS).map(|position| result(position, n_slots)).collect();
        let commit = |results: Vec<EvmState>| {
            let mut state: State<'_> = BlockState::new(ErasedReader(&base));
            results.into_iter().for_each(|result| state.commit(result));
            state
        };
        group.bench_function(BenchmarkId::new("slots", n_slots), |bencher| {
            bencher.iter_batched(|| results.clone(), commit, BatchSize::PerIteration);
        });
        let state = commit(results);
        group.bench_function(BenchmarkId::new("changes/slots", n_slots), |bencher| {
            bencher.iter_with_large_drop(|| state.changes());
        });
        let changes = state.changes();
        assert_eq!(changes.accounts.len(), 2 * TRANSACTIONS + 1);
        assert_eq!(changes.accounts[&address(0)].slots.len(), n_slots * TRANSACTIONS);
    }
    group.finish();
}

/// A store whose chain grows by blocks that all change the same.
struct Chain {
    store: Store,
    root: B256,
    changes: BlockChanges,
}

impl Chain {
    fn commit(&self, header: &Header) {
        let hash = header.hash_slow();
        let block = NewBlock { header, hash, changes: &self.changes };
        self.store.commit(&block).expect("the block is next");
    }

    fn next_header(&self) -> Header {
        let tip = self.store.tip();
        let (number, parent_hash) = (tip.number + 1, tip.hash);
        Header { number, parent_hash, state_root: self.root, ..Header::default() }
    }
}

fn rocksdb(criterion: &mut Criterion) {
    let engines = Engines::new(&[], Mode::Sequential).expect("threads can be started");
    let recipe = find("erc20_independent").expect("it is in the catalogue");
    let workload = Workload::generated(recipe, &Parameters::default(), engines.sequential())
        .expect("the workload is valid");
    let Workload { name, spec, block, base, .. } = &workload;
    let executed = engines.sequential().execute_sequential(spec, block, base);
    let changes = executed.expect("the workload is valid").output.changes;
    let header = Header { state_root: base.root(), ..Header::default() };
    let mut group = criterion.benchmark_group(format!("commit/rocksdb/{name}"));
    group.throughput(Throughput::Elements(workload.n_txs() as u64));
    for (durability, label) in [(Durability::Unsynced, "unsynced"), (Durability::Synced, "synced")]
    {
        let folder = tempfile::tempdir().expect("there is room for a store");
        let genesis =
            Genesis { chain_id: 1, header: &header, hash: header.hash_slow(), state: base };
        let store = Store::create(folder.path().join("store"), &genesis)
            .expect("a store can be created")
            .with_durability(durability);
        let root = store.root_after(&changes).expect("the store is readable");
        let chain = Chain { store, root, changes: changes.clone() };
        group.bench_function(label, |bencher| {
            bencher.iter_batched(
                || chain.next_header(),
                |header| chain.commit(&header),
                BatchSize::PerIteration,
            );
        });
        assert_eq!(chain.store.tip().root, root);
    }
    group.finish();
}

criterion_group!(benches, block_state, rocksdb);
criterion_main!(benches);
