//! What it costs to go through alloy-evm's traits: the same blocks by the
//! engine's own interface, by an executor that runs ahead, and by the stock
//! executor that one wraps, in one process and in turns.
//!
//! ```sh
//! cargo bench --package blockloom-benches --bench client
//! ```
//!
//! Blocks are those of `$BLOCKLOOM_DATA/mainnet`, without that generated ones.
//! `BLOCKLOOM_ROUNDS` says how often (9), `BLOCKLOOM_WORKERS` on how many
//! threads (2). Both executors run on revm's `State` with bundle updates, as a
//! node's do; making and dropping that is inside the timer.

use alloy_consensus::transaction::Recovered;
use alloy_evm::{
    EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
    eth::{EthBlockExecutionCtx, EthBlockExecutorFactory, EthEvmFactory},
};
use alloy_primitives::B256;
use blockloom_engine::{
    ChainSpec, Config, Engine, RecoveredBlock, Transaction,
    client::{
        Ahead, AheadConfig, AheadEvmFactory, Ethereum, ParallelBlockExecutorFactory, PlainReceipts,
    },
};
use blockloom_fixtures::{
    mainnet::MainnetSet,
    workload::{Parameters, find},
};
use blockloom_state::{BaseStateError, MemoryState};
use revm::database::{State, states::bundle_state::BundleRetention};
use std::{
    env,
    error::Error,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A block, and the state before it.
struct Case {
    name: String,
    block: RecoveredBlock,
    base: Arc<MemoryState>,
}

impl Case {
    fn context(&self) -> EthBlockExecutionCtx<'_> {
        let (header, body) = (self.block.header(), &self.block.block.body);
        EthBlockExecutionCtx {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            ommers: &body.ommers,
            withdrawals: body.withdrawals.as_ref().map(|list| list.as_slice().into()),
            extra_data: header.extra_data.clone(),
            tx_count_hint: Some(body.transactions.len()),
            slot_number: header.slot_number,
        }
    }

    fn transactions(&self) -> impl Iterator<Item = Recovered<&Transaction>> {
        let signed = self.block.block.body.transactions.iter().enumerate();
        signed.map(|(n, signed)| Recovered::new_unchecked(signed, self.block.senders[n]))
    }
}

