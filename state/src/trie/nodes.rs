//! Trie nodes: from stored bytes to an editable tree and back.

use super::{
    NodeKind, NodeLog, NodeSource, TrieError,
    branch::{Branch, MAX_RLP_BYTES},
};
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{
    Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};
use smallvec::{Array, SmallVec};

/// Nibbles of a 32-byte key: the length of every path from root to value.
pub(crate) const KEY_NIBBLES: usize = 64;

/// RLP of a hash.
pub(super) const HASH_REFERENCE_BYTES: usize = 33;

/// First byte of the RLP of a hash.
pub(super) const HASH_PREFIX: u8 = alloy_rlp::EMPTY_STRING_CODE + 32;

/// RLP of a node on its way to keccak. Only leaves with values that no state
/// has are longer than a branch.
pub(super) type Rlp = SmallVec<[u8; MAX_RLP_BYTES]>;

/// What a parent holds for a child.
///
/// ```text
/// Hashed, HashedLeaf, Embedded --read--> Node --seal--> Hashed, HashedLeaf, Embedded
/// ```
#[derive(Clone, Debug)]
pub(crate) enum Link {
    /// The hash of a node that nobody looked at yet.
    Hashed(B256),
    /// The same, and the node is known to be a leaf.
    HashedLeaf(B256),
    /// RLP of a node shorter than a hash, or damage.
    Embedded(RlpNode),
    /// A node that was read, and perhaps changed.
    Node(Node),
}

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
    Branch(Box<Branch>),
}

/// A value and what is left of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) path: Nibbles,
    pub(crate) value: Vec<u8>,
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
        if root == alloy_trie::EMPTY_ROOT_HASH { Self::default() } else { Self::Hashed(root) }
    }

    /// What a node's RLP says of a child.
    fn decode(reference: RlpNode) -> Self {
        match reference.as_hash() {
            Some(hash) if reference[0] == HASH_PREFIX => Self::Hashed(hash),
            _ => Self::Embedded(reference),
        }
    }

    /// Follows the link, which leads to `path`.
    ///
    /// # Errors
    ///
    /// If the node is not in `source`, does not decode, or cannot be at `path`.
    pub(crate) fn read<S: NodeSource>(self, source: &S, path: &Nibbles) -> Result<Node, S::Error> {
        match self {
            Self::Hashed(hash) => source.node(path, hash),
            Self::HashedLeaf(hash) => source.leaf(path, hash),
            Self::Embedded(reference) => {
                decode_embedded(&reference, path).map_err(|error| source.damaged(error))
            }
            Self::Node(node) => Ok(node),
        }
    }

    /// Hashes what is at hand at `path`, children first, and reports it to
    /// `log`. What was no node before stays what it is.
    pub(super) fn seal(self, path: &Nibbles, log: &mut impl NodeLog) -> Self {
        if let Self::Node(node) = self { node.seal(path, log) } else { self }
    }

    /// RLP of an embedded node.
    pub(super) fn embedded(&self) -> &[u8] {
        if let Self::Embedded(reference) = self { reference } else { &[] }
    }

    /// What a parent writes for a child that is sealed.
    fn reference(self) -> RlpNode {
        match self {
            Self::Hashed(hash) | Self::HashedLeaf(hash) => RlpNode::word_rlp(&hash),
            Self::Embedded(reference) => reference,
            Self::Node(_) => RlpNode::default(),
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
            && let Some(branch) = Branch::decode_hashes(rlp)
        {
            return Ok(Self::Branch(branch));
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
                let child = Link::decode(extension.child);
                Ok(Self::Extension(Box::new(Extension { path: extension.key, child })))
            }
            TrieNode::Branch(_) if path.len() >= KEY_NIBBLES => {
                misplaced("the branch is below the end of a key")
            }
            TrieNode::Branch(branch) if branch.stack.len() < 2 => {
                misplaced("the branch has fewer than two children")
            }
            TrieNode::Branch(branch) => {
                let mut children = Box::<Branch>::default();
                let mut stack = branch.stack.into_iter();
                for nibble in (0..16).filter(|nibble| branch.state_mask.is_bit_set(*nibble)) {
                    stack.next().into_iter().for_each(|reference| {
                        children.put(nibble, Link::decode(reference));
                    });
                }
                Ok(Self::Branch(children))
            }
        }
    }

    /// Hashes the node at `path`, and before it everything that was read or
    /// changed below it. Nodes that are found by hash are reported to `log`.
    pub(super) fn seal(self, path: &Nibbles, log: &mut impl NodeLog) -> Link {
        let mut rlp = Rlp::new();
        match self.write(path, &mut rlp, log) {
            Some(kind) => seal_rlp(kind, path, &rlp, log),
            None => Link::default(),
        }
    }

    /// Writes the node's RLP into `rlp`, which is empty, and says what it is;
    /// `None` for an empty node.
    pub(super) fn write(
        self,
        path: &Nibbles,
        rlp: &mut Rlp,
        log: &mut impl NodeLog,
    ) -> Option<NodeKind> {
        match self {
            Self::Empty => None,
            Self::Leaf(leaf) => {
                write_rlp(&LeafNodeRef::new(&leaf.path, &leaf.value), rlp);
                Some(NodeKind::Leaf)
            }
            Self::Extension(extension) => {
                let below = path.join(&extension.path);
                let child = extension.child.seal(&below, log).reference();
                write_rlp(&ExtensionNodeRef::new(&extension.path, &child), rlp);
                Some(NodeKind::Extension)
            }
            Self::Branch(branch) => Some(branch.write(path, rlp, log)),
        }
    }
}

/// Writes RLP into a buffer on the stack, which is empty.
pub(super) fn write_rlp<A: Array<Item = u8>>(value: &impl Encodable, rlp: &mut SmallVec<A>) {
    fill(rlp, value.length());
    value.encode(&mut &mut rlp[..]);
}

/// Makes a buffer so long that was empty, of the RLP of empty strings. Its own
/// way to grow sets byte after byte.
pub(super) fn fill<A: Array<Item = u8>>(rlp: &mut SmallVec<A>, length: usize) {
    const EMPTY: [u8; MAX_RLP_BYTES] = [alloy_rlp::EMPTY_STRING_CODE; MAX_RLP_BYTES];
    match EMPTY.get(..length) {
        Some(empty) => rlp.extend_from_slice(empty),
        None => rlp.resize(length, alloy_rlp::EMPTY_STRING_CODE),
    }
}

/// Hash of a leaf, however short.
#[cfg(feature = "rocksdb")]
pub(crate) fn leaf_hash(path: &Nibbles, value: &[u8]) -> B256 {
    let mut rlp = Rlp::new();
    write_rlp(&LeafNodeRef::new(path, value), &mut rlp);
    keccak256(&rlp)
}

/// What the parent of the node with this RLP holds for it.
pub(super) fn seal_rlp(kind: NodeKind, path: &Nibbles, rlp: &[u8], log: &mut impl NodeLog) -> Link {
    if rlp.len() < B256::len_bytes() {
        return RlpNode::from_raw(rlp).map_or_else(Link::default, Link::Embedded);
    }
    let hash = keccak256(rlp);
    log.wrote(path, kind, hash, rlp);
    if matches!(kind, NodeKind::Leaf) { Link::HashedLeaf(hash) } else { Link::Hashed(hash) }
}

/// `path` and one more nibble.
pub(super) fn below(path: &Nibbles, nibble: u8) -> Nibbles {
    let mut path = *path;
    path.push(nibble);
    path
}

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
