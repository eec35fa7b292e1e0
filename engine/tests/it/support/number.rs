//! Numbers as tests like to write them.

use alloy_primitives::U256;

/// Anything that is a word: literals of any kind, and words themselves.
pub(crate) trait Word {
    fn word(self) -> U256;
}

impl Word for U256 {
    fn word(self) -> U256 {
        self
    }
}

macro_rules! words {
    ($($number:ty),*) => {
        $(impl Word for $number {
            fn word(self) -> U256 {
                U256::try_from(self).expect("words are not negative")
            }
        })*
    };
}

words!(i32, u8, u64, u128, usize);
