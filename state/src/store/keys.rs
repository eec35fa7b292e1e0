//! Names of the column families and the layout of their keys.
//!
//! ```text
//! accounts        keccak(address)                      32 B
//! slots           keccak(address) | keccak(slot)       32 B | 32 B
//! code            code hash                            32 B
//! trie_accounts   path                                 0 to 63 B
//! trie_slots      keccak(address) | path               32 B | 0 to 63 B
//! headers         block number, big endian             8 B
//! archive         block number, big endian             8 B
//! lookup          hash of a block or transaction       32 B
//! undo            block number, big endian             8 B
//! meta            name                                 ASCII
//! ```
//!
//! Numbers are big endian, so byte order is number order, and the slots of one
//! account lie side by side in trie order. A path takes one byte for each
//! nibble from the root of its trie: byte order is path order, and a node comes
//! right before everything below it. The root's own path is empty.

use alloy_primitives::{Address, B256, keccak256};
use alloy_trie::Nibbles;
use smallvec::SmallVec;

/// The column families of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Accounts,
    Slots,
    Code,
    TrieAccounts,
    TrieSlots,
    Headers,
    Archive,
    Lookup,
    Undo,
    Meta,
}

impl Family {
    /// Every family, in the order a block is written.
    pub(super) const ALL: [Self; 10] = [
        Self::Accounts,
        Self::Slots,
        Self::Code,
        Self::TrieAccounts,
        Self::TrieSlots,
        Self::Headers,
        Self::Archive,
        Self::Lookup,
        Self::Undo,
        Self::Meta,
    ];

    /// Its name in RocksDB.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Slots => "slots",
            Self::Code => "code",
            Self::TrieAccounts => "trie_accounts",
            Self::TrieSlots => "trie_slots",
            Self::Headers => "headers",
            Self::Archive => "archive",
            Self::Lookup => "lookup",
            Self::Undo => "undo",
            Self::Meta => "meta",
        }
    }
}

/// Length of an account's key, and of the prefix its slots share, in bytes.
pub(super) const ACCOUNT_KEY_BYTES: usize = 32;

/// Keys of `meta`.
pub(super) mod meta {
    /// Version of the layout.
    pub(crate) const SCHEMA: &[u8] = b"schema";
    /// Chain the blocks belong to.
    pub(crate) const CHAIN_ID: &[u8] = b"chain_id";
    /// Hash of the first block of the chain.
    pub(crate) const GENESIS_HASH: &[u8] = b"genesis_hash";
    /// Hash of the oldest block whose header is stored: the genesis, unless
    /// the store was imported.
    pub(crate) const FIRST_HEADER: &[u8] = b"first_header";
    /// Newest block: number, hash and state root.
    pub(crate) const TIP: &[u8] = b"tip";
}

/// Key of an account, and prefix of its slots.
pub(super) fn account(address: &Address) -> B256 {
    keccak256(address)
}

/// Key of a slot, given its account's key and its own hash.
pub(super) fn slot(account: &B256, slot: &B256) -> [u8; 64] {
    let mut key = [0; 64];
    key[..ACCOUNT_KEY_BYTES].copy_from_slice(account.as_slice());
    key[ACCOUNT_KEY_BYTES..].copy_from_slice(slot.as_slice());
    key
}

/// Account and slot of a key from `slots`.
pub(super) fn parse_slot(key: &[u8]) -> Result<(B256, B256), &'static str> {
    let (account, slot) = key.split_at_checked(ACCOUNT_KEY_BYTES).ok_or(KEY_LENGTH)?;
    Ok((parse_hash(account)?, parse_hash(slot)?))
}

/// A 32-byte key from `accounts` or `code`.
pub(super) fn parse_hash(key: &[u8]) -> Result<B256, &'static str> {
    B256::try_from(key).map_err(|_| KEY_LENGTH)
}

/// Key of a trie node.
pub(super) type NodeKey = SmallVec<[u8; 64]>;

/// Key of the node at `path` of the state trie, or of the storage trie of
/// `account`.
pub(super) fn node(account: Option<&B256>, path: &Nibbles) -> NodeKey {
    let mut key = NodeKey::new();
    if let Some(account) = account {
        key.extend_from_slice(account.as_slice());
    }
    key.extend(path.iter());
    key
}

/// Path of a key from `trie_accounts`, or of the rest of one from `trie_slots`.
pub(super) fn parse_path(path: &[u8]) -> Result<Nibbles, &'static str> {
    if path.len() >= 2 * ACCOUNT_KEY_BYTES {
        return Err(KEY_LENGTH);
    }
    if path.iter().any(|nibble| *nibble > 0x0f) {
        return Err("the path has a byte that is no nibble");
    }
    Ok(Nibbles::from_nibbles_unchecked(path))
}

/// Account and path of a key from `trie_slots`.
pub(super) fn parse_slot_node(key: &[u8]) -> Result<(B256, Nibbles), &'static str> {
    let (account, path) = key.split_at_checked(ACCOUNT_KEY_BYTES).ok_or(KEY_LENGTH)?;
    Ok((parse_hash(account)?, parse_path(path)?))
}

/// Key of a header, an archived block or an undo record.
pub(super) const fn header(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// Block number of a key from `headers`, `archive` or `undo`.
pub(super) fn parse_header(key: &[u8]) -> Result<u64, &'static str> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| KEY_LENGTH)
}

const KEY_LENGTH: &str = "the key has the wrong length";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_round_trip(account: [u8; 32], hash: [u8; 32], number: u64) {
            let (account, hash) = (B256::from(account), B256::from(hash));
            prop_assert_eq!(parse_slot(&slot(&account, &hash)), Ok((account, hash)));
            prop_assert_eq!(parse_hash(account.as_slice()), Ok(account));
            prop_assert_eq!(parse_header(&header(number)), Ok(number));
        }

        #[test]
        fn node_keys_round_trip_in_path_order(
            account: [u8; 32],
            a in proptest::collection::vec(0..16_u8, 0..64),
            b in proptest::collection::vec(0..16_u8, 0..64),
        ) {
            let account = B256::from(account);
            let (a, b) = (Nibbles::from_nibbles(a), Nibbles::from_nibbles(b));
            prop_assert_eq!(parse_path(&node(None, &a)), Ok(a));
            prop_assert_eq!(parse_slot_node(&node(Some(&account), &a)), Ok((account, a)));
            let order = node(Some(&account), &a).cmp(&node(Some(&account), &b));
            prop_assert_eq!(order, a.cmp(&b));
        }

        #[test]
        fn key_order_is_number_order(a: u64, b: u64) {
            prop_assert_eq!(header(a).cmp(&header(b)), a.cmp(&b));
        }

        #[test]
        fn other_lengths_are_refused(key in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(parse_slot(&key).is_ok(), key.len() == 64);
            prop_assert_eq!(parse_hash(&key).is_ok(), key.len() == 32);
            prop_assert_eq!(parse_header(&key).is_ok(), key.len() == 8);
            let is_path = key.len() < 64 && key.iter().all(|nibble| *nibble < 16);
            prop_assert_eq!(parse_path(&key).is_ok(), is_path);
        }
    }
}
