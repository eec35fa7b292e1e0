//! Random states and changes over few accounts and slots, so that they meet.

use super::EMPTY;
use crate::{AccountBasics, AccountChange, BlockChanges, MemoryState};
use alloy_primitives::{Address, Bytes, U256, keccak256};
use proptest::{collection, option, prelude::*};
use std::collections::BTreeMap;

/// Enough accounts for the state trie to have branches below its root.
const N_ACCOUNTS: u8 = 40;
/// Enough slots for storage tries to have branches below their roots.
const N_SLOTS: u64 = 40;

/// Every address a random change may name.
pub(crate) fn addresses() -> impl Iterator<Item = Address> {
    (0..N_ACCOUNTS).map(Address::repeat_byte)
}

/// Every slot a random change may name.
pub(crate) fn slots() -> impl Iterator<Item = U256> {
    (0..N_SLOTS).map(slot)
}

// Neighbours at both ends of the range, so that the byte order of keys shows.
fn slot(i: u64) -> U256 {
    if i.is_multiple_of(2) { U256::from(i) } else { U256::MAX - U256::from(i) }
}

fn value() -> impl Strategy<Value = U256> {
    prop_oneof![
        3 => Just(U256::ZERO),
        3 => (1..300_u64).prop_map(U256::from),
        1 => any::<[u64; 4]>().prop_map(U256::from_limbs),
    ]
}

fn basics() -> impl Strategy<Value = (AccountBasics, Bytes)> {
    let code = prop_oneof![
        4 => Just(Vec::new()),
        1 => collection::vec(any::<u8>(), 1..40),
        1 => any::<[u8; 20]>().prop_map(|to| [&[0xef, 0x01, 0x00], &to[..]].concat()),
    ];
    (value(), prop_oneof![0..3_u64, any::<u64>()], code).prop_map(|(balance, nonce, code)| {
        (AccountBasics { balance, nonce, code_hash: keccak256(&code) }, code.into())
    })
}

/// What a block may do to one account; with `after`, the code it then has.
fn change() -> impl Strategy<Value = (AccountChange, Bytes)> {
    let slots = collection::btree_map((0..N_SLOTS).prop_map(slot), value(), 0..12);
    (option::weighted(0.8, basics()), any::<bool>(), slots).prop_map(|(after, wiped, mut slots)| {
        let Some((basics, code)) = after else {
            let change = AccountChange { after: None, wiped: true, slots: BTreeMap::new() };
            return (change, Bytes::new());
        };
        if wiped {
            slots.retain(|_, value| !value.is_zero());
        }
        (AccountChange { after: Some(basics), wiped, slots }, code)
    })
}

/// What a block may do to the state.
pub(crate) fn changes() -> impl Strategy<Value = BlockChanges> {
    let address = (0..N_ACCOUNTS).prop_map(Address::repeat_byte);
    collection::btree_map(address, change(), 0..16).prop_map(|accounts| {
        let mut block = BlockChanges::default();
        for (address, (change, code)) in accounts {
            if !code.is_empty() {
                block.code.insert(keccak256(&code), code);
            }
            block.accounts.insert(address, change);
        }
        block
    })
}

/// A state to start from.
pub(crate) fn state() -> impl Strategy<Value = MemoryState> {
    (changes(), changes(), any::<bool>()).prop_map(|(first, second, empty_account)| {
        let mut state = MemoryState::new();
        state.apply(&first);
        state.apply(&second);
        if empty_account {
            state.insert_account(Address::repeat_byte(1), EMPTY);
        }
        state
    })
}

/// The changes that make an empty state into `state`.
pub(crate) fn creation_of(state: &MemoryState) -> BlockChanges {
    let accounts = state.accounts().map(|(address, account)| {
        let slots = account.slots().collect();
        (address, AccountChange { after: Some(account.basics()), wiped: false, slots })
    });
    BlockChanges { accounts: accounts.collect(), code: state.codes().collect() }
}
