//! The parallel path: workers around one scheduler.

use crate::{
    base::{BaseReader, SharedBase, open_reader},
    committed::{Committed, FrontierEvm},
    crew::Crew,
    error::{BlockError, InternalError},
    final_view::FinalView,
    idle::Idle,
    memories::Memories,
    output::{BlockOutput, ExecutionStats, StopWatch},
    pace::Pace,
    plan::Plan,
    probe::Probe,
    speculative::Speculator,
    stock::{Executor, Stock},
    view::View,
    worker::{Shared, Worker},
};
use alloy_evm::EvmEnv;
use blockloom_scheduler::{Limits, Scheduler, Step, Task};
use blockloom_state::{AnySnapshot, CodeCache, MultiVersionMemory};
use parking_lot::Mutex;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
};

/// Workers that wait for more to do where reads are slow: the others are there
/// to read, and leave once everything has been started.
const MAX_WAITING_WORKERS: usize = 8;

/// One block to run in parallel.
pub(crate) struct Parallel<'a> {
    pub(crate) stock: Stock<'a>,
    pub(crate) base: &'a dyn AnySnapshot,
    pub(crate) code: &'a CodeCache,
    pub(crate) limits: Limits,
    pub(crate) env: EvmEnv,
    /// What is known of each transaction.
    pub(crate) plan: Plan,
    /// Whether reading is what takes time.
    pub(crate) is_slow: bool,
    /// Whether the rest of the block may be run one after another once
    /// speculation turns out not to pay.
    pub(crate) may_give_up: bool,
}

/// What the workers share, once the block is open; `None` if it cannot be
/// opened.
type Gate<'m> = OnceLock<Option<Shared<'m>>>;

/// The executor of a block that is not run in parallel after all.
type Kept<'m> = Executor<'m, SharedBase<'m>>;

/// How the parallel part ended.
type Ended<'m> = (Option<Kept<'m>>, ExecutionStats);

