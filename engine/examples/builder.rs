//! Packs a block from candidates, some of which are no good, and shows that it
//! is what executing it gives.
//!
//! ```sh
//! cargo run --package blockloom-engine --example builder
//! ```

use alloy_consensus::transaction::Recovered;
use alloy_evm::{
    EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
    eth::{EthBlockExecutionCtx, EthBlockExecutorFactory},
};
use blockloom_engine::{
    ChainSpec,
    client::{
        Ahead, AheadConfig, AheadEvmFactory, Ethereum, PackEnd, PackLimits,
        ParallelBlockExecutorFactory, PlainReceipts, SprintEvmFactory, pack,
    },
};
use blockloom_fixtures::workload::{Parameters, find};
use revm::database::State;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recipe = find("erc20_independent").ok_or("it is in the catalogue")?;
    let workload = recipe.build(&Parameters { txs: Some(300), ..Parameters::default() })?;
    let mut header = workload.block.header;
    // Room for about half of them.
    header.gas_limit /= 2;
    let signed = workload.block.body.transactions.into_iter();
    let candidates: Vec<_> = signed
        .enumerate()
        .map(|(n, signed)| Recovered::new_unchecked(signed, workload.senders[n]))
        // Each twice: the second time its nonce is used up.
        .flat_map(|candidate| [candidate.clone(), candidate])
        .collect();

    let ahead = Ahead::new(AheadConfig::default())?;
    let evms = AheadEvmFactory::new(ahead, SprintEvmFactory, Ethereum);
    let spec = ChainSpec::mainnet();
    let factory = EthBlockExecutorFactory::new(PlainReceipts, spec.clone(), evms);
    let factory = ParallelBlockExecutorFactory::new(factory);
    let context = EthBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers: &[],
        withdrawals: None,
        extra_data: header.extra_data.clone(),
        tx_count_hint: None,
        slot_number: None,
    };
    let executor = || {
        let state = State::builder().with_database_ref(&workload.base).build();
        let evm = factory.evm_factory().create_evm(state, spec.evm_env(&header));
        factory.create_executor(evm, context.clone())
    };

    // Time enough, even on a busy machine.
    let deadline = Some(Instant::now() + Duration::from_secs(600));
    let limits = PackLimits { deadline, ..PackLimits::default() };
    let packed = pack(executor(), candidates, limits)?;
    assert!(packed.result.gas_used <= header.gas_limit);
    assert!(!packed.skipped.is_empty(), "nobody spends a nonce twice");
    assert_ne!(packed.end, PackEnd::Deadline);
    for (candidate, reason) in packed.skipped.iter().take(2) {
        eprintln!("left out {}: {reason}", candidate.tx_hash());
    }

    let again = packed.transactions.iter().map(Recovered::as_recovered_ref);
    assert_eq!(executor().execute_block(again)?, packed.result);
    eprintln!(
        "{} transactions, {} left out, {} of {} gas",
        packed.transactions.len(),
        packed.skipped.len(),
        packed.result.gas_used,
        header.gas_limit
    );
    Ok(())
}
