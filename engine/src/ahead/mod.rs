//! One worker at the frontier, and scouts ahead of it.
//!
//! The calling thread, the *leader*, runs the block as if it were alone: one
//! transaction after another, by stock revm, on a block state. Other workers,
//! the *scouts*, run transactions further on, each on a block state of its own.
//! When the leader comes to a transaction that a scout has run, it compares
//! what that one saw with the state as it is now; if nothing differs, the
//! result is final without running it, else the leader runs it like any other.
//!
//! No location is shared between workers while they run. What becomes final at
//! the frontier is told in short ([`News`]), and scouts take it
//! over between two transactions. So a transaction costs the leader what it
//! costs the sequential path, one that a scout has run costs it a comparison of
//! each location, and where scouts never help, little more than their silence.
//!
//! The price is that a scout sees of lower transactions only those that are
//! final and its own. With few workers these are nearly all there are; with
//! many the multi-version memory, through which everybody sees everything,
//! is the better deal.

mod board;
mod ears;
mod leader;
mod scout;
mod sight;

use crate::{
    base::{BaseReader, SharedBase, open_reader},
    crew::Crew,
    error::{BlockError, InternalError},
    output::{BlockOutput, ExecutionStats, StopWatch},
    pace::Pace,
    parallel::panic_message,
    plan::Plan,
    probe::Probe,
    stock::Stock,
};
use alloy_evm::EvmEnv;
use blockloom_scheduler::{Lookahead, TxIdx};
use blockloom_state::{AnySnapshot, BlockState, CodeCache};
use board::{Board, News, ScoutId};
use ears::Ears;
use leader::Leader;
use parking_lot::Mutex;
use scout::Scout;
use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
};

/// One block to run with scouts.
pub(crate) struct WithScouts<'a> {
    pub(crate) stock: Stock<'a>,
    pub(crate) base: &'a dyn AnySnapshot,
    pub(crate) code: &'a CodeCache,
    pub(crate) env: EvmEnv,
    /// What is known of each transaction.
    pub(crate) plan: Plan,
    /// Whether scouts are sent home once they turn out not to help.
    pub(crate) may_give_up: bool,
}

impl WithScouts<'_> {
    /// Runs the block on the calling thread, which leads, and on the other
    /// workers of `crew`.
    pub(crate) fn run(
        &self,
        crew: &impl Crew,
    ) -> Result<(BlockOutput, ExecutionStats), BlockError> {
        let mut watch = StopWatch::start();
        let mut stats = ExecutionStats::default();
        let base = SharedBase { memory: None, reader: self.reader()? };
        let mut executor = self.stock.begun(base)?;
        let mut probe = Probe::start(&self.plan, self.stock.transactions);
        let plain = Some(&self.plan.rules);
        if self.may_give_up && self.plan.is_quick() {
            self.stock.run_from(0, &mut executor, plain, &mut stats, &mut probe)?;
        }
        stats.stages.open = watch.lap();
        if self.may_give_up && !self.plan.pays_with_scouts(&probe.seen()) {
            let first = executor.receipts.len();
            let output = self.stock.finish_from(first, executor, plain, &mut stats, watch)?;
            return Ok((output, stats));
        }
        let n_scouts = crew.size() - 1;
        let (tally, state, env) = Stock::take_apart(executor);
        let board = self.board(n_scouts, tally.receipts.len(), probe);
        stats.workers = n_scouts + 1;
        stats.stages.open += watch.lap();
        let total = Mutex::new(stats);
        let scout = |index, pace| {
            let scout = self.scout(ScoutId(index - 1), &board, pace);
            total.lock().add(&scout);
        };
        let (tally, state) = crew.run(scout, |pace| {
            // However this ends, nobody is left behind.
            let _sent_home = SendsHome(&board.lookahead);
            let state = RefCell::new(state);
            let (tally, leader) = Leader::new(&board, &state, tally, env, pace).work()?;
            total.lock().add(&leader);
            Ok((tally, state.into_inner()))
        })?;
        let error = board.error.lock().take();
        if let Some(error) = error {
            return Err(error);
        }
        let mut stats = total.into_inner();
        stats.stages.parallel = watch.lap();
        let executor = self.stock.put_together(tally, state);
        let n_transactions = self.stock.transactions.len();
        let output = self.stock.finish_from(n_transactions, executor, None, &mut stats, watch)?;
        Ok((output, stats))
    }

    /// The board of a block whose first `done` transactions are final, as
    /// `probe` saw.
    fn board(&self, n_scouts: usize, done: usize, probe: Probe<'_>) -> Board<'_> {
        let Stock { block, transactions, .. } = self.stock;
        let n_transactions = transactions.len();
        // Where scouts are forced to run, they are to meet others.
        let stretch = if self.may_give_up { self.plan.stretch() } else { 1 };
        let board = Board {
            block,
            transactions,
            plan: &self.plan,
            lookahead: Lookahead::new(
                n_transactions,
                stretch,
                self.plan.known(transactions, false),
            ),
            outcomes: (0..n_transactions).map(|_| Mutex::new(None)).collect(),
            news: (0..n_transactions).map(|_| OnceLock::new()).collect(),
            n_scouts,
            has_long: self.plan.has_long(transactions),
            error: Mutex::new(None),
            may_give_up: self.may_give_up,
            wants_states: self.stock.builds_access_list(),
        };
        (0..done).for_each(|position| board.lookahead.commit(TxIdx::new(position)));
        for (position, delta) in probe.into_deltas() {
            let news = News { by: None, delta, correction: None };
            board.news[position].get_or_init(|| Box::new(news));
        }
        board
    }

    /// One scout, from its reader to the end of the block. A panic ends the
    /// block for everybody and becomes an error.
    fn scout(&self, id: ScoutId, board: &Board<'_>, pace: impl Pace) -> ExecutionStats {
        let work = || {
            let state = RefCell::new(BlockState::new(self.reader()?));
            let ears = Ears::new(id, board);
            Ok::<_, BlockError>(Scout::new(id, board, &state, &ears, pace).work(&self.env))
        };
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(stats)) => return stats,
            Ok(Err(error)) => board.fail(error),
            Err(payload) => {
                let message = panic_message(&*payload);
                let number = self.stock.block.header().number;
                let reason = InternalError::Panic { message };
                board.fail(BlockError::Internal { number, reason });
            }
        }
        ExecutionStats::default()
    }

    fn reader(&self) -> Result<BaseReader<'_>, BlockError> {
        open_reader(self.base, self.code, self.stock.block.header().number)
    }
}

/// Sends the scouts home when this is dropped.
struct SendsHome<'b>(&'b Lookahead);

impl Drop for SendsHome<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
