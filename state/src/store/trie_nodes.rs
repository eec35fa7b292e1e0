//! The store's tries: branches and extensions by path, leaves from the flat
//! tables.
//!
//! The record of a node is its RLP, followed by a mask of the children that are
//! leaves found by hash, bit 0 for nibble 0, in two bytes, big endian: those
//! have no record of their own, so nobody has to look for one. An extension's
//! mask is zero. Nodes shorter than a hash are part of their parents.
//!
//! Records follow from the state alone: two stores with the same accounts and
//! slots hold the same records, whatever blocks led there.

use super::{
    StoreError,
    codec::Damage,
    keys::{self, Family},
    node_cache::{NodeCache, Record},
    view::View,
};
use crate::{
    root,
    trie::{MAX_RLP_BYTES, Node, NodeKind, NodeLog, NodeSource, TrieError, leaf_hash},
};
use alloy_primitives::{B256, keccak256};
use alloy_trie::Nibbles;
use smallvec::SmallVec;
use std::{collections::BTreeMap, iter};

/// One trie in a view of the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredTrie<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) cache: &'a NodeCache,
    /// Whose storage trie it is; `None` for the state trie.
    pub(super) account: Option<B256>,
}

impl StoredTrie<'_> {
    pub(super) const fn family(&self) -> Family {
        if self.account.is_some() { Family::TrieSlots } else { Family::TrieAccounts }
    }

    /// The node in this record, which leads on from `path`.
    fn decode(&self, path: &Nibbles, record: &[u8]) -> Result<Node, StoreError> {
        decode_record(record, path).map_err(|damage| match damage {
            RecordDamage::Node(error) => self.damaged(error),
            RecordDamage::Record(reason) => {
                let key = keys::node(self.account.as_ref(), path);
                super::tables::corrupt(self.family(), &key, reason)
            }
        })
    }

    /// First entry of the flat table whose key starts with `path`, as a leaf.
    fn first_leaf(&self, path: &Nibbles) -> Result<Option<Node>, StoreError> {
        let mut first = B256::ZERO;
        path.pack_to(first.as_mut_slice());
        let entry = match &self.account {
            None => self.view.accounts_from(&first)?.next().transpose()?.map(|(key, account)| {
                let leaf = root::trie_account(&account.basics, account.storage_root);
                (key, alloy_rlp::encode(leaf))
            }),
            Some(owner) => {
                let mut slots = self.view.slots_from(owner, &first)?;
                slots.next().transpose()?.map(|(slot, value)| (slot, alloy_rlp::encode(value)))
            }
        };
        let leaf = entry.map(|(key, value)| (Nibbles::unpack(key), value));
        let leaf = leaf.filter(|(key, _)| key.starts_with(path));
        Ok(leaf.map(|(key, value)| Node::leaf(key.slice(path.len()..), value)))
    }
}

impl NodeSource for StoredTrie<'_> {
    type Error = StoreError;

    fn node(&self, path: &Nibbles, hash: B256) -> Result<Node, StoreError> {
        if let Some(record) = self.cache.get(&hash) {
            return self.decode(path, &record);
        }
        let key = keys::node(self.account.as_ref(), path);
        match self.view.node(self.family(), &key)? {
            // What a parent names by hash is believed under that hash only.
            Some(record) if record_hash(&record) == Some(hash) => {
                let node = self.decode(path, &record)?;
                self.cache.insert(hash, record);
                Ok(node)
            }
            _ => self.leaf(path, hash),
        }
    }

    fn leaf(&self, path: &Nibbles, hash: B256) -> Result<Node, StoreError> {
        let missing = || self.damaged(TrieError::MissingNode { path: *path, hash });
        let leaf = self.first_leaf(path)?.ok_or_else(missing)?;
        if is_leaf(&leaf, hash) { Ok(leaf) } else { Err(missing()) }
    }

    fn damaged(&self, source: TrieError) -> StoreError {
        StoreError::Trie { account: self.account, source: Box::new(source) }
    }
}

/// Whether a node is the leaf with this hash.
pub(super) fn is_leaf(node: &Node, hash: B256) -> bool {
    matches!(node, Node::Leaf(leaf) if leaf_hash(&leaf.path, &leaf.value) == hash)
}

/// Bytes of a record's mask.
const LEAF_MASK_BYTES: usize = 2;

/// Room for the longest record there is: that of a full branch.
const MAX_RECORD_BYTES: usize = MAX_RLP_BYTES + LEAF_MASK_BYTES;

/// What a record is not.
#[derive(Debug)]
pub(super) enum RecordDamage {
    /// Its RLP is no node.
    Node(TrieError),
    /// It has the wrong shape around the RLP.
    Record(Damage),
}

/// RLP and mask of a record; `None` if it is too short for both.
fn split_record(record: &[u8]) -> Option<(&[u8], u16)> {
    let (rlp, mask) = record.split_last_chunk::<LEAF_MASK_BYTES>()?;
    Some((rlp, u16::from_be_bytes(*mask)))
}

