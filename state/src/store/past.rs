//! The state after one of the newest blocks, as long as undo records reach.

use super::{
    Store, StoreError, Tip,
    hashed::{HashedChange, HashedChanges},
    keys::{self, Family},
    node_cache::NodeCache,
    prepare::prepare,
    tables::corrupt,
    undo::Undo,
    view::View,
};
use crate::{BlockChanges, memory, root};
use alloy_primitives::{Address, B256, Bytes, U256, map::B256Map};
use revm::{DatabaseRef, bytecode::Bytecode, primitives::KECCAK_EMPTY, state::AccountInfo};
use std::collections::BTreeMap;

/// The state after a block at or below the tip.
///
/// It stays the same whatever is committed or unwound meanwhile. A read costs
/// one lookup; what it takes to go back is read when this is made.
#[derive(Debug)]
pub struct StateAt<'a> {
    view: View<'a>,
    nodes: &'a NodeCache,
    block: Tip,
    /// What leads from the view's tip to the block.
    way_back: B256Map<HashedChange>,
}

impl Store {
    /// The state after block `number`.
    ///
    /// Costs nothing for the tip; else reading the undo records of the blocks
    /// above, which are about as large as those blocks' changes.
    ///
    /// # Errors
    ///
    /// [`StoreError::AboveTip`] or [`StoreError::NoUndo`] if that state is not
    /// kept; otherwise if the store cannot be read or a record is damaged.
    pub fn state_at(&self, number: u64) -> Result<StateAt<'_>, StoreError> {
        let view = self.tables.view();
        let tip = view.tip()?;
        if number > tip.number {
            return Err(StoreError::AboveTip { number, tip: tip.number });
        }
        let oldest = view.oldest_undo()?.map_or(tip.number, |oldest| oldest.saturating_sub(1));
        if number < oldest {
            return Err(StoreError::NoUndo { number, oldest });
        }
        let mut way_back = B256Map::<HashedChange>::default();
        for above in (number..tip.number).rev().map(|parent| parent + 1) {
            let key = keys::header(above);
            let record = view.undo(above)?.ok_or_else(|| missing(Family::Undo, above))?;
            let undo =
                Undo::decode(&record).map_err(|reason| corrupt(Family::Undo, &key, reason))?;
            for (key, older) in undo.into_changes().accounts {
                let change = way_back.entry(key).or_insert_with(HashedChange::nothing);
                change.after = older.after;
                // Each record lists every slot that its block changed.
                change.slots = merged(&change.slots, older.slots);
            }
        }
        let block = match number == tip.number {
            true => tip,
            false => {
                let found = view.header(number)?;
                let (hash, header) = found.ok_or_else(|| missing(Family::Headers, number))?;
                Tip { number, hash, root: header.state_root }
            }
        };
        Ok(StateAt { view, nodes: &self.nodes, block, way_back })
    }
}

fn missing(family: Family, number: u64) -> StoreError {
    StoreError::Missing { family: family.name(), key: keys::header(number).into() }
}

/// Slots by hash, in order; of two values for one the second counts.
fn merged(first: &[(B256, U256)], second: Vec<(B256, U256)>) -> Vec<(B256, U256)> {
    let slots: BTreeMap<_, _> = first.iter().copied().chain(second).collect();
    slots.into_iter().collect()
}

impl StateAt<'_> {
    /// The block.
    pub const fn block(&self) -> Tip {
        self.block
    }

    /// State root after `blocks` on top of this state, the oldest first.
    ///
    /// Costs what preparing all of these changes as one block costs, and the way
    /// back to this state.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or an entry is damaged or missing.
    pub fn root_after<'b>(
        &self,
        blocks: impl IntoIterator<Item = &'b BlockChanges>,
    ) -> Result<B256, StoreError> {
        let mut changes = self.way_back.clone();
        let mut code = BTreeMap::new();
        for block in blocks {
            let block = HashedChanges::of_block(block);
            code.extend(block.code);
            for (key, newer) in block.accounts {
                let change = changes.entry(key).or_insert_with(HashedChange::nothing);
                // A storage that was gone in between starts from nothing.
                if newer.wiped || newer.after.is_none() {
                    change.slots.clear();
                    change.wiped = true;
                }
                change.after = newer.after;
                change.slots = merged(&change.slots, newer.slots);
            }
        }
        // The tip may store slots for an account that did not exist then.
        for (key, change) in &self.way_back {
            if change.after.is_none()
                && let Some(change) = changes.get_mut(key)
            {
                change.wiped = true;
            }
        }
        let mut accounts: Vec<_> = changes.into_iter().collect();
        accounts.sort_unstable_by_key(|(key, _)| *key);
        let prepared = prepare(&self.view, self.nodes, &HashedChanges { accounts, code })?;
        Ok(prepared.root())
    }
}

impl HashedChange {
    /// A change to be filled in.
    const fn nothing() -> Self {
        Self { after: None, wiped: false, slots: Vec::new() }
    }
}

impl DatabaseRef for StateAt<'_> {
    type Error = StoreError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let key = keys::account(&address);
        let basics = match self.way_back.get(&key) {
            Some(change) => change.after,
            None => self.view.account(&key)?.map(|account| account.basics),
        };
        Ok(basics.as_ref().map(memory::account_info))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        if code_hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        let code = self.view.code(&code_hash)?;
        code.map(memory::analyse).ok_or_else(|| StoreError::Missing {
            family: Family::Code.name(),
            key: Bytes::from(code_hash),
        })
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Self::Error> {
        let (key, slot) = (keys::account(&address), root::hashed_slot(index));
        if let Some(change) = self.way_back.get(&key) {
            if change.after.is_none() {
                return Ok(U256::ZERO);
            }
            if let Ok(found) = change.slots.binary_search_by_key(&slot, |(slot, _)| *slot) {
                return Ok(change.slots[found].1);
            }
        }
        self.view.slot(&key, &slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        let header = (number <= self.block.number).then(|| self.view.header(number));
        let header = header.transpose()?.flatten();
        header.map(|(hash, _)| hash).ok_or(StoreError::UnknownBlock(number))
    }
}
