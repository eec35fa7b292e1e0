//! Trie nodes: from stored bytes to an editable tree and back.

use super::TrieError;
use alloy_primitives::{B256, Bytes, keccak256, map::B256Map};
use alloy_rlp::Encodable;
use alloy_trie::{
    Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};

/// Nibbles of a 32-byte key: the length of every path from root to value.
pub(super) const KEY_NIBBLES: usize = 64;

/// RLP of nodes by their keccak-256.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeIndex(B256Map<Bytes>);

impl NodeIndex {
    /// Adds a node under the hash of its bytes.
    pub(crate) fn insert(&mut self, rlp: Bytes) {
        self.0.insert(keccak256(&rlp), rlp);
    }

    /// Number of different nodes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, path: &Nibbles, hash: B256) -> Result<&Bytes, TrieError> {
        self.0.get(&hash).ok_or(TrieError::MissingNode { path: *path, hash })
    }
}

/// What a parent holds for a child.
///
/// ```text
/// Stored --read--> Node --encode--> Stored
/// ```
#[derive(Clone, Debug)]
pub(super) enum Link {
    /// A reference that nobody followed yet: a hash, or the RLP of a node
    /// shorter than a hash, which is embedded in its parent.
    Stored(RlpNode),
    /// A node that was read, and perhaps changed.
    Node(Node),
}

/// A node that was read.
///
/// Invariant: it is canonical for its path. A branch has two children or more,
/// an extension has a path, and a leaf ends at exactly [`KEY_NIBBLES`].
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Nothing: an empty trie, or a branch without this child.
    Empty,
    /// A value and what is left of its key.
    Leaf { path: Nibbles, value: Vec<u8> },
    /// A stretch of path that all keys below share.
    Extension { path: Nibbles, child: Box<Link> },
    /// One child for each next nibble.
    Branch(Box<[Link; 16]>),
}

impl Default for Link {
    fn default() -> Self {
        Self::Node(Node::Empty)
    }
}

impl Link {
    /// The link that stands for a whole trie.
    pub(super) fn root(root: B256) -> Self {
        if root == alloy_trie::EMPTY_ROOT_HASH {
            Self::default()
        } else {
            Self::Stored(RlpNode::word_rlp(&root))
        }
    }

    /// True if there is a child.
    pub(super) const fn is_some(&self) -> bool {
        !matches!(self, Self::Node(Node::Empty))
    }

    /// Follows the link.
    ///
    /// # Errors
    ///
    /// If the node is not in `index`, does not decode, or cannot be at `path`.
    pub(super) fn read(self, index: &NodeIndex, path: &Nibbles) -> Result<Node, TrieError> {
        let reference = match self {
            Self::Node(node) => return Ok(node),
            Self::Stored(reference) => reference,
        };
        let malformed = |source| TrieError::MalformedNode { path: *path, source };
        let node = match reference.as_hash() {
            Some(hash) if reference[0] == HASH_PREFIX => {
                alloy_rlp::decode_exact::<TrieNode>(index.get(path, hash)?)
            }
            _ if is_embedded(&reference) => alloy_rlp::decode_exact::<TrieNode>(&reference[..]),
            _ => Err(alloy_rlp::Error::Custom("a child is neither a hash nor a short node")),
        };
        Node::check(node.map_err(malformed)?, path)
    }

    /// The reference that the parent's encoding holds; `None` without a child.
    pub(super) fn encode(&self, keep: &mut impl FnMut(Vec<u8>)) -> Option<RlpNode> {
        match self {
            Self::Stored(reference) => Some(reference.clone()),
            Self::Node(node) => node.encode(keep),
        }
    }
}

impl Node {
    fn check(node: TrieNode, path: &Nibbles) -> Result<Self, TrieError> {
        let misplaced = |reason| Err(TrieError::MisplacedNode { path: *path, reason });
        match node {
            TrieNode::EmptyRoot => misplaced("it is empty but has a hash"),
            TrieNode::Leaf(leaf) if path.len() + leaf.key.len() != KEY_NIBBLES => {
                misplaced("the leaf's key is not 32 bytes long")
            }
            TrieNode::Leaf(leaf) => Ok(Self::Leaf { path: leaf.key, value: leaf.value }),
            TrieNode::Extension(extension) if extension.key.is_empty() => {
                misplaced("the extension has no path")
            }
            TrieNode::Extension(extension) if path.len() + extension.key.len() >= KEY_NIBBLES => {
                misplaced("the extension is longer than a key")
            }
            TrieNode::Extension(extension) => {
                let child = Box::new(Link::Stored(extension.child));
                Ok(Self::Extension { path: extension.key, child })
            }
            TrieNode::Branch(_) if path.len() >= KEY_NIBBLES => {
                misplaced("the branch is below the end of a key")
            }
            TrieNode::Branch(branch) if branch.stack.len() < 2 => {
                misplaced("the branch has fewer than two children")
            }
            TrieNode::Branch(branch) => {
                let mut children: [Link; 16] = Default::default();
                for (nibble, child) in branch.as_ref().children() {
                    if let Some(child) = child {
                        children[usize::from(nibble)] = Link::Stored(child.clone());
                    }
                }
                Ok(Self::Branch(Box::new(children)))
            }
        }
    }

    /// Encodes the node and everything read or changed below it.
    ///
    /// Returns the reference its parent holds; `None` for an empty node. Nodes
    /// that are found by hash are handed to `keep`.
    fn encode(&self, keep: &mut impl FnMut(Vec<u8>)) -> Option<RlpNode> {
        let mut rlp = Vec::new();
        match self {
            Self::Empty => return None,
            Self::Leaf { path, value } => LeafNodeRef::new(path, value).encode(&mut rlp),
            Self::Extension { path, child } => {
                let child = child.encode(keep).unwrap_or_default();
                ExtensionNodeRef::new(path, &child).encode(&mut rlp);
            }
            Self::Branch(children) => {
                let mut stack = Vec::with_capacity(16);
                let mut mask = TrieMask::default();
                for (nibble, child) in (0..).zip(children.iter()) {
                    if let Some(child) = child.encode(keep) {
                        stack.push(child);
                        mask.set_bit(nibble);
                    }
                }
                BranchNodeRef::new(&stack, mask).encode(&mut rlp);
            }
        }
        let reference = RlpNode::from_rlp(&rlp);
        if reference.is_hash() {
            keep(rlp);
        }
        Some(reference)
    }
}

/// First byte of the RLP of a 32-byte string.
const HASH_PREFIX: u8 = alloy_rlp::EMPTY_STRING_CODE + 32;

/// True for the RLP of a list shorter than a hash: the only nodes that a
/// parent holds in full.
fn is_embedded(reference: &[u8]) -> bool {
    reference.len() < 32
        && reference.first().is_some_and(|first| *first >= alloy_rlp::EMPTY_LIST_CODE)
}
