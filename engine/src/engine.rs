//! The engine: threads, caches, and the choice of a path.

use crate::{
    ahead::{Lately, WithScouts},
    base::{Codes, is_slow, open_reader},
    block::{Block, RecoveredBlock},
    chain_spec::ChainSpec,
    config::{Config, Mode, Sharing},
    crew::{Crew, helpers},
    error::{BlockError, InternalError},
    habits::Habits,
    memories::Memories,
    output::{BlockOutput, Executed, ExecutionStats, StopWatch},
    parallel::{Parallel, panic_message},
    plan::Plan,
    senders,
    stock::Stock,
    telemetry,
    transactions::Transactions,
};
use blockloom_scheduler::Limits;
use blockloom_state::{AnySnapshot, CodeCache, Snapshot};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
    time::Instant,
};

/// Workers up to which news are the better deal: each hears all of them, so what
/// they cost together grows with the number of workers.
const MAX_NEWS_WORKERS: usize = 8;

/// Transactions from which on it is worth finding out how slow reads are.
const MIN_SLOW_TRANSACTIONS: usize = 8;

/// Why an engine could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The operating system refused the worker threads.
    #[error("cannot start {workers} worker threads")]
    Threads {
        /// How many were asked for; 0 for one per core.
        workers: usize,
        /// The thread pool's reason.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
}

/// Executes blocks. Keeps its worker threads and its code cache from block to
/// block; holds no state of any chain, and may be shared between threads.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    /// The workers of a block, the caller among them.
    pub(crate) crew: Option<rayon::ThreadPool>,
    /// For work that the caller waits for without taking part.
    pub(crate) pool: rayon::ThreadPool,
    codes: Codes,
    memories: Memories,
    habits: Habits,
}

