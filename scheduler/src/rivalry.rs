//! How much transactions that are alike get in each other's way.

use crate::sync::{AtomicU32, Ordering};

/// What one execution in vain adds. As many have to stand, one after another,
/// before those alike are tried side by side again.
const CONFLICT: u32 = 4;

/// The most it can be: a long quarrel is not remembered longer than this.
const MOST: u32 = 4 * CONFLICT;

/// A fading count of executions that were in vain.
///
/// | call      | by                           | ordering | pairs with                |
/// |-----------|------------------------------|----------|---------------------------|
/// | `grow`    | whoever finds a stale result | `SeqCst` | `is_high`: a hint, no more |
/// | `shrink`  | the holder of the frontier   | `SeqCst` | the same                  |
/// | `is_high` | workers looking for a task   | `SeqCst` | both                      |
#[derive(Debug, Default)]
pub(crate) struct Rivalry(AtomicU32);

impl Rivalry {
    pub(crate) fn grow(&self) {
        self.set(self.get().saturating_add(CONFLICT).min(MOST));
    }

    pub(crate) fn shrink(&self) {
        match self.get() {
            0 => {}
            count => self.set(count - 1),
        }
    }

    pub(crate) fn is_high(&self) -> bool {
        self.get() > 0
    }

    fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    fn set(&self, count: u32) {
        self.0.store(count, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_conflict_is_forgotten_after_some_successes() {
        let rivalry = Rivalry::default();
        assert!(!rivalry.is_high());
        rivalry.grow();
        for _ in 0..CONFLICT {
            assert!(rivalry.is_high());
            rivalry.shrink();
        }
        assert!(!rivalry.is_high());
        rivalry.shrink();
        assert!(!rivalry.is_high());
    }

    #[test]
    fn many_conflicts_are_not_remembered_for_ever() {
        let rivalry = Rivalry::default();
        (0..1000).for_each(|_| rivalry.grow());
        (0..MOST).for_each(|_| rivalry.shrink());
        assert!(!rivalry.is_high());
    }
}
