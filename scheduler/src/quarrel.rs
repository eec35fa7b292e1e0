//! Whether transactions that are alike are worth running side by side.

use crate::sync::{AtomicU32, Ordering};

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
/// | call             | by                       | ordering  | pairs with                 |
/// |------------------|--------------------------|-----------|----------------------------|
/// | `grow`, `shrink` | the frontier             | `Relaxed` | `is_high`: a hint, no more |
/// | `is_high`        | whoever looks for a task | `Relaxed` | both                       |
#[derive(Debug, Default)]
pub(crate) struct Quarrel(AtomicU32);

impl Quarrel {
    /// A result was in vain.
    pub(crate) fn grow(&self) {
        let score = self.0.load(Ordering::Relaxed);
        self.0.store((score + CONFLICT).min(MOST), Ordering::Relaxed);
    }

    /// One of them was committed.
    pub(crate) fn shrink(&self) {
        let score = self.0.load(Ordering::Relaxed);
        if score > 0 {
            self.0.store(score - 1, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_high(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= HIGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(conflicts_in: u32) -> Quarrel {
        let quarrel = Quarrel::default();
        for commit in 0..100 {
            if commit % conflicts_in == 0 {
                quarrel.grow();
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
}
