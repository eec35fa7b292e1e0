//! Merkle-Patricia tries of which only a part is at hand.
//!
//! A [`PartialTrie`] starts as a root hash. Walking it reads nodes from a
//! [`NodeIndex`] as they are needed, so a block costs the paths it touches and
//! not the whole state:
//!
//! 1. [`nodes`] turns stored RLP into [`nodes::Node`]s and back, checking that
//!    every node is one a trie of 32-byte keys can hold;
//! 2. [`update`] sets and removes keys; a branch that loses its second-last
//!    child is merged with the last one, which may have to be read for that;
//! 3. [`witness`] keeps the account trie and its storage tries together and
//!    moves them from before a block to after it.
//!
//! Nodes are found by their keccak-256, so what a walk returns is proven by
//! the root: a forged node is simply never found.

mod error;
mod nodes;
mod update;
mod witness;

pub use error::{TrieError, WitnessError};
pub use witness::WitnessState;

pub(crate) use nodes::NodeIndex;
pub(crate) use update::PartialTrie;

#[cfg(test)]
mod tests;
