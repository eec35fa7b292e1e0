//! Where a worker may be held up, and by whom.

use crate::idle::Idle;
use blockloom_scheduler::TxIdx;
use std::hint;

/// What a worker is about to do: everything between two of these is its own,
/// what others have done until then is all that it can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// Running a transaction ahead of its turn.
    Run,
    /// Reading a location for it.
    Read,
    /// Telling what came of that.
    Publish,
    /// Reporting that it has run, now that everybody can see it.
    Report,
    /// Checking what it has read, ahead of its turn.
    Check,
    /// Turning the writes of a result that was found stale into estimates.
    Abort,
    /// Judging a result at the frontier.
    Judge,
    /// Running a transaction at the frontier.
    RunHere,
    /// Making a transaction final.
    Commit,
    /// Asking again, because there was nothing to do.
    Wait,
}

/// Decides when a worker goes on.
///
/// In production nobody does ([`Unpaced`]), and all of this is compiled to
/// nothing; in a [simulation](crate::Simulation) one worker at a time has the
/// turn.
pub(crate) trait Pace: Copy + Send {
    /// Others may come first, before this worker does what it is about to do
    /// for `tx`.
    fn at(self, point: Point, tx: TxIdx);

    /// There is nothing to do now.
    fn wait(self, idle: &mut Idle);

    /// Somebody else will be done in a moment.
    fn spin(self);

    /// Whether to make this mistake now.
    fn makes(self, _mistake: Mistake) -> bool {
        false
    }
}

/// Everybody goes as fast as the machine lets them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpaced;

impl Pace for Unpaced {
    #[inline(always)]
    fn at(self, _point: Point, _tx: TxIdx) {}

    #[inline(always)]
    fn wait(self, idle: &mut Idle) {
        idle.wait();
    }

    #[inline(always)]
    fn spin(self) {
        hint::spin_loop();
    }
}

/// A mistake that the tests have a worker make, to see that they would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A stale result is made final.
    JudgeNothing,
    /// A result is reported before others can see what it wrote.
    ReportEarly,
    /// The writes of a result found stale stay as they are.
    KeepStaleWrites,
    /// A worker panics in the middle of a transaction.
    Panic,
}
