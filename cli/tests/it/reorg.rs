//! Official multi-block chains in a store: every valid block becomes the tip
//! once, whichever branch it is on, by unwinding and committing.

use crate::data::shared;
use alloy_primitives::{B256, U256};
use blockloom_engine::{ChainSpec, Config, Engine};
use blockloom_fixtures::blockchain_test::{self, BlockchainTest};
use blockloom_state::{
    BlockChanges, Genesis, HashedAccount, MemoryState, NewBlock, Store, StoreError,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use tempfile::tempdir;

/// A block that was accepted, and what it did.
struct Accepted {
    header: alloy_consensus::Header,
    total_difficulty: U256,
    changes: BlockChanges,
    state: MemoryState,
}

/// Every valid block of a test, on its parent's state, by sequential revm.
/// `None` if the test's network or one of its blocks is not one that revm gets
/// right; `blockloom verify` lists those.
fn accept(test: &BlockchainTest, engine: &Engine) -> Option<HashMap<B256, Accepted>> {
    let spec = ChainSpec::for_network(&test.network, test.chain_id, None).ok()?;
    let genesis = Accepted {
        header: test.genesis_header.clone(),
        total_difficulty: test.genesis_header.difficulty,
        changes: BlockChanges::default(),
        state: test.pre.clone(),
    };
    let mut accepted = HashMap::from([(test.genesis_hash, genesis)]);
    for block in test.blocks.iter().filter(|block| block.is_valid()) {
        let block = engine.recover(block.decode().ok()?).ok()?;
        let parent = accepted.get(&block.header().parent_hash)?;
        let spec = spec.for_child_of(parent.header.number, parent.total_difficulty);
        let changes = engine.execute_sequential(&spec, &block, &parent.state).ok()?.output.changes;
        let mut state = parent.state.clone();
        state.apply(&changes);
        state.set_block_hash(block.header().number, block.hash);
        if state.root() != block.header().state_root {
            return None;
        }
        let header = block.header().clone();
        let total_difficulty = parent.total_difficulty.saturating_add(header.difficulty);
        accepted.insert(block.hash, Accepted { header, total_difficulty, changes, state });
    }
    Some(accepted)
}

/// Blocks from the one after genesis to `hash`, in order.
fn branch(accepted: &HashMap<B256, Accepted>, genesis: B256, hash: B256) -> Vec<B256> {
    let parent = |hash: &B256| Some(accepted[hash].header.parent_hash);
    let blocks = std::iter::successors(Some(hash), parent);
    let mut blocks: Vec<_> = blocks.take_while(|hash| *hash != genesis).collect();
    blocks.reverse();
    blocks
}

fn create(test: &BlockchainTest, path: &Path) -> Store {
    let genesis = Genesis {
        chain_id: test.chain_id,
        header: &test.genesis_header,
        hash: test.genesis_hash,
        state: &test.pre,
    };
    Store::create(path, &genesis).unwrap()
}

/// Brings the store from where it is to the end of `blocks`. Gives the number
/// of blocks unwound.
fn switch(store: &Store, accepted: &HashMap<B256, Accepted>, blocks: &[B256]) -> u64 {
    let is_shared = |hash: &&B256| {
        store.header(accepted[*hash].header.number).unwrap().is_some_and(|h| h.hash() == **hash)
    };
    let n_shared = blocks.iter().take_while(is_shared).count();
    let n_unwound = store.tip().number - n_shared as u64;
    store.unwind(n_shared as u64).unwrap();
    for hash in &blocks[n_shared..] {
        let Accepted { header, changes, .. } = &accepted[hash];
        store.commit(&NewBlock { header, hash: *hash, changes }).unwrap();
    }
    n_unwound
}

fn contents(store: &Store) -> Vec<HashedAccount> {
    let mut accounts = Vec::new();
    let push = |account| {
        accounts.push(account);
        Ok::<_, StoreError>(())
    };
    store.for_each_account(push).unwrap();
    accounts
}

/// Offers the blocks in the test's order; gives the number unwound on the way.
fn follow(test: &BlockchainTest, accepted: &HashMap<B256, Accepted>) -> u64 {
    let folder = tempdir().unwrap();
    let store = create(test, &folder.path().join("reorganised"));
    let mut n_unwound = 0;
    let offered = test.blocks.iter().filter_map(|block| block.header_hash);
    for hash in offered.filter(|hash| accepted.contains_key(hash)).chain([test.last_block_hash]) {
        let blocks = branch(accepted, test.genesis_hash, hash);
        n_unwound += switch(&store, accepted, &blocks);
        assert_eq!(store.tip().root, accepted[&hash].state.root(), "{}", test.name);
    }
    let straight = create(test, &folder.path().join("straight"));
    let blocks = branch(accepted, test.genesis_hash, test.last_block_hash);
    switch(&straight, accepted, &blocks);
    assert_eq!(store.tip(), straight.tip(), "{}", test.name);
    assert_eq!(contents(&store), contents(&straight), "{}", test.name);
    let (found, expected) = (store.verify().unwrap(), straight.verify().unwrap());
    assert_eq!(found.n_nodes, expected.n_nodes, "{}", test.name);
    assert_eq!((found.n_codes, found.n_headers), (expected.n_codes, expected.n_headers));
    n_unwound
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Chains with branches on every network, others on one of each era: what
/// differs between networks is execution, and that is checked elsewhere.
fn is_chosen(test: &BlockchainTest) -> bool {
    let numbers: Vec<_> = test
        .blocks
        .iter()
        .filter(|block| block.is_valid())
        .filter_map(|block| Some(block.decode().ok()?.header.number))
        .collect();
    let has_branches = numbers.windows(2).any(|pair| pair[1] <= pair[0]);
    let is_of_an_era = matches!(&*test.network, "Cancun" | "London" | "Byzantium");
    numbers.len() > 1 && (has_branches || is_of_an_era || test.network.contains("At5"))
}

#[test]
fn legacy_chains_end_in_the_same_store_through_every_reorganisation() {
    let Some(folder) = shared("conformance/blockchain_tests/legacytests") else { return };
    let engine = Engine::new(Config { workers: 1, ..Config::default() }).unwrap();
    let (mut n_chains, mut n_reorganised, mut n_left_out) = (0, 0, 0);
    for file in files(&folder).iter().filter(|file| !file.ends_with("index.json")) {
        for test in blockchain_test::load(file).unwrap() {
            if !is_chosen(&test) {
                continue;
            }
            let Some(accepted) = accept(&test, &engine) else {
                n_left_out += 1;
                continue;
            };
            n_chains += 1;
            n_reorganised += u32::from(follow(&test, &accepted) > 0);
        }
    }
    eprintln!("{n_chains} chains, {n_reorganised} reorganised, {n_left_out} left out");
    assert!(n_chains > 250 && n_reorganised > 80, "{n_chains} chains, {n_reorganised} reorganised");
    assert!(n_left_out <= 2, "{n_left_out} chains left out");
}
