//! All changes of a block to one trie, at once.

use super::{
    NodeLog, NodeSource,
    nodes::{Children, Extension, Leaf, Link, Node, below},
    walk::nibble_at,
};
use alloy_primitives::{B256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Changed keys below a branch from which on its children are updated in
/// parallel. Some sixty keys are a tenth of a millisecond of hashing or more,
/// many times what it takes to hand the work to another thread.
const SPLIT_CHANGES: usize = 64;

/// What happens to one key.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The hashed key.
    pub(crate) key: B256,
    /// True if the trie is known to hold the key already. Spares reading its
    /// leaf; false is always allowed.
    pub(crate) existed: bool,
    /// The new value; `None` removes the key, if it is there.
    pub(crate) after: Option<Vec<u8>>,
}

impl Change {
    fn nibble(&self, depth: usize) -> u8 {
        let byte = self.key[depth / 2];
        if depth.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
    }

    fn path(&self) -> Nibbles {
        Nibbles::unpack_array(&self.key.0)
    }
}

/// A trie that reads its nodes from a source when it gets to them.
///
/// Costs the paths that change, whatever else the trie holds.
///
/// ```text
///                  changes, sorted           children, hashed
///   branch at d    [ 1.. | 1.. | 7.. | c.. ]    1  7  c
///                     \___/     |     |         ^  ^  ^
///   children       read 1    read 7  read c ----'--'--'
/// ```
///
/// Leaves, extensions and empty tries on the way are opened up to a branch of
/// one child or none, updated like any other, and closed again: a branch that
/// ends with one child gives way to it.
#[derive(Debug)]
pub(crate) struct PartialTrie<'a, S> {
    source: &'a S,
    root: B256,
}

impl<'a, S: NodeSource> PartialTrie<'a, S> {
    /// The trie with this root; reads nothing yet.
    pub(crate) const fn new(source: &'a S, root: B256) -> Self {
        Self { source, root }
    }

    /// Root after `changes`, which are in ascending order of their keys, each
    /// key once. Values are taken out of them.
    ///
    /// Large updates are split over the threads of the rayon pool this is
    /// called from. No lock is held meanwhile, so whatever else those threads
    /// pick up cannot wait for this.
    ///
    /// # Errors
    ///
    /// If a node that the changes lead to, or one that takes the place of a
    /// branch, is missing or damaged; of several, the first in key order.
    pub(crate) fn update<L: NodeLog>(
        &self,
        changes: &mut [Change],
        log: &mut L,
    ) -> Result<B256, S::Error> {
        debug_assert!(changes.is_sorted_by(|a, b| a.key < b.key), "changes are in key order");
        if changes.is_empty() {
            return Ok(self.root);
        }
        let root = self.update_below(Link::root(self.root), 0, changes, log)?;
        let path = Nibbles::new();
        let Some(reference) = root.encode(&path, log) else { return Ok(EMPTY_ROOT_HASH) };
        Ok(reference.as_hash().unwrap_or_else(|| {
            // Nothing holds the root, so it is found by hash however short.
            let hash = keccak256(&reference);
            log.wrote(path, &root, hash, reference.to_vec());
            hash
        }))
    }

    /// What `link`, `depth` nibbles down the keys of `changes`, leads to after
    /// them. There is at least one.
    fn update_below<L: NodeLog>(
        &self,
        link: Link,
        depth: usize,
        changes: &mut [Change],
        log: &mut L,
    ) -> Result<Node, S::Error> {
        // One leaf, and one of the changes is about it: it need not be read.
        let is_replaced =
            matches!(link, Link::StoredLeaf(_)) && changes.iter().any(|change| change.existed);
        let node = if is_replaced {
            Node::Empty
        } else {
            let path = changes[0].path().slice(..depth);
            read(self.source, link, &path, log)?
        };
        match (node, &mut *changes) {
            (Node::Empty, [change]) => Ok(change.leaf(depth)),
            (Node::Leaf(leaf), [change]) if leaf.path == change.path().slice(depth..) => {
                Ok(change.leaf(depth))
            }
            (Node::Branch(children), _) => self.update_children(children, depth, changes, log),
            (node, _) => self.update_children(open(node), depth, changes, log),
        }
    }

