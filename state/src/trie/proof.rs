//! Proofs of what a trie holds, and what it does not.

use super::{Node, NodeLog, NodeSource, walk::walk};
use alloy_primitives::{B256, Bytes};
use alloy_trie::Nibbles;

/// Value of `key`, and the RLP of every node on its path that is found by
/// hash, the root's first: the proof that the value is there, or that the trie
/// does not hold the key.
///
/// # Errors
///
/// If a node on the path is missing or damaged.
pub(crate) fn prove<S: NodeSource>(
    source: &S,
    root: B256,
    key: &B256,
) -> Result<(Option<Vec<u8>>, Vec<Bytes>), S::Error> {
    let mut proof = Vec::new();
    let value = walk(source, root, key, |path, node| {
        // Nothing below the node is at hand, so nothing else is encoded.
        proof.extend(node.rlp(path, &mut Unheard).map(Bytes::from));
    })?;
    Ok((value, proof))
}

/// For encodings that nobody keeps.
#[derive(Debug, Default)]
struct Unheard;

impl NodeLog for Unheard {
    fn read(&mut self, _: Nibbles, _: B256) {}
    fn wrote(&mut self, _: Nibbles, _: &Node, _: B256, _: Vec<u8>) {}
    fn absorb(&mut self, _: Self) {}
}
