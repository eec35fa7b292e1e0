//! Trie nodes: from stored bytes to an editable tree and back.

use super::{NodeLog, NodeSource, TrieError};
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{
    Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};

/// Nibbles of a 32-byte key: the length of every path from root to value.
pub(crate) const KEY_NIBBLES: usize = 64;

/// Longest header of a branch's RLP.
const MAX_HEADER_BYTES: usize = 3;

/// RLP of a hash.
const HASH_REFERENCE_BYTES: usize = 33;

/// What a parent holds for a child.
///
/// ```text
/// Stored, StoredLeaf --read--> Node --encode--> Stored, StoredLeaf
/// ```
#[derive(Clone, Debug)]
pub(crate) enum Link {
    /// A reference that nobody followed yet: a hash, or the RLP of a node
    /// shorter than a hash, which is embedded in its parent.
    Stored(RlpNode),
    /// The same, and the node is known to be a leaf.
    StoredLeaf(RlpNode),
    /// A node that was read, and perhaps changed.
    Node(Node),
}

/// One child for each next nibble.
pub(crate) type Children = [Link; 16];

/// A node that was read.
///
/// Invariant: it is canonical for its path. A branch has two children or more,
/// an extension has a path, and a leaf ends at exactly [`KEY_NIBBLES`].
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Nothing: an empty trie, or a branch without this child.
    Empty,
    /// A value and what is left of its key.
    Leaf(Box<Leaf>),
    /// A stretch of path that all keys below share.
    Extension(Box<Extension>),
    /// Where the paths of keys part.
    Branch(Box<Children>),
}

/// A value and what is left of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) path: Nibbles,
    pub(crate) value: Vec<u8>,
}

impl Leaf {
    fn to_rlp_ref(&self) -> LeafNodeRef<'_> {
        LeafNodeRef::new(&self.path, &self.value)
    }
}

/// A stretch of path that all keys below share.
#[derive(Clone, Debug)]
pub(crate) struct Extension {
    pub(crate) path: Nibbles,
    pub(crate) child: Link,
}

impl Default for Link {
    fn default() -> Self {
        Self::Node(Node::Empty)
    }
}

impl Link {
    /// The link that stands for a whole trie.
    pub(crate) fn root(root: B256) -> Self {
        if root == alloy_trie::EMPTY_ROOT_HASH {
            Self::default()
        } else {
            Self::Stored(RlpNode::word_rlp(&root))
        }
    }

    /// True if there is a child.
    pub(crate) const fn is_some(&self) -> bool {
        !matches!(self, Self::Node(Node::Empty))
    }

    /// True if there is a child that is known to be a leaf and is found by
    /// hash.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn is_hashed_leaf(&self) -> bool {
        match self {
            Self::StoredLeaf(reference) => reference.is_hash(),
            Self::Node(Node::Leaf(leaf)) => leaf.to_rlp_ref().length() >= B256::len_bytes(),
            Self::Stored(_) | Self::Node(_) => false,
        }
    }

    /// The hash that the link leads to; `None` for a node that is embedded or
    /// at hand.
    pub(crate) fn hash(&self) -> Option<B256> {
        match self {
            Self::Stored(reference) | Self::StoredLeaf(reference) => {
                reference.as_hash().filter(|_| reference[0] == HASH_PREFIX)
            }
            Self::Node(_) => None,
        }
    }

    /// Follows the link, which leads to `path`.
    ///
    /// # Errors
    ///
    /// If the node is not in `source`, does not decode, or cannot be at `path`.
    pub(crate) fn read<S: NodeSource>(self, source: &S, path: &Nibbles) -> Result<Node, S::Error> {
        let hash = self.hash();
        match (self, hash) {
            (Self::Node(node), _) => Ok(node),
            (Self::Stored(_), Some(hash)) => source.node(path, hash),
            (Self::StoredLeaf(_), Some(hash)) => source.leaf(path, hash),
            (Self::Stored(reference) | Self::StoredLeaf(reference), None) => {
                decode_embedded(&reference, path).map_err(|error| source.damaged(error))
            }
        }
    }

    /// The reference that the parent's encoding holds; `None` without a child.
    /// What is at hand is encoded, children first, and reported to `log`.
    pub(super) fn encode(&self, path: &Nibbles, log: &mut impl NodeLog) -> Option<RlpNode> {
        match self {
            Self::Stored(reference) | Self::StoredLeaf(reference) => Some(reference.clone()),
            Self::Node(node) => node.encode(path, log),
        }
    }
}

