//! Where scouts wait for the leader.

use super::board::Board;
use crate::{idle::Idle, pace::Pace};
use std::sync::OnceLock;

/// The way into a block: the board, made by whoever is there first, and a gate
/// that the leader opens once it has said what is final already.
///
/// Scouts take a while to wake up, and a board to be made. The leader goes on
/// alone meanwhile, so neither is waited for.
#[derive(Default)]
pub(crate) struct Gate<'a> {
    board: OnceLock<Board<'a>>,
    /// True once it is open, false if it stays shut.
    open: OnceLock<bool>,
}

impl<'a> Gate<'a> {
    /// The board, which `make` makes if nobody has.
    pub(crate) fn board(&self, make: impl FnOnce() -> Board<'a>) -> &Board<'a> {
        self.board.get_or_init(make)
    }

    /// The board, if there is one.
    pub(crate) fn made(&self) -> Option<&Board<'a>> {
        self.board.get()
    }

    /// Lets scouts in.
    pub(crate) fn open(&self) {
        self.open.get_or_init(|| true);
    }

    /// Comes to the gate as a scout, and makes the board if that is still to
    /// do. `None` if there is no need for scouts any more.
    pub(crate) fn enter(
        &self,
        make: impl FnOnce() -> Board<'a>,
        pace: impl Pace,
    ) -> Option<&Board<'a>> {
        if self.open.get() == Some(&false) {
            return None;
        }
        let board = self.board(make);
        let mut idle = Idle::default();
        // Ends because the leader opens the gate or leaves.
        loop {
            match self.open.get() {
                Some(is_open) => return is_open.then_some(board),
                None => pace.wait(&mut idle),
            }
        }
    }

    /// Something that sends everybody home when it is dropped.
    pub(crate) const fn closing<'g>(&'g self) -> Closes<'g, 'a> {
        Closes(self)
    }
}

/// Sends the scouts home, also those that are still to come, when this is
/// dropped.
pub(crate) struct Closes<'g, 'a>(&'g Gate<'a>);

impl Drop for Closes<'_, '_> {
    fn drop(&mut self) {
        self.0.open.get_or_init(|| false);
        if let Some(board) = self.0.made() {
            board.lookahead.stop();
        }
    }
}
