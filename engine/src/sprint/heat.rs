//! How often positions in a code were passed.

/// Counts visits of positions, up to three. To translate takes as long as some
/// five visits step by step, and much is visited once.
#[derive(Debug, Default)]
pub(super) struct Heat {
    /// Four positions to a byte.
    counts: Vec<u8>,
}

impl Heat {
    /// A count at its limit.
    const HOT: u8 = 0b11;

    /// Of a code with so many bytes; nothing was visited.
    pub(super) fn of(length: usize) -> Self {
        Self { counts: vec![0; length / 4 + 1] }
    }

    /// Counts a visit of `pc`, and says whether there were as many as can be
    /// counted before.
    #[inline(always)]
    pub(super) fn visit(&mut self, pc: u32) -> bool {
        let Some(counts) = self.counts.get_mut(pc as usize / 4) else { return true };
        let shift = pc % 4 * 2;
        if *counts >> shift & Self::HOT == Self::HOT {
            return true;
        }
        *counts += 1 << shift;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_visits_are_counted_of_each_position() {
        let mut heat = Heat::of(9);
        for pc in [0, 3, 4, 8] {
            assert_eq!([(); 5].map(|()| heat.visit(pc)), [false, false, false, true, true]);
        }
        assert!(!heat.visit(1) && !heat.visit(5) && !heat.visit(7));
        assert!(Heat::default().visit(0));
    }
}
