//! The parallel path: workers around one scheduler.

use crate::{
    base::{BaseReader, SharedBase},
    committed::FrontierEvm,
    error::{BlockError, InternalError},
    final_view::FinalView,
    output::{BlockOutput, ExecutionStats},
    plan::Plan,
    speculative::Speculator,
    stock::Stock,
    worker::{Shared, Worker},
};
use alloy_evm::EvmEnv;
use blockloom_scheduler::{Limits, Scheduler};
use blockloom_state::{CodeCache, MultiVersionMemory, Snapshot};
use parking_lot::Mutex;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// One block to run in parallel.
pub(crate) struct Parallel<'a, S> {
    pub(crate) stock: Stock<'a>,
    pub(crate) base: &'a S,
    pub(crate) code: &'a CodeCache,
    pub(crate) limits: Limits,
    pub(crate) env: EvmEnv,
    /// What is known of each transaction.
    pub(crate) plan: Plan,
    /// Whether the rest of the block may be run one after another once
    /// speculation turns out not to pay.
    pub(crate) may_give_up: bool,
}

impl<'a, S: Snapshot> Parallel<'a, S> {
    /// Runs the block on the calling thread and the threads of `pool`.
    pub(crate) fn run(
        &self,
        pool: &rayon::ThreadPool,
    ) -> Result<(BlockOutput, ExecutionStats), BlockError> {
        let Stock { block, transactions, .. } = self.stock;
        let memory = MultiVersionMemory::new(transactions.len());
        let hints = self.plan.hints(&block.senders);
        let scheduler = Scheduler::new(transactions.len(), self.limits, hints);
        let base = SharedBase { memory: &memory, reader: self.reader()? };
        let committed = self.stock.open(&memory, base)?;
        let wants_states = committed.wants_states();
        let shared = Shared {
            block,
            transactions,
            scheduler: &scheduler,
            memory: &memory,
            outcomes: (0..transactions.len()).map(|_| Mutex::new(None)).collect(),
            committed: Mutex::new(committed),
            error: Mutex::new(None),
            wants_states,
            may_give_up: self.may_give_up,
        };
        let mut stats = self.run_workers(&shared, pool);
        let Shared { committed, error, .. } = shared;
        if let Some(error) = error.into_inner() {
            return Err(error);
        }
        let output = self.stock.close(committed.into_inner(), &self.plan.rules, &mut stats)?;
        Ok((output, stats))
    }

    /// Runs one worker on the calling thread and one on each of all but one
    /// threads of `pool`. The caller begins at once, while they wake up.
    fn run_workers<'m>(
        &'m self,
        shared: &Shared<'m, S::Reader<'m>>,
        pool: &rayon::ThreadPool,
    ) -> ExecutionStats {
        let total = Mutex::new(ExecutionStats {
            workers: pool.current_num_threads(),
            ..ExecutionStats::default()
        });
        let work = || {
            let worker = self.work(shared);
            total.lock().add(&worker);
        };
        pool.in_place_scope(|scope| {
            for _ in 1..pool.current_num_threads() {
                scope.spawn(|_| work());
            }
            work();
        });
        total.into_inner()
    }

    /// One worker, from its reader to the end of the block. A panic ends the
    /// block for all of them and becomes an error.
    fn work<'m>(&'m self, shared: &Shared<'m, S::Reader<'m>>) -> ExecutionStats {
        let worker = || {
            let memory = shared.memory;
            let speculator = Speculator::new(memory, self.reader()?, &self.env);
            let view = FinalView::new(memory, self.reader()?, self.env.block_env.beneficiary);
            let frontier_evm = FrontierEvm::new(view, self.env.clone());
            Ok(Worker::new(shared, speculator, frontier_evm).work())
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

    fn reader<'m>(&'m self) -> Result<BaseReader<'m, S::Reader<'m>>, BlockError> {
        BaseReader::open(self.base, self.code, self.stock.block.header().number)
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
