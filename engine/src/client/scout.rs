//! A worker ahead of the frontier.

use super::{
    board::{Board, Found, Outcome},
    bulletin::{Ears, ScoutId},
    snapshots::Base,
    strategy::{PlanFactory, Speculate, Strategy},
    view::AheadView,
};
use crate::{idle::Idle, listening::Listening};
use alloy_evm::EvmEnv;
use blockloom_scheduler::{Stretch, TxIdx};
use blockloom_state::Delta;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Times that a scout starts a transaction, at most, before it leaves it to the
/// frontier.
const ATTEMPTS: u32 = 3;

/// A transaction takes long, and was begun when what it needs was not final:
/// what is below may make it run in vain again and again.
struct TooEarly;

/// Runs planned transactions before their turn, on a block state of its own:
/// what it ran itself, and the news from the frontier.
///
/// That state is a guess, and what comes of it is judged at the frontier.
pub(super) struct Scout<E: PlanFactory, S: Strategy<E>> {
    id: ScoutId,
    board: Arc<Board<E::Tx, E::HaltReason>>,
    speculator: S::Speculator,
    /// Whether it ran a transaction, by position.
    ran: Vec<bool>,
}

impl<E: PlanFactory, S: Strategy<E>> fmt::Debug for Scout<E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scout").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<E: PlanFactory, S: Strategy<E>> Scout<E, S> {
    pub(super) fn new(
        id: ScoutId,
        board: Arc<Board<E::Tx, E::HaltReason>>,
        base: Base,
        (factory, strategy): (&E, &S),
        env: EvmEnv<E::Spec, E::BlockEnv>,
    ) -> Self {
        let view = AheadView::new(base, Arc::clone(&board.bulletin), Ears::new(id));
        let speculator = strategy.speculator(factory, view, env);
        let ran = vec![false; board.transactions.len()];
        Self { id, board, speculator, ran }
    }

    /// Runs ahead until the frontier is at the end of the block or wants no
    /// more. A panic ends this scout; the frontier meets what caused it itself.
    pub(super) fn work(mut self) {
        let board = Arc::clone(&self.board);
        let lookahead = &board.bulletin.lookahead;
        board.bulletin.attend();
        let (mut stretch, mut idle) = (Stretch::default(), Idle::default());
        while !lookahead.is_over() {
            self.hear();
            let Some(tx) = lookahead.claim(&mut stretch, self.sees()) else {
                idle.wait();
                continue;
            };
            idle.reset();
            if !self.run(tx) {
                return;
            }
        }
    }

    /// Takes over what became final.
    pub(super) fn hear(&mut self) {
        self.speculator.view().hear();
    }

    /// Whether it sees what a transaction left.
    pub(super) fn sees(&mut self) -> impl Fn(TxIdx) -> bool {
        let heard = self.speculator.view().heard();
        move |tx| tx < heard || self.ran[tx.position()]
    }

    /// Runs `tx`, which was claimed, and leaves its outcome, or gives it back;
    /// `false` if that panicked.
    pub(super) fn run(&mut self, tx: TxIdx) -> bool {
        let found = catch_unwind(AssertUnwindSafe(|| self.find(tx)));
        let is_sound = found.is_ok();
        let found = found.unwrap_or_else(|_| {
            tracing::debug!(transaction = tx.position(), "a run ahead panicked");
            Ok(None)
        });
        let Ok(found) = found else {
            self.board.bulletin.lookahead.give_back(tx);
            return true;
        };
        if let Some(found) = &found {
            self.speculator.view().follow(&found.delta);
            self.ran[tx.position()] = true;
        }
        self.board.leave(tx, Outcome { by: self.id, found });
        is_sound
    }

    /// Runs `tx` until what it reads stands, as far as is known; nothing if that
    /// is not to be had.
    fn find(&mut self, tx: TxIdx) -> Result<Option<Found<E::HaltReason>>, TooEarly> {
        for _ in 0..ATTEMPTS {
            self.speculator.view().begin(tx);
            let env = self.board.transactions[tx.position()].clone();
            let speculation = self.speculator.run(env);
            let is_outdated = speculation
                .as_ref()
                .is_some_and(|done| Listening::is_due_after(&done.result.result))
                && self.speculator.view().is_outdated();
            if let Some(speculation) = speculation.filter(|_| !is_outdated) {
                let reads = self.speculator.view().take_reads();
                let moved = reads.moved();
                let is_moved = |of: &_| moved.binary_search(of).is_ok();
                let delta = Delta::of(&speculation.result.state, is_moved);
                return Ok(Some(Found { speculation, reads, delta }));
            }
            let gave_up = is_outdated || self.speculator.view().gave_up();
            if !gave_up || self.board.bulletin.lookahead.is_stopped() {
                return Ok(None);
            }
            if self.board.is_long(tx) {
                return Err(TooEarly);
            }
        }
        Ok(None)
    }
}