fn number(name: &str, default: usize) -> usize {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn cases() -> Result<Vec<Case>, Box<dyn Error>> {
    let folder = env::var_os("BLOCKLOOM_DATA").map(|root| Path::new(&root).join("mainnet"));
    if let Some(folder) = folder.filter(|folder| folder.exists()) {
        let set = MainnetSet::open(&folder)?;
        let load = |number: &u64| {
            let fixture = set.load(*number)?;
            let (hash, block, senders) = (fixture.hash, fixture.block, fixture.senders);
            let block = RecoveredBlock { hash, block, senders };
            let name = format!("mainnet_{number}");
            Ok(Case { name, block, base: Arc::new(fixture.pre_state) })
        };
        return set.numbers().iter().map(load).collect();
    }
    let names = ["independent_transfers", "erc20_independent", "amm_many_pools", "amm_one_pool"];
    let build = |name: &str| {
        let workload = find(name).ok_or("unknown workload")?.build(&Parameters::default())?;
        let hash = workload.block.header.hash_slow();
        let block = RecoveredBlock { hash, block: workload.block, senders: workload.senders };
        Ok(Case { name: name.to_owned(), block, base: Arc::new(workload.base) })
    };
    names.into_iter().map(build).collect()
}

/// Executes `case` on an executor of `factory`; gives time, gas and the number
/// of receipts.
fn through<F>(factory: &F, spec: &ChainSpec, case: &Case) -> Result<(Duration, u64, usize), String>
where
    F: for<'a> BlockExecutorFactory<
            EvmFactory: EvmFactory<
                Spec = revm::primitives::hardfork::SpecId,
                BlockEnv = revm::context::BlockEnv,
                Tx = revm::context::TxEnv,
            >,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = Transaction,
        >,
{
    let started = Instant::now();
    let mut state = State::builder().with_database_ref(&*case.base).with_bundle_update().build();
    let evm = factory.evm_factory().create_evm(&mut state, spec.evm_env(case.block.header()));
    let executor = factory.create_executor(evm, case.context());
    let result = executor.execute_block(case.transactions()).map_err(|error| error.to_string())?;
    state.merge_transitions(BundleRetention::Reverts);
    let bundle = state.take_bundle();
    let elapsed = started.elapsed();
    drop(bundle);
    Ok((elapsed, result.gas_used, result.receipts.len()))
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn geometric_mean(ratios: &[f64]) -> f64 {
    (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len().max(1) as f64).exp()
}

#[expect(clippy::print_stdout, reason = "the table is the result")]
fn main() -> Result<(), Box<dyn Error>> {
    let (rounds, workers) = (number("BLOCKLOOM_ROUNDS", 9), number("BLOCKLOOM_WORKERS", 2));
    let spec = ChainSpec::mainnet();
    let engine = Engine::new(Config { workers, ..Config::default() })?;
    // The state of whichever block is on.
    let current = Arc::new(Mutex::new(Arc::new(MemoryState::new())));
    let snapshots = {
        let current = Arc::clone(&current);
        move |_: B256| match current.lock() {
            Ok(state) => Ok(Arc::clone(&state)),
            Err(_) => Err(BaseStateError::new(std::fmt::Error)),
        }
    };
    let ahead = Ahead::new(AheadConfig { workers, ..AheadConfig::default() })?;
    let evms =
        AheadEvmFactory::new(ahead.with_snapshots(snapshots), EthEvmFactory::default(), Ethereum);
    let wrapped = EthBlockExecutorFactory::new(PlainReceipts, spec.clone(), evms);
    let wrapped = ParallelBlockExecutorFactory::new(wrapped).with_parent_of(|ctx| ctx.parent_hash);
    let stock = EthBlockExecutorFactory::new(PlainReceipts, spec.clone(), EthEvmFactory::default());

    println!("block\tMgas\tnative ms\ttraits ms\tstock traits ms\ttraits/native\tspeedup");
    let (mut costs, mut speedups) = (Vec::new(), Vec::new());
    for case in cases()? {
        *current.lock().map_err(|_| "poisoned")? = Arc::clone(&case.base);
        let mut times: [Vec<Duration>; 3] = Default::default();
        // Two rounds to warm up.
        for round in 0..rounds + 2 {
            let native = Instant::now();
            let executed = engine.execute(&spec, &case.block, &*case.base)?;
            let native = native.elapsed();
            let by_traits = through(&wrapped, &spec, &case)?;
            let by_stock = through(&stock, &spec, &case)?;
            let gas = (executed.output.gas_used, executed.output.receipts.len());
            for (_, gas_used, n_receipts) in [by_traits, by_stock] {
                assert_eq!((gas_used, n_receipts), gas, "{}", case.name);
            }
            if round >= 2 {
                times[0].push(native);
                times[1].push(by_traits.0);
                times[2].push(by_stock.0);
            }
        }
        let [native, traits, bare] = times.each_mut().map(|times| median(times));
        let mgas = case.block.header().gas_used as f64 / 1e6;
        let (cost, speedup) = (traits / native, bare / traits);
        let name = &case.name;
        println!("{name}\t{mgas:.1}\t{native:.2}\t{traits:.2}\t{bare:.2}\t{cost:.2}\t{speedup:.2}");
        costs.push(cost);
        speedups.push(speedup);
    }
    let (cost, speedup) = (geometric_mean(&costs), geometric_mean(&speedups));
    println!("geometric mean\t\t\t\t\t{cost:.3}\t{speedup:.3}");
    Ok(())
}
