//! Reading, setting and removing keys of a partial trie.

use super::{
    TrieError,
    nodes::{KEY_NIBBLES, Link, Node, NodeIndex},
};
use alloy_primitives::{B256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};

/// A trie that reads its nodes from an index when it gets to them.
///
/// After an error the trie is unusable and must be dropped: the path that was
/// being edited is gone.
#[derive(Debug)]
pub(crate) struct PartialTrie<'a> {
    index: &'a NodeIndex,
    root: Link,
}

impl<'a> PartialTrie<'a> {
    /// The trie with this root; reads nothing yet.
    pub(crate) fn new(index: &'a NodeIndex, root: B256) -> Self {
        Self { index, root: Link::root(root) }
    }

    /// Value of `key` in the trie with this `root`; `None` proves that the
    /// trie does not hold the key. Reads one path.
    ///
    /// # Errors
    ///
    /// If a node on the path is missing or damaged.
    pub(crate) fn get(
        index: &NodeIndex,
        root: B256,
        key: &B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        let key = Nibbles::unpack(key);
        let mut link = Link::root(root);
        let mut depth = 0;
        // Ends: every link that `read` accepts leads further down the key.
        loop {
            let rest = key.slice(depth..);
            match link.read(index, &key.slice(..depth))? {
                Node::Leaf { path, value } if path == rest => return Ok(Some(value)),
                Node::Extension { path, child } if rest.starts_with(&path) => {
                    depth += path.len();
                    link = *child;
                }
                Node::Branch(mut children) => {
                    link = std::mem::take(&mut children[nibble_at(&key, depth)]);
                    depth += 1;
                }
                Node::Empty | Node::Leaf { .. } | Node::Extension { .. } => return Ok(None),
            }
        }
    }

    /// Gives `key` a value. Reads one path.
    ///
    /// # Errors
    ///
    /// If a node on the path is missing or damaged.
    pub(crate) fn set(&mut self, key: &B256, value: Vec<u8>) -> Result<(), TrieError> {
        let root = std::mem::take(&mut self.root);
        self.root = Link::Node(self.set_below(root, &Nibbles::unpack(key), 0, value)?);
        Ok(())
    }

    /// Removes `key`; no change if it is not there. Reads one path and, where
    /// a branch is left with one child, that child.
    ///
    /// # Errors
    ///
    /// If one of these nodes is missing or damaged.
    pub(crate) fn remove(&mut self, key: &B256) -> Result<(), TrieError> {
        let root = std::mem::take(&mut self.root);
        self.root = Link::Node(self.remove_below(root, &Nibbles::unpack(key), 0)?);
        Ok(())
    }

    /// Hashes what changed and returns the root; nodes below it that are found
    /// by hash go to `keep`, and so does the root's own.
    pub(crate) fn root(&self, keep: &mut impl FnMut(Vec<u8>)) -> B256 {
        let Some(reference) = self.root.encode(keep) else { return EMPTY_ROOT_HASH };
        reference.as_hash().unwrap_or_else(|| {
            // Nothing holds the root, so it is found by hash however short.
            keep(reference.to_vec());
            keccak256(&reference)
        })
    }

    /// What `link`, `depth` nibbles down the key, leads to with the key set.
    fn set_below(
        &self,
        link: Link,
        key: &Nibbles,
        depth: usize,
        value: Vec<u8>,
    ) -> Result<Node, TrieError> {
        let rest = key.slice(depth..);
        match link.read(self.index, &key.slice(..depth))? {
            Node::Empty => Ok(Node::Leaf { path: rest, value }),
            Node::Leaf { path, .. } if path == rest => Ok(Node::Leaf { path, value }),
            Node::Leaf { path, value: other } => {
                let at = path.common_prefix_length(&rest);
                let other = Node::Leaf { path: path.slice(at + 1..), value: other };
                Ok(fork(at, &path, Link::Node(other), &rest, value))
            }
            Node::Extension { path, child } if rest.starts_with(&path) => {
                let child = self.set_below(*child, key, depth + path.len(), value)?;
                Ok(Node::Extension { path, child: Box::new(Link::Node(child)) })
            }
            Node::Extension { path, child } => {
                let at = path.common_prefix_length(&rest);
                let below = path.slice(at + 1..);
                let other = if below.is_empty() {
                    *child
                } else {
                    Link::Node(Node::Extension { path: below, child })
                };
                Ok(fork(at, &path, other, &rest, value))
            }
            Node::Branch(mut children) => {
                let child = &mut children[nibble_at(key, depth)];
                *child =
                    Link::Node(self.set_below(std::mem::take(child), key, depth + 1, value)?);
                Ok(Node::Branch(children))
            }
        }
    }

    /// What `link`, `depth` nibbles down the key, leads to without the key.
    fn remove_below(&self, link: Link, key: &Nibbles, depth: usize) -> Result<Node, TrieError> {
        let rest = key.slice(depth..);
        match link.read(self.index, &key.slice(..depth))? {
            Node::Leaf { path, .. } if path == rest => Ok(Node::Empty),
            Node::Extension { path, child } if rest.starts_with(&path) => {
                let child = self.remove_below(*child, key, depth + path.len())?;
                Ok(lengthen(path, child))
            }
            Node::Branch(mut children) => {
                let child = &mut children[nibble_at(key, depth)];
                *child = Link::Node(self.remove_below(std::mem::take(child), key, depth + 1)?);
                self.collapse(children, &key.slice(..depth))
            }
            unchanged => Ok(unchanged),
        }
    }

    /// A branch at `path` after a removal. With one child left it gives way to
    /// that child, which has to be read to see how their paths join.
    fn collapse(&self, mut children: Box<[Link; 16]>, path: &Nibbles) -> Result<Node, TrieError> {
        let mut left = (0_u8..).zip(children.iter_mut()).filter(|(_, child)| child.is_some());
        let (Some((nibble, child)), None) = (left.next(), left.next()) else {
            return Ok(Node::Branch(children));
        };
        let mut child_path = *path;
        child_path.push(nibble);
        let child = std::mem::take(child).read(self.index, &child_path)?;
        Ok(lengthen(Nibbles::from_nibbles([nibble]), child))
    }
}

/// Puts a shared stretch of path in front of a node.
fn lengthen(prefix: Nibbles, node: Node) -> Node {
    match node {
        Node::Empty => Node::Empty,
        Node::Leaf { path, value } => Node::Leaf { path: prefix.join(&path), value },
        Node::Extension { path, child } => Node::Extension { path: prefix.join(&path), child },
        branch @ Node::Branch(_) => {
            Node::Extension { path: prefix, child: Box::new(Link::Node(branch)) }
        }
    }
}

/// A branch after `at` shared nibbles, between the node that was there and a
/// new leaf. `other_path` and `rest` differ at `at`.
fn fork(at: usize, other_path: &Nibbles, other: Link, rest: &Nibbles, value: Vec<u8>) -> Node {
    let mut children: [Link; 16] = Default::default();
    children[nibble_at(other_path, at)] = other;
    children[nibble_at(rest, at)] = Link::Node(Node::Leaf { path: rest.slice(at + 1..), value });
    let branch = Node::Branch(Box::new(children));
    if at == 0 { branch } else { lengthen(rest.slice(..at), branch) }
}

/// The nibble of a path at `depth`. Callers stay above the path's end, which
/// [`Link::read`] guarantees by refusing branches below the key's end.
fn nibble_at(path: &Nibbles, depth: usize) -> usize {
    debug_assert!(depth < KEY_NIBBLES, "no nibble {depth} in a key");
    usize::from(path.get_unchecked(depth))
}
