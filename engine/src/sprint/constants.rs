//! Words that code contains.

use super::passage::Place;
use alloy_primitives::U256;

/// Constants of one code. Most of those that are used often, and few others,
/// are there once.
#[derive(Debug, Default)]
pub(super) struct Constants {
    words: Vec<U256>,
    /// Where some of them are, by a hash.
    recent: [u16; 32],
}

impl Constants {
    /// More than any contract has.
    const MAX: usize = 1 << 14;

    pub(super) fn as_slice(&self) -> &[U256] {
        &self.words
    }

    /// Whether there is room for those of another passage.
    pub(super) fn has_room(&self) -> bool {
        self.words.len() < Self::MAX
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Forgets all but the first.
    pub(super) fn truncate(&mut self, length: usize) {
        self.words.truncate(length);
    }

    /// The place of `word`, where it is put unless it is there.
    pub(super) fn place_of(&mut self, word: U256) -> Place {
        let [a, b, c, d] = *word.as_limbs();
        let mixed = (a ^ b ^ c ^ d).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let recent = &mut self.recent[(mixed >> 59) as usize];
        if self.words.get(usize::from(*recent)) != Some(&word) {
            // A passage asks for less than is left when there is no room.
            *recent = u16::try_from(self.words.len()).unwrap_or(u16::MAX);
            self.words.push(word);
        }
        Place::constant(*recent)
    }
}
