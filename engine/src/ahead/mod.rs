//! One worker at the frontier, and scouts ahead of it.
//!
//! The calling thread, the *leader*, runs the block as if it were alone: one
//! transaction after another, by stock revm, on a block state. Other workers,
//! the *scouts*, run transactions further on, each on a block state of its own.
//! When the leader comes to a transaction that a scout has run, it compares
//! what that one saw with the state as it is now; if nothing differs, the
//! result is final without running it, else the leader runs it like any other.
//!
//! Where a scout is still at a transaction when the leader comes to it, the
//! leader runs others ahead meanwhile, one after another
//! ([`Foresight`](foresight::Foresight)).
//!
//! No location is shared between workers while they run. What becomes final at
//! the frontier is told in short ([`News`](board::News)), and scouts take it
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
mod foresight;
mod gate;
mod leader;
mod scout;
mod sight;
#[cfg(test)]
mod tests;

use crate::{
    base::{BaseReader, Codes, open_reader},
    crew::Crew,
    error::{BlockError, InternalError},
    gain::Gain,
    habits::Habits,
    output::{BlockOutput, ExecutionStats, StopWatch},
    pace::Pace,
    parallel::panic_message,
    plan::Plan,
    probe::Probe,
    stock::{Executor, Stock},
};
use alloy_evm::EvmEnv;
use alloy_primitives::Address;
use blockloom_scheduler::Lookahead;
use blockloom_state::{AnySnapshot, BlockState, CodeCache};
use board::{Board, ScoutId, Spent};
use ears::Ears;
use gate::Gate;
use leader::Leader;
use parking_lot::Mutex;
use scout::Scout;
use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
    time::Instant,
};

/// One block to run with scouts.
pub(crate) struct WithScouts<'a> {
    pub(crate) stock: Stock<'a>,
    pub(crate) base: &'a dyn AnySnapshot,
    pub(crate) codes: &'a Codes,
    pub(crate) env: EvmEnv,
    /// What is known of each transaction.
    pub(crate) plan: Plan,
    /// Whether scouts are sent home once they turn out not to help.
    pub(crate) may_give_up: bool,
    /// Where it is kept in mind whether they did: for blocks about one contract,
    /// which are alike, and the same from end to end.
    pub(crate) lately: Option<Lately<'a>>,
}

/// What is known of blocks like this one.
pub(crate) struct Lately<'a> {
    pub(crate) habits: &'a Habits,
    /// The contract that they are about.
    pub(crate) subject: Address,
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
        let mut executor = self.stock.begun(self.reader(self.codes.shared())?)?;
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
        stats.workers = n_scouts + 1;
        let gate = Gate::default();
        if !(self.may_give_up && self.plan.begins_alone(&probe.seen())) {
            gate.board(|| self.board(n_scouts));
            stats.stages.open += watch.lap();
        }
        let scouted = Mutex::new(ExecutionStats::default());
        let scout = |index, pace| {
            if let Some(board) = gate.enter(|| self.board(n_scouts), pace) {
                let scout = self.scout(ScoutId(index - 1), board, pace);
                scouted.lock().add(&scout);
            }
        };
        let stats_of_leader = &mut stats;
        let output = crew.run(scout, |pace| {
            // However this ends, nobody is left behind.
            let _closes = gate.closing();
            self.lead(&gate, executor, probe, stats_of_leader, watch, pace)
        })?;
        if let Some(error) = gate.made().and_then(|board| board.error.lock().take()) {
            return Err(error);
        }
        stats.add(&scouted.into_inner());
        Ok((output, stats))
    }

    /// The leader's part, from what is final already to the end of the block:
    /// alone until there is a board, then with scouts.
    fn lead<'a>(
        &'a self,
        gate: &Gate<'a>,
        mut executor: Executor<'a, BaseReader<'a>>,
        probe: Probe<'a>,
        stats: &mut ExecutionStats,
        mut watch: StopWatch,
        pace: impl Pace,
    ) -> Result<BlockOutput, BlockError> {
        let (started, gas_before) = (Instant::now(), executor.cumulative_tx_gas_used);
        let plain = Some(&self.plan.rules);
        let mut meanwhile = probe.until(|| gate.made().is_some(), pace);
        let first = executor.receipts.len();
        self.stock.run_from(first, &mut executor, plain, stats, &mut meanwhile)?;
        let gas = executor.cumulative_tx_gas_used - gas_before;
        let gain =
            self.lately.as_ref().map(|_| Gain::over(gas, started.elapsed(), self.plan.gas()));
        let n_transactions = self.stock.transactions.len();
        let done = executor.receipts.len();
        stats.stages.sequential = watch.lap();
        if done == n_transactions {
            return self.stock.finish_from(done, executor, plain, stats, watch);
        }
        let board = gate.board(|| self.board(stats.workers - 1));
        board.begin_at(done, meanwhile.into_deltas());
        gate.open();
        let (tally, state, env) = Stock::take_apart(executor);
        let state = RefCell::new(state);
        let leader = Leader::new(board, &state, tally, env, gain.unwrap_or_default(), pace);
        let (tally, run) = leader.work()?;
        if let Some(Lately { habits, subject }) = &self.lately {
            habits.note(subject, !board.lookahead.is_stopped());
        }
        stats.add(&run);
        stats.stages.parallel = watch.lap();
        let executor = self.stock.put_together(tally, state.into_inner());
        self.stock.finish_from(n_transactions, executor, None, stats, watch)
    }

    /// The board of a block of which nothing is known yet.
    fn board(&self, n_scouts: usize) -> Board<'_> {
        let Stock { block, transactions, .. } = self.stock;
        let n_transactions = transactions.len();
        // Where scouts are forced to run, they are to meet others.
        let stretch = if self.may_give_up { self.plan.stretch() } else { 1 };
        Board {
            block,
            transactions,
            plan: &self.plan,
            lookahead: Lookahead::new(
                n_transactions,
                stretch,
                self.plan.known(transactions, false),
            ),
            outcomes: (0..n_transactions).map(|_| Mutex::new(None)).collect(),
            spent: (0..n_scouts).map(|_| Spent::default()).collect(),
            news: (0..n_transactions).map(|_| OnceLock::new()).collect(),
            n_scouts,
            has_long: self.plan.has_long(transactions),
            error: Mutex::new(None),
            may_give_up: self.may_give_up,
            wants_states: self.stock.builds_access_list(),
        }
    }

    /// One scout, from its reader to the end of the block. A panic ends the
    /// block for everybody and becomes an error.
    fn scout(&self, id: ScoutId, board: &Board<'_>, pace: impl Pace) -> ExecutionStats {
        let work = || {
            let code = self.codes.of_scout(id.0);
            let reader = self.reader(&code)?;
            let state = RefCell::new(BlockState::new(reader));
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

    fn reader<'a>(&'a self, code: &'a CodeCache) -> Result<BaseReader<'a>, BlockError> {
        open_reader(self.base, code, self.stock.block.header().number)
    }
}
