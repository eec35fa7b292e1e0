//! A block's changes, worked out up to the state root but not written.

use super::{
    Store, StoreError, Tip,
    batch::check_on,
    codec::StoredAccount,
    hashed::{HashedChange, HashedChanges},
    keys,
    node_cache::NodeCache,
    trie_nodes::{HashedNodes, StoredTrie, TrieWrites},
    view::View,
};
use crate::{
    BlockChanges, root,
    trie::{Change, PartialTrie},
};
use alloy_primitives::{B256, Bytes, U256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use rayon::{
    iter::{IntoParallelIterator, ParallelIterator},
    slice::ParallelSlice,
};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The state after a block, ready to be committed.
///
/// Good for as long as the tip is what it was: [`Store::commit_prepared`]
/// refuses it later.
#[derive(Debug)]
pub struct Prepared {
    /// The tip it goes on from.
    pub(super) on: Tip,
    pub(super) root: B256,
    /// Changed accounts by key, in order, each once.
    pub(super) accounts: Vec<(B256, AccountUpdate)>,
    /// The state trie.
    pub(super) nodes: TrieWrites,
    /// Code by hash that is not stored yet.
    pub(super) code: BTreeMap<B256, Bytes>,
}

/// What happens to one stored account.
#[derive(Debug)]
pub(super) struct AccountUpdate {
    pub(super) before: Option<StoredAccount>,
    /// `None` removes the account.
    pub(super) after: Option<StoredAccount>,
    /// Slots that change, by hash, in order. Where storage is wiped, that is
    /// every slot that was stored.
    pub(super) slots: Vec<SlotUpdate>,
    /// The storage trie.
    pub(super) nodes: TrieWrites,
}

/// What happens to one slot; zero is no slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotUpdate {
    pub(super) slot: B256,
    pub(super) before: U256,
    pub(super) after: U256,
}

impl Prepared {
    /// State root after the block.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Trie nodes hashed for it, in all tries.
    pub fn hashed(&self) -> HashedNodes {
        let mut hashed = HashedNodes::default();
        self.tries().for_each(|trie| hashed.absorb(&trie.hashed()));
        hashed
    }

    /// Every trie the block changes.
    pub(super) fn tries(&self) -> impl Iterator<Item = &TrieWrites> {
        self.accounts.iter().map(|(_, account)| &account.nodes).chain([&self.nodes])
    }
}

/// A block's changes beside what the store held of the same accounts and slots.
#[derive(Debug)]
pub struct LookedUp {
    /// The tip at that time.
    on: Tip,
    changes: HashedChanges,
    stored: Stored,
}

/// What the flat tables hold of the accounts and slots that change: all that
/// the tries need to know of them, unless storage is wiped.
#[derive(Debug)]
struct Stored {
    /// One for each account of the changes.
    accounts: Vec<Option<StoredAccount>>,
    /// One for each slot of the changes, in the order of their accounts.
    slots: Vec<U256>,
    /// Code by hash that is not stored yet.
    new_code: BTreeMap<B256, Bytes>,
}

impl Store {
    /// Works out what a block on top of the tip leads to. Nothing is written.
    ///
    /// Costs a lookup per changed account and slot, and reading and hashing the
    /// trie paths to them; a wiped storage is scanned. Accounts, and the
    /// subtries of large ones, are spread over the rayon pool this is called
    /// from. No lock is held, so a pool whose other tasks use the store as well
    /// cannot come to a halt.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or an entry is damaged or missing; of
    /// several, the first in the order of keys.
    pub fn prepare(&self, changes: &BlockChanges) -> Result<Prepared, StoreError> {
        let view = self.tables.view();
        prepare(&view, &self.nodes, &HashedChanges::of_block(changes))
    }

    /// The first half of [`prepare`](Self::prepare): hashes keys and reads the
    /// flat tables.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare).
    pub fn look_up(&self, changes: &BlockChanges) -> Result<LookedUp, StoreError> {
        let view = self.tables.view();
        let changes = HashedChanges::of_block(changes);
        let stored = look_up(&view, &changes)?;
        Ok(LookedUp { on: view.tip()?, changes, stored })
    }

