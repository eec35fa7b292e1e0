//! Checking the nodes of the tries against the leaves and the root.
//!
//! A trie is walked in path order, which is the order of its records and of
//! its leaves in the flat table, so both are read once from front to back.

use super::{
    Store, StoreError,
    codec::Damage,
    keys::{self, Family},
    tables::{corrupt, whole_family},
    trie_nodes::{self, RecordDamage, StoredTrie},
    view::View,
};
use crate::{
    root::trie_account,
    trie::{Link, Node, NodeSource, TrieError},
};
use alloy_primitives::{B256, Bytes};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use rocksdb::IteratorMode;
use std::iter::Peekable;

impl Store {
    /// Checks every node of every trie of the view and gives their number.
    pub(super) fn verify_tries(&self, view: &View<'_>, root: B256) -> Result<u64, StoreError> {
        let nodes = self.tables.scan(
            Family::TrieAccounts,
            whole_family(),
            IteratorMode::Start,
            |path, record| Ok((keys::parse_path(path)?, Bytes::copy_from_slice(record))),
        )?;
        let leaves = self.tables.accounts()?.map(|account| {
            let (key, account) = account?;
            Ok((key, alloy_rlp::encode(trie_account(&account.basics, account.storage_root))))
        });
        let trie = StoredTrie { view, cache: &self.nodes, account: None };
        let n_nodes = Walk { trie, nodes: nodes.peekable(), leaves, n_nodes: 0 }.check(root)?;
        Ok(n_nodes + self.verify_storage_tries(view)?)
    }

    fn verify_storage_tries(&self, view: &View<'_>) -> Result<u64, StoreError> {
        let mut nodes = self
            .tables
            .scan(Family::TrieSlots, whole_family(), IteratorMode::Start, |key, record| {
                let (account, path) = keys::parse_slot_node(key)?;
                Ok((account, path, Bytes::copy_from_slice(record)))
            })?
            .peekable();
        let mut n_nodes = 0;
        for account in self.tables.accounts()? {
            let (key, account) = account?;
            if account.storage_root == EMPTY_ROOT_HASH {
                continue;
            }
            // Whatever lies before this account's nodes belongs to nobody.
            if let Some(orphan) =
                nodes.next_if(|node| !matches!(node, Ok((owner, ..)) if *owner >= key))
            {
                let (owner, path, _) = orphan?;
                return Err(no_parent(&owner, &path));
            }
            let of_account = std::iter::from_fn(|| {
                let is_ours = |node: &Result<(B256, _, _), _>| {
                    node.as_ref().map_or(true, |(owner, _, _)| *owner == key)
                };
                let node = nodes.next_if(is_ours)?;
                Some(node.map(|(_, path, record)| (path, record)))
            });
            let leaves = view.slots_of(&key)?.map(|slot| {
                let (slot, value) = slot?;
                Ok((slot, alloy_rlp::encode(value)))
            });
            let trie = StoredTrie { view, cache: &self.nodes, account: Some(key) };
            let walk = Walk { trie, nodes: of_account.peekable(), leaves, n_nodes: 0 };
            n_nodes += walk.check(account.storage_root)?;
        }
        match nodes.next().transpose()? {
            None => Ok(n_nodes),
            Some((owner, path, _)) => Err(no_parent(&owner, &path)),
        }
    }
}

fn no_parent(account: &B256, path: &Nibbles) -> StoreError {
    corrupt(Family::TrieSlots, &keys::node(Some(account), path), NO_PARENT)
}

const NO_PARENT: Damage = "no trie leads to this node";

/// A walk through one trie.
struct Walk<'a, N: Iterator, L> {
    trie: StoredTrie<'a>,
    /// Records by path, in path order.
    nodes: Peekable<N>,
    /// Keys and values of the flat table, in key order.
    leaves: L,
    n_nodes: u64,
}

