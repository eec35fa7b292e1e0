//! Looking keys up.

use super::{
    Node, NodeSource,
    nodes::{KEY_NIBBLES, Link},
};
use alloy_primitives::B256;
use alloy_trie::Nibbles;

/// Value of `key` in the trie with this `root`; `None` proves that the trie
/// does not hold the key. Reads one path.
///
/// # Errors
///
/// If a node on the path is missing or damaged.
pub(crate) fn get<S: NodeSource>(
    source: &S,
    root: B256,
    key: &B256,
) -> Result<Option<Vec<u8>>, S::Error> {
    walk(source, root, key, |_, _| {})
}

/// Follows `key` and calls `visit` for each node that is found by hash.
pub(super) fn walk<S: NodeSource>(
    source: &S,
    root: B256,
    key: &B256,
    mut visit: impl FnMut(&Nibbles, &Node),
) -> Result<Option<Vec<u8>>, S::Error> {
    let key = Nibbles::unpack(key);
    let mut link = Link::root(root);
    let mut depth = 0;
    // Ends: every link that `read` accepts leads further down the key.
    loop {
        let path = key.slice(..depth);
        let is_hashed = matches!(link, Link::Hashed(_) | Link::HashedLeaf(_));
        let node = link.read(source, &path)?;
        if is_hashed {
            visit(&path, &node);
        }
        let rest = key.slice(depth..);
        match node {
            Node::Leaf(leaf) if leaf.path == rest => return Ok(Some(leaf.value)),
            Node::Extension(extension) if rest.starts_with(&extension.path) => {
                depth += extension.path.len();
                link = extension.child;
            }
            Node::Branch(mut branch) => {
                link = branch.take(nibble_at(&key, depth));
                depth += 1;
            }
            Node::Empty | Node::Leaf(_) | Node::Extension(_) => return Ok(None),
        }
    }
}

/// The nibble of a path at `depth`. Callers stay above the path's end, which
/// [`Link::read`] guarantees by refusing branches below the key's end.
pub(super) fn nibble_at(path: &Nibbles, depth: usize) -> u8 {
    debug_assert!(depth < KEY_NIBBLES, "no nibble {depth} in a key");
    path.get_unchecked(depth)
}
