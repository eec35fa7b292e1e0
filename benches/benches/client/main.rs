//! What it costs to go through alloy-evm's traits: the same blocks by the
//! engine's own interface and by executors that run ahead, in one process and in
//! turns.
//!
//! ```sh
//! cargo bench --package blockloom-benches --bench client            # all blocks
//! cargo bench --package blockloom-benches --bench client -- amm_    # some
//! ```
//!
//! Five take turns, on the same block:
//!
//! - **native**: the engine's own interface, as `blockloom bench` measures it;
//! - **traits**: an executor that runs ahead, on the block state that the engine
//!   itself uses, from its making to the same output, which is compared. The
//!   ratio of the two is what the traits cost;
//! - **node**: the same on revm's `State` with bundle updates, as a node has it,
//!   down to its bundle;
//! - **stock**: what a node has today, the executor that is wrapped, on the same
//!   `State`;
//! - **told**: the executor that is wrapped, on the engine's block state and on an
//!   EVM that was told all results beforehand: what an executor of alloy-evm
//!   costs whoever makes the results.
//!
//! Blocks are the workloads of the table of targets, and those of
//! `$BLOCKLOOM_DATA/mainnet`. `BLOCKLOOM_ROUNDS` says how often (9),
//! `BLOCKLOOM_WORKERS` on how many threads (2). As in `blockloom bench`, ratios
//! are medians over rounds of the ratio within one, and short blocks are run
//! several times for one sample.
//!
//! Plain transfers are computed everywhere but by stock, and what is left of them
//! is the executor. Blocks that are mostly transfers therefore have a summary of
//! their own.

use alloy_consensus::transaction::Recovered;
use alloy_evm::{
    Evm, EvmFactory,
    block::{BlockExecutionResult, BlockExecutor, BlockExecutorFactory},
    eth::{EthBlockExecutionCtx, EthBlockExecutorFactory, EthEvmFactory},
};
use alloy_primitives::{Address, B256, U256};
use blockloom_benches::{Setting, Workload, geometric_mean, median, quantile};
use blockloom_engine::{
    BlockOutput, ChainSpec, Config, Engine, Receipt, RecoveredBlock, Transaction,
    client::{
        Ahead, AheadConfig, AheadEvmFactory, BlockPlan, Ethereum, ParallelBlockExecutorFactory,
        PlainReceipts, SprintEvmFactory,
    },
};
use blockloom_fixtures::{
    mainnet::MainnetSet,
    workload::{Parameters, catalogue},
};
use blockloom_state::{BaseStateError, BlockState, CodeCache, ErasedReader, MemoryState};
use revm::{
    DatabaseRef,
    database::{State, states::bundle_state::BundleRetention},
    state::{AccountInfo, Bytecode},
};
use std::{
    env,
    error::Error,
    path::Path,
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};
use told::{Results, Told};

mod told;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the traits may cost.
const BOUND: f64 = 1.05;

/// Blocks that take less are run several times for one sample.
const MIN_SAMPLE: Duration = Duration::from_millis(1);

/// Most runs for one sample.
const MAX_REPEATS: u32 = 64;

/// Rounds that do not count.
const WARM_UPS: usize = 2;

type Failure = Box<dyn Error>;
type Stock<E> = EthBlockExecutorFactory<PlainReceipts, ChainSpec, E>;
type Parallel = ParallelBlockExecutorFactory<Stock<AheadEvmFactory<SprintEvmFactory, Ethereum>>>;

/// A block, and the state before it.
struct Case {
    name: String,
    block: RecoveredBlock,
    base: Arc<MemoryState>,
    /// Whether most of its transactions are plain transfers.
    is_computed: bool,
}

impl Case {
    fn transactions(&self) -> impl Iterator<Item = Recovered<&Transaction>> {
        let signed = self.block.block.body.transactions.iter().zip(&self.block.senders);
        signed.map(|(signed, sender)| Recovered::new_unchecked(signed, *sender))
    }
}

/// A base state with a cache of code, as the engine has one.
#[derive(Debug)]
struct Base<'a> {
    state: &'a MemoryState,
    code: &'a CodeCache,
}

