//! What it takes to translate.

use super::draft::Draft;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether threads to come translate all code at once.
static AT_ONCE: AtomicBool = AtomicBool::new(false);

/// From now on, threads that have not run anything yet translate code when it is
/// run for the second time, not when it is run often. That is slow, and for tests:
/// what comes of code once it is translated would else be seen late, or never.
pub fn translate_at_once() {
    AT_ONCE.store(true, Ordering::Relaxed);
}

/// Where all codes are translated, one passage after another.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) draft: Draft,
    /// Sprints in a code before it is worth to note anything of it: much code is
    /// run a few times, and then not for a long time.
    pub(super) patience: u8,
    /// Everything is worth to be translated then.
    pub(super) is_rash: bool,
    /// Sprints that nothing was translated for yet.
    pub(super) credit: u32,
    /// Passages there are.
    pub(super) n_passages: usize,
}

impl Desk {
    const PATIENCE: u8 = 64;
    /// Sprints that a passage has to wait for. To translate it takes as long as five
    /// times its steps, and a sprint is some five passages: so no block takes much
    /// longer for what only those behind it have something of.
    const PRICE: u32 = 4;
    const MAX_CREDIT: u32 = 512;

    pub(super) fn new() -> Self {
        let is_rash = AT_ONCE.load(Ordering::Relaxed);
        let patience = if is_rash { 1 } else { Self::PATIENCE };
        Self { draft: Draft::new(), patience, is_rash, credit: 0, n_passages: 0 }
    }

    /// There is a sprint.
    #[inline(always)]
    pub(super) fn earn(&mut self) {
        if self.credit < Self::MAX_CREDIT {
            self.credit += 1;
        }
    }

    /// Pays for one passage, if there is enough.
    pub(super) fn pay(&mut self) -> bool {
        if self.is_rash {
            return true;
        }
        let left = self.credit.checked_sub(Self::PRICE);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }
}
