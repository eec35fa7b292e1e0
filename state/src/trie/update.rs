//! All changes of a block to one trie, at once.

use super::{
    NodeKind, NodeLog, NodeSource,
    branch::Branch,
    nodes::{Extension, Leaf, Link, Node, Rlp, below, seal_rlp, write_rlp},
    walk::nibble_at,
};
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::LeafNodeRef};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use smallvec::SmallVec;

/// Changed keys below a branch from which on its children are updated in
/// parallel. Some sixty keys are a tenth of a millisecond of hashing or more,
/// many times what it takes to hand the work to another thread.
const SPLIT_CHANGES: usize = 64;

/// RLP of a leaf's value: an account's longest is 110 bytes, a slot's 33.
type LeafValue = SmallVec<[u8; 112]>;

/// What happens to one key.
#[derive(Clone, Debug)]
pub(crate) struct Change<V> {
    /// The hashed key.
    pub(crate) key: B256,
    /// True if the trie is known to hold the key already. Spares reading its
    /// leaf; false is always allowed.
    pub(crate) existed: bool,
    /// The new value, of which the leaf holds the RLP; `None` removes the key, if
    /// it is there.
    pub(crate) after: Option<V>,
}

impl<V> Change<V> {
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
    /// key once.
    ///
    /// Large updates are split over the threads of the rayon pool this is
    /// called from. No lock is held meanwhile, so whatever else those threads
    /// pick up cannot wait for this.
    ///
    /// # Errors
    ///
    /// If a node that the changes lead to, or one that takes the place of a
    /// branch, is missing or damaged; of several, the first in key order.
    pub(crate) fn update<V: Encodable + Sync, L: NodeLog>(
        &self,
        changes: &[Change<V>],
        log: &mut L,
    ) -> Result<B256, S::Error> {
        debug_assert!(changes.is_sorted_by(|a, b| a.key < b.key), "changes are in key order");
        if changes.is_empty() {
            return Ok(self.root);
        }
        let (link, path, mut rlp) = (Link::root(self.root), Nibbles::new(), Rlp::new());
        let kind = match changes {
            [change] if change.replaces(&link) => change.write(0, &mut rlp),
            _ => self.update_below(link, 0, changes, log)?.write(&path, &mut rlp, log),
        };
        let Some(kind) = kind else { return Ok(EMPTY_ROOT_HASH) };
        // Nothing holds the root, so it is found by hash however short.
        let hash = keccak256(&rlp);
        log.wrote(&path, kind, hash, &rlp);
        Ok(hash)
    }

    /// What `link`, `depth` nibbles down the keys of `changes`, leads to after
    /// them. There is at least one.
    fn update_below<V: Encodable + Sync, L: NodeLog>(
        &self,
        link: Link,
        depth: usize,
        changes: &[Change<V>],
        log: &mut L,
    ) -> Result<Node, S::Error> {
        // One leaf, and one of the changes is about it: it need not be read.
        let is_replaced =
            matches!(link, Link::HashedLeaf(_)) && changes.iter().any(|change| change.existed);
        let node = if is_replaced {
            Node::Empty
        } else {
            let path = changes[0].path().slice(..depth);
            read(self.source, link, &path, log)?
        };
        match (node, changes) {
            (Node::Empty, [change]) => Ok(change.leaf(depth)),
            (Node::Leaf(leaf), [change]) if leaf.path == change.path().slice(depth..) => {
                Ok(change.leaf(depth))
            }
            (Node::Branch(branch), _) => self.update_children(branch, depth, changes, log),
            (node, _) => self.update_children(open(node), depth, changes, log),
        }
    }

