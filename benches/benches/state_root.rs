//! State roots: of a state in memory and in the store, and from a witness.

use alloy_consensus::Header;
use alloy_primitives::{Address, U256, keccak256};
use blockloom_engine::{ChainSpec, Config, Engine, RecoveredBlock};
use blockloom_fixtures::mainnet::MainnetSet;
use blockloom_state::{
    AccountBasics, AccountChange, BlockChanges, Genesis, MemoryState, Store, WitnessState,
    storage_root,
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use revm::primitives::KECCAK_EMPTY;
use std::{
    collections::BTreeMap,
    env,
    io::Write,
    path::{Path, PathBuf},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Accounts that a block changes.
const CHANGED: u64 = 500;

/// Blocks of the data set with a witness: 146 and 60 transactions.
const WITNESSED: [u64; 2] = [24_628_608, 24_647_140];

/// The address of account `number`: scattered, as real ones are.
fn address(number: u64) -> Address {
    Address::from_word(keccak256(number.to_be_bytes()))
}

fn rich(number: u64) -> AccountBasics {
    AccountBasics { balance: U256::from(number + 1), nonce: 1, code_hash: KECCAK_EMPTY }
}

fn state(n_accounts: u64) -> MemoryState {
    let mut state = MemoryState::new();
    (0..n_accounts).for_each(|number| state.insert_account(address(number), rich(number)));
    state
}

/// Pays every account up to [`CHANGED`] one wei.
fn changes() -> BlockChanges {
    let change = |number| {
        let after = Some(rich(number + 1));
        (address(number), AccountChange { after, wiped: false, slots: BTreeMap::new() })
    };
    BlockChanges { accounts: (0..CHANGED).map(change).collect(), code: BTreeMap::new() }
}

fn from_scratch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("state_root/from_scratch");
    for n in [1000, 10_000, 100_000] {
        group.throughput(Throughput::Elements(n));
        let state = state(n);
        group.bench_function(BenchmarkId::new("accounts", n), |bencher| {
            bencher.iter(|| state.root());
        });
        let slots: Vec<_> = (0..n).map(|slot| (U256::from(slot), U256::from(slot + 1))).collect();
        group.bench_function(BenchmarkId::new("slots", n), |bencher| {
            bencher.iter(|| storage_root(slots.iter().copied()));
        });
    }
    group.finish();
}

fn store(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("state_root/store");
    group.throughput(Throughput::Elements(CHANGED));
    let changes = changes();
    for n in [1000, 10_000, 100_000] {
        let mut state = state(n);
        let header = Header { state_root: state.root(), ..Header::default() };
        let folder = tempfile::tempdir().expect("there is room for a store");
        let genesis =
            Genesis { chain_id: 1, header: &header, hash: header.hash_slow(), state: &state };
        let store =
            Store::create(folder.path().join("store"), &genesis).expect("a store can be created");
        let root = || store.root_after(&changes).expect("the store is readable");
        group.bench_function(BenchmarkId::new("accounts", n), |bencher| bencher.iter(root));
        let root = root();
        state.apply(&changes);
        assert_eq!(root, state.root(), "{n} accounts");
    }
    group.finish();
}

fn witness(criterion: &mut Criterion) {
    let data = env::var_os("BLOCKLOOM_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let folder = data.join("mainnet");
    if !folder.exists() {
        let message = format!("SKIPPED witnesses: no test data at {}\n", folder.display());
        std::io::stderr().write_all(message.as_bytes()).expect("stderr can be written");
        return;
    }
    let set = MainnetSet::open(&folder).expect("the set of mainnet blocks is readable");
    let engine = Engine::new(Config::default()).expect("threads can be started");
    let mut group = criterion.benchmark_group("state_root/witness");
    for number in WITNESSED {
        let file = set.load(number).expect("the block is readable");
        let block = RecoveredBlock { hash: file.hash, block: file.block, senders: file.senders };
        let executed = engine.execute_sequential(&ChainSpec::mainnet(), &block, &file.pre_state);
        let changes = executed.expect("the block is valid").output.changes;
        let witness = file.witness.expect("the block has a witness");
        let before = WitnessState::new(witness.parent_state_root, witness.nodes);
        let apply = |mut state: WitnessState| {
            let root = state.apply(&changes).expect("the witness suffices");
            (root, state)
        };
        group.throughput(Throughput::Elements(changes.accounts.len() as u64));
        group.bench_function(BenchmarkId::new("mainnet", number), |bencher| {
            bencher.iter_batched(|| before.clone(), apply, BatchSize::PerIteration);
        });
        assert_eq!(apply(before).0, block.header().state_root, "block {number}");
    }
    group.finish();
}

criterion_group!(benches, from_scratch, store, witness);
criterion_main!(benches);
