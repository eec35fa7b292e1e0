//! Writing a block: one atomic batch, keys in order, tip included.

use super::{
    Archive, Store, StoreError, Tip, codec,
    keys::{self, Family, meta},
    prepare::Prepared,
    tables::Tables,
    trie_nodes::TrieWrites,
    undo::Undo,
};
use crate::BlockChanges;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use parking_lot::RwLockUpgradableReadGuard;
use rocksdb::WriteBatch;
use std::{collections::BTreeMap, num::NonZeroU64};

/// A block to be written on top of the tip.
#[derive(Clone, Copy, Debug)]
pub struct NewBlock<'a> {
    /// The block's header.
    pub header: &'a Header,
    /// The block's hash.
    pub hash: B256,
    /// What the block changed.
    pub changes: &'a BlockChanges,
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
///
/// The end of the process, however sudden, costs nothing in any case: what was
/// written is the system's then. This is about the end of the system, such as a
/// loss of power. It may cost the newest blocks that have not been synced, each
/// of them whole: what is left is always the state after some block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Each commit waits for the disk, so a finished one is never lost.
    #[default]
    Synced,
    /// Every so many commits one waits for the disk, which makes those before
    /// it safe as well. Fewer blocks than this can be lost.
    Every(NonZeroU64),
    /// No commit waits, and any number of blocks can be lost that
    /// [`Store::sync`] has not caught up with.
    Unsynced,
}

impl Durability {
    /// Whether a commit waits for the disk, if `n_unsynced` before it did not.
    pub(super) const fn syncs_after(self, n_unsynced: u64) -> bool {
        match self {
            Self::Synced => true,
            Self::Every(n) => n_unsynced.saturating_add(1) >= n.get(),
            Self::Unsynced => false,
        }
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
        self.tables.sync().map_err(StoreError::database("syncing the log"))
    }

    /// Waits until the database has put what was written in order, which it does
    /// on threads of its own; after many writes that takes seconds. For
    /// measuring: whatever runs meanwhile has a core less.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub fn settle(&self) -> Result<(), StoreError> {
        let all = rocksdb::WaitForCompactOptions::default();
        self.tables.db.wait_for_compact(&all).map_err(StoreError::database("compaction"))
    }

    /// Writes a block and makes it the tip: all of it or, on an error, nothing.
    ///
    /// Does and costs what [`prepare`](Self::prepare) and
    /// [`commit_prepared`](Self::commit_prepared) do.
    ///
    /// # Errors
    ///
    /// Those of either.
    pub fn commit(&self, block: &NewBlock<'_>) -> Result<Committed, StoreError> {
        check_follows(&self.tip(), block.header)?;
        let prepared = self.prepare(block.changes)?;
        self.commit_prepared(block.header, block.hash, &prepared)
    }

    /// Writes a block that has been prepared and makes it the tip: all of it
    /// or, on an error, nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotNext`] if the block does not follow the tip,
    /// [`StoreError::Stale`] if the tip has changed since the block was
    /// prepared, [`StoreError::WrongRoot`] if its header names another state
    /// root, and whatever keeps the store from being written. After a failed
    /// write RocksDB may refuse further ones until the store is opened again;
    /// reads go on.
    pub fn commit_prepared(
        &self,
        header: &Header,
        hash: B256,
        prepared: &Prepared,
    ) -> Result<Committed, StoreError> {
        self.commit_with(header, hash, prepared, None)
    }

    /// The same, and keeps the block's body and receipts with it.
    ///
    /// # Errors
    ///
    /// As [`commit_prepared`](Self::commit_prepared).
    pub fn commit_archived(
        &self,
        header: &Header,
        hash: B256,
        prepared: &Prepared,
        archive: &Archive,
    ) -> Result<Committed, StoreError> {
        self.commit_with(header, hash, prepared, Some(archive))
    }

    fn commit_with(
        &self,
        header: &Header,
        hash: B256,
        prepared: &Prepared,
        archive: Option<&Archive>,
    ) -> Result<Committed, StoreError> {
        let head = self.head.upgradable_read();
        check_follows(&head.tip, header)?;
        check_on(&prepared.on, &head.tip)?;
        let (number, root) = (header.number, prepared.root);
        check_root(number, root, header.state_root)?;

        let tip = Tip { number, hash, root };
        // The oldest of the records that stay.
        let oldest_undo = number.saturating_add(1).saturating_sub(self.undo_depth);
        let oldest_undo = oldest_undo.max(head.oldest_undo);
        let mut batch = BlockBatch::new(&self.tables);
        batch.put_state(prepared)?;
        batch.put_code(&prepared.code)?;
        batch.put_header(&tip, header)?;
        if let Some(archive) = archive {
            batch.put_archive(number, &hash, archive)?;
        }
        for old in head.oldest_undo..oldest_undo.min(number) {
            batch.delete(Family::Undo, &keys::header(old))?;
        }
        if oldest_undo <= number {
            let undo = Undo::of(prepared).encode();
            batch.put(Family::Undo, &keys::header(number), &undo)?;
        }
        batch.put_tip(&tip)?;
        let syncs = self.durability.syncs_after(head.n_unsynced);
        let bytes_written = batch.write(syncs)?;
        self.remember(prepared);
        let mut head = RwLockUpgradableReadGuard::upgrade(head);
        head.moved_to(tip, syncs);
        head.oldest_undo = oldest_undo;
        Ok(Committed { root, bytes_written })
    }

    /// Brings the nodes in memory to what has just been written.
    pub(super) fn remember(&self, written: &Prepared) {
        written.tries().for_each(|trie| trie.refresh(&self.nodes));
    }
}

