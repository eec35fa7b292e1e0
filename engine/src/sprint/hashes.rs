//! Hashes that a block asks for again and again.
//!
//! Solidity keeps a mapping's value where the hash of its key and the mapping's
//! own slot says, 64 bytes, and computes that hash at each access. Blocks of
//! mainnet ask for most of them several times.

use alloy_primitives::{B256, keccak256};
use std::cell::RefCell;

/// Key and slot of a mapping, or any other two words.
type Pair = [u8; 64];

/// How many hashes are kept; a power of two. With their inputs they take
/// 100 kB, which a core has at hand.
const ENTRIES: usize = 1024;

/// Hash of `input`, from memory if it is two words that were hashed before.
pub(super) fn hash(input: &[u8]) -> B256 {
    match input.try_into() {
        Ok(pair) => HASHES.with_borrow_mut(|hashes| hashes.of(pair)),
        Err(_) => keccak256(input),
    }
}

/// Starts over on this thread. What is remembered would be right for ever, but
/// inputs are a block's own: one that is run twice, as benches do, would take less
/// the second time than any block does that is run once.
pub(super) fn forget() {
    HASHES.with_borrow_mut(Hashes::forget);
}

thread_local! {
    static HASHES: RefCell<Hashes> = const { RefCell::new(Hashes { entries: Vec::new(), round: 1 }) };
}

/// Hashes by their inputs, each in the one place where it can be.
struct Hashes {
    entries: Vec<Entry>,
    /// Entries of other rounds are forgotten. Never zero.
    round: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    input: Pair,
    hash: B256,
    round: u32,
}

impl Hashes {
    const EMPTY: Entry = Entry { input: [0; 64], hash: B256::ZERO, round: 0 };

    fn of(&mut self, input: &Pair) -> B256 {
        if self.entries.is_empty() {
            self.entries.resize(ENTRIES, Self::EMPTY);
        }
        let entry = &mut self.entries[place(input)];
        if entry.round != self.round || entry.input != *input {
            *entry = Entry { input: *input, hash: keccak256(input), round: self.round };
        }
        entry.hash
    }

    fn forget(&mut self) {
        self.round = self.round.checked_add(1).unwrap_or(1);
    }
}

/// Where the hash of `input` is kept: what differs between mappings and between
/// keys is mostly in the last bytes of both words.
fn place(input: &Pair) -> usize {
    let last_of = |word: usize| {
        let bytes = input[word * 32 + 24..].first_chunk::<8>();
        u64::from_be_bytes(*bytes.unwrap_or(&[0; 8]))
    };
    let mixed = (last_of(0) ^ last_of(1).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % ENTRIES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pair(key: u64, slot: u64) -> Pair {
        let mut pair = [0; 64];
        pair[24..32].copy_from_slice(&key.to_be_bytes());
        pair[56..].copy_from_slice(&slot.to_be_bytes());
        pair
    }

    #[test]
    fn an_input_is_hashed_once_in_a_round() {
        let mut hashes = Hashes { entries: Vec::new(), round: u32::MAX };
        let input = pair(1, 2);
        assert_eq!(hashes.of(&input), keccak256(input));
        // What is kept is what is given: nobody hashes again.
        let lie = B256::repeat_byte(7);
        hashes.entries[place(&input)].hash = lie;
        assert_eq!(hashes.of(&input), lie);
        hashes.forget();
        assert_eq!(hashes.round, 1);
        assert_eq!(hashes.of(&input), keccak256(input));
    }

    #[test]
    fn inputs_that_share_a_place_do_not_share_a_hash() {
        let first = pair(0, 1);
        let other = (2..).map(|slot| pair(0, slot)).find(|other| place(other) == place(&first));
        let other = other.expect("there are more slots than places");
        for input in [first, other, first, [0; 64]] {
            assert_eq!(hash(&input), keccak256(input));
        }
    }

    proptest! {
        #[test]
        fn hashes_are_right(inputs in prop::collection::vec((0_u64..40, 0_u64..40), 0..200)) {
            for (key, slot) in inputs {
                let input = pair(key, slot);
                prop_assert_eq!(hash(&input), keccak256(input));
                prop_assert_eq!(hash(&input[1..]), keccak256(&input[1..]));
            }
        }
    }
}