impl DatabaseRef for Base<'_> {
    type Error = BaseStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, BaseStateError> {
        self.state.basic_ref(address).map_err(BaseStateError::new)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, BaseStateError> {
        self.code.get(code_hash, &ErasedReader(self.state))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, BaseStateError> {
        self.state.storage_ref(address, slot).map_err(BaseStateError::new)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, BaseStateError> {
        self.state.block_hash_ref(number).map_err(BaseStateError::new)
    }
}

/// Those who take turns.
struct Contest {
    spec: ChainSpec,
    engine: Engine,
    parallel: Parallel,
    stock: Stock<EthEvmFactory>,
    told: Stock<Told>,
    /// What whichever block is on comes to.
    results: Results,
    /// The state of whichever block is on, for the workers.
    current: Arc<RwLock<Arc<MemoryState>>>,
}

/// One run: how long it took, and the output of those that have one.
type Run = Result<(Duration, Option<BlockOutput>), Failure>;

impl Contest {
    const NAMES: [&str; 5] = ["native", "traits", "node", "stock", "told"];

    fn new(workers: usize) -> Result<Self, Failure> {
        let spec = ChainSpec::mainnet();
        let current = Arc::new(RwLock::new(Arc::new(MemoryState::new())));
        let offered = Arc::clone(&current);
        let snapshots = move |_: B256| match offered.read() {
            Ok(state) => Ok(Arc::clone(&*state)),
            Err(_) => Err(BaseStateError::new(std::fmt::Error)),
        };
        let ahead = Ahead::new(AheadConfig { workers, ..AheadConfig::default() })?;
        let evms =
            AheadEvmFactory::new(ahead.with_snapshots(snapshots), SprintEvmFactory, Ethereum);
        let inner = EthBlockExecutorFactory::new(PlainReceipts, spec.clone(), evms);
        let stock =
            EthBlockExecutorFactory::new(PlainReceipts, spec.clone(), EthEvmFactory::default());
        Ok(Self {
            engine: Engine::new(Config { workers, ..Config::default() })?,
            parallel: ParallelBlockExecutorFactory::new(inner)
                .with_parent_of(|ctx| ctx.parent_hash),
            stock,
            told: EthBlockExecutorFactory::new(PlainReceipts, spec.clone(), Told::default()),
            results: Vec::new(),
            spec,
            current,
        })
    }

    fn run(&self, who: usize, case: &Case) -> Run {
        match Self::NAMES[who] {
            "native" => self.native(case),
            "traits" => self.traits(case),
            "node" => on_state(&self.parallel, &self.spec, case),
            "told" => self.told(case),
            _ => on_state(&self.stock, &self.spec, case),
        }
    }

    fn native(&self, case: &Case) -> Run {
        let started = Instant::now();
        let executed = self.engine.execute(&self.spec, &case.block, &*case.base)?;
        Ok((started.elapsed(), Some(executed.output)))
    }

    fn traits(&self, case: &Case) -> Run {
        let started = Instant::now();
        let evms = self.parallel.evm_factory();
        let evm = evms.create_evm(self.state(case), self.spec.evm_env(case.block.header()));
        let mut executor = self.parallel.create_executor(evm, case.block.context());
        let plan = BlockPlan::new(None, case.transactions());
        let transactions = plan.transactions.clone().into_iter().zip(case.transactions());
        executor.plan(plan);
        executor.apply_pre_execution_changes()?;
        for transaction in transactions {
            executor.execute_transaction(transaction)?;
        }
        let (mut evm, result) = executor.finish()?;
        let output = output(result, evm.db_mut());
        drop(evm);
        Ok((started.elapsed(), Some(output)))
    }
}

impl Contest {
    /// The state of `case` with code as the engine's leader has it.
    fn state<'a>(&'a self, case: &'a Case) -> BlockState<Base<'a>> {
        let code = self.parallel.evm_factory().ahead().code();
        BlockState::new(Base { state: &case.base, code })
    }

    /// Writes down what the transactions of `case` come to.
    fn listen(&mut self, case: &Case) -> Result<(), Failure> {
        let mut results = Vec::new();
        let evm = EthEvmFactory::default()
            .create_evm(self.state(case), self.spec.evm_env(case.block.header()));
        let mut executor = self.stock.create_executor(evm, case.block.context());
        executor.apply_pre_execution_changes()?;
        for transaction in case.transactions() {
            executor.execute_transaction_with_result_closure(transaction, |result| {
                results.push(result.result.clone());
            })?;
        }
        drop(executor);
        self.results = results;
        Ok(())
    }

    fn told(&self, case: &Case) -> Run {
        let evms = self.told.evm_factory();
        *evms.0.lock().map_err(|_| "poisoned")? = self.results.clone();
        let started = Instant::now();
        let evm = evms.create_evm(self.state(case), self.spec.evm_env(case.block.header()));
        let mut executor = self.told.create_executor(evm, case.block.context());
        executor.apply_pre_execution_changes()?;
        for transaction in case.transactions() {
            executor.execute_transaction(transaction)?;
        }
        let (mut evm, result) = executor.finish()?;
        let output = output(result, evm.db_mut());
        drop(evm);
        Ok((started.elapsed(), Some(output)))
    }
}

/// What an executor that is done gives, on the engine's block state.
fn output(result: BlockExecutionResult<Receipt>, state: &mut BlockState<Base<'_>>) -> BlockOutput {
    BlockOutput {
        receipts: result.receipts,
        requests: result.requests,
        gas_used: result.gas_used,
        blob_gas_used: result.blob_gas_used,
        access_list: state.take_access_list(),
        changes: state.changes(),
    }
}

/// Executes `case` on an executor of `factory`, over a node's state.
fn on_state<F>(factory: &F, spec: &ChainSpec, case: &Case) -> Run
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
    let executor = factory.create_executor(evm, case.block.context());
    let result = executor.execute_block(case.transactions())?;
    state.merge_transitions(BundleRetention::Reverts);
    let bundle = state.take_bundle();
    drop(state);
    let elapsed = started.elapsed();
    let gas_used = case.block.header().gas_used;
    drop(bundle);
    if result.gas_used == gas_used {
        Ok((elapsed, None))
    } else {
        Err(format!("{}: used {} gas, not {gas_used}", case.name, result.gas_used).into())
    }
}

/// Milliseconds of everybody, one per round.
type Times = [Vec<f64>; Contest::NAMES.len()];

impl Contest {
    /// Lets everybody run `case` `rounds` times, in turns.
    fn measure(&mut self, case: &Case, rounds: usize) -> Result<Times, Failure> {
        *self.current.write().map_err(|_| "poisoned")? = Arc::clone(&case.base);
        self.listen(case)?;
        let (_, expected) = self.native(case)?;
        let (one, _) = self.native(case)?;
        let repeats = MIN_SAMPLE.as_nanos().div_ceil(one.as_nanos().max(1));
        let repeats = u32::try_from(repeats).unwrap_or(MAX_REPEATS).clamp(1, MAX_REPEATS);
        let mut times = Times::default();
        for round in 0..WARM_UPS + rounds {
            for turn in 0..Self::NAMES.len() {
                let who = (turn + round) % Self::NAMES.len();
                let mut total = Duration::ZERO;
                for _ in 0..repeats {
                    let (elapsed, output) = self.run(who, case)?;
                    total += elapsed;
                    if output.is_some() && output != expected {
                        let name = Self::NAMES[who];
                        return Err(format!("{}: {name} differs from native", case.name).into());
                    }
                }
                if round >= WARM_UPS {
                    times[who].push(total.as_secs_f64() * 1e3 / f64::from(repeats));
                }
            }
        }
        Ok(times)
    }

    /// A workload as it is run here.
    fn case(&self, workload: Workload) -> Result<Case, Failure> {
        let Workload { name, block, base, .. } = workload;
        let executed = self.engine.execute_sequential(&self.spec, &block, &base)?;
        let n_transfers = transfers(&executed.output);
        let is_computed = n_transfers * 2 > block.senders.len();
        Ok(Case { name, block, base: Arc::new(base), is_computed })
    }
}

/// Transactions that did no more than a plain transfer does.
fn transfers(output: &BlockOutput) -> usize {
    let mut before = 0;
    let gas = output.receipts.iter().map(|receipt| {
        let after = receipt.cumulative_gas_used;
        after - std::mem::replace(&mut before, after)
    });
    gas.filter(|gas| *gas == 21_000).count()
}

/// Median over rounds of `first` by `second`, and how far it spreads.
fn ratio(first: &[f64], second: &[f64]) -> [f64; 3] {
    let ratios: Vec<_> = first.iter().zip(second).map(|(first, second)| first / second).collect();
    [median(&ratios), quantile(&ratios, 0.1), quantile(&ratios, 0.9)]
}

/// What the traits cost on some blocks.
#[derive(Debug, Default)]
struct Summary {
    costs: Vec<(f64, String)>,
    /// Of the executor alone.
    least: Vec<f64>,
    speedups: Vec<f64>,
}

#[expect(clippy::print_stdout, reason = "the table is the result")]
impl Summary {
    fn print(&self, what: &str) {
        let costs = self.costs.iter();
        let Some((worst, name)) = costs.clone().max_by(|a, b| a.0.total_cmp(&b.0)) else { return };
        let within = costs.clone().filter(|(cost, _)| *cost <= BOUND).count();
        let mean = geometric_mean(costs.map(|(cost, _)| *cost));
        let speedup = geometric_mean(self.speedups.iter().copied());
        let least = geometric_mean(self.least.iter().copied());
        println!(
            "{what}: traits/native {mean:.3} (geometric mean), within {BOUND} on {within} of {}, \
             worst {worst:.2} on {name}; told/native {least:.3}; stock/node {speedup:.2}",
            self.costs.len()
        );
    }

    fn extend(&mut self, other: &Self) {
        self.costs.extend(other.costs.iter().cloned());
        self.least.extend(&other.least);
        self.speedups.extend(&other.speedups);
    }
}

#[expect(clippy::print_stdout, reason = "the table is the result")]
fn report(contest: &mut Contest, case: &Case, rounds: usize) -> Result<Summary, Failure> {
    let times = contest.measure(case, rounds)?;
    let [native, traits, node, stock, told] = times.each_ref().map(|times| median(times));
    let [cost, low, high] = ratio(&times[1], &times[0]);
    let [speedup, ..] = ratio(&times[3], &times[2]);
    let [least, ..] = ratio(&times[4], &times[0]);
    let (name, gas) = (&case.name, case.block.header().gas_used as f64 / 1e6);
    println!(
        "{name}\t{gas:.1}\t{native:.3}\t{traits:.3}\t{node:.3}\t{stock:.3}\t{told:.3}\t\
         {cost:.3}\t{low:.2}–{high:.2}\t{least:.3}\t{speedup:.2}"
    );
    let costs = vec![(cost, name.clone())];
    Ok(Summary { costs, least: vec![least], speedups: vec![speedup] })
}

fn number(name: &str, default: usize) -> usize {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Calls `each` with every block of `setting` that the command line asks for.
fn workloads(
    setting: Setting,
    engine: &Engine,
    mut each: impl FnMut(Workload) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let filters: Vec<_> = env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    if let Some(gas_target) = setting.gas() {
        for recipe in catalogue() {
            let (name, parameters) =
                (recipe.name(), Parameters { gas_target, ..Default::default() });
            if is_wanted(name) && (setting.takes_all() || setting.names(name)) {
                each(Workload::generated(recipe, &parameters, engine)?)?;
            }
        }
        return Ok(());
    }
    let Some(root) = env::var_os("BLOCKLOOM_DATA") else { return Ok(()) };
    let set = MainnetSet::open(&Path::new(&root).join("mainnet"))?;
    for number in set.numbers() {
        if is_wanted(&format!("mainnet_{number}")) {
            each(Workload::mainnet(set.load(*number)?))?;
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is the result")]
fn main() -> Result<(), Failure> {
    let (rounds, workers) = (number("BLOCKLOOM_ROUNDS", 9), number("BLOCKLOOM_WORKERS", 2));
    let mut contest = Contest::new(workers)?;
    let engine = Engine::new(Config { workers, ..Config::default() })?;
    println!(
        "block\tMgas\tnative ms\ttraits ms\tnode ms\tstock ms\ttold ms\ttraits/native\t\
         10th–90th\ttold/native\tstock/node"
    );
    let mut summaries = Vec::new();
    let mut all = Summary::default();
    for setting in [Setting::Ordinary, Setting::Huge, Setting::Mainnet] {
        let (mut executed, mut computed) = (Summary::default(), Summary::default());
        workloads(setting, &engine, |workload| {
            let case = contest.case(workload)?;
            let one = report(&mut contest, &case, rounds)?;
            if case.is_computed {
                computed.extend(&one);
            } else {
                executed.extend(&one);
            }
            Ok(())
        })?;
        all.extend(&executed);
        summaries.push((setting.title().to_owned(), executed));
        summaries.push((format!("{}, mostly transfers", setting.title()), computed));
    }
    for (what, summary) in &summaries {
        summary.print(what);
    }
    all.print("All but mostly transfers");
    Ok(())
}
