//! What can be wrong with a partial trie.

use alloy_primitives::{Address, B256, U256};
use alloy_trie::Nibbles;

/// Why one trie could not be walked or updated.
///
/// Paths are the nibbles from that trie's root to the node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrieError {
    /// The node is referred to but was not supplied.
    #[error("node {hash} at path {path:?} is missing")]
    MissingNode {
        /// Where the node belongs.
        path: Nibbles,
        /// Its keccak-256.
        hash: B256,
    },
    /// The node's bytes are not the RLP of a trie node.
    #[error("node at path {path:?} does not decode")]
    MalformedNode {
        /// Where the node was found.
        path: Nibbles,
        /// What the decoder met.
        #[source]
        source: alloy_rlp::Error,
    },
    /// The node decodes, but no trie of 32-byte keys has it in this place.
    #[error("node at path {path:?} cannot be there: {reason}")]
    MisplacedNode {
        /// Where the node was found.
        path: Nibbles,
        /// The rule it breaks.
        reason: &'static str,
    },
}

/// Why a [`WitnessState`](super::WitnessState) could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The path to an account is incomplete or damaged.
    #[error("looking for account {address} in the state trie")]
    Accounts {
        /// The account looked for.
        address: Address,
        /// What is wrong with the state trie.
        #[source]
        source: Box<TrieError>,
    },
    /// The path to a slot is incomplete or damaged.
    #[error("looking for slot {slot:#x} in the storage trie of {address}")]
    Storage {
        /// The account the storage belongs to.
        address: Address,
        /// The slot looked for.
        slot: U256,
        /// What is wrong with the storage trie.
        #[source]
        source: Box<TrieError>,
    },
    /// The paths to changed accounts are incomplete or damaged.
    #[error("updating the state trie")]
    Update(#[source] Box<TrieError>),
    /// The paths to an account's changed slots are incomplete or damaged.
    #[error("updating the storage trie of {address}")]
    StorageUpdate {
        /// The account the storage belongs to.
        address: Address,
        /// What is wrong with the storage trie.
        #[source]
        source: Box<TrieError>,
    },
    /// The leaf of an account is not the RLP of an account.
    #[error("the leaf of account {address} does not decode")]
    MalformedAccount {
        /// The account.
        address: Address,
        /// What the decoder met.
        #[source]
        source: alloy_rlp::Error,
    },
    /// The leaf of a slot is not the RLP of a 256-bit number.
    #[error("the leaf of slot {slot:#x} of {address} does not decode")]
    MalformedSlot {
        /// The account the storage belongs to.
        address: Address,
        /// The slot.
        slot: U256,
        /// What the decoder met.
        #[source]
        source: alloy_rlp::Error,
    },
}
