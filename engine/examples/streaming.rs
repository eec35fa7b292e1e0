//! Transactions of a block as they become final, on another thread, while later
//! ones still run; and a block that is cancelled half-way.
//!
//! ```sh
//! cargo run --package blockloom-engine --example streaming
//! ```

use alloy_consensus::transaction::Recovered;
use alloy_evm::{
    EvmFactory,
    block::BlockExecutorFactory,
    eth::{EthBlockExecutionCtx, EthBlockExecutorFactory},
};
use blockloom_engine::{
    ChainSpec, Receipt,
    client::{
        Ahead, AheadConfig, AheadEvmFactory, Ethereum, ParallelBlockExecutorFactory, PlainReceipts,
        SprintEvmFactory, StreamError, committed_channel,
    },
};
use blockloom_fixtures::workload::{Parameters, find};
use blockloom_state::BaseStateError;
use revm::{context_interface::result::HaltReason, database::State};
use std::{sync::Arc, thread};

/// Transactions that wait for whoever listens, at most.
const CAPACITY: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recipe = find("amm_many_pools").ok_or("it is in the catalogue")?;
    let workload = recipe.build(&Parameters { txs: Some(200), ..Parameters::default() })?;
    let (block, senders) = (workload.block, workload.senders);
    let base = Arc::new(workload.base);
    let snapshots = {
        let base = Arc::clone(&base);
        move |_parent| Ok::<_, BaseStateError>(Arc::clone(&base))
    };
    let ahead = Ahead::new(AheadConfig::default())?.with_snapshots(snapshots);
    let evms = AheadEvmFactory::new(ahead, SprintEvmFactory, Ethereum);
    let spec = ChainSpec::mainnet();
    let factory = EthBlockExecutorFactory::new(PlainReceipts, spec.clone(), evms);
    let factory = ParallelBlockExecutorFactory::new(factory).with_parent_of(|ctx| ctx.parent_hash);

    // Listens until it has seen `enough`; gives how many it saw, and how the
    // block ended.
    let run = |enough: usize| {
        let (sender, stream) = committed_channel::<Receipt, HaltReason>(CAPACITY);
        thread::scope(|scope| {
            let listener = scope.spawn(move || {
                let mut n_logs = 0;
                let seen = stream.take(enough).inspect(|tx| n_logs += tx.receipt.logs.len());
                (seen.count(), n_logs)
            });
            let mut state = State::builder().with_database_ref(&*base).build();
            let env = spec.evm_env(&block.header);
            let evm = factory.evm_factory().create_evm(&mut state, env);
            let context = EthBlockExecutionCtx {
                parent_hash: block.header.parent_hash,
                parent_beacon_block_root: block.header.parent_beacon_block_root,
                ommers: &[],
                withdrawals: block.body.withdrawals.as_deref().map(|list| list.as_slice().into()),
                extra_data: block.header.extra_data.clone(),
                tx_count_hint: None,
                slot_number: None,
            };
            let signed = block.body.transactions.iter().enumerate();
            let transactions =
                signed.map(|(n, signed)| Recovered::new_unchecked(signed, senders[n]));
            let executor = factory.create_executor(evm, context);
            let end = executor.execute_streaming(transactions, |tx| sender.send(tx));
            drop(sender);
            (listener.join().expect("it only counts"), end)
        })
    };

    let ((n_seen, n_logs), end) = run(usize::MAX);
    let result = end?;
    assert_eq!(n_seen, result.receipts.len(), "each came by");
    assert_eq!(n_logs, result.receipts.iter().map(|receipt| receipt.logs.len()).sum::<usize>());
    eprintln!("{n_seen} transactions with {n_logs} logs");

    let ((n_seen, _), end) = run(10);
    let Err(StreamError::Cancelled { committed }) = end else {
        return Err("nobody listens, so the block ends".into());
    };
    assert!(n_seen == 10 && (10..=11 + CAPACITY).contains(&committed));
    eprintln!("cancelled after {committed}");
    Ok(())
}
