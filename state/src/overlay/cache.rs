//! Accounts and slots that were read or written lately.

use crate::{AccountBasics, BlockChanges};
use alloy_primitives::{Address, U256, map::AddressMap};
use foldhash::fast::RandomState;
use quick_cache::{UnitWeighter, sync};
use std::hash::Hash;

/// Bounds of an overlay's cache, in entries. An entry of either kind takes some
/// 150 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSize {
    /// Accounts, present or known to be absent.
    pub accounts: usize,
    /// Storage slots, zero ones included.
    pub slots: usize,
}

impl Default for CacheSize {
    /// Some 100 MB: what a few hundred full blocks touch.
    fn default() -> Self {
        Self { accounts: 1 << 18, slots: 1 << 19 }
    }
}

/// Accounts whose storage was wiped, beyond which the cache starts anew. Since
/// Cancun (EIP-6780) only accounts made in the same transaction go, so in
/// practice this is never reached.
const MAX_WIPED: usize = 1 << 16;

type Bounded<K, V> = sync::Cache<K, V, UnitWeighter, RandomState>;

/// A slot, and which life of the account's storage it belongs to.
type SlotKey = (Address, U256, u32);

/// A cache that [`Overlay`](super::Overlay) keeps in step with its layers.
#[derive(Debug)]
pub(super) struct Cache {
    accounts: Bounded<Address, Option<AccountBasics>>,
    slots: Bounded<SlotKey, U256>,
    /// Generation of every account whose storage was wiped since the cache began.
    generations: AddressMap<u32>,
}

impl Cache {
    pub(super) fn new(size: CacheSize) -> Self {
        Self {
            accounts: bounded(size.accounts),
            slots: bounded(size.slots),
            generations: AddressMap::default(),
        }
    }

    pub(super) fn account(&self, address: &Address) -> Option<Option<AccountBasics>> {
        self.accounts.get(address)
    }

    pub(super) fn slot(&self, address: &Address, slot: U256) -> Option<U256> {
        self.slots.get(&self.key(address, slot))
    }

    pub(super) fn insert_account(&self, address: Address, basics: Option<AccountBasics>) {
        self.accounts.insert(address, basics);
    }

    pub(super) fn insert_slot(&self, address: Address, slot: U256, value: U256) {
        self.slots.insert(self.key(&address, slot), value);
    }

    /// Brings the cache from before a block to after it.
    pub(super) fn update(&mut self, changes: &BlockChanges) {
        if self.generations.len() >= MAX_WIPED {
            self.accounts.clear();
            self.slots.clear();
            self.generations.clear();
        }
        for (address, change) in &changes.accounts {
            self.accounts.insert(*address, change.after);
            if change.wiped || change.after.is_none() {
                *self.generations.entry(*address).or_default() += 1;
            }
            if change.after.is_none() {
                continue;
            }
            for (slot, value) in &change.slots {
                self.insert_slot(*address, *slot, *value);
            }
        }
    }

    fn key(&self, address: &Address, slot: U256) -> SlotKey {
        (*address, slot, self.generations.get(address).copied().unwrap_or_default())
    }
}

fn bounded<K: Eq + Hash, V: Clone>(entries: usize) -> Bounded<K, V> {
    let hasher = RandomState::default();
    Bounded::with(entries, entries as u64, UnitWeighter, hasher, Default::default())
}
