//! A worker ahead of the frontier.

use super::{
    board::{Board, Parcel, ScoutId},
    ears::Ears,
    sight::Sight,
};
use crate::{
    idle::Idle,
    listening::Listening,
    output::ExecutionStats,
    pace::{Mistake, Pace, Point},
    speculative::{Run, Speculator},
};
use alloy_evm::EvmEnv;
use blockloom_scheduler::{Stretch, TxIdx};
use blockloom_state::{BaseStateError, BlockState};
use revm::DatabaseRef;
use std::{cell::RefCell, mem};

/// Runs transactions before their turn, on a block state of its own: what it
/// ran itself, and the news from the frontier.
///
/// That state may be wrong, where a lower transaction has not run yet or one of
/// its own is going to be rejected. It is a guess, and what comes of it is
/// judged at the frontier.
pub(crate) struct Scout<'m, 'a, B, P> {
    id: ScoutId,
    board: &'m Board<'a>,
    state: &'m RefCell<BlockState<B>>,
    ears: &'m Ears<'m, 'a>,
    /// Whether it ran a transaction, by position.
    ran: Vec<bool>,
    /// Outcomes to be filled.
    spare: Vec<Parcel>,
    pace: P,
}

impl<'m, 'a, B: DatabaseRef<Error = BaseStateError>, P: Pace> Scout<'m, 'a, B, P> {
    pub(crate) fn new(
        id: ScoutId,
        board: &'m Board<'a>,
        state: &'m RefCell<BlockState<B>>,
        ears: &'m Ears<'m, 'a>,
        pace: P,
    ) -> Self {
        let ran = vec![false; board.transactions.len()];
        Self { id, board, state, ears, ran, spare: Vec::new(), pace }
    }

    /// Runs ahead until the frontier is at the end of the block or wants no
    /// more.
    pub(crate) fn work(mut self, env: &EvmEnv) -> ExecutionStats {
        let Board { lookahead, .. } = self.board;
        let sight = Sight::listening(self.state, lookahead, self.ears, self.pace);
        let mut speculator = Speculator::new(sight, env);
        let mut stats = ExecutionStats::default();
        let (mut stretch, mut idle) = (Stretch::default(), Idle::default());
        while !lookahead.is_over() {
            self.ears.hear(&mut self.state.borrow_mut());
            let sees = |tx: TxIdx| tx < self.ears.heard() || self.ran[tx.position()];
            let Some(tx) = lookahead.claim(&mut stretch, sees) else {
                self.pace.wait(&mut idle);
                continue;
            };
            idle.reset();
            let Some(outcome) = self.run(tx, &mut speculator, &mut stats) else {
                lookahead.give_back(tx);
                continue;
            };
            if let Some(delta) = outcome.delta() {
                self.state.borrow_mut().follow(delta);
                self.ran[tx.position()] = true;
            }
            self.pace.at(Point::Report, tx);
            self.board.leave(tx, outcome);
        }
        stats
    }

    /// Runs `tx`, a few times if what it saw turns out wrong on the way.
    ///
    /// `None` if it takes long and was begun too early: what is below may make
    /// it run in vain again and again.
    fn run(
        &mut self,
        tx: TxIdx,
        speculator: &mut Speculator<Sight<'m, 'a, B, P>>,
        stats: &mut ExecutionStats,
    ) -> Option<Parcel> {
        let Board { lookahead, transactions, plan, wants_states, .. } = self.board;
        let mut attempts = 0;
        loop {
            attempts += 1;
            stats.executions += 1;
            self.pace.at(Point::Run, tx);
            assert!(!self.pace.makes(Mistake::Panic), "a test has this worker panic");
            speculator.view().begin(tx);
            let run = speculator.run(transactions.env(tx.position()));
            let is_stale = match &run {
                Run::Stale => true,
                Run::Done { result, .. } => {
                    // Who runs for long without reading hears of nothing meanwhile.
                    Listening::is_due_after(&result.result) && speculator.view().is_outdated()
                }
                Run::Blocked(_) | Run::Failed => false,
            };
            if is_stale && attempts < ATTEMPTS && !lookahead.is_stopped() {
                stats.aborts += 1;
                if plan.is_long(transactions, tx.position()) {
                    return None;
                }
                continue;
            }
            let mut outcome = self.board.spent[self.id.0].take(&mut self.spare);
            mem::swap(&mut outcome.seen, &mut speculator.view().seen);
            outcome.fill(Some(self.id), run, *wants_states);
            return Some(outcome);
        }
    }
}

/// Times that a scout starts a transaction, at most, before it leaves it to the
/// frontier.
const ATTEMPTS: u32 = 3;
