//! Positions in the block that many workers move.

use crate::{
    sync::{AtomicBool, AtomicU32, Ordering},
    version::TxIdx,
};

/// Lowest transaction that may still need something; workers walk it upwards,
/// whoever creates work below pulls it back.
///
/// | call     | by                     | ordering | pairs with                                 |
/// |----------|------------------------|----------|--------------------------------------------|
/// | `claim`  | idle workers           | `SeqCst` | `rewind`: an index made ready is met again |
/// | `rewind` | whoever made one ready | `SeqCst` | `claim`                                    |
///
/// A cursor is a hint. A claim may find nothing to do at its index, and an
/// index passed by mistake costs speed only: the frontier runs whatever is
/// not yet run when it arrives.
#[derive(Debug)]
pub(crate) struct Cursor(AtomicU32);

impl Cursor {
    pub(crate) fn new(at: TxIdx) -> Self {
        Self(AtomicU32::new(at.raw()))
    }

    /// The next index below `end`, or `None` at the end of the block.
    pub(crate) fn claim(&self, end: TxIdx) -> Option<TxIdx> {
        // The load keeps idle workers from pushing the counter up for ever.
        if self.0.load(Ordering::SeqCst) >= end.raw() {
            return None;
        }
        let claimed = TxIdx::from_raw(self.0.fetch_add(1, Ordering::SeqCst));
        (claimed < end).then_some(claimed)
    }

    /// Pulls the cursor back so that `to` is claimed again.
    pub(crate) fn rewind(&self, to: TxIdx) {
        self.0.fetch_min(to.raw(), Ordering::SeqCst);
    }
}

/// The committed prefix: every transaction below is final.
///
/// | call      | by                        | ordering | pairs with                                   |
/// |-----------|---------------------------|----------|----------------------------------------------|
/// | `get`     | everybody                 | `SeqCst` | `advance`: sees the status and writes before |
/// | `advance` | the holder of the `Latch` | `SeqCst` | `get`: see "Ending a block"                  |
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
        let before = self.0.swap(tx.next().raw(), Ordering::SeqCst);
        assert_eq!(before, tx.raw(), "commits are in block order");
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
        !self.is_set() && !self.0.swap(true, Ordering::SeqCst)
    }

    /// Clears the flag; `true` if it was set.
    pub(crate) fn release(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}
