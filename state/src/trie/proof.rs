//! Proofs of what a trie holds, and what it does not.

use super::{NodeKind, NodeLog, NodeSource, nodes::Rlp, walk::walk};
use alloy_primitives::{B256, Bytes};
use alloy_trie::Nibbles;

/// What a trie says about a key, and why that is so.
pub(crate) struct Proof {
    /// The key's value; `None` if the trie does not hold it.
    pub(crate) value: Option<Vec<u8>>,
    /// RLP of every node on the key's path that is found by hash, the root's
    /// first.
    pub(crate) nodes: Vec<Bytes>,
}

/// Proves that `key` has a value in the trie with this `root`, or that it has
/// none.
///
/// # Errors
///
/// If a node on the path is missing or damaged.
pub(crate) fn prove<S: NodeSource>(source: &S, root: B256, key: &B256) -> Result<Proof, S::Error> {
    let mut nodes = Vec::new();
    let value = walk(source, root, key, |path, node| {
        // Nothing below the node is at hand, so nothing else is encoded.
        let mut rlp = Rlp::new();
        node.clone().write(path, &mut rlp, &mut Unheard);
        nodes.push(Bytes::copy_from_slice(&rlp));
    })?;
    Ok(Proof { value, nodes })
}

/// For encodings that nobody keeps.
#[derive(Debug, Default)]
struct Unheard;

impl NodeLog for Unheard {
    fn read(&mut self, _: Nibbles, _: B256) {}
    fn wrote(&mut self, _: &Nibbles, _: NodeKind, _: B256, _: &[u8]) {}
    fn absorb(&mut self, _: Self) {}
}