/// Checks that a block comes right after the tip.
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

/// Checks that what was prepared goes on from the tip.
pub(super) fn check_on(prepared: &Tip, tip: &Tip) -> Result<(), StoreError> {
    if prepared == tip {
        Ok(())
    } else {
        Err(StoreError::Stale { prepared: prepared.hash, tip: tip.hash })
    }
}

/// Compares a computed root with the header's.
pub(super) fn check_root(number: u64, computed: B256, expected: B256) -> Result<(), StoreError> {
    if computed == expected {
        Ok(())
    } else {
        Err(StoreError::WrongRoot { number, computed, expected })
    }
}

/// The writes of one block. Each family's keys arrive sorted.
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

    pub(super) fn delete(&mut self, family: Family, key: &[u8]) -> Result<(), StoreError> {
        self.batch.delete_cf(self.tables.family(family)?, key);
        Ok(())
    }

    /// Accounts, slots and trie nodes.
    pub(super) fn put_state(&mut self, prepared: &Prepared) -> Result<(), StoreError> {
        for (key, update) in &prepared.accounts {
            match &update.after {
                Some(account) => self.put(Family::Accounts, key.as_slice(), &account.encode())?,
                None => self.delete(Family::Accounts, key.as_slice())?,
            }
        }
        for (account, update) in &prepared.accounts {
            for slot in &update.slots {
                let key = keys::slot(account, &slot.slot);
                if slot.after.is_zero() {
                    self.delete(Family::Slots, &key)?;
                } else {
                    self.put(Family::Slots, &key, &codec::encode_slot(slot.after))?;
                }
            }
        }
        self.put_nodes(None, &prepared.nodes)?;
        for (account, update) in &prepared.accounts {
            self.put_nodes(Some(account), &update.nodes)?;
        }
        Ok(())
    }

    fn put_nodes(&mut self, account: Option<&B256>, trie: &TrieWrites) -> Result<(), StoreError> {
        let family = if account.is_some() { Family::TrieSlots } else { Family::TrieAccounts };
        for (path, record) in trie.records() {
            let key = keys::node(account, &path);
            match record {
                Some(record) => self.put(family, &key, record)?,
                None => self.delete(family, &key)?,
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

    /// The header of the block that becomes the tip.
    pub(super) fn put_header(&mut self, tip: &Tip, header: &Header) -> Result<(), StoreError> {
        let value = codec::encode_header(&tip.hash, header);
        self.put(Family::Headers, &keys::header(tip.number), &value)
    }

    /// The tip, which makes the block count.
    pub(super) fn put_tip(&mut self, tip: &Tip) -> Result<(), StoreError> {
        self.put(Family::Meta, meta::TIP, &codec::encode_tip(tip))
    }

    /// Writes everything, waits for the disk if it `syncs`, and returns the
    /// size in bytes.
    pub(super) fn write(self, syncs: bool) -> Result<usize, StoreError> {
        let bytes = self.batch.size_in_bytes();
        self.tables.write(self.batch, syncs).map_err(StoreError::database("writing a block"))?;
        Ok(bytes)
    }
}
