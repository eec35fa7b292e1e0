//! Whether transactions that are alike are worth running side by side.

use crate::{
    sync::{AtomicU32, Ordering},
    version::TxIdx,
};

/// What one result in vain counts, in results that stood.
const CONFLICT: u32 = 6;

/// From here on those alike are run one after another.
const HIGH: u32 = 12;

/// What is remembered at most, so that peace comes back after this many
/// commits.
const MOST: u32 = 48;

/// How much transactions that are alike got in each other's way lately.
///
/// Each conflict adds to it and each commit takes one away: where fewer than
/// one in seven is in vain it stays low, where all of them are it is tried
/// again every few dozen transactions.
///
/// | call              | by                       | ordering  | pairs with                 |
/// |-------------------|--------------------------|-----------|----------------------------|
/// | `grow`, `shrink`  | the frontier             | `Relaxed` | `is_high`: a hint, no more |
/// | `explains`        | the frontier             | `Relaxed` | its own `grow`             |
/// | `is_high`         | whoever looks for a task | `Relaxed` | both                       |
#[derive(Debug, Default)]
pub(crate) struct Quarrel {
    score: AtomicU32,
    /// Who was begun before it became high is below this one.
    begun: AtomicU32,
}

impl Quarrel {
    /// A result was in vain, while those below `reach` may have been begun.
    pub(crate) fn grow(&self, reach: u32) {
        let score = self.score.load(Ordering::Relaxed);
        self.score.store((score + CONFLICT).min(MOST), Ordering::Relaxed);
        if score < HIGH && self.is_high() {
            self.begun.store(reach, Ordering::Relaxed);
        }
    }

    /// One of them was committed.
    pub(crate) fn shrink(&self) {
        let score = self.score.load(Ordering::Relaxed);
        if score > 0 {
            self.score.store(score - 1, Ordering::Relaxed);
        }
    }

    /// Whether `tx` was in vain because of the others: it was begun before they
    /// ran in turn.
    pub(crate) fn explains(&self, tx: TxIdx) -> bool {
        self.is_high() && tx.raw() < self.begun.load(Ordering::Relaxed)
    }

    pub(crate) fn is_high(&self) -> bool {
        self.score.load(Ordering::Relaxed) >= HIGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(conflicts_in: u32) -> Quarrel {
        let quarrel = Quarrel::default();
        for commit in 0..100 {
            if commit % conflicts_in == 0 {
                quarrel.grow(0);
            }
            quarrel.shrink();
        }
        quarrel
    }

    #[test]
    fn a_conflict_now_and_then_is_no_quarrel() {
        assert!(!after(10).is_high());
        assert!(after(2).is_high());
    }

    #[test]
    fn a_quarrel_is_forgotten() {
        let quarrel = after(1);
        (0..MOST - HIGH - 1).for_each(|_| quarrel.shrink());
        assert!(quarrel.is_high());
        quarrel.shrink();
        assert!(!quarrel.is_high());
    }

    #[test]
    fn it_explains_what_was_begun_before_it_was_known() {
        let quarrel = Quarrel::default();
        quarrel.grow(10);
        assert!(!quarrel.explains(TxIdx::new(9)));
        (20..30).for_each(|reach| quarrel.grow(reach));
        assert!(quarrel.explains(TxIdx::new(19)));
        assert!(!quarrel.explains(TxIdx::new(20)));
    }
}
