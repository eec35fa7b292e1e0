//! Merkle proofs of accounts and slots, from the stored tries.

use super::{
    Store, StoreError,
    keys::{self, Family},
    tables::corrupt,
    trie_nodes::StoredTrie,
};
use crate::{root::hashed_slot, trie::prove};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};

/// What `eth_getProof` (EIP-1186) says about an account and some of its slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// State root that it proves against: the tip's.
    pub state_root: B256,
    /// The account.
    pub address: Address,
    /// What the state trie holds; `None` if the account provably does not
    /// exist.
    pub account: Option<TrieAccount>,
    /// RLP of the state trie's nodes on the way to the account, the root
    /// first. Nodes shorter than a hash are part of the one before.
    pub account_proof: Vec<Bytes>,
    /// One for each slot asked for, in that order.
    pub storage_proof: Vec<SlotProof>,
}

/// Proof of one slot against its account's storage root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotProof {
    /// The slot.
    pub slot: U256,
    /// Its value; zero if the slot provably is not there.
    pub value: U256,
    /// RLP of the storage trie's nodes on the way to the slot, the root first;
    /// none where the account has no storage.
    pub proof: Vec<Bytes>,
}

impl Store {
    /// Proves what the tip's state says about an account and some of its slots.
    ///
    /// Reads one trie path for each.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or a node is damaged or missing.
    pub fn proof(&self, address: Address, slots: &[U256]) -> Result<AccountProof, StoreError> {
        let view = self.tables.view();
        let state_root = view.tip()?.root;
        let key = keys::account(&address);
        let trie = StoredTrie { view: &view, cache: &self.nodes, account: None };
        let found = prove(&trie, state_root, &key)?;
        let damaged = |_| corrupt(Family::Accounts, key.as_slice(), "its leaf is no account");
        let account =
            found.value.map(alloy_rlp::decode_exact::<TrieAccount>).transpose().map_err(damaged)?;
        let storage_root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let trie = StoredTrie { account: Some(key), ..trie };
        let prove_slot = |slot: &U256| {
            let slot_key = hashed_slot(*slot);
            let found = prove(&trie, storage_root, &slot_key)?;
            let damaged = |_| {
                let key = keys::slot(&key, &slot_key);
                corrupt(Family::Slots, &key, "its leaf is no number")
            };
            let value =
                found.value.map(alloy_rlp::decode_exact::<U256>).transpose().map_err(damaged)?;
            Ok(SlotProof { slot: *slot, value: value.unwrap_or_default(), proof: found.nodes })
        };
        let storage_proof = slots.iter().map(prove_slot).collect::<Result<_, StoreError>>()?;
        Ok(AccountProof { state_root, address, account, account_proof: found.nodes, storage_proof })
    }
}
