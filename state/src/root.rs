//! State and storage roots from scratch: every leaf is hashed.
//!
//! Leaves enter a [`HashBuilder`] in the order of their hashed keys. The two
//! builders here take them one at a time, so a scan over the store needs no
//! copy of the state; the two functions collect, hash and sort first.

use crate::AccountBasics;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount};

/// Root of a storage trie that holds `slots`; zero values are no leaves.
pub fn storage_root(slots: impl IntoIterator<Item = (U256, U256)>) -> B256 {
    let mut leaves: Vec<_> =
        slots.into_iter().map(|(slot, value)| (hashed_slot(slot), value)).collect();
    leaves.sort_unstable_by_key(|(key, _)| *key);
    let mut builder = StorageRootBuilder::default();
    for (key, value) in &leaves {
        builder.add(key, *value);
    }
    builder.finish()
}

/// Root of a state that holds `accounts`.
pub fn state_root(accounts: impl IntoIterator<Item = (Address, TrieAccount)>) -> B256 {
    let mut leaves: Vec<_> =
        accounts.into_iter().map(|(address, account)| (keccak256(address), account)).collect();
    leaves.sort_unstable_by_key(|(key, _)| *key);
    let mut builder = StateRootBuilder::default();
    for (key, account) in &leaves {
        builder.add(key, account);
    }
    builder.finish()
}

/// Key of `slot` in its storage trie.
pub(crate) fn hashed_slot(slot: U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

/// The leaf of an account in the state trie.
pub(crate) const fn trie_account(basics: &AccountBasics, storage_root: B256) -> TrieAccount {
    TrieAccount::new(basics.nonce, basics.balance, storage_root, basics.code_hash)
}

/// Builds a storage root from leaves that arrive in ascending key order.
#[derive(Debug, Default)]
pub(crate) struct StorageRootBuilder(HashBuilder);

impl StorageRootBuilder {
    /// Adds the slot with this hashed key, which must be above the one before.
    /// Zero is skipped: the trie has no leaf for it.
    pub(crate) fn add(&mut self, key: &B256, value: U256) {
        if !value.is_zero() {
            self.0.add_leaf(Nibbles::unpack(key), alloy_rlp::encode_fixed_size(&value).as_ref());
        }
    }

    /// The root; that of the empty trie if there was no leaf.
    pub(crate) fn finish(mut self) -> B256 {
        self.0.root()
    }
}

/// Builds a state root from accounts that arrive in ascending key order.
#[derive(Debug, Default)]
pub(crate) struct StateRootBuilder {
    builder: HashBuilder,
    leaf: Vec<u8>,
}

impl StateRootBuilder {
    /// Adds the account with this hashed address, which must be above the one
    /// before.
    pub(crate) fn add(&mut self, key: &B256, account: &TrieAccount) {
        self.leaf.clear();
        account.encode(&mut self.leaf);
        self.builder.add_leaf(Nibbles::unpack(key), &self.leaf);
    }

    /// The root; that of the empty trie if there was no account.
    pub(crate) fn finish(mut self) -> B256 {
        self.builder.root()
    }
}