    /// The second half of [`prepare`](Self::prepare): the tries.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare), and [`StoreError::Stale`] if the tip
    /// has changed since the lookup.
    pub fn prepare_looked_up(&self, looked_up: &LookedUp) -> Result<Prepared, StoreError> {
        let LookedUp { on, changes, stored } = looked_up;
        let view = self.tables.view();
        check_on(on, &view.tip()?)?;
        update(*on, &view, &self.nodes, changes, stored)
    }

    /// State root after `changes` on top of the tip: that of
    /// [`prepare`](Self::prepare).
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare).
    pub fn root_after(&self, changes: &BlockChanges) -> Result<B256, StoreError> {
        self.prepare(changes).map(|prepared| prepared.root)
    }
}

/// Works out what `changes` on top of the view's tip lead to.
pub(super) fn prepare(
    view: &View<'_>,
    cache: &NodeCache,
    changes: &HashedChanges,
) -> Result<Prepared, StoreError> {
    let on = view.tip()?;
    prepare_on(on, view, cache, changes)
}

/// The same where the view has no tip yet.
pub(super) fn prepare_on(
    on: Tip,
    view: &View<'_>,
    cache: &NodeCache,
    changes: &HashedChanges,
) -> Result<Prepared, StoreError> {
    update(on, view, cache, changes, &look_up(view, changes)?)
}

/// Entries of the flat tables that are looked up together: one costs about a
/// microsecond among others, and more alone.
const LOOKUPS_PER_TASK: usize = 64;

fn look_up(view: &View<'_>, changes: &HashedChanges) -> Result<Stored, StoreError> {
    let keys: Vec<_> = changes.accounts.iter().map(|(key, _)| *key).collect();
    let accounts = in_chunks(&keys, |keys| view.accounts(keys))?;
    let keys: Vec<_> = changes
        .accounts
        .iter()
        .flat_map(|(key, change)| change.slots.iter().map(|(slot, _)| keys::slot(key, slot)))
        .collect();
    let slots = in_chunks(&keys, |keys| view.slots(keys))?;
    let mut new_code = BTreeMap::new();
    for (hash, bytes) in &changes.code {
        if !view.has_code(hash)? {
            new_code.insert(*hash, bytes.clone());
        }
    }
    Ok(Stored { accounts, slots, new_code })
}

/// What `read` gives for all keys, in their order.
fn in_chunks<K: Sync, V: Send>(
    keys: &[K],
    read: impl Fn(&[K]) -> Result<Vec<V>, StoreError> + Sync + Send,
) -> Result<Vec<V>, StoreError> {
    let chunks: Vec<_> = keys.par_chunks(LOOKUPS_PER_TASK).map(read).collect();
    let mut values = Vec::with_capacity(keys.len());
    for chunk in chunks {
        values.extend(chunk?);
    }
    Ok(values)
}

fn update(
    on: Tip,
    view: &View<'_>,
    cache: &NodeCache,
    changes: &HashedChanges,
    stored: &Stored,
) -> Result<Prepared, StoreError> {
    let mut rest = stored.slots.as_slice();
    let tasks: Vec<_> = changes
        .accounts
        .iter()
        .zip(&stored.accounts)
        .map(|((key, change), account)| {
            let (slots, after) = rest.split_at(change.slots.len());
            rest = after;
            (key, change, Before { account: account.as_ref(), slots })
        })
        .collect();
    let updates: Vec<Result<_, StoreError>> = tasks
        .into_par_iter()
        .map(|(key, change, before)| Ok((*key, account_update(view, cache, key, change, before)?)))
        .collect();
    let accounts = updates.into_iter().collect::<Result<Vec<_>, _>>()?;
    let leaves: Vec<_> = accounts.iter().map(|(key, update)| account_leaf(key, update)).collect();
    let mut writes = TrieWrites::default();
    let trie = StoredTrie { view, cache, account: None };
    let root = PartialTrie::new(&trie, on.root).update(&leaves, &mut writes)?;
    Ok(Prepared { on, root, accounts, nodes: writes, code: stored.new_code.clone() })
}