impl Node {
    /// The node with this RLP.
    ///
    /// # Errors
    ///
    /// If the bytes are no node, or none that can be at `path`.
    pub(crate) fn decode(rlp: &[u8], path: &Nibbles) -> Result<Self, TrieError> {
        if path.len() < KEY_NIBBLES
            && let Some(children) = decode_branch_of_hashes(rlp)
        {
            return Ok(Self::Branch(children));
        }
        let node = alloy_rlp::decode_exact::<TrieNode>(rlp);
        let malformed = |source| TrieError::MalformedNode { path: *path, source };
        Self::check(node.map_err(malformed)?, path)
    }

    /// A leaf whose key, after what leads to it, goes on with `path`.
    pub(crate) fn leaf(path: Nibbles, value: Vec<u8>) -> Self {
        Self::Leaf(Box::new(Leaf { path, value }))
    }

    fn check(node: TrieNode, path: &Nibbles) -> Result<Self, TrieError> {
        let misplaced = |reason| Err(TrieError::MisplacedNode { path: *path, reason });
        match node {
            TrieNode::EmptyRoot => misplaced("it is empty but has a hash"),
            TrieNode::Leaf(leaf) if path.len() + leaf.key.len() != KEY_NIBBLES => {
                misplaced("the leaf's key is not 32 bytes long")
            }
            TrieNode::Leaf(leaf) => Ok(Self::leaf(leaf.key, leaf.value)),
            TrieNode::Extension(extension) if extension.key.is_empty() => {
                misplaced("the extension has no path")
            }
            TrieNode::Extension(extension) if path.len() + extension.key.len() >= KEY_NIBBLES => {
                misplaced("the extension is longer than a key")
            }
            TrieNode::Extension(extension) => {
                let child = Link::Stored(extension.child);
                Ok(Self::Extension(Box::new(Extension { path: extension.key, child })))
            }
            TrieNode::Branch(_) if path.len() >= KEY_NIBBLES => {
                misplaced("the branch is below the end of a key")
            }
            TrieNode::Branch(branch) if branch.stack.len() < 2 => {
                misplaced("the branch has fewer than two children")
            }
            TrieNode::Branch(branch) => {
                let mut children = Box::<Children>::default();
                let mut stack = branch.stack.into_iter();
                for (nibble, child) in (0..).zip(children.iter_mut()) {
                    if branch.state_mask.is_bit_set(nibble)
                        && let Some(reference) = stack.next()
                    {
                        *child = Link::Stored(reference);
                    }
                }
                Ok(Self::Branch(children))
            }
        }
    }

    /// Encodes the node at `path` and everything read or changed below it.
    ///
    /// Returns the reference its parent holds; `None` for an empty node. Nodes
    /// that are found by hash are reported to `log`, children first.
    pub(super) fn encode(&self, path: &Nibbles, log: &mut impl NodeLog) -> Option<RlpNode> {
        let rlp = self.rlp(path, log)?;
        if rlp.len() < B256::len_bytes() {
            return RlpNode::from_raw(&rlp);
        }
        let hash = keccak256(&rlp);
        log.wrote(*path, self, hash, rlp);
        Some(RlpNode::word_rlp(&hash))
    }

    /// RLP of the node; `None` for an empty one.
    pub(crate) fn rlp(&self, path: &Nibbles, log: &mut impl NodeLog) -> Option<Vec<u8>> {
        match self {
            Self::Empty => None,
            Self::Leaf(leaf) => {
                let leaf = leaf.to_rlp_ref();
                let mut rlp = Vec::with_capacity(leaf.length());
                leaf.encode(&mut rlp);
                Some(rlp)
            }
            Self::Extension(extension) => {
                let below = path.join(&extension.path);
                let child = extension.child.encode(&below, log).unwrap_or_default();
                let extension = ExtensionNodeRef::new(&extension.path, &child);
                let mut rlp = Vec::with_capacity(extension.length());
                extension.encode(&mut rlp);
                Some(rlp)
            }
            Self::Branch(children) => Some(branch_rlp(children, path, log)),
        }
    }
}

