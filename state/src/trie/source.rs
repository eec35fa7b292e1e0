//! Where a trie reads its nodes, and where it reports what it did.

use super::{Node, TrieError};
use alloy_primitives::B256;
use alloy_trie::Nibbles;

/// Gives a trie the nodes it asks for. Shared by the threads that work on one
/// trie.
pub(crate) trait NodeSource: Sync {
    /// Why a node cannot be had.
    type Error: Send;

    /// The node at `path` whose RLP has this hash.
    ///
    /// # Errors
    ///
    /// If it is not there or cannot be what it says.
    fn node(&self, path: &Nibbles, hash: B256) -> Result<Node, Self::Error>;

    /// The same for a node that its parent knows to be a leaf. A source that
    /// keeps leaves elsewhere spares itself a look in the wrong place.
    ///
    /// # Errors
    ///
    /// As for [`node`](Self::node).
    fn leaf(&self, path: &Nibbles, hash: B256) -> Result<Node, Self::Error> {
        self.node(path, hash)
    }

    /// Reports damage found in a node that this source gave.
    fn damaged(&self, error: TrieError) -> Self::Error;
}

/// What a node is that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Leaf,
    Extension,
    Branch {
        /// Children that are leaves found by hash, bit 0 for nibble 0.
        leaves: u16,
    },
}

/// Hears what an update does to the nodes of a trie. Only nodes that are found
/// by hash count; shorter ones are part of their parents.
///
/// Subtries that are updated in parallel report to logs of their own, which
/// are then absorbed in the order of their paths.
pub(crate) trait NodeLog: Default + Send {
    /// A branch or extension was read. Unless it is written again at the same
    /// path it has left the trie.
    fn read(&mut self, path: Nibbles, hash: B256);

    /// A node of any kind was hashed into the trie.
    fn wrote(&mut self, path: &Nibbles, kind: NodeKind, hash: B256, rlp: &[u8]);

    /// Adds what another log has heard.
    fn absorb(&mut self, other: Self);
}
