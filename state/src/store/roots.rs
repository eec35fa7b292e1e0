//! The state root after a block, from the flat tables.
//!
//! An account's storage root is kept with it, so only slots of accounts whose
//! slots changed are scanned. The state root itself is computed from every
//! account: a merge of the sorted table with the sorted changes.

use super::{Store, StoreError, codec::StoredAccount, keys, tables::Tables};
use crate::{
    AccountChange, BlockChanges,
    root::{StateRootBuilder, StorageRootBuilder, hashed_slot, trie_account},
};
use alloy_primitives::{B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use std::collections::BTreeMap;

/// What a block does to one stored account.
#[derive(Debug)]
pub(super) struct AccountUpdate {
    /// The account after the block; `None` removes it.
    pub(super) after: Option<StoredAccount>,
    /// Slots to write by hash; zero removes. Where the storage is wiped, that
    /// names every slot that was stored.
    pub(super) slots: BTreeMap<B256, U256>,
}

/// Updates by account key: in the order of the table.
pub(super) type AccountUpdates = BTreeMap<B256, AccountUpdate>;

impl Store {
    /// State root after `changes` on top of the tip. Nothing is written.
    ///
    /// Costs a scan of all accounts, and of all slots of the accounts whose
    /// slots changed.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or a value is damaged.
    pub fn root_after(&self, changes: &BlockChanges) -> Result<B256, StoreError> {
        let _still = self.tip.upgradable_read();
        state_root(&self.tables, &account_updates(&self.tables, changes)?)
    }
}

/// Turns a block's changes into what to write, storage roots included.
pub(super) fn account_updates(
    tables: &Tables,
    changes: &BlockChanges,
) -> Result<AccountUpdates, StoreError> {
    let update = |(address, change)| {
        let key = keys::account(address);
        Ok((key, account_update(tables, &key, change)?))
    };
    changes.accounts.iter().map(update).collect()
}

fn account_update(
    tables: &Tables,
    key: &B256,
    change: &AccountChange,
) -> Result<AccountUpdate, StoreError> {
    let before = tables.account(key)?.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
    let Some(basics) = change.after else {
        return Ok(AccountUpdate { after: None, slots: wiped_slots(tables, key, before)? });
    };
    let changed = change.slots.iter().map(|(slot, value)| (hashed_slot(*slot), *value));
    let (slots, storage_root) = if change.wiped {
        let mut slots = wiped_slots(tables, key, before)?;
        slots.extend(changed);
        let storage_root = merged_storage_root(std::iter::empty(), &slots)?;
        (slots, storage_root)
    } else {
        let slots: BTreeMap<_, _> = changed.collect();
        let storage_root = if slots.is_empty() {
            before
        } else {
            merged_storage_root(tables.slots_of(key)?, &slots)?
        };
        (slots, storage_root)
    };
    Ok(AccountUpdate { after: Some(StoredAccount { basics, storage_root }), slots })
}

/// Every stored slot of an account, as zero.
fn wiped_slots(
    tables: &Tables,
    key: &B256,
    storage_root: B256,
) -> Result<BTreeMap<B256, U256>, StoreError> {
    if storage_root == EMPTY_ROOT_HASH {
        return Ok(BTreeMap::new());
    }
    tables.slots_of(key)?.map(|slot| slot.map(|(slot, _)| (slot, U256::ZERO))).collect()
}

fn merged_storage_root(
    stored: impl Iterator<Item = Result<(B256, U256), StoreError>>,
    changed: &BTreeMap<B256, U256>,
) -> Result<B256, StoreError> {
    let mut builder = StorageRootBuilder::default();
    merge(stored, changed, |key, stored, changed| {
        if let Some(value) = changed.copied().or(stored) {
            builder.add(key, value);
        }
    })?;
    Ok(builder.finish())
}

/// Root of all stored accounts with `updates` in place.
pub(super) fn state_root(tables: &Tables, updates: &AccountUpdates) -> Result<B256, StoreError> {
    let mut builder = StateRootBuilder::default();
    merge(tables.accounts()?, updates, |key, stored, update| {
        let after = update.map_or(stored, |update| update.after);
        if let Some(account) = after {
            builder.add(key, &trie_account(&account.basics, account.storage_root));
        }
    })?;
    Ok(builder.finish())
}

/// Calls `visit` once for each key of `stored` or `changed`, in key order,
/// with what either has. Both must be in key order.
fn merge<S: Copy, C>(
    stored: impl Iterator<Item = Result<(B256, S), StoreError>>,
    changed: &BTreeMap<B256, C>,
    mut visit: impl FnMut(&B256, Option<S>, Option<&C>),
) -> Result<(), StoreError> {
    let mut changed = changed.iter().peekable();
    for entry in stored {
        let (key, value) = entry?;
        while let Some((new_key, change)) = changed.next_if(|(new_key, _)| **new_key < key) {
            visit(new_key, None, Some(change));
        }
        let change = changed.next_if(|(new_key, _)| **new_key == key).map(|(_, change)| change);
        visit(&key, Some(value), change);
    }
    for (key, change) in changed {
        visit(key, None, Some(change));
    }
    Ok(())
}
