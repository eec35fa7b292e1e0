//! Executed blocks that are not persisted yet, over the state that is.
//!
//! While a block is hashed and written, later ones are executed already. What
//! they read is, in this order: the cache, the changes of the blocks in
//! between, newest first, and the base state underneath.
//!
//! ```text
//!   push(n + 1) --> | layer n + 1 |   newest executed block
//!                   | layer n     |
//!                   | layer n - 1 | --> pop(n - 1), once it is in the base
//!                   |    base     |   newest persisted block, or the one after
//! ```
//!
//! # Why a read is right
//!
//! 1. A block stays a layer until it is in the base for good. So what the base
//!    has not got, a layer has, and it does not matter when in between the base
//!    moves on: where it would give another answer, it is not asked.
//! 2. The cache holds answers for the newest layer. A block that is pushed
//!    brings what it changed up to date in the same critical section.
//! 3. What was read from the base goes into the cache only if no block has been
//!    pushed since the layers were searched; else it may be old already.
//! 4. A block that wipes an account's storage gives the account a new
//!    generation. Slots are cached by generation, so none of the old ones is
//!    found again.

mod cache;

use crate::{AccountBasics, AccountChange, BlockChanges, memory};
use alloy_primitives::{Address, B256, U256};
use cache::Cache;
use parking_lot::RwLock;
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{collections::VecDeque, sync::Arc};

pub use cache::CacheSize;

/// The state after the newest executed block: a base state, executed blocks
/// that it does not hold yet, and a cache of both.
///
/// Any number of threads may read and [`warm`](Self::warm). Blocks are pushed
/// between executions, so that no reader of the old state is left; they are
/// popped whenever the base has taken them.
#[derive(Debug)]
pub struct Overlay<B> {
    base: B,
    /// Held for moments: never while the base is read.
    top: RwLock<Top>,
}

/// What a push changes.
#[derive(Debug)]
struct Top {
    /// Answers for the newest layer.
    cache: Cache,
    /// Newest first.
    layers: VecDeque<Layer>,
    /// Blocks ever pushed: names the state that cached answers are of.
    pushes: u64,
}

/// A block that may not be in the base yet.
#[derive(Debug)]
struct Layer {
    number: u64,
    hash: B256,
    changes: Arc<BlockChanges>,
}

/// What the layers say about something.
enum Found<T> {
    /// The value.
    Value(T),
    /// It is as the base has it; the count of pushes then, for the cache.
    InBase { pushes: u64 },
}

impl<B> Overlay<B> {
    /// An overlay without layers.
    pub fn new(base: B, size: CacheSize) -> Self {
        let top = Top { cache: Cache::new(size), layers: VecDeque::new(), pushes: 0 };
        Self { base, top: RwLock::new(top) }
    }

    /// The state underneath.
    pub const fn base(&self) -> &B {
        &self.base
    }

    /// Blocks that have been pushed and not popped.
    pub fn depth(&self) -> usize {
        self.top.read().layers.len()
    }

    /// Hash of block `number`, if it has been pushed and not popped.
    pub fn pending_hash(&self, number: u64) -> Option<B256> {
        let top = self.top.read();
        top.layers.iter().find(|layer| layer.number == number).map(|layer| layer.hash)
    }

    /// Puts an executed block on top. Costs an insertion into the cache for each
    /// changed account and slot.
    pub fn push(&self, number: u64, hash: B256, changes: Arc<BlockChanges>) {
        let mut top = self.top.write();
        top.cache.update(&changes);
        top.pushes += 1;
        top.layers.push_front(Layer { number, hash, changes });
    }

    /// Takes away block `number` and those below: the base holds them now.
    pub fn pop(&self, number: u64) {
        let mut top = self.top.write();
        let is_above = |layer: &Layer| layer.number > number;
        let n_left = top.layers.iter().take_while(|layer| is_above(layer)).count();
        let gone = top.layers.split_off(n_left);
        drop(top);
        // Freed with nobody waiting.
        drop(gone);
    }

    fn find_account(&self, address: &Address) -> Found<Option<AccountBasics>> {
        let top = self.top.read();
        if let Some(cached) = top.cache.account(address) {
            return Found::Value(cached);
        }
        let mut layers = top.layers.iter();
        let after = layers.find_map(|layer| Some(layer.changes.accounts.get(address)?.after));
        after.map_or(Found::InBase { pushes: top.pushes }, Found::Value)
    }

    fn find_slot(&self, address: &Address, slot: U256) -> Found<U256> {
        let top = self.top.read();
        if let Some(cached) = top.cache.slot(address, slot) {
            return Found::Value(cached);
        }
        let mut layers = top.layers.iter();
        let value =
            layers.find_map(|layer| slot_after(layer.changes.accounts.get(address)?, &slot));
        value.map_or(Found::InBase { pushes: top.pushes }, Found::Value)
    }

    /// Runs `remember` if the state is still the one after `pushes` pushes.
    fn if_current(&self, pushes: u64, remember: impl FnOnce(&Cache)) {
        let top = self.top.read();
        if top.pushes == pushes {
            remember(&top.cache);
        }
    }
}

/// What `change` says about `slot`; `None` if it leaves it as it was.
fn slot_after(change: &AccountChange, slot: &U256) -> Option<U256> {
    if change.after.is_none() {
        return Some(U256::ZERO);
    }
    let value = change.slots.get(slot).copied();
    value.or_else(|| change.wiped.then_some(U256::ZERO))
}

impl<B: DatabaseRef> Overlay<B> {
    /// Reads an account and slots of it into the cache, for an execution to
    /// come. What the base fails to answer is left for that execution to meet.
    pub fn warm(&self, address: Address, slots: impl IntoIterator<Item = U256>) {
        let warmed = self.basics(address).map(drop);
        let slots = slots.into_iter().map(|slot| self.storage_ref(address, slot).map(drop));
        // Ends at the first failure: a base that fails once is slow to fail again.
        let _ = warmed.and_then(|()| slots.collect::<Result<(), _>>());
    }

    fn basics(&self, address: Address) -> Result<Option<AccountBasics>, B::Error> {
        let pushes = match self.find_account(&address) {
            Found::Value(basics) => return Ok(basics),
            Found::InBase { pushes } => pushes,
        };
        let basics = self.base.basic_ref(address)?.map(|info| AccountBasics::from(&info));
        self.if_current(pushes, |cache| cache.insert_account(address, basics));
        Ok(basics)
    }
}

impl<B: DatabaseRef> DatabaseRef for Overlay<B> {
    type Error = B::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.basics(address)?.as_ref().map(memory::account_info))
    }

    /// Not cached here: whoever executes keeps code analysed.
    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        let pending = {
            let top = self.top.read();
            top.layers.iter().find_map(|layer| layer.changes.code.get(&code_hash).cloned())
        };
        pending.map_or_else(|| self.base.code_by_hash_ref(code_hash), |c| Ok(memory::analyse(c)))
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Self::Error> {
        let pushes = match self.find_slot(&address, index) {
            Found::Value(value) => return Ok(value),
            Found::InBase { pushes } => pushes,
        };
        let value = self.base.storage_ref(address, index)?;
        self.if_current(pushes, |cache| cache.insert_slot(address, index, value));
        Ok(value)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        match self.pending_hash(number) {
            Some(hash) => Ok(hash),
            None => self.base.block_hash_ref(number),
        }
    }
}

#[cfg(test)]
mod tests;
