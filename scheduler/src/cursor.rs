//! Positions in the block that many workers move.

use crate::{
    mistake::Mistake,
    sync::{AtomicBool, AtomicU32, Ordering},
    version::TxIdx,
};

/// Position in a list of transactions of the lowest one that may still need
/// something; workers walk it upwards, whoever creates work below pulls it
/// back.
///
/// | call     | by                     | ordering | pairs with                                    |
/// |----------|------------------------|----------|-----------------------------------------------|
/// | `claim`  | idle workers           | `SeqCst` | `rewind`: a position made ready is met again  |
/// | `rewind` | whoever made one ready | `SeqCst` | `claim`                                       |
///
/// A cursor is a hint. A claim may find nothing to do at its position, and one
/// passed by mistake costs speed only: the frontier runs whatever is not yet
/// run when it arrives.
#[derive(Debug)]
pub(crate) struct Cursor(AtomicU32);

impl Cursor {
    pub(crate) fn new(at: u32) -> Self {
        Self(AtomicU32::new(at))
    }

    /// The next position below `end`, or `None` if there is none.
    pub(crate) fn claim(&self, end: usize) -> Option<usize> {
        // The load keeps idle workers from pushing the counter up for ever.
        if self.0.load(Ordering::SeqCst) as usize >= end {
            return None;
        }
        let claimed = self.0.fetch_add(1, Ordering::SeqCst) as usize;
        (claimed < end).then_some(claimed)
    }

    /// Pulls the cursor back so that `to` is claimed again.
    pub(crate) fn rewind(&self, to: u32) {
        self.0.fetch_min(to, Ordering::SeqCst);
    }
}

/// A flag that one side raises and the other lowers when it has looked.
///
/// | call        | by                                  | ordering | pairs with               |
/// |-------------|-------------------------------------|----------|--------------------------|
/// | `raise`     | publishers, after they have written | `SeqCst` | `is_raised`: whoever sees the flag sees the write |
/// | `is_raised` | the worker that runs it             | `SeqCst` | `raise`                  |
/// | `lower`     | the same, before it looks           | `SeqCst` | `raise`: a later write raises the flag again |
#[derive(Debug, Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn lower(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// The committed prefix: every transaction below is final.
///
/// | call      | by                        | ordering  | pairs with                                   |
/// |-----------|---------------------------|-----------|----------------------------------------------|
/// | `get`     | everybody                 | `SeqCst`  | `advance`: sees the status and writes before |
/// | `advance` | the holder of the `Latch` | `SeqCst`  | `get`: see "Ending a block"                  |
/// | `step`    | the only one who moves it | `Release` | `get`: sees the writes before                |
#[derive(Debug)]
pub(crate) struct Prefix(AtomicU32);

impl Prefix {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(crate) fn get(&self) -> TxIdx {
        TxIdx::from_raw(self.0.load(Ordering::SeqCst))
    }

    /// Moves past `tx`.
    ///
    /// # Panics
    ///
    /// If `tx` is not where the prefix ends: commits are in block order.
    pub(crate) fn advance(&self, tx: TxIdx) {
        let before = self.0.swap(tx.next().raw(), Mistake::PrefixUnordered.ordering());
        assert_eq!(before, tx.raw(), "commits are in block order");
    }

    /// The same by the one worker that ever moves it, who does not wait until
    /// others can see it: that takes longer than some transactions do.
    ///
    /// # Panics
    ///
    /// As [`advance`](Self::advance).
    pub(crate) fn step(&self, tx: TxIdx) {
        let before = self.0.load(Ordering::Relaxed);
        assert_eq!(before, tx.raw(), "commits are in block order");
        self.0.store(tx.next().raw(), Mistake::StepUnordered.release());
    }
}

/// A flag that one thread at a time holds, and never waits for.
///
/// | call       | by             | ordering | pairs with                                |
/// |------------|----------------|----------|-------------------------------------------|
/// | `try_take` | any worker     | `SeqCst` | `release`: sees all the last holder did   |
/// | `release`  | the holder     | `SeqCst` | `try_take`                                |
/// | `is_set`   | everybody      | `SeqCst` | –                                         |
#[derive(Debug)]
pub(crate) struct Latch(AtomicBool);

impl Latch {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Sets the flag; `true` if it was clear, so that the caller now holds it.
    pub(crate) fn try_take(&self) -> bool {
        if Mistake::LatchInTwoSteps.is_made() {
            let was_set = self.is_set();
            self.0.store(true, Ordering::SeqCst);
            return !was_set;
        }
        !self.is_set() && !self.0.swap(true, Ordering::SeqCst)
    }

    /// Clears the flag; `true` if it was set.
    pub(crate) fn release(&self) -> bool {
        self.0.swap(false, Mistake::LatchUnordered.ordering())
    }
}
