//! Roots by a library that shares no code with this one, not even the hashing
//! of its nodes.

use crate::MemoryState;
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Encodable;
use std::sync::Arc;

/// The root of a trie with these leaves.
pub(crate) fn root_by_eth_trie<K, V>(leaves: impl IntoIterator<Item = (K, V)>) -> B256
where
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let mut trie = eth_trie::EthTrie::new(Arc::new(eth_trie::MemoryDB::new(true)));
    for (key, value) in leaves {
        eth_trie::Trie::insert(&mut trie, key.as_ref(), value.as_ref()).unwrap();
    }
    B256::from(eth_trie::Trie::root_hash(&mut trie).unwrap().0)
}

/// The state root after everything in `state`, with account leaves encoded by
/// hand: nonce, balance, storage root, code hash.
pub(crate) fn state_root_by_eth_trie(state: &MemoryState) -> B256 {
    root_by_eth_trie(state.accounts().map(|(address, account)| {
        let slots = account
            .slots()
            .map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), alloy_rlp::encode(value)));
        let basics = account.basics();
        let fields: [&dyn Encodable; 4] =
            [&basics.nonce, &basics.balance, &root_by_eth_trie(slots), &basics.code_hash];
        let mut leaf = Vec::new();
        alloy_rlp::encode_list::<_, dyn Encodable>(&fields, &mut leaf);
        (keccak256(address), leaf)
    }))
}
