//! Who wrote: transaction index and attempt number.

use std::fmt;

/// Position of a transaction in its block, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TxIdx(u32);

impl TxIdx {
    /// The index of the `position`-th transaction.
    ///
    /// # Panics
    ///
    /// If `position` does not fit 32 bits; no block comes near that.
    #[must_use]
    pub fn new(position: usize) -> Self {
        Self(u32::try_from(position).expect("a block has fewer than 2^32 transactions"))
    }

    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    /// The position as an index into per-transaction tables.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0 as usize
    }

    /// The transaction after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for TxIdx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Attempt number of one transaction, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Incarnation(u32);

impl Incarnation {
    /// The first attempt.
    pub const FIRST: Self = Self(0);

    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// How many attempts came before.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The attempt after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// One attempt of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Which transaction.
    pub tx: TxIdx,
    /// Which attempt.
    pub incarnation: Incarnation,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transaction {} incarnation {}", self.tx, self.incarnation.0)
    }
}
