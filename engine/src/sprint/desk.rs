//! What it takes to translate.

use super::draft::Draft;

/// Where all codes are translated, one passage after another.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) draft: Draft,
    /// Sprints in a code before it is worth to note anything of it: much code is
    /// run a few times, and then not for a long time.
    pub(super) patience: u8,
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

    pub(super) const fn new() -> Self {
        Self { draft: Draft::new(), patience: Self::PATIENCE, credit: 0, n_passages: 0 }
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
        let left = self.credit.checked_sub(Self::PRICE);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }
}
