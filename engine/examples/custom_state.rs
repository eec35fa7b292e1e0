//! A base state of one's own: one reader per worker, for a database whose
//! readers belong to one thread.
//!
//! ```sh
//! cargo run --package blockloom-engine --example custom_state
//! ```

use alloy_primitives::{Address, B256, U256};
use blockloom_engine::{ChainSpec, Config, Engine, Mode, RecoveredBlock};
use blockloom_fixtures::workload::{Parameters, find};
use blockloom_state::{MemoryState, MemoryStateError, ReaderPerWorker};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{cell::Cell, sync::Mutex};

/// A reader that cannot be shared: it counts what it is asked, without a lock.
struct Reader<'a> {
    state: &'a MemoryState,
    reads: Cell<u64>,
    total: &'a Mutex<Vec<u64>>,
}

impl Reader<'_> {
    fn asked(&self) -> &MemoryState {
        self.reads.set(self.reads.get() + 1);
        self.state
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Ok(mut total) = self.total.lock() {
            total.push(self.reads.get());
        }
    }
}

impl DatabaseRef for Reader<'_> {
    type Error = MemoryStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MemoryStateError> {
        self.asked().basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, MemoryStateError> {
        self.asked().code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, MemoryStateError> {
        self.asked().storage_ref(address, index)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryStateError> {
        self.asked().block_hash_ref(number)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recipe = find("amm_many_pools").ok_or("it is in the catalogue")?;
    let workload = recipe.build(&Parameters { txs: Some(200), ..Parameters::default() })?;
    let hash = workload.block.header.hash_slow();
    let block = RecoveredBlock { hash, block: workload.block, senders: workload.senders };

    let total = Mutex::new(Vec::new());
    let state = &workload.base;
    let readers = ReaderPerWorker::new(|| {
        Ok::<_, MemoryStateError>(Reader { state, reads: Cell::new(0), total: &total })
    });

    let config = Config { workers: 4, mode: Mode::Parallel, ..Config::default() };
    let engine = Engine::new(config)?;
    let spec = ChainSpec::mainnet();
    let executed = engine.execute(&spec, &block, &readers)?;
    let expected = engine.execute_sequential(&spec, &block, state)?;
    assert_eq!(executed.output, expected.output);

    let reads = total.into_inner()?;
    assert!(reads.len() >= 4, "every worker had a reader of its own");
    eprintln!("reads by reader: {reads:?}");
    Ok(())
}