impl Parallel<'_> {
    /// Runs the block on the workers of `crew`, with a memory of `memories`,
    /// which is left in `memory`, if it needs one.
    pub(crate) fn run(
        &self,
        memory: &OnceLock<MultiVersionMemory>,
        memories: &Memories,
        crew: &impl Crew,
    ) -> Result<(BlockOutput, ExecutionStats), BlockError> {
        let scheduler = OnceLock::new();
        let gate = Gate::new();
        let (kept, mut stats) = self.run_workers(memory, memories, &scheduler, &gate, crew)?;
        if let Some(executor) = kept {
            let first = executor.receipts.len();
            let plain = Some(&self.plan.rules);
            let watch = StopWatch::start();
            let output = self.stock.finish_from(first, executor, plain, &mut stats, watch)?;
            return Ok((output, stats));
        }
        let shared = gate.into_inner().flatten().expect("the gate was opened");
        if let Some(error) = shared.error.into_inner() {
            return Err(error);
        }
        let committed = shared.committed.into_inner();
        let output = self.stock.close(committed, &self.plan.rules, &mut stats)?;
        Ok((output, stats))
    }

    /// Opens the block and, if that pays, runs all workers of `crew`. While the
    /// others wake up, the caller prepares what they share.
    ///
    /// Gives the block's executor back if the block is better run without them.
    fn run_workers<'m>(
        &'m self,
        memory: &'m OnceLock<MultiVersionMemory>,
        memories: &Memories,
        scheduler: &'m OnceLock<Scheduler>,
        gate: &Gate<'m>,
        crew: &impl Crew,
    ) -> Result<Ended<'m>, BlockError> {
        let total = Mutex::new(ExecutionStats::default());
        let work = |index, shared, pace| {
            let may_leave = self.is_slow && index >= MAX_WAITING_WORKERS;
            let worker = self.work(shared, pace, may_leave);
            total.lock().add(&worker);
        };
        let mut watch = StopWatch::start();
        let base = SharedBase { memory: Some(memory), reader: self.reader()? };
        let mut executor = self.stock.begun(base)?;
        let pays = !self.may_give_up || self.probe(&mut executor, &total)?;
        total.lock().stages.open = watch.lap();
        if !pays {
            return Ok((Some(executor), total.into_inner()));
        }
        let join = |index, pace| {
            if let Some(shared) = wait_for(gate, pace) {
                work(index, shared, pace);
            }
        };
        crew.run(join, |pace| {
            // However this ends, nobody waits for ever.
            let _closed = Closes(gate);
            let memory = memory.get_or_init(|| memories.take(self.stock.transactions.len()));
            let scheduler = scheduler.get_or_init(|| self.schedule(executor.receipts.len()));
            let committed = self.stock.hand_over(executor, memory, crew.size());
            let shared = self.share(memory, scheduler, committed);
            if let Some(shared) = gate.get_or_init(|| Some(shared)) {
                total.lock().workers = crew.size();
                work(0, shared, pace);
            }
        });
        total.lock().stages.parallel = watch.lap();
        Ok((None, total.into_inner()))
    }

    /// Runs the first few transactions one after another, and tells from what
    /// they are like whether to go on in parallel pays.
    fn probe<'m>(
        &'m self,
        executor: &mut Kept<'m>,
        total: &Mutex<ExecutionStats>,
    ) -> Result<bool, BlockError> {
        let mut probe = Probe::start(&self.plan, self.stock.transactions);
        let plain = Some(&self.plan.rules);
        self.stock.run_from(0, executor, plain, &mut total.lock(), &mut probe)?;
        Ok(self.plan.pays_after(&probe.seen()))
    }

    /// A scheduler for the block, the first `done` transactions of which are
    /// committed.
    fn schedule(&self, done: usize) -> Scheduler {
        let transactions = self.stock.transactions;
        let known = self.plan.known(transactions, self.is_slow);
        let scheduler = Scheduler::new(transactions.len(), self.limits, known);
        if let Task::Frontier(mut frontier) = scheduler.next_task() {
            for _ in 0..done {
                if let Step::Execute(version) = frontier.step() {
                    frontier.commit(version, false);
                }
            }
        }
        scheduler
    }

    fn share<'m>(
        &'m self,
        memory: &'m MultiVersionMemory,
        scheduler: &'m Scheduler,
        committed: Committed<'m>,
    ) -> Shared<'m> {
        let Stock { block, transactions, .. } = self.stock;
        Shared {
            block,
            transactions,
            scheduler,
            plan: &self.plan,
            memory,
            outcomes: (0..transactions.len()).map(|_| Mutex::new(None)).collect(),
            wants_states: committed.wants_states(),
            has_long: self.plan.has_long(transactions),
            may_give_up: self.may_give_up,
            committed: Mutex::new(committed),
            error: Mutex::new(None),
        }
    }

    /// One worker, from its reader to the end of the block. A panic ends the
    /// block for all of them and becomes an error.
    fn work<'m>(&'m self, shared: &Shared<'m>, pace: impl Pace, may_leave: bool) -> ExecutionStats {
        let worker = || {
            let memory = shared.memory;
            let beneficiary = self.env.block_env.beneficiary;
            let view = View::new(memory, self.reader()?, shared.scheduler, beneficiary, pace);
            let speculator = Speculator::new(view, &self.env);
            let view = FinalView::new(memory, self.reader()?, beneficiary);
            let frontier_evm = FrontierEvm::new(view, self.env.clone());
            Ok(Worker::new(shared, speculator, frontier_evm, pace, may_leave).work())
        };
        match catch_unwind(AssertUnwindSafe(worker)) {
            Ok(Ok(stats)) => return stats,
            Ok(Err(error)) => shared.fail(error),
            Err(payload) => {
                let message = panic_message(&*payload);
                let number = self.stock.block.header().number;
                let reason = InternalError::Panic { message };
                shared.fail(BlockError::Internal { number, reason });
            }
        }
        ExecutionStats::default()
    }

    fn reader<'m>(&'m self) -> Result<BaseReader<'m>, BlockError> {
        open_reader(self.base, self.code, self.stock.block.header().number)
    }
}

/// What is behind `gate`, once it is open. Ends because it is opened or shut.
fn wait_for<'g, 'm>(gate: &'g Gate<'m>, pace: impl Pace) -> Option<&'g Shared<'m>> {
    let mut idle = Idle::default();
    loop {
        match gate.get() {
            Some(shared) => return shared.as_ref(),
            None => pace.wait(&mut idle),
        }
    }
}

/// Shuts a gate that is still neither open nor shut when this is dropped.
struct Closes<'g, 'm>(&'g Gate<'m>);

impl Drop for Closes<'_, '_> {
    fn drop(&mut self) {
        self.0.get_or_init(|| None);
    }
}

/// A panic's message, if it has one.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
