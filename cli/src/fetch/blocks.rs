//! A range of block numbers, as it is typed.

use std::{fmt, str::FromStr};

/// Blocks from a first to a last one, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRange {
    first: u64,
    last: u64,
}

impl BlockRange {
    /// The numbers, ascending.
    pub fn iter(self) -> impl Iterator<Item = u64> + Send {
        self.first..=self.last
    }

    /// How many blocks there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a range holds one block at least")]
    pub const fn len(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl FromStr for BlockRange {
    type Err = String;

    /// Reads `A..B`, both included, or a single number. The genesis block has
    /// nothing to execute, so ranges begin with block 1.
    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let number = |text: &str| {
            text.trim().parse::<u64>().map_err(|_| format!("{text:?} is not a block number"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if first == 0 {
            return Err("the genesis block cannot be executed; begin with block 1".to_owned());
        }
        if last < first {
            return Err(format!("block {last} comes before block {first}"));
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for BlockRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_both_ends() {
        let range: BlockRange = "7..9".parse().unwrap();
        assert_eq!(range.iter().collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!((range.len(), range.to_string()), (3, "7..9".to_owned()));
        assert_eq!("7".parse::<BlockRange>().unwrap().len(), 1);
        for wrong in ["", "..", "5..", "0..3", "3..2", "a..b", "1..2..3"] {
            assert!(wrong.parse::<BlockRange>().is_err(), "{wrong:?}");
        }
    }
}