/// The children in the RLP of a branch, if there are two or more and all are
/// hashes. Nearly every branch that is read is one, and no general decoder is
/// needed for it; `None` leaves the bytes, sound or not, to that.
fn decode_branch_of_hashes(rlp: &[u8]) -> Option<Box<Children>> {
    let mut rest = rlp;
    let header = alloy_rlp::Header::decode(&mut rest).ok().filter(|header| header.list)?;
    if header.payload_length != rest.len() {
        return None;
    }
    let mut children = Box::<Children>::default();
    let mut n_children = 0;
    for child in children.iter_mut() {
        match *rest.first()? {
            alloy_rlp::EMPTY_STRING_CODE => rest = &rest[1..],
            HASH_PREFIX => {
                let (reference, after) = rest.split_first_chunk::<HASH_REFERENCE_BYTES>()?;
                *child = Link::Stored(RlpNode::from_raw(reference)?);
                n_children += 1;
                rest = after;
            }
            _ => return None,
        }
    }
    (n_children >= 2 && rest == [alloy_rlp::EMPTY_STRING_CODE]).then_some(children)
}

fn branch_rlp(children: &Children, path: &Nibbles, log: &mut impl NodeLog) -> Vec<u8> {
    // Room for the longest header first, and the payload in one pass: most
    // children are references that only have to be copied. No more room than
    // that, since records stay in memory.
    let n_children = children.iter().filter(|child| child.is_some()).count();
    let payload_bytes = n_children * HASH_REFERENCE_BYTES + (16 - n_children) + 1;
    let mut rlp = Vec::with_capacity(MAX_HEADER_BYTES + payload_bytes + LEAF_MASK_BYTES);
    rlp.extend_from_slice(&[0; MAX_HEADER_BYTES]);
    for (nibble, child) in (0..).zip(children) {
        match child {
            Link::Stored(reference) | Link::StoredLeaf(reference) => {
                rlp.extend_from_slice(reference);
            }
            Link::Node(Node::Empty) => rlp.push(alloy_rlp::EMPTY_STRING_CODE),
            Link::Node(node) => {
                let reference = node.encode(&below(path, nibble), log).unwrap_or_default();
                rlp.extend_from_slice(&reference);
            }
        }
    }
    // No value: all keys have the same length.
    rlp.push(alloy_rlp::EMPTY_STRING_CODE);
    let payload_length = rlp.len() - MAX_HEADER_BYTES;
    let header = alloy_rlp::Header { list: true, payload_length };
    let start = MAX_HEADER_BYTES - header.length();
    header.encode(&mut &mut rlp[start..MAX_HEADER_BYTES]);
    rlp.drain(..start);
    rlp
}

/// What the store appends to a node; a branch leaves room for it.
pub(crate) const LEAF_MASK_BYTES: usize = 2;

/// `path` and one more nibble.
pub(super) fn below(path: &Nibbles, nibble: u8) -> Nibbles {
    let mut path = *path;
    path.push(nibble);
    path
}

/// First byte of the RLP of a 32-byte string.
const HASH_PREFIX: u8 = alloy_rlp::EMPTY_STRING_CODE + 32;

/// A node that its parent holds in full: the RLP of a list shorter than a hash.
fn decode_embedded(reference: &[u8], path: &Nibbles) -> Result<Node, TrieError> {
    let is_short_list = reference.len() < B256::len_bytes()
        && reference.first().is_some_and(|first| *first >= alloy_rlp::EMPTY_LIST_CODE);
    if is_short_list {
        return Node::decode(reference, path);
    }
    let source = alloy_rlp::Error::Custom("a child is neither a hash nor a short node");
    Err(TrieError::MalformedNode { path: *path, source })
}