    /// The branch at `depth` with its children updated, closed.
    fn update_children<V: Encodable + Sync, L: NodeLog>(
        &self,
        mut branch: Box<Branch>,
        depth: usize,
        changes: &[Change<V>],
        log: &mut L,
    ) -> Result<Node, S::Error> {
        let path = changes[0].path().slice(..depth);
        let stays = surely_stays(&branch, depth, changes);
        let update = |nibble: u8, link: Link, run: &[Change<V>], log: &mut L| {
            if !stays {
                return self.update_below(link, depth + 1, run, log).map(Link::Node);
            }
            let path = below(&path, nibble);
            match run {
                [change] if change.replaces(&link) => Ok(change.seal(&path, log)),
                _ => Ok(self.update_below(link, depth + 1, run, log)?.seal(&path, log)),
            }
        };
        let is_split = changes.len() >= SPLIT_CHANGES;
        let runs = changes.chunk_by(|a, b| a.nibble(depth) == b.nibble(depth));
        let tasks = runs.map(|run| (run[0].nibble(depth), run));
        if is_split {
            let tasks: Vec<_> =
                tasks.map(|(nibble, run)| (nibble, branch.take(nibble), run)).collect();
            let done: Vec<_> = tasks
                .into_par_iter()
                .map(|(nibble, link, run)| {
                    let mut log = L::default();
                    update(nibble, link, run, &mut log).map(|link| (nibble, link, log))
                })
                .collect();
            for result in done {
                let (nibble, link, heard) = result?;
                branch.put(nibble, link);
                log.absorb(heard);
            }
        } else {
            for (nibble, run) in tasks {
                let link = branch.take(nibble);
                branch.put(nibble, update(nibble, link, run, log)?);
            }
        }
        if stays { Ok(Node::Branch(branch)) } else { self.close(branch, &path, log) }
    }

    /// A branch at `path` after its children changed. With one child left it
    /// gives way to that child, which has to be read to see how their paths
    /// join.
    fn close<L: NodeLog>(
        &self,
        mut branch: Box<Branch>,
        path: &Nibbles,
        log: &mut L,
    ) -> Result<Node, S::Error> {
        let Some((nibble, child)) = branch.take_only() else {
            return Ok(if branch.len() == 0 { Node::Empty } else { Node::Branch(branch) });
        };
        let child = read(self.source, child, &below(path, nibble), log)?;
        Ok(lengthen(Nibbles::from_nibbles([nibble]), child))
    }
}

impl<V: Encodable> Change<V> {
    /// The new leaf below `depth` nibbles, or nothing.
    fn leaf(&self, depth: usize) -> Node {
        let path = self.path().slice(depth..);
        let value = self.after.as_ref().map(alloy_rlp::encode);
        value.map_or(Node::Empty, |value| Node::leaf(path, value))
    }

    /// Whether all that `link` leads to afterwards is this change's leaf.
    fn replaces(&self, link: &Link) -> bool {
        self.after.is_some()
            && match link {
                Link::Node(Node::Empty) => true,
                Link::HashedLeaf(_) => self.existed,
                _ => false,
            }
    }

    /// Hashes the new leaf at `path`, without making a node of it.
    fn seal(&self, path: &Nibbles, log: &mut impl NodeLog) -> Link {
        let mut rlp = Rlp::new();
        let kind = self.write(path.len(), &mut rlp);
        kind.map_or_else(Link::default, |kind| seal_rlp(kind, path, &rlp, log))
    }

    /// Writes the RLP of the new leaf below `depth` nibbles into `rlp`, which is
    /// empty; `None` if there is none.
    fn write(&self, depth: usize, rlp: &mut Rlp) -> Option<NodeKind> {
        let mut value = LeafValue::new();
        write_rlp(self.after.as_ref()?, &mut value);
        write_rlp(&LeafNodeRef::new(&self.path().slice(depth..), &value), rlp);
        Some(NodeKind::Leaf)
    }
}

/// Whether a branch certainly keeps two children, so that they can be hashed at
/// once; else the last one may have to be joined with what is above.
///
/// A child is kept if nothing below it changes, or something is set there.
fn surely_stays<V>(branch: &Branch, depth: usize, changes: &[Change<V>]) -> bool {
    let mut n_kept = branch.len();
    for run in changes.chunk_by(|a, b| a.nibble(depth) == b.nibble(depth)) {
        let is_there = branch.has(run[0].nibble(depth));
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
    let hash = if let Link::Hashed(hash) = link { Some(hash) } else { None };
    let node = link.read(source, path)?;
    if let (Some(hash), Node::Branch(_) | Node::Extension(_)) = (hash, &node) {
        log.read(*path, hash);
    }
    Ok(node)
}

/// A node as the children of a branch in its place: one, or none.
fn open(node: Node) -> Box<Branch> {
    let mut children = Box::<Branch>::default();
    match node {
        Node::Empty => {}
        Node::Leaf(leaf) => {
            let Leaf { path, value } = *leaf;
            children.put(nibble_at(&path, 0), Link::Node(Node::leaf(path.slice(1..), value)));
        }
        Node::Extension(extension) => {
            let Extension { path, child } = *extension;
            let rest = path.slice(1..);
            let child = if rest.is_empty() {
                child
            } else {
                Link::Node(Node::Extension(Box::new(Extension { path: rest, child })))
            };
            children.put(nibble_at(&path, 0), child);
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
