//! Changes by hashed key: what a block, an unwound block and a genesis state
//! come down to before they are prepared.

use crate::{
    AccountBasics, AccountChange, BlockChanges, MemoryAccount, MemoryState,
    root::{StateRootBuilder, StorageRootBuilder, hashed_slot, trie_account},
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use rayon::{
    iter::{IntoParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};
use std::collections::BTreeMap;

/// What becomes of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HashedChange {
    /// The account afterwards; `None` removes it with all it stores.
    pub(super) after: Option<AccountBasics>,
    /// Nothing that was stored before stays.
    pub(super) wiped: bool,
    /// Slots by hash, in order, each once; zero clears one.
    pub(super) slots: Vec<(B256, U256)>,
}

/// Changed accounts by key, in order, each once; and code by hash, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HashedChanges {
    pub(super) accounts: Vec<(B256, HashedChange)>,
    pub(super) code: BTreeMap<B256, Bytes>,
}

impl HashedChanges {
    /// Hashes the keys of a block's changes, on the caller's rayon pool.
    pub(super) fn of_block(changes: &BlockChanges) -> Self {
        let accounts: Vec<_> = changes.accounts.iter().collect();
        let hash = |(address, change): (&Address, &AccountChange)| {
            let slots: Vec<_> = change.slots.iter().map(|(slot, value)| (*slot, *value)).collect();
            let slots = hashed_slots(slots);
            (keccak256(address), HashedChange { after: change.after, wiped: change.wiped, slots })
        };
        let mut accounts: Vec<_> = accounts.into_par_iter().map(hash).collect();
        accounts.par_sort_unstable_by_key(|(key, _)| *key);
        Self { accounts, code: changes.code.clone() }
    }

    /// The changes that make an empty store into `state`.
    pub(super) fn of_state(state: &MemoryState) -> Self {
        let accounts: Vec<_> = state.accounts().collect();
        let hash = |(address, account): (Address, &MemoryAccount)| {
            let slots = hashed_slots(account.slots().collect());
            let after = Some(account.basics());
            (keccak256(address), HashedChange { after, wiped: false, slots })
        };
        let mut accounts: Vec<_> = accounts.into_par_iter().map(hash).collect();
        accounts.par_sort_unstable_by_key(|(key, _)| *key);
        Self { accounts, code: state.codes().collect() }
    }

    /// State root after these changes to an empty state: every leaf is hashed.
    pub(super) fn root_from_nothing(&self) -> B256 {
        let mut builder = StateRootBuilder::default();
        for (key, change) in &self.accounts {
            let mut storage = StorageRootBuilder::default();
            change.slots.iter().for_each(|(slot, value)| storage.add(slot, *value));
            if let Some(basics) = &change.after {
                builder.add(key, &trie_account(basics, storage.finish()));
            }
        }
        builder.finish()
    }
}

fn hashed_slots(slots: Vec<(U256, U256)>) -> Vec<(B256, U256)> {
    let mut slots: Vec<_> =
        slots.into_par_iter().map(|(slot, value)| (hashed_slot(slot), value)).collect();
    slots.par_sort_unstable_by_key(|(slot, _)| *slot);
    slots
}
