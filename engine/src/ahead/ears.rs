//! Hearing what became final.

use super::board::{Board, ScoutId};
use blockloom_scheduler::TxIdx;
use blockloom_state::{BaseStateError, BlockState};
use revm::DatabaseRef;
use std::cell::Cell;

/// How much of the news one scout has heard.
pub(crate) struct Ears<'m, 'a> {
    id: ScoutId,
    board: &'m Board<'a>,
    /// All news of transactions below were heard.
    heard: Cell<TxIdx>,
}

impl<'m, 'a> Ears<'m, 'a> {
    /// Ears that have heard nothing yet.
    pub(crate) fn new(id: ScoutId, board: &'m Board<'a>) -> Self {
        Self { id, board, heard: Cell::default() }
    }

    /// All news of transactions below were heard.
    pub(crate) const fn heard(&self) -> TxIdx {
        self.heard.get()
    }

    /// Lets `state` take over what became final since the last time; `false`
    /// if nothing did.
    pub(crate) fn hear<B>(&self, state: &mut BlockState<B>) -> bool
    where
        B: DatabaseRef<Error = BaseStateError>,
    {
        let (mut at, committed) = (self.heard.get(), self.board.lookahead.committed());
        if at == committed {
            return false;
        }
        while at < committed {
            if let Some(news) = self.board.news[at.position()].get() {
                if let Some((by, correction)) = &news.correction
                    && *by == self.id
                {
                    state.take_back(correction);
                }
                if news.by != Some(self.id) {
                    state.follow(&news.delta);
                }
            }
            at = at.next();
        }
        self.heard.set(committed);
        true
    }
}
