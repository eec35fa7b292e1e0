//! The official blockchain tests, through the traits, call by call.
//!
//! What a test says about its blocks is not looked at: here the inner executor
//! is right, also about blocks that a node would refuse before it runs them, and
//! under rules that have moved since the test was written.

use super::{
    chain::Chain,
    contract::{self, Checked},
};
use crate::support::data;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{U256, map::B256Map};
use blockloom_engine::{ChainSpec, Config, Engine, recover};
use blockloom_fixtures::blockchain_test::{self, BlockchainTest};
use blockloom_state::MemoryState;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One file in this many is run, and fewer of the larger suites;
/// `BLOCKLOOM_TRAITS_STRIDE=1` runs them all.
const STRIDE: usize = 6;

/// Every test file below `folder`, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(".json.gz") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The rules of a test's network.
fn spec(test: &BlockchainTest) -> ChainSpec {
    let schedule: Option<BTreeMap<_, _>> = test.blob_schedule.as_ref().map(|schedule| {
        let params = |given: &blockchain_test::BlobSchedule| BlobParams {
            target_blob_count: given.target,
            max_blob_count: given.max,
            update_fraction: given.base_fee_update_fraction.into(),
            ..BlobParams::cancun()
        };
        schedule.iter().map(|(fork, given)| (fork.clone(), params(given))).collect()
    });
    ChainSpec::for_network(&test.network, test.chain_id, schedule.as_ref())
        .expect("the network is known")
}

/// A block that the inner executor ran to its end.
struct Ran {
    number: u64,
    total_difficulty: U256,
    state: Arc<MemoryState>,
}

/// Takes every block of `test` whose parent has run through the contract.
fn check(test: &BlockchainTest, engine: &Engine, turn: &mut usize) -> Checked {
    let mut total = Checked::default();
    let rules = spec(test);
    let genesis = Ran {
        number: test.genesis_header.number,
        total_difficulty: test.genesis_header.difficulty,
        state: Arc::new(test.pre.clone()),
    };
    let mut known = B256Map::<Ran>::from_iter([(test.genesis_hash, genesis)]);
    for (position, block) in test.blocks.iter().enumerate() {
        let Some(block) = block.decode().ok().and_then(|block| recover(block).ok()) else {
            continue;
        };
        let Some(parent) = known.get(&block.header().parent_hash) else { continue };
        let spec = rules.for_child_of(parent.number, parent.total_difficulty);
        let chain = Chain { spec, block, base: Arc::clone(&parent.state) };
        total.add(contract::check(&chain, *turn, &format!("{}, block {position}", test.name)));
        *turn += 1;
        let Chain { spec, block, base } = chain;
        if let Ok(executed) = engine.execute_sequential(&spec, &block, &*base) {
            let (header, mut state) = (block.header(), MemoryState::clone(&base));
            state.apply(&executed.output.changes);
            state.set_block_hash(header.number, block.hash);
            let total_difficulty = parent.total_difficulty.saturating_add(header.difficulty);
            let ran = Ran { number: header.number, total_difficulty, state: Arc::new(state) };
            known.insert(block.hash, ran);
        }
    }
    total
}

/// Checks one file in so many of a suite.
#[expect(clippy::print_stdout, reason = "the count is for whoever reads the test's output")]
fn check_slice(suite: &str, stride: usize) {
    let Some(folder) = data(&format!("conformance/blockchain_tests/{suite}")) else { return };
    let stride = match env::var("BLOCKLOOM_TRAITS_STRIDE") {
        Ok(given) => given.parse().expect("BLOCKLOOM_TRAITS_STRIDE is a number from 1 on"),
        Err(_) => stride,
    };
    let engine = Engine::new(Config { workers: 1, ..Config::default() });
    let engine = engine.expect("threads can be started");
    let (mut total, mut turn) = (Checked::default(), 0);
    for path in files(&folder).into_iter().step_by(stride) {
        for test in blockchain_test::load(&path).expect("the file is a test") {
            total.add(check(&test, &engine, &mut turn));
        }
    }
    println!("{suite}: {turn} blocks, {total:?}");
    assert!(total.runs > total.errors && total.errors > 0, "{total:?}");
}

#[test]
fn legacy_tests_give_callers_what_the_inner_executor_gives() {
    check_slice("legacytests", STRIDE);
}

#[test]
fn execution_spec_tests_give_callers_what_the_inner_executor_gives() {
    check_slice("eest_bal_v5.7.0", STRIDE * 4);
}

#[test]
fn amsterdam_tests_give_callers_what_the_inner_executor_gives() {
    check_slice("eels_bal_only_amsterdam", STRIDE);
}

#[test]
fn benchmark_tests_give_callers_what_the_inner_executor_gives() {
    check_slice("eest_benchmark_v0.0.7", STRIDE * 4);
}