impl<N, L> Walk<'_, N, L>
where
    N: Iterator<Item = Result<(Nibbles, Bytes), StoreError>>,
    L: Iterator<Item = Result<(B256, Vec<u8>), StoreError>>,
{
    /// Goes through the trie with this root and finds every record and leaf
    /// where it must be, and no other. Gives the number of records.
    fn check(mut self, root: B256) -> Result<u64, StoreError> {
        self.check_link(Link::root(root), Nibbles::new())?;
        if let Some((path, _)) = self.nodes.next().transpose()? {
            return Err(self.corrupt(&path, NO_PARENT));
        }
        match self.leaves.next().transpose()? {
            None => Ok(self.n_nodes),
            Some((key, _)) => {
                let (path, hash) = (Nibbles::unpack(key), root);
                Err(self.trie.damaged(TrieError::MissingNode { path, hash }))
            }
        }
    }

    fn check_link(&mut self, link: Link, path: Nibbles) -> Result<(), StoreError> {
        let (hash, is_leaf) = match link {
            Link::Hashed(hash) => (hash, false),
            Link::HashedLeaf(hash) => (hash, true),
            // At hand, so nothing is read for it.
            Link::Embedded(_) | Link::Node(_) => {
                let node = link.read(&self.trie, &path)?;
                return self.check_below(node, path);
            }
        };
        // Only the root may be a leaf without being marked as one.
        let may_be_leaf = path.is_empty() && self.nodes.peek().is_none();
        if may_be_leaf || is_leaf {
            let leaf = self.next_leaf(&path, hash)?;
            let matches = trie_nodes::is_leaf(&leaf, hash);
            return if matches { Ok(()) } else { Err(self.missing(path, hash)) };
        }
        let Some((found, record)) = self.nodes.next().transpose()? else {
            return Err(self.missing(path, hash));
        };
        if found < path {
            return Err(self.corrupt(&found, NO_PARENT));
        }
        if found > path {
            return Err(self.missing(path, hash));
        }
        if trie_nodes::record_hash(&record) != Some(hash) {
            return Err(self.corrupt(&path, "the node is not the one its parent names"));
        }
        self.n_nodes += 1;
        let node = trie_nodes::decode_record(&record, &path).map_err(|damage| match damage {
            RecordDamage::Node(error) => self.trie.damaged(error),
            RecordDamage::Record(reason) => self.corrupt(&path, reason),
        })?;
        self.check_below(node, path)
    }

    fn check_below(&mut self, node: Node, path: Nibbles) -> Result<(), StoreError> {
        match node {
            Node::Empty => Ok(()),
            Node::Leaf(leaf) => {
                let stored = self.next_leaf(&path, B256::ZERO)?;
                if matches!(stored, Node::Leaf(stored) if stored == leaf) {
                    return Ok(());
                }
                Err(self.missing(path, B256::ZERO))
            }
            Node::Extension(extension) => {
                let below = path.join(&extension.path);
                self.check_link(extension.child, below)
            }
            Node::Branch(branch) => {
                for (nibble, child) in branch.into_children() {
                    let mut below = path;
                    below.push(nibble);
                    self.check_link(child, below)?;
                }
                Ok(())
            }
        }
    }

    /// The next entry of the flat table, as the leaf at `path`.
    fn next_leaf(&mut self, path: &Nibbles, hash: B256) -> Result<Node, StoreError> {
        let entry = self.leaves.next().transpose()?;
        let entry = entry.map(|(key, value)| (Nibbles::unpack(key), value));
        match entry.filter(|(key, _)| key.starts_with(path)) {
            Some((key, value)) => Ok(Node::leaf(key.slice(path.len()..), value)),
            None => Err(self.missing(*path, hash)),
        }
    }

    fn missing(&self, path: Nibbles, hash: B256) -> StoreError {
        self.trie.damaged(TrieError::MissingNode { path, hash })
    }

    fn corrupt(&self, path: &Nibbles, reason: Damage) -> StoreError {
        let key = keys::node(self.trie.account.as_ref(), path);
        corrupt(self.trie.family(), &key, reason)
    }
}