impl Engine {
    /// An engine with its own worker threads.
    ///
    /// # Errors
    ///
    /// [`EngineError::Threads`] if they cannot be started.
    pub fn new(config: Config) -> Result<Self, EngineError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(config.workers)
            .thread_name(|index| format!("blockloom-{index}"))
            .build()
            .map_err(|source| EngineError::Threads { workers: config.workers, source })?;
        Ok(Self {
            config,
            crew: helpers(pool.current_num_threads(), "blockloom-helper")?,
            pool,
            codes: Codes::default(),
            memories: Memories::default(),
            habits: Habits::default(),
        })
    }

    /// What the engine was made with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Workers this engine has, the caller of [`execute`](Self::execute)
    /// included.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Code across blocks.
    pub(crate) fn code(&self) -> &CodeCache {
        self.codes.shared()
    }

    /// Hashes a block's header and recovers its senders, on all threads.
    ///
    /// # Errors
    ///
    /// [`InvalidBlock::Signature`](crate::InvalidBlock::Signature) for the
    /// first transaction without a sender.
    pub fn recover(&self, block: Block) -> Result<RecoveredBlock, BlockError> {
        self.pool.install(|| senders::recover_in_parallel(block))
    }

    /// Executes `block` on the state `base`, which must be the state after its
    /// parent.
    ///
    /// The result is that of [`execute_sequential`](Self::execute_sequential),
    /// whichever path was taken; the header's promises are not checked here
    /// (see [`validate_output`](crate::validate_output)).
    ///
    /// # Errors
    ///
    /// [`BlockError::Invalid`] if the protocol forbids a transaction or a
    /// system call fails; [`BlockError::Internal`] if the base state fails or
    /// something panics. The engine stays usable.
    pub fn execute<S: Snapshot>(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &S,
    ) -> Result<Executed, BlockError> {
        self.execute_on(spec, block, base, &self.crew)
    }

    /// Executes `block` on the workers of `crew`.
    pub(crate) fn execute_on<C: Crew>(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &dyn AnySnapshot,
        crew: &C,
    ) -> Result<Executed, BlockError> {
        let has_nothing_to_share = match self.config.mode {
            Mode::Sequential => true,
            Mode::Adaptive => block.senders.is_empty(),
            Mode::Parallel => false,
        };
        if has_nothing_to_share {
            return self.execute_in_order(spec, block, base);
        }
        self.guarded(spec, block, |stock| {
            let mut watch = StopWatch::start();
            let env = spec.evm_env(block.header());
            let plan = Plan::new(stock.transactions, block, &env, self.config.worth);
            let planned = watch.lap();
            let stock = Stock { pool: Some(&self.pool), ..stock };
            let is_forced = self.config.mode == Mode::Parallel;
            let is_slow = self.reads_are_slow(block, base, crew);
            let by_news = !is_slow && self.shares_news(crew.size());
            let may_learn = C::KEEPS_TIME && by_news && !is_forced;
            let subject = may_learn.then(|| plan.subject(stock.transactions)).flatten();
            let pays = is_forced
                || is_slow
                || (crew.size() > 1
                    && plan.pays_in_parallel()
                    && subject.is_none_or(|subject| self.habits.tries(&subject)));
            let lately = subject.map(|subject| Lately { habits: &self.habits, subject });
            if !pays {
                let mut stats = ExecutionStats::default();
                let reader = open_reader(base, self.code(), block.header().number)?;
                let output = stock.run(reader, Some(&plan.rules), &mut stats)?;
                stats.stages.plan = planned;
                return Ok((output, stats));
            }
            let (codes, may_give_up) = (&self.codes, !is_forced && !is_slow);
            if by_news {
                let (output, mut stats) =
                    WithScouts { stock, base, codes, env, plan, may_give_up, lately }.run(crew)?;
                stats.stages.plan = planned;
                return Ok((output, stats));
            }
            let limits = if is_slow { self.reading_limits() } else { self.config.limits };
            let memory = OnceLock::new();
            let code = self.code();
            let block = Parallel { stock, base, code, limits, env, plan, is_slow, may_give_up };
            let result = block.run(&memory, &self.memories, crew);
            if let Some(memory) = memory.into_inner() {
                self.memories.give_back(memory, &self.pool);
            }
            let (output, mut stats) = result?;
            stats.stages.plan = planned;
            Ok((output, stats))
        })
    }

    /// Whether it is left to the engine how a block is shared, and what there is
    /// to share is mostly waiting for reads.
    fn reads_are_slow<C: Crew>(
        &self,
        block: &RecoveredBlock,
        base: &dyn AnySnapshot,
        crew: &C,
    ) -> bool {
        C::KEEPS_TIME
            && self.config.sharing == Sharing::Adaptive
            && crew.size() > 1
            && block.senders.len() >= MIN_SLOW_TRANSACTIONS
            && is_slow(base, &block.senders)
    }

    /// Limits where reads are slow: nobody waits for anybody before having read
    /// what it takes, since running again costs little then.
    fn reading_limits(&self) -> Limits {
        Limits { window: u32::MAX, fixed_window: true, ..self.config.limits }
    }

    pub(crate) fn shares_news(&self, workers: usize) -> bool {
        match self.config.sharing {
            Sharing::Adaptive => workers <= MAX_NEWS_WORKERS,
            Sharing::News => true,
            Sharing::Memory => false,
        }
    }

    /// Executes `block` with stock sequential revm: the oracle, and the better
    /// deal for blocks with little to overlap.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn execute_sequential<S: Snapshot>(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &S,
    ) -> Result<Executed, BlockError> {
        self.execute_in_order(spec, block, base)
    }

    /// The same on any base state.
    pub(crate) fn execute_in_order(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &dyn AnySnapshot,
    ) -> Result<Executed, BlockError> {
        self.guarded(spec, block, |stock| {
            let mut stats = ExecutionStats::default();
            let reader = open_reader(base, self.code(), block.header().number)?;
            let oracle = Stock { sprints: false, ..stock };
            let output = oracle.run(reader, None, &mut stats)?;
            Ok((output, stats))
        })
    }

    /// Runs a block inside its span and under the clock, on the path `run`, and
    /// turns a panic outside of the workers into an error.
    fn guarded(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        run: impl FnOnce(Stock<'_>) -> Result<(BlockOutput, ExecutionStats), BlockError>,
    ) -> Result<Executed, BlockError> {
        let number = block.header().number;
        let span = tracing::debug_span!("execute", number, transactions = block.senders.len());
        let _entered = span.enter();
        let timed = || {
            let transactions = Transactions::new(block, &self.pool);
            let access_list = self.config.access_list;
            let stock = Stock { access_list, ..Stock::new(spec, block, &transactions) };
            let started = Instant::now();
            let (output, stats) = run(stock)?;
            let stats = ExecutionStats {
                transactions: transactions.len(),
                elapsed: started.elapsed(),
                ..stats
            };
            tracing::debug!(?stats, "executed");
            telemetry::executed(&stats);
            Ok(Executed { output, stats })
        };
        catch_unwind(AssertUnwindSafe(timed)).unwrap_or_else(|payload| {
            Err(BlockError::Internal {
                number,
                reason: InternalError::Panic { message: panic_message(&*payload) },
            })
        })
    }
}
