//! Blocks to measure with, ready to execute: shared by the criterion targets.
//!
//! # What is measured
//!
//! `block/<workload>/sequential` and `block/<workload>/parallel/<workers>` sit
//! in one group and do the same work: from a recovered block and an in-memory
//! base state to the complete [`BlockOutput`](blockloom_engine::BlockOutput).
//! The sequential side is one reused stock EVM over a flat map of changes, with
//! no multi-version layer, the same allocator and the same base state. Sender
//! recovery, decoding and dropping the result are outside of the timer; the
//! answer is checked after it.

pub mod root;

use blockloom_engine::{ChainSpec, Config, Engine, Mode, RecoveredBlock};
use blockloom_fixtures::mainnet::MainnetSet;
use blockloom_state::MemoryState;
use std::path::{Path, PathBuf};

/// One block and all it needs.
#[derive(Debug)]
pub struct Workload {
    /// What the results are filed under.
    pub name: String,
    /// The rules that hold for it.
    pub spec: ChainSpec,
    /// The block with its senders.
    pub block: RecoveredBlock,
    /// The state it runs on.
    pub base: MemoryState,
}

/// Real blocks with different shapes: transfers only, one long chain, tokens
/// and swaps, one transaction that dominates, the largest of the set.
pub const MAINNET_BLOCKS: [u64; 6] =
    [4_330_482, 11_814_555, 12_459_406, 15_274_915, 19_932_148, 24_476_008];

/// The [`MAINNET_BLOCKS`] of the shared test data below `data`.
///
/// # Panics
///
/// If the data is there and cannot be read.
#[must_use]
pub fn mainnet(data: &Path) -> Vec<Workload> {
    let folder = data.join("mainnet");
    if !folder.exists() {
        return Vec::new();
    }
    let set = MainnetSet::open(&folder).expect("the set of mainnet blocks is readable");
    let load = |number: u64| {
        let fixture = set.load(number).expect("the block is readable");
        Workload {
            name: format!("mainnet_{number}"),
            spec: ChainSpec::mainnet(),
            block: RecoveredBlock {
                hash: fixture.hash,
                block: fixture.block,
                senders: fixture.senders,
            },
            base: fixture.pre_state,
        }
    };
    MAINNET_BLOCKS.into_iter().map(load).collect()
}

/// Where the shared test data is, beside the workspace.
#[must_use]
pub fn default_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data")
}

/// An engine that takes the parallel path for every block.
///
/// # Panics
///
/// If its threads cannot be started.
#[must_use]
pub fn parallel_engine(workers: usize) -> Engine {
    let config = Config { workers, mode: Mode::Parallel, ..Config::default() };
    Engine::new(config).expect("threads can be started")
}
