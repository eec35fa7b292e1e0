//! How much transactions that are alike get in each other's way.

use crate::sync::{AtomicU32, Ordering};

/// The longest that those alike run one after another before they are tried
/// side by side again.
const LONGEST: u32 = 32;

const STEP_BITS: u32 = 16;

/// How many more of a group's transactions are to run one after another.
///
/// A conflict makes that two; one that comes as soon as they are tried side by
/// side again, twice as many as the time before. So what is a chain is treated
/// as one and probed ever more seldom, and what only met by chance is soon let
/// go.
///
/// | call      | by                           | ordering | pairs with                 |
/// |-----------|------------------------------|----------|----------------------------|
/// | `grow`    | whoever finds a stale result | `SeqCst` | `is_high`: a hint, no more |
/// | `shrink`  | the holder of the frontier   | `SeqCst` | the same                   |
/// | `is_high` | workers looking for a task   | `SeqCst` | both                       |
#[derive(Debug, Default)]
pub(crate) struct Rivalry(AtomicU32);

impl Rivalry {
    /// Two of the group met.
    pub(crate) fn grow(&self) {
        let (left, step) = self.get();
        if left == 0 {
            let step = (2 * step).clamp(2, LONGEST);
            self.set(step, step);
        }
    }

    /// One of the group was committed.
    pub(crate) fn shrink(&self) {
        match self.get() {
            (0, 0) => {}
            (0, step) => self.set(0, step / 2),
            (left, step) => self.set(left - 1, step),
        }
    }

    pub(crate) fn is_high(&self) -> bool {
        self.get().0 > 0
    }

    fn get(&self) -> (u32, u32) {
        let word = self.0.load(Ordering::SeqCst);
        (word >> STEP_BITS, word & ((1 << STEP_BITS) - 1))
    }

    fn set(&self, left: u32, step: u32) {
        self.0.store(left << STEP_BITS | step, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits until those alike are tried side by side again.
    fn quarrel(rivalry: &Rivalry) -> u32 {
        let mut commits = 0;
        while rivalry.is_high() {
            rivalry.shrink();
            commits += 1;
        }
        commits
    }

    #[test]
    fn a_chain_is_probed_ever_more_seldom() {
        let rivalry = Rivalry::default();
        assert!(!rivalry.is_high());
        let lengths = [(); 7].map(|()| {
            rivalry.grow();
            quarrel(&rivalry)
        });
        assert_eq!(lengths, [2, 4, 8, 16, 32, 32, 32]);
    }

    #[test]
    fn a_chance_meeting_is_forgotten() {
        let rivalry = Rivalry::default();
        rivalry.grow();
        rivalry.grow();
        quarrel(&rivalry);
        (0..4).for_each(|_| rivalry.shrink());
        rivalry.grow();
        assert_eq!(quarrel(&rivalry), 2);
    }
}
