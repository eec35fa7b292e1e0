//! The engine's own interface: a block, the state before it, and the rules.
//!
//! ```sh
//! cargo run --package blockloom-engine --example minimal
//! ```

use blockloom_engine::{ChainSpec, Config, Engine, RecoveredBlock};
use blockloom_fixtures::workload::{Parameters, find};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recipe = find("erc20_independent").ok_or("it is in the catalogue")?;
    let workload = recipe.build(&Parameters { txs: Some(400), ..Parameters::default() })?;
    let hash = workload.block.header.hash_slow();
    let block = RecoveredBlock { hash, block: workload.block, senders: workload.senders };

    let engine = Engine::new(Config::default())?;
    let spec = ChainSpec::mainnet();
    let executed = engine.execute(&spec, &block, &workload.base)?;
    let sequential = engine.execute_sequential(&spec, &block, &workload.base)?;

    assert_eq!(executed.output, sequential.output, "receipts, gas, changes: everything");
    let (output, stats) = (executed.output, executed.stats);
    eprintln!(
        "{} receipts, {} changed accounts, {} workers, {:?} against {:?}",
        output.receipts.len(),
        output.changes.accounts.len(),
        stats.workers,
        stats.elapsed,
        sequential.stats.elapsed,
    );
    Ok(())
}