    /// The branch at `depth` with its children updated, closed.
    fn update_children<L: NodeLog>(
        &self,
        mut children: Box<Children>,
        depth: usize,
        changes: &mut [Change],
        log: &mut L,
    ) -> Result<Node, S::Error> {
        let path = changes[0].path().slice(..depth);
        let stays = surely_stays(&children, depth, changes);
        let update = |nibble: u8, link: Link, run: &mut [Change], log: &mut L| {
            let node = self.update_below(link, depth + 1, run, log)?;
            Ok(if stays { seal(&node, &below(&path, nibble), log) } else { Link::Node(node) })
        };
        let is_split = changes.len() >= SPLIT_CHANGES;
        let runs = changes.chunk_by_mut(|a, b| a.nibble(depth) == b.nibble(depth));
        let tasks = runs.map(|run| (run[0].nibble(depth), run));
        if is_split {
            let tasks: Vec<_> = tasks
                .map(|(nibble, run)| {
                    (nibble, std::mem::take(&mut children[usize::from(nibble)]), run)
                })
                .collect();
            let done: Vec<_> = tasks
                .into_par_iter()
                .map(|(nibble, link, run)| {
                    let mut log = L::default();
                    update(nibble, link, run, &mut log).map(|link| (nibble, link, log))
                })
                .collect();
            for result in done {
                let (nibble, link, heard) = result?;
                children[usize::from(nibble)] = link;
                log.absorb(heard);
            }
        } else {
            for (nibble, run) in tasks {
                let child = &mut children[usize::from(nibble)];
                *child = update(nibble, std::mem::take(child), run, log)?;
            }
        }
        if stays { Ok(Node::Branch(children)) } else { self.close(children, &path, log) }
    }

    /// A branch at `path` after its children changed. With one child left it
    /// gives way to that child, which has to be read to see how their paths
    /// join.
    fn close<L: NodeLog>(
        &self,
        mut children: Box<Children>,
        path: &Nibbles,
        log: &mut L,
    ) -> Result<Node, S::Error> {
        let mut left = (0..).zip(children.iter_mut()).filter(|(_, child)| child.is_some());
        let (nibble, child) = match (left.next(), left.next()) {
            (None, _) => return Ok(Node::Empty),
            (Some(last), None) => last,
            (Some(_), Some(_)) => return Ok(Node::Branch(children)),
        };
        let child = read(self.source, std::mem::take(child), &below(path, nibble), log)?;
        Ok(lengthen(Nibbles::from_nibbles([nibble]), child))
    }
}

impl Change {
    /// The new leaf below `depth` nibbles, or nothing.
    fn leaf(&mut self, depth: usize) -> Node {
        let path = self.path().slice(depth..);
        self.after.take().map_or(Node::Empty, |value| Node::leaf(path, value))
    }
}

/// Whether a branch certainly keeps two children, so that they can be hashed at
/// once; else the last one may have to be joined with what is above.
///
/// A child is kept if nothing below it changes, or something is set there.
fn surely_stays(children: &Children, depth: usize, changes: &[Change]) -> bool {
    let mut n_kept = children.iter().filter(|child| child.is_some()).count();
    for run in changes.chunk_by(|a, b| a.nibble(depth) == b.nibble(depth)) {
        let is_there = children[usize::from(run[0].nibble(depth))].is_some();
        let is_kept = run.iter().any(|change| change.after.is_some());
        n_kept = n_kept + usize::from(is_kept) - usize::from(is_there);
    }
    n_kept >= 2
}

/// Follows `link` and reports what it led to, if that is found by hash.
fn read<S: NodeSource, L: NodeLog>(
    source: &S,
    link: Link,
    path: &Nibbles,
    log: &mut L,
) -> Result<Node, S::Error> {
    let hash = link.hash();
    let node = link.read(source, path)?;
    if let (Some(hash), Node::Branch(_) | Node::Extension(_)) = (hash, &node) {
        log.read(*path, hash);
    }
    Ok(node)
}

/// Hashes a child whose place is final.
fn seal<L: NodeLog>(node: &Node, path: &Nibbles, log: &mut L) -> Link {
    let Some(reference) = node.encode(path, log) else { return Link::default() };
    if matches!(node, Node::Leaf(_)) {
        Link::StoredLeaf(reference)
    } else {
        Link::Stored(reference)
    }
}

/// A node as the children of a branch in its place: one, or none.
fn open(node: Node) -> Box<Children> {
    let mut children = Box::<Children>::default();
    match node {
        Node::Empty => {}
        Node::Leaf(leaf) => {
            let Leaf { path, value } = *leaf;
            children[nibble_at(&path, 0)] = Link::Node(Node::leaf(path.slice(1..), value));
        }
        Node::Extension(extension) => {
            let Extension { path, child } = *extension;
            let rest = path.slice(1..);
            children[nibble_at(&path, 0)] = if rest.is_empty() {
                child
            } else {
                Link::Node(Node::Extension(Box::new(Extension { path: rest, child })))
            };
        }
        Node::Branch(branch) => return branch,
    }
    children
}

/// Puts a shared stretch of path in front of a node.
fn lengthen(prefix: Nibbles, node: Node) -> Node {
    match node {
        Node::Empty => Node::Empty,
        Node::Leaf(leaf) => {
            let Leaf { path, value } = *leaf;
            Node::leaf(prefix.join(&path), value)
        }
        Node::Extension(extension) => {
            let Extension { path, child } = *extension;
            Node::Extension(Box::new(Extension { path: prefix.join(&path), child }))
        }
        branch @ Node::Branch(_) => {
            let child = Link::Node(branch);
            Node::Extension(Box::new(Extension { path: prefix, child }))
        }
    }
}
