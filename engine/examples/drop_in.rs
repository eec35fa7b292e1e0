//! alloy-evm's block executor, with transactions run ahead: what a node that is
//! built on alloy-evm changes.
//!
//! ```sh
//! cargo run --package blockloom-engine --example drop_in
//! ```

use alloy_consensus::transaction::Recovered;
use alloy_evm::{
    EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
    eth::{EthBlockExecutionCtx, EthBlockExecutorFactory, EthEvmFactory},
};
use alloy_primitives::B256;
use blockloom_engine::{
    ChainSpec,
    client::{
        Ahead, AheadConfig, AheadEvmFactory, BlockPlan, Ethereum, ParallelBlockExecutorFactory,
        PlainReceipts, SprintEvmFactory,
    },
};
use blockloom_fixtures::workload::{Parameters, find};
use blockloom_state::BaseStateError;
use revm::database::State;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recipe = find("erc20_independent").ok_or("it is in the catalogue")?;
    let workload = recipe.build(&Parameters { txs: Some(400), ..Parameters::default() })?;
    let base = Arc::new(workload.base);
    let header = &workload.block.header;
    let transactions: Vec<_> = workload.block.body.transactions.iter().collect();
    let transactions: Vec<_> = (0..transactions.len())
        .map(|n| Recovered::new_unchecked(transactions[n], workload.senders[n]))
        .collect();

    // Once per client: threads, and how they read the state after a block. This
    // is all there is to add; the rest is alloy-evm as everybody uses it, with
    // one type around the EVM factory and one around the executor's.
    let snapshots = {
        let base = Arc::clone(&base);
        move |_parent: B256| Ok::<_, BaseStateError>(Arc::clone(&base))
    };
    let ahead = Ahead::new(AheadConfig::default())?.with_snapshots(snapshots);
    let evms = AheadEvmFactory::new(ahead, SprintEvmFactory, Ethereum);
    let spec = ChainSpec::mainnet();
    let factory = EthBlockExecutorFactory::new(PlainReceipts, spec.clone(), evms);
    let factory = ParallelBlockExecutorFactory::new(factory).with_parent_of(|ctx| ctx.parent_hash);

    // Once per block, as a node does.
    let context = EthBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers: &workload.block.body.ommers,
        withdrawals: workload.block.body.withdrawals.as_deref().map(|list| list.as_slice().into()),
        extra_data: header.extra_data.clone(),
        tx_count_hint: Some(transactions.len()),
        slot_number: header.slot_number,
    };
    let mut state = State::builder().with_database_ref(&*base).with_bundle_update().build();
    let evm = factory.evm_factory().create_evm(&mut state, spec.evm_env(header));
    let mut executor = factory.create_executor(evm, context.clone());
    // A caller that runs transactions one by one says beforehand which;
    // `execute_block` needs no telling.
    executor.plan(BlockPlan::new(None, transactions.iter().copied()));
    executor.apply_pre_execution_changes()?;
    for transaction in &transactions {
        executor.execute_transaction(*transaction)?;
    }
    let stats = executor.stats();
    let result = executor.apply_post_execution_changes()?;

    // The same with the executor as it was.
    let stock = EthBlockExecutorFactory::new(PlainReceipts, spec.clone(), EthEvmFactory::default());
    let mut stock_state = State::builder().with_database_ref(&*base).with_bundle_update().build();
    let evm = stock.evm_factory().create_evm(&mut stock_state, spec.evm_env(header));
    let expected = stock.create_executor(evm, context).execute_block(transactions)?;
    assert_eq!(result, expected, "receipts, requests and gas");
    for state in [&mut state, &mut stock_state] {
        state.merge_transitions(revm::database::states::bundle_state::BundleRetention::Reverts);
    }
    assert_eq!(state.take_bundle(), stock_state.take_bundle(), "state and reverts");
    eprintln!("{} receipts; {stats:?}", result.receipts.len());
    Ok(())
}
