//! How far a transaction has come before its turn.

use crate::{
    mistake::Mistake,
    sync::{AtomicU32, Ordering},
};

/// How far a transaction has come before its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Stage {
    /// Nobody has begun it.
    Free = 0,
    /// It is left to the frontier.
    Held = 1,
    /// Somebody runs it, or it is final.
    Running = 2,
    /// It ran; the result waits.
    Ran = 3,
}

/// One transaction's stage.
///
/// | call        | by                      | ordering  | pairs with                          |
/// |-------------|-------------------------|-----------|-------------------------------------|
/// | `get`       | everybody               | `Acquire` | `finish`: who sees `Ran` sees the result |
/// | `claim`     | scouts and the frontier | `SeqCst`  | `claim` by another: one of them wins |
/// | `finish`    | who claimed it          | `Release` | `get` by the frontier               |
/// | `give_back` | who claimed it          | `Release` | `claim` by the next: the one before has left it |
#[derive(Debug)]
pub(crate) struct StageCell(AtomicU32);

impl StageCell {
    pub(crate) fn new(stage: Stage) -> Self {
        Self(AtomicU32::new(stage as u32))
    }

    pub(crate) fn get(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            0 => Stage::Free,
            1 => Stage::Held,
            2 => Stage::Running,
            _ => Stage::Ran,
        }
    }

    /// Takes a free transaction; `true` for the one who gets it.
    pub(crate) fn claim(&self) -> bool {
        let (free, running) = (Stage::Free as u32, Stage::Running as u32);
        if Mistake::StageInTwoSteps.is_made() {
            let is_free = self.0.load(Ordering::SeqCst) == free;
            self.0.store(running, Ordering::SeqCst);
            return is_free;
        }
        self.0.compare_exchange(free, running, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    pub(crate) fn give_back(&self) {
        let ordering = Mistake::GivenBackUnordered.release();
        if Mistake::GivenBackNever.is_made() {
            return;
        }
        self.0.store(Stage::Free as u32, ordering);
        if Mistake::GivenBackTwice.is_made() {
            self.0.store(Stage::Free as u32, ordering);
        }
    }

    pub(crate) fn finish(&self) {
        self.0.store(Stage::Ran as u32, Mistake::StageUnordered.release());
    }
}

/// Where the next stretch of transactions for a scout begins.
///
/// | call   | by           | ordering  | pairs with                                     |
/// |--------|--------------|-----------|------------------------------------------------|
/// | `take` | scouts       | `SeqCst`  | `take` by another: no two get the same stretch |
/// | `get`  | the frontier | `Relaxed` | `take`: a hint, no more                        |
#[derive(Debug, Default)]
pub(crate) struct Reach(AtomicU32);

impl Reach {
    /// The beginning of a stretch of `length` transactions that nobody else
    /// gets, at `first` or above and below `end`.
    pub(crate) fn take(&self, first: u32, length: u32, end: u32) -> Option<u32> {
        let begin = |at: u32| Some(at.max(first)).filter(|at| *at < end);
        let next = |at: u32| begin(at).map(|at| at.saturating_add(length).min(end));
        let before = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).ok()?;
        begin(before)
    }

    /// Where the next one begins: no scout that walks is beyond.
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
