//! How far ahead of the frontier it is worth running.

use crate::sync::{AtomicU32, Ordering};

/// Stretches at first, at least and at most.
const STRETCHES: [u32; 3] = [32, 2, 64];

/// The part of the distance that a result in vain takes off it.
const STEP: u32 = 4;

/// How far ahead of the frontier scouts run, in transactions.
///
/// Whoever is far ahead has not seen what many transactions below will write,
/// and the frontier, which runs again what was in vain, falls back further. So
/// each result in vain takes a quarter of the distance off, and each commit adds
/// a transaction: with one in `n` in vain it settles at about `4 n`.
///
/// | call              | by                       | ordering  | pairs with             |
/// |-------------------|--------------------------|-----------|------------------------|
/// | `grow`, `shrink`  | the frontier             | `Relaxed` | `get`: a hint, no more |
/// | `get`             | whoever looks for a task | `Relaxed` | both                   |
#[derive(Debug)]
pub(crate) struct Distance {
    now: AtomicU32,
    least: u32,
    most: u32,
}

impl Distance {
    /// In a block of which scouts walk `stretch` transactions at a time.
    pub(crate) fn new(stretch: u32) -> Self {
        let [first, least, most] = STRETCHES.map(|stretches| stretch.saturating_mul(stretches));
        Self { now: AtomicU32::new(first), least, most }
    }

    /// A transaction was committed.
    pub(crate) fn grow(&self) {
        let now = self.get();
        if now < self.most {
            self.now.store(now + 1, Ordering::Relaxed);
        }
    }

    /// A result was in vain.
    pub(crate) fn shrink(&self) {
        let now = self.get();
        self.now.store((now - now.div_ceil(STEP)).max(self.least), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_settles_by_how_much_is_in_vain() {
        let settled = |in_vain: u32| {
            let distance = Distance::new(4);
            for commit in 0..10_000 {
                if commit % in_vain == 0 {
                    distance.shrink();
                }
                distance.grow();
            }
            distance.get()
        };
        assert_eq!(settled(1), 9);
        assert!((60..=100).contains(&settled(20)), "{}", settled(20));
        assert_eq!(settled(5_000), 256);
    }

    #[test]
    fn the_longest_stretch_does_not_overflow() {
        let distance = Distance::new(u32::MAX);
        distance.grow();
        assert_eq!(distance.get(), u32::MAX);
        distance.shrink();
        assert_eq!(distance.get(), u32::MAX);
    }
}
