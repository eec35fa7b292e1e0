//! Nodes by their hash: what a witness consists of.

use super::{Node, NodeKind, NodeLog, NodeSource, TrieError};
use alloy_primitives::{B256, Bytes, keccak256, map::B256Map};
use alloy_trie::Nibbles;

/// RLP of nodes by their keccak-256.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeIndex(B256Map<Bytes>);

impl NodeIndex {
    /// Adds a node under the hash of its bytes.
    pub(crate) fn insert(&mut self, rlp: Bytes) {
        self.0.insert(keccak256(&rlp), rlp);
    }

    /// Adds the nodes an update made.
    pub(crate) fn extend(&mut self, new: NewNodes) {
        self.0.extend(new.0);
    }

    /// Number of different nodes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl NodeSource for NodeIndex {
    type Error = TrieError;

    fn node(&self, path: &Nibbles, hash: B256) -> Result<Node, TrieError> {
        let missing = TrieError::MissingNode { path: *path, hash };
        Node::decode(self.0.get(&hash).ok_or(missing)?, path)
    }

    fn damaged(&self, error: TrieError) -> TrieError {
        error
    }
}

/// Every node that updates made, to be added to an index. What was read stays
/// in the index: other tries may share it.
#[derive(Debug, Default)]
pub(crate) struct NewNodes(Vec<(B256, Bytes)>);

impl NewNodes {
    /// The nodes, in the order they were hashed.
    #[cfg(test)]
    pub(super) fn into_nodes(self) -> impl Iterator<Item = Bytes> {
        self.0.into_iter().map(|(_, rlp)| rlp)
    }
}

impl NodeLog for NewNodes {
    fn read(&mut self, _: Nibbles, _: B256) {}

    fn wrote(&mut self, _: &Nibbles, _: NodeKind, hash: B256, rlp: &[u8]) {
        self.0.push((hash, Bytes::copy_from_slice(rlp)));
    }

    fn absorb(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}
