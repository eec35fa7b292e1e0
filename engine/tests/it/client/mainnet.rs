//! Real blocks, through the traits.

use super::{
    chain::Chain,
    contract::{self, Checked},
    recorder::Ledger,
};
use crate::support::data;
use alloy_evm::{
    EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
};
use blockloom_engine::{
    ChainSpec, Mode, RecoveredBlock,
    client::{AheadStats, BlockPlan},
};
use blockloom_fixtures::mainnet::MainnetSet;
use std::sync::Arc;

/// The blocks of the data set, and their numbers.
pub(crate) fn blocks() -> impl Iterator<Item = Chain> {
    let set = data("mainnet").map(|folder| MainnetSet::open(&folder).expect("the set opens"));
    set.into_iter().flat_map(|set| {
        let numbers = set.numbers().to_vec();
        numbers.into_iter().map(move |number| {
            let fixture = set.load(number).expect("the block loads");
            let (hash, block, senders) = (fixture.hash, fixture.block, fixture.senders);
            let block = RecoveredBlock { hash, block, senders };
            Chain { spec: ChainSpec::mainnet(), block, base: Arc::new(fixture.pre_state) }
        })
    })
}

#[test]
fn mainnet_blocks_give_callers_what_the_inner_executor_gives() {
    let mut total = Checked::default();
    for (turn, chain) in blocks().enumerate() {
        let number = chain.block.header().number;
        total.add(contract::check(&chain, turn, &format!("block {number}")));
    }
    println!("{total:?}");
    assert!(total.runs == 0 || total.errors > 64, "{total:?}");
}

/// What came of running ahead while `chain` was run one by one.
fn run_ahead(chain: &Chain, mode: Mode) -> AheadStats {
    let factory = chain.wrapped(2, mode);
    let ledger = Ledger::new(&chain.base, usize::MAX);
    let evm = factory.evm_factory().create_evm(ledger, chain.env());
    let mut executor = factory.create_executor(evm, chain.ctx());
    executor.plan(BlockPlan::new(None, chain.transactions()));
    executor.apply_pre_execution_changes().expect("system calls succeed");
    for transaction in chain.transactions() {
        executor.execute_transaction(transaction).expect("a real block is valid");
    }
    executor.stats()
}

#[test]
fn results_on_mainnet_are_made_ahead_and_some_in_vain() {
    let mut total = AheadStats::default();
    for chain in blocks().skip(40) {
        let stats = run_ahead(&chain, Mode::Parallel);
        assert_eq!(stats.stood + stats.at_frontier, stats.planned, "{stats:?}");
        total.planned += stats.planned;
        total.stood += stats.stood;
        total.in_vain += stats.in_vain;
    }
    println!("{total:?}");
    if total.planned > 0 {
        assert!(total.stood > 0, "{total:?}");
        assert!(total.in_vain > 0, "real blocks have conflicts: {total:?}");
    }
}
