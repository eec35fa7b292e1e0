//! What is known of positions in a code.

use super::passage::Mark;

/// A table from positions to marks, as large as what was passed, not as the
/// code: most of a contract is never run, and what is run should stay near the
/// processor.
#[derive(Debug)]
pub(super) struct Marks {
    /// A power of two of them, at most three quarters of them in use.
    entries: Vec<Entry>,
    n_used: usize,
    /// Bits of a mixed position that are not part of the number of its entry.
    shift: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// One more than the position, zero in an entry that is not in use.
    key: u16,
    mark: Mark,
}

impl Marks {
    /// Positions that can be marked are below.
    pub(super) const LIMIT: usize = u16::MAX as usize - 1;

    const EMPTY: Entry = Entry { key: 0, mark: Mark::NONE };

    pub(super) fn new() -> Self {
        Self::with_bits(4)
    }

    fn with_bits(bits: u32) -> Self {
        Self { entries: vec![Self::EMPTY; 1 << bits], n_used: 0, shift: u32::BITS - bits }
    }

    /// The mark of `pc`, if it has one.
    #[inline(always)]
    pub(super) fn get(&self, pc: u32) -> Mark {
        self.entries[self.find(key_of(pc))].mark
    }

    /// Marks `pc`, instead of what it was marked with.
    pub(super) fn set(&mut self, pc: u32, mark: Mark) {
        let key = key_of(pc);
        let mut at = self.find(key);
        if self.entries[at].key == 0 {
            if (self.n_used + 1) * 4 > self.entries.len() * 3 {
                self.grow();
                at = self.find(key);
            }
            self.n_used += 1;
        }
        self.entries[at] = Entry { key, mark };
    }

    fn grow(&mut self) {
        let mut larger = Self::with_bits(u32::BITS - self.shift + 1);
        for entry in self.entries.iter().filter(|entry| entry.key != 0) {
            let at = larger.find(entry.key);
            larger.entries[at] = *entry;
        }
        *self = Self { n_used: self.n_used, ..larger };
    }

    /// The entry where `key` is, or would be.
    #[inline(always)]
    fn find(&self, key: u16) -> usize {
        let last = self.entries.len() - 1;
        let mut at = (u32::from(key).wrapping_mul(0x9e37_79b9) >> self.shift) as usize & last;
        while self.entries[at].key != key && self.entries[at].key != 0 {
            at = (at + 1) & last;
        }
        at
    }
}

/// The key of a position; one that none has for all that cannot be marked.
#[inline(always)]
fn key_of(pc: u32) -> u16 {
    u16::try_from(pc.saturating_add(1)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn every_position_has_its_own_mark(
            set in prop::collection::vec((0_u32..65_533, 0_usize..1000), 0..400),
        ) {
            let (mut marks, mut expected) = (Marks::new(), HashMap::new());
            for (pc, number) in set {
                marks.set(pc, Mark::passage(number).expect("few passages"));
                expected.insert(pc, number);
                prop_assert_eq!(marks.get(pc).number(), number);
            }
            for (pc, number) in &expected {
                prop_assert_eq!(marks.get(*pc).number(), *number);
            }
            for pc in (0..70_000).chain([u32::MAX]).filter(|pc| !expected.contains_key(pc)).step_by(97) {
                prop_assert_eq!(marks.get(pc), Mark::NONE);
            }
        }
    }
}