fn account_leaf(key: &B256, update: &AccountUpdate) -> Change<TrieAccount> {
    let after =
        update.after.map(|account| root::trie_account(&account.basics, account.storage_root));
    Change { key: *key, existed: update.before.is_some(), after }
}

/// What is stored of an account and of the slots that its change names.
#[derive(Clone, Copy)]
struct Before<'a> {
    account: Option<&'a StoredAccount>,
    /// One for each slot of the change, in that order.
    slots: &'a [U256],
}

fn account_update(
    view: &View<'_>,
    cache: &NodeCache,
    key: &B256,
    change: &HashedChange,
    before: Before<'_>,
) -> Result<AccountUpdate, StoreError> {
    let Before { account: before, slots: slots_before } = before;
    let (root_before, had_one_slot) = before
        .map_or((EMPTY_ROOT_HASH, false), |account| (account.storage_root, account.has_one_slot));
    let is_wiped = change.wiped || change.after.is_none();
    let wipes_something = is_wiped && root_before != EMPTY_ROOT_HASH;
    let slots = if wipes_something {
        slots_after_wipe(view, key, change)?
    } else if change.after.is_none() {
        Vec::new()
    } else {
        let update = |((slot, after), before): (&(B256, U256), &U256)| SlotUpdate {
            slot: *slot,
            before: *before,
            after: *after,
        };
        change.slots.iter().zip(slots_before).map(update).collect()
    };
    // Where the only slot there was changes, nothing of the trie stays.
    let replaces_all = had_one_slot && slots.iter().any(|slot| !slot.before.is_zero());
    let starts_empty = is_wiped || replaces_all;
    let leaves: SmallVec<[_; 1]> =
        slots.iter().filter_map(|slot| slot_leaf(slot, starts_empty)).collect();
    let mut writes = TrieWrites::default();
    let trie = StoredTrie { view, cache, account: Some(*key) };
    let root = if starts_empty { EMPTY_ROOT_HASH } else { root_before };
    let storage_root = PartialTrie::new(&trie, root).update(&leaves, &mut writes)?;
    if wipes_something {
        for node in view.slot_nodes_of(key)? {
            let path = Nibbles::from_nibbles_unchecked(&node?[B256::len_bytes()..]);
            writes.wipe(path);
        }
    }
    let has_one_slot =
        if storage_root == root_before { had_one_slot } else { writes.root_is_leaf() };
    let after = change.after.map(|basics| StoredAccount { basics, storage_root, has_one_slot });
    Ok(AccountUpdate { before: before.copied(), after, slots, nodes: writes })
}

/// The leaf of a slot, if it changes. In a trie that starts empty everything
/// that is set does, and nothing else.
fn slot_leaf(slot: &SlotUpdate, starts_empty: bool) -> Option<Change<U256>> {
    let existed = !starts_empty && !slot.before.is_zero();
    let is_change = if starts_empty { !slot.after.is_zero() } else { slot.before != slot.after };
    is_change.then(|| {
        let after = (!slot.after.is_zero()).then_some(slot.after);
        Change { key: slot.slot, existed, after }
    })
}

/// Every stored slot of an account as cleared, but for those the change sets.
fn slots_after_wipe(
    view: &View<'_>,
    key: &B256,
    change: &HashedChange,
) -> Result<Vec<SlotUpdate>, StoreError> {
    let mut slots = BTreeMap::new();
    for stored in view.slots_of(key)? {
        let (slot, before) = stored?;
        slots.insert(slot, SlotUpdate { slot, before, after: U256::ZERO });
    }
    // An account that is gone keeps nothing, whatever its change says.
    for (slot, after) in change.slots.iter().filter(|_| change.after.is_some()) {
        let fresh = SlotUpdate { slot: *slot, before: U256::ZERO, after: *after };
        slots.entry(*slot).or_insert(fresh).after = *after;
    }
    Ok(slots.into_values().collect())
}