/// Hash of the node in a record; `None` if there is none.
pub(super) fn record_hash(record: &[u8]) -> Option<B256> {
    split_record(record).map(|(rlp, _)| keccak256(rlp))
}

/// The node in a record, its leaves marked.
pub(super) fn decode_record(record: &[u8], path: &Nibbles) -> Result<Node, RecordDamage> {
    let (rlp, mask) = split_record(record).ok_or(RecordDamage::Record("it is too short"))?;
    let mut node = Node::decode(rlp, path).map_err(RecordDamage::Node)?;
    match &mut node {
        Node::Branch(branch) => {
            let marked = branch.mark_leaves(mask);
            marked.then_some(node).ok_or(RecordDamage::Record("a leaf is marked that has no hash"))
        }
        Node::Extension(_) if mask == 0 => Ok(node),
        _ => Err(RecordDamage::Record("it marks leaves, but is no branch")),
    }
}

/// Nodes that were hashed, by the work keccak had with them.
///
/// Entry `i` counts nodes whose RLP fills `i + 1` blocks of keccak's 136 bytes:
/// most leaves one, an account with long numbers two, a full branch four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashedNodes(pub [u64; 4]);

impl HashedNodes {
    /// Bytes that keccak-256 takes in at a time.
    pub const BLOCK_BYTES: usize = 136;

    /// How many nodes.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    fn add(&mut self, rlp_bytes: usize) {
        // Padding takes one byte at least. No node is longer than four blocks.
        let last = self.0.len() - 1;
        self.0[(rlp_bytes / Self::BLOCK_BYTES).min(last)] += 1;
    }

    /// Adds the counts of another trie.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (count, other) in self.0.iter_mut().zip(&other.0) {
            *count += other;
        }
    }
}

/// What an update of one trie replaces and makes.
#[derive(Debug, Default)]
pub(super) struct TrieWrites {
    /// Branches and extensions that were read, by path and hash.
    read: Vec<(Nibbles, B256)>,
    /// Branches and extensions that were hashed: path, hash and record.
    written: Vec<(Nibbles, B256, Record)>,
    /// Paths of records that go with everything below them.
    wiped: Vec<Nibbles>,
    /// Every node that was hashed, leaves included.
    hashed: HashedNodes,
    /// What was written at the root is a leaf.
    root_is_leaf: bool,
    /// What was done to subtries that were updated in parallel: those know
    /// nothing of each other, and there is no need to copy it.
    parts: Vec<Self>,
}

impl NodeLog for TrieWrites {
    fn read(&mut self, path: Nibbles, hash: B256) {
        self.read.push((path, hash));
    }

    fn wrote(&mut self, path: &Nibbles, kind: NodeKind, hash: B256, rlp: &[u8]) {
        self.hashed.add(rlp.len());
        self.root_is_leaf |= path.is_empty() && kind == NodeKind::Leaf;
        let leaves = match kind {
            NodeKind::Branch { leaves } => leaves,
            NodeKind::Extension => 0,
            NodeKind::Leaf => return,
        };
        let mut record = SmallVec::<[u8; MAX_RECORD_BYTES]>::from_slice(rlp);
        record.extend_from_slice(&leaves.to_be_bytes());
        self.written.push((*path, hash, Record::from(&record[..])));
    }

    fn absorb(&mut self, mut other: Self) {
        self.hashed.absorb(&other.hashed);
        self.parts.append(&mut other.parts);
        self.parts.push(other);
    }
}

impl TrieWrites {
    /// The record at `path` goes, unless one is written there.
    pub(super) fn wipe(&mut self, path: Nibbles) {
        self.wiped.push(path);
    }

    /// Whether the update left one leaf and nothing else.
    pub(super) const fn root_is_leaf(&self) -> bool {
        self.root_is_leaf
    }

    /// Every node that was hashed, leaves included.
    pub(super) const fn hashed(&self) -> HashedNodes {
        self.hashed
    }

    /// Records by path, in path order; `None` for one that goes.
    pub(super) fn records(&self) -> BTreeMap<Nibbles, Option<&Record>> {
        // A node that was read and not written again at its path is gone.
        let gone =
            self.all().flat_map(|part| part.read.iter().map(|(path, _)| path).chain(&part.wiped));
        let mut records: BTreeMap<_, _> = gone.map(|path| (*path, None)).collect();
        let written = self.all().flat_map(|part| &part.written);
        records.extend(written.map(|(path, _, record)| (*path, Some(record))));
        records
    }

    /// This and its parts.
    fn all(&self) -> impl Iterator<Item = &Self> {
        iter::once(self).chain(&self.parts)
    }

    /// Brings the nodes in memory up to date, once the records are written.
    pub(super) fn refresh(&self, cache: &NodeCache) {
        let read = self.all().flat_map(|part| &part.read);
        read.for_each(|(_, hash)| cache.remove(hash));
        for (_, hash, record) in self.all().flat_map(|part| &part.written) {
            cache.insert(*hash, record.clone());
        }
    }
}
