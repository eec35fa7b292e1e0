//! How far ahead of the frontier speculation may run.

use crate::sync::{AtomicU32, Ordering};

/// Frontier commits without a verdict on speculation before one more
/// transaction is let ahead again: the price of finding out that contention
/// has passed is at most one wasted execution in this many transactions.
const PROBE_EVERY: u32 = 16;

/// Transactions beyond the frontier that may be started.
///
/// Additive increase, multiplicative decrease: a result that survives to the
/// frontier lets one more transaction ahead, a stale one takes a quarter back.
/// With a share *p* of stale results the window settles near `4(1 - p)/p`: 22
/// at 15 %, 4 at one half, and 1 (no speculation) where every transaction
/// depends on the one before.
///
/// | call                          | by                  | ordering | pairs with |
/// |-------------------------------|---------------------|----------|------------|
/// | `get`                         | claiming workers    | `SeqCst` | a hint     |
/// | `widen`, `narrow`, `probe`    | the frontier holder | `SeqCst` | a hint     |
#[derive(Debug)]
pub(crate) struct Window {
    size: AtomicU32,
    quiet: AtomicU32,
    fixed: bool,
}

impl Window {
    pub(crate) fn new(size: u32, fixed: bool) -> Self {
        Self { size: AtomicU32::new(size.max(1)), quiet: AtomicU32::new(0), fixed }
    }

    pub(crate) fn get(&self) -> u32 {
        self.size.load(Ordering::SeqCst)
    }

    /// A speculative result was committed.
    pub(crate) fn widen(&self) {
        self.set(self.get().saturating_add(1));
    }

    /// A speculative result was stale when the frontier reached it.
    pub(crate) fn narrow(&self) {
        let size = self.get();
        self.set(size - size.div_ceil(4).min(size - 1));
    }

    /// The frontier ran a transaction itself: nothing was learnt.
    pub(crate) fn probe(&self) {
        if self.quiet.fetch_add(1, Ordering::SeqCst) % PROBE_EVERY == PROBE_EVERY - 1 {
            self.widen();
        }
    }

    fn set(&self, size: u32) {
        if !self.fixed {
            self.size.store(size, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_results_close_the_window_and_never_below_one() {
        let window = Window::new(64, false);
        for _ in 0..64 {
            window.narrow();
        }
        assert_eq!(window.get(), 1);
        window.widen();
        assert_eq!(window.get(), 2);
    }

    #[test]
    fn a_closed_window_is_probed_now_and_then() {
        let window = Window::new(1, false);
        for _ in 0..PROBE_EVERY {
            window.probe();
        }
        assert_eq!(window.get(), 2);
    }

    #[test]
    fn a_fixed_window_stays() {
        let window = Window::new(7, true);
        window.narrow();
        window.widen();
        assert_eq!(window.get(), 7);
    }
}
