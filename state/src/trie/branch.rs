//! Branches, made for being read, changed in one place and hashed again.

use super::{
    NodeKind, NodeLog,
    nodes::{HASH_PREFIX, HASH_REFERENCE_BYTES, Link, Node, Rlp, below, fill},
};
use alloy_primitives::B256;
use alloy_trie::Nibbles;
use std::ops::Range;

/// Children of a branch, one for each next nibble.
const WIDTH: usize = 16;

/// Where they are.
const NIBBLES: Range<u8> = 0..16;

/// Longest header of a branch's RLP.
const MAX_HEADER_BYTES: usize = 3;

/// Most bytes that a branch's RLP can have: children all found by hash, and no
/// value.
pub(crate) const MAX_RLP_BYTES: usize = MAX_HEADER_BYTES + WIDTH * HASH_REFERENCE_BYTES + 1;

/// Where the paths of keys part: a child for each next nibble.
///
/// Nearly all children are hashes that nobody follows. They lie side by side,
/// so that reading and writing a branch copies them and little else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Branch {
    /// Hashes of the children in `hashed`; zero elsewhere.
    hashes: [B256; WIDTH],
    /// Children that are found by hash, bit 0 for nibble 0.
    hashed: u16,
    /// Those of `hashed` that are known to be leaves.
    leaves: u16,
    /// All other children, by nibble; few or none.
    others: Vec<(u8, Link)>,
}

const fn bit(nibble: u8) -> u16 {
    1 << nibble
}

impl Branch {
    /// The branch with this RLP, if it has two children or more and all are
    /// hashes. Nearly every branch that is read is one, and no general decoder
    /// is needed for it; `None` leaves the bytes, sound or not, to that.
    pub(super) fn decode_hashes(rlp: &[u8]) -> Option<Box<Self>> {
        let mut rest = rlp;
        let header = alloy_rlp::Header::decode(&mut rest).ok().filter(|header| header.list)?;
        if header.payload_length != rest.len() {
            return None;
        }
        let mut branch = Box::<Self>::default();
        for (nibble, hash) in (0..).zip(&mut branch.hashes) {
            match *rest.first()? {
                alloy_rlp::EMPTY_STRING_CODE => rest = &rest[1..],
                HASH_PREFIX => {
                    let (reference, after) = rest.split_first_chunk::<HASH_REFERENCE_BYTES>()?;
                    hash.copy_from_slice(&reference[1..]);
                    branch.hashed |= bit(nibble);
                    rest = after;
                }
                _ => return None,
            }
        }
        (branch.len() >= 2 && rest == [alloy_rlp::EMPTY_STRING_CODE]).then_some(branch)
    }

    /// How many children there are.
    pub(super) fn len(&self) -> usize {
        self.hashed.count_ones() as usize + self.others.len()
    }

    /// Whether there is a child at `nibble`.
    pub(super) fn has(&self, nibble: u8) -> bool {
        self.hashed & bit(nibble) != 0 || self.others.iter().any(|(at, _)| *at == nibble)
    }

    /// The only child and its nibble; `None` if there are more or none.
    pub(super) fn take_only(&mut self) -> Option<(u8, Link)> {
        if self.len() != 1 {
            return None;
        }
        self.others.pop().or_else(|| {
            let nibble = NIBBLES.clone().find(|nibble| self.hashed & bit(*nibble) != 0)?;
            Some((nibble, self.take(nibble)))
        })
    }

    /// Takes the child at `nibble` out; an empty link if there is none.
    pub(super) fn take(&mut self, nibble: u8) -> Link {
        if self.hashed & bit(nibble) != 0 {
            let hash = std::mem::take(&mut self.hashes[usize::from(nibble)]);
            let is_leaf = self.leaves & bit(nibble) != 0;
            self.hashed &= !bit(nibble);
            self.leaves &= !bit(nibble);
            return if is_leaf { Link::HashedLeaf(hash) } else { Link::Hashed(hash) };
        }
        let at = self.others.iter().position(|(at, _)| *at == nibble);
        at.map_or_else(Link::default, |at| self.others.swap_remove(at).1)
    }

    /// Puts a child, or an empty link, where there is none.
    pub(super) fn put(&mut self, nibble: u8, child: Link) {
        debug_assert!(!self.has(nibble), "there is a child at {nibble}");
        let (hash, is_leaf) = match child {
            Link::Hashed(hash) => (hash, false),
            Link::HashedLeaf(hash) => (hash, true),
            Link::Node(Node::Empty) => return,
            other => return self.others.push((nibble, other)),
        };
        self.hashes[usize::from(nibble)] = hash;
        self.hashed |= bit(nibble);
        self.leaves |= if is_leaf { bit(nibble) } else { 0 };
    }

    /// Every child in the order of nibbles, empty links where there is none.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn into_children(mut self) -> impl Iterator<Item = (u8, Link)> {
        NIBBLES.map(move |nibble| (nibble, self.take(nibble)))
    }

    /// Marks children as leaves; false, and nothing is marked, if one of them
    /// is not found by hash.
    #[cfg(feature = "rocksdb")]
    #[must_use]
    pub(crate) fn mark_leaves(&mut self, mask: u16) -> bool {
        let can_be = mask & !self.hashed == 0;
        self.leaves = if can_be { mask } else { self.leaves };
        can_be
    }

    /// Writes the RLP of the branch at `path` into `rlp`, which is empty, and
    /// seals what is at hand below it.
    pub(super) fn write(
        mut self,
        path: &Nibbles,
        rlp: &mut Rlp,
        log: &mut impl NodeLog,
    ) -> NodeKind {
        for (nibble, child) in std::mem::take(&mut self.others) {
            self.put(nibble, child.seal(&below(path, nibble), log));
        }
        let embedded = self.others.iter().map(|(_, child)| child.embedded().len());
        let n_hashed = self.hashed.count_ones() as usize;
        // No child is one byte, and so is the value, which no branch has: all
        // keys have the same length.
        let payload_length =
            n_hashed * HASH_REFERENCE_BYTES + embedded.sum::<usize>() + WIDTH - self.len() + 1;
        let header = alloy_rlp::Header { list: true, payload_length };
        fill(rlp, header.length() + payload_length);
        header.encode(&mut &mut rlp[..]);
        let mut rest = &mut rlp[header.length()..];
        for (nibble, hash) in (0..).zip(&self.hashes) {
            let length = if self.hashed & bit(nibble) != 0 {
                rest[0] = HASH_PREFIX;
                rest[1..HASH_REFERENCE_BYTES].copy_from_slice(hash.as_slice());
                HASH_REFERENCE_BYTES
            } else if let Some((_, child)) = self.others.iter().find(|(at, _)| *at == nibble) {
                let reference = child.embedded();
                rest[..reference.len()].copy_from_slice(reference);
                reference.len()
            } else {
                1
            };
            rest = &mut rest[length..];
        }
        NodeKind::Branch { leaves: self.leaves }
    }
}
