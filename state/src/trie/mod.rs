//! Merkle-Patricia tries of which only a part is at hand.
//!
//! A [`PartialTrie`] starts as a root hash. Walking it asks a [`NodeSource`]
//! for nodes as they are needed, so a block costs the paths it touches and not
//! the whole state. The same walk serves a witness, which knows nodes by hash,
//! and the store, which knows branches by path and leaves from its flat tables:
//!
//! 1. [`nodes`] turns RLP into [`Node`]s and back, checking that every node is
//!    one a trie of 32-byte keys can hold; [`branch`] is the kind that there is
//!    most of;
//! 2. [`source`] says what a trie reads its nodes from, and where it reports
//!    what it read and wrote;
//! 3. [`update`] takes all changes of a block at once, sorted by key. It splits
//!    them by nibble on the way down and hashes on the way up, so every node is
//!    hashed once however many keys below it changed. Large subtries are
//!    updated in parallel;
//! 4. [`walk`] looks keys up, [`proof`] keeps the nodes on the way;
//! 5. [`witness`] keeps the account trie and its storage tries together and
//!    moves them from before a block to after it; [`proven`] adds code and block
//!    hashes, so that an executor can run on it.
//!
//! # Invariants
//!
//! - The shape is canonical: a branch has two children or more, an extension
//!   leads to a branch, a leaf ends at the end of its key. A branch that is
//!   left with one child gives way to it, for which that child is read.
//! - A node is only ever taken under the hash that its parent names, so what a
//!   walk returns is proven by the root: a forged node is simply not found.

mod branch;
mod error;
mod index;
mod nodes;
#[cfg(feature = "rocksdb")]
mod proof;
mod proven;
mod source;
mod update;
mod walk;
mod witness;

pub use error::{TrieError, WitnessError};
pub use proven::{ProvenState, ProvenStateError};
pub use witness::WitnessState;

#[cfg(feature = "rocksdb")]
pub(crate) use branch::MAX_RLP_BYTES;
pub(crate) use index::NodeIndex;
pub(crate) use nodes::Node;
#[cfg(feature = "rocksdb")]
pub(crate) use nodes::{Link, leaf_hash};
#[cfg(feature = "rocksdb")]
pub(crate) use proof::prove;
pub(crate) use source::{NodeKind, NodeLog, NodeSource};
pub(crate) use update::{Change, PartialTrie};

#[cfg(test)]
pub(crate) mod oracle;
#[cfg(test)]
mod tests;
