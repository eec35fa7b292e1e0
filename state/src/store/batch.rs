//! Writing a block: one atomic batch, keys in order, tip included.

use super::{
    Store, StoreError, Tip, codec,
    keys::{self, Family, meta},
    roots::{self, AccountUpdates},
    tables::Tables,
};
use crate::BlockChanges;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use parking_lot::RwLockUpgradableReadGuard;
use rocksdb::{WriteBatch, WriteOptions};
use std::collections::BTreeMap;

/// A block to be written on top of the tip.
#[derive(Clone, Copy, Debug)]
pub struct NewBlock<'a> {
    /// The block's header.
    pub header: &'a Header,
    /// The block's hash.
    pub hash: B256,
    /// What the block changed.
    pub changes: &'a BlockChanges,
    /// State root after the block, if the caller has computed it from
    /// `changes`, by [`Store::root_after`] or otherwise; the store takes its
    /// word. `None` has the store compute it.
    pub root: Option<B256>,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// State root after the block.
    pub root: B256,
    /// Size of the batch: what went into RocksDB's log.
    pub bytes_written: usize,
}

/// What a finished commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Loss of power: each commit waits for the disk.
    #[default]
    Synced,
    /// The end of this process, however sudden. After a loss of power the
    /// newest blocks may be gone; those left are whole. [`Store::sync`] catches
    /// up.
    Unsynced,
}

impl Durability {
    fn write_options(self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self == Self::Synced);
        options
    }
}

impl Store {
    /// The store with another durability; a new or opened one is
    /// [`Durability::Synced`].
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Waits until every commit so far is safe on disk.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.tables.db.flush_wal(true).map_err(StoreError::database("syncing the log"))
    }

    /// Writes a block and makes it the tip: all of it or, on an error, nothing.
    ///
    /// Costs a lookup per changed account and a scan of the slots of accounts
    /// whose slots changed; without `block.root`, also what
    /// [`root_after`](Self::root_after) costs.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotNext`] if the block does not follow the tip,
    /// [`StoreError::WrongRoot`] if its header names another state root, and
    /// whatever keeps the store from being read or written. After a failed
    /// write RocksDB may refuse further ones until the store is opened again;
    /// reads go on.
    pub fn commit(&self, block: &NewBlock<'_>) -> Result<Committed, StoreError> {
        let tip = self.tip.upgradable_read();
        check_follows(&tip, block.header)?;
        let updates = roots::account_updates(&self.tables, block.changes)?;
        let root = match block.root {
            Some(root) => root,
            None => roots::state_root(&self.tables, &updates)?,
        };
        let number = block.header.number;
        check_root(number, root, block.header.state_root)?;

        let new_tip = Tip { number, hash: block.hash, root };
        let mut batch = BlockBatch::new(&self.tables);
        batch.put_accounts(&updates)?;
        batch.put_code(&block.changes.code)?;
        batch.put_tip(&new_tip, block.header)?;
        let bytes_written = batch.write(self.durability)?;
        *RwLockUpgradableReadGuard::upgrade(tip) = new_tip;
        Ok(Committed { root, bytes_written })
    }
}

fn check_follows(tip: &Tip, header: &Header) -> Result<(), StoreError> {
    if tip.number.checked_add(1) == Some(header.number) && header.parent_hash == tip.hash {
        return Ok(());
    }
    Err(StoreError::NotNext {
        number: header.number,
        parent: header.parent_hash,
        tip: tip.number,
        tip_hash: tip.hash,
    })
}

/// Compares a computed root with the header's.
pub(super) fn check_root(number: u64, computed: B256, expected: B256) -> Result<(), StoreError> {
    if computed == expected {
        Ok(())
    } else {
        Err(StoreError::WrongRoot { number, computed, expected })
    }
}

/// The writes of one block. Callers add families in the order of
/// [`Family::ALL`], and each family's keys arrive sorted.
pub(super) struct BlockBatch<'a> {
    tables: &'a Tables,
    batch: WriteBatch,
}

impl<'a> BlockBatch<'a> {
    pub(super) fn new(tables: &'a Tables) -> Self {
        Self { tables, batch: WriteBatch::default() }
    }

    pub(super) fn put(
        &mut self,
        family: Family,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), StoreError> {
        self.batch.put_cf(self.tables.family(family)?, key, value);
        Ok(())
    }

    fn delete(&mut self, family: Family, key: &[u8]) -> Result<(), StoreError> {
        self.batch.delete_cf(self.tables.family(family)?, key);
        Ok(())
    }

    /// Accounts and their slots.
    pub(super) fn put_accounts(&mut self, updates: &AccountUpdates) -> Result<(), StoreError> {
        for (key, update) in updates {
            match &update.after {
                Some(account) => self.put(Family::Accounts, key.as_slice(), &account.encode())?,
                None => self.delete(Family::Accounts, key.as_slice())?,
            }
        }
        for (account, update) in updates {
            for (slot, value) in &update.slots {
                let key = keys::slot(account, slot);
                if value.is_zero() {
                    self.delete(Family::Slots, &key)?;
                } else {
                    self.put(Family::Slots, &key, &codec::encode_slot(*value))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn put_code(&mut self, code: &BTreeMap<B256, Bytes>) -> Result<(), StoreError> {
        for (hash, code) in code {
            self.put(Family::Code, hash.as_slice(), code)?;
        }
        Ok(())
    }

    /// The header, and the tip that makes the block count.
    pub(super) fn put_tip(&mut self, tip: &Tip, header: &Header) -> Result<(), StoreError> {
        let value = codec::encode_header(&tip.hash, header);
        self.put(Family::Headers, &keys::header(tip.number), &value)?;
        self.put(Family::Meta, meta::TIP, &codec::encode_tip(tip))
    }

    /// Writes everything and returns the size in bytes.
    pub(super) fn write(self, durability: Durability) -> Result<usize, StoreError> {
        let bytes = self.batch.size_in_bytes();
        self.tables
            .db
            .write_opt(self.batch, &durability.write_options())
            .map_err(StoreError::database("writing a block"))?;
        Ok(bytes)
    }
}
