//! Generated blocks with known answers, on every path.

use crate::support::{check, engines, jitter::Jitter};
use alloy_primitives::{Address, B256, U256};
use blockloom_engine::{BlockOutput, ChainSpec, Config, Engine, Limits, RecoveredBlock};
use blockloom_fixtures::workload::{Family, Parameters, Workload, catalogue};
use blockloom_state::{MemoryState, MemoryStateError};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::time::{Duration, Instant};

/// Transactions of each block: enough for workers to meet.
const TRANSACTIONS: usize = 60;

fn workloads() -> impl Iterator<Item = (Family, Workload)> {
    let parameters =
        Parameters { seed: 7, txs: Some(TRANSACTIONS), accounts: Some(24), ..Default::default() };
    catalogue().iter().map(move |recipe| {
        (recipe.family(), recipe.build(&parameters).expect("the parameters are sound"))
    })
}

fn recovered(workload: &Workload) -> RecoveredBlock {
    RecoveredBlock {
        hash: workload.block.header.hash_slow(),
        block: workload.block.clone(),
        senders: workload.senders.clone(),
    }
}

#[track_caller]
fn assert_answer(workload: &Workload, output: &BlockOutput) {
    let succeeded: Vec<_> = output.receipts.iter().map(|receipt| receipt.success).collect();
    let mut state = workload.base.clone();
    state.apply(&output.changes);
    workload.answer.check(&succeeded, &state).expect("the answer is the generator's");
}

#[test]
fn every_workload_has_its_answer_on_every_path() {
    let spec = ChainSpec::mainnet();
    for (_, workload) in workloads() {
        println!("workload {}", workload.name);
        let (answer, _) = check(&spec, &recovered(&workload), &workload.base);
        assert_answer(&workload, &answer.expect("the block is valid"));
    }
}

#[test]
fn executions_are_bounded_on_the_worst_of_blocks() {
    let spec = ChainSpec::mainnet();
    let most = Limits::default().attempts as usize + 1;
    let mut more_than_once = 0;
    for (_, workload) in workloads().filter(|(family, _)| *family == Family::Adversarial) {
        let block = recovered(&workload);
        for engine in engines() {
            let workers = engine.workers();
            // Slow reads, so that workers meet however few cores there are.
            let base = Jitter::new(&workload.base, 1, block.senders.first().copied());
            let executed = engine.execute(&spec, &block, &base);
            let stats = executed.expect("the block is valid").stats;
            let bound = most * block.senders.len();
            let name = &workload.name;
            assert!(stats.executions <= bound, "{name}, {workers} workers: {stats:?}");
            more_than_once += stats.re_executions();
        }
    }
    assert!(more_than_once > 0, "nothing was executed twice, so nothing was bounded");
}

/// A state each read of which takes a while, however quick the machine is.
#[derive(Debug)]
struct Slow<'a>(&'a MemoryState);

impl Slow<'_> {
    fn pass_time(&self) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_micros(40) {
            std::hint::spin_loop();
        }
    }
}

impl DatabaseRef for Slow<'_> {
    type Error = MemoryStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MemoryStateError> {
        self.pass_time();
        self.0.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, MemoryStateError> {
        self.pass_time();
        self.0.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, MemoryStateError> {
        self.pass_time();
        self.0.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryStateError> {
        self.0.block_hash_ref(number)
    }
}

#[test]
fn slow_reads_are_shared_among_workers_whatever_the_block() {
    let spec = ChainSpec::mainnet();
    for workers in [2, 12] {
        let engine = Engine::new(Config { workers, ..Config::default() }).expect("it starts");
        for (_, workload) in workloads() {
            let block = recovered(&workload);
            let oracle = engine.execute_sequential(&spec, &block, &workload.base);
            let executed = engine.execute(&spec, &block, &Slow(&workload.base));
            let executed = executed.expect("the block is valid");
            let name = &workload.name;
            assert_eq!(executed.output, oracle.expect("the block is valid").output, "{name}");
            let is_shared = block.senders.len() >= 8;
            assert_eq!(executed.stats.workers == workers, is_shared, "{name}");
        }
    }
}
