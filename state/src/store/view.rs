//! The tables at one moment.
//!
//! Work that takes a while reads through a view and holds no lock: whatever is
//! committed meanwhile, it sees one block's state.

use super::{
    StoreError, Tip,
    codec::{self, Damage, StoredAccount},
    keys::{self, ACCOUNT_KEY_BYTES, Family, meta},
    node_cache::Record,
    tables::{Tables, decode_code, decode_numbered, decode_slot_entry, whole_family},
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, U256};
use rocksdb::{DB, Direction, IteratorMode, ReadOptions, SnapshotWithThreadMode};

/// Typed reads of the tables as they were when the view was made.
pub(super) struct View<'a> {
    tables: &'a Tables,
    /// Reads of single entries. Refers to the snapshot, so it is dropped first.
    point: ReadOptions,
    snapshot: SnapshotWithThreadMode<'a, DB>,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

impl<'a> View<'a> {
    pub(super) fn new(tables: &'a Tables) -> Self {
        let snapshot = tables.db.snapshot();
        let mut point = ReadOptions::default();
        point.set_snapshot(&snapshot);
        Self { tables, point, snapshot }
    }

    fn get<T>(
        &self,
        family: Family,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, Damage>,
    ) -> Result<Option<T>, StoreError> {
        self.tables.get_with(&self.point, family, key, decode)
    }

    /// The newest block of the view.
    pub(super) fn tip(&self) -> Result<Tip, StoreError> {
        let missing = || StoreError::Missing {
            family: Family::Meta.name(),
            key: Bytes::from_static(meta::TIP),
        };
        self.get(Family::Meta, meta::TIP, codec::decode_tip)?.ok_or_else(missing)
    }

    /// Accounts by key, for keys in order.
    pub(super) fn accounts(&self, keys: &[B256]) -> Result<Vec<Option<StoredAccount>>, StoreError> {
        let Self { tables, point, .. } = self;
        tables.get_many(point, Family::Accounts, keys, StoredAccount::decode)
    }

    /// Values of slots, for keys of `slots` in order; zero for one that is not
    /// there.
    pub(super) fn slots(&self, keys: &[[u8; 64]]) -> Result<Vec<U256>, StoreError> {
        let Self { tables, point, .. } = self;
        let values = tables.get_many(point, Family::Slots, keys, codec::decode_slot)?;
        Ok(values.into_iter().map(Option::unwrap_or_default).collect())
    }

    pub(super) fn account(&self, key: &B256) -> Result<Option<StoredAccount>, StoreError> {
        self.get(Family::Accounts, key.as_slice(), StoredAccount::decode)
    }

    /// Value of one slot; zero if it is not there.
    pub(super) fn slot(&self, account: &B256, slot: &B256) -> Result<U256, StoreError> {
        let value = self.get(Family::Slots, &keys::slot(account, slot), codec::decode_slot)?;
        Ok(value.unwrap_or_default())
    }

    /// Code by its hash, checked.
    pub(super) fn code(&self, hash: &B256) -> Result<Option<Bytes>, StoreError> {
        self.get(Family::Code, hash.as_slice(), |bytes| decode_code(hash, bytes))
    }

    pub(super) fn header(&self, number: u64) -> Result<Option<(B256, Header)>, StoreError> {
        let decode = |bytes: &[u8]| decode_numbered(number, bytes);
        self.get(Family::Headers, &keys::header(number), decode)
    }

    /// Whether code with this hash is stored.
    pub(super) fn has_code(&self, hash: &B256) -> Result<bool, StoreError> {
        Ok(self.get(Family::Code, hash.as_slice(), |_| Ok(()))?.is_some())
    }

    /// Record of a trie node, as it is stored.
    pub(super) fn node(&self, family: Family, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.get(family, key, |record| Ok(Record::from(record)))
    }

    /// Undo record of a block, as it is stored.
    pub(super) fn undo(&self, number: u64) -> Result<Option<Bytes>, StoreError> {
        self.get(Family::Undo, &keys::header(number), |record| Ok(Bytes::copy_from_slice(record)))
    }

    /// Number of the oldest block with an undo record.
    pub(super) fn oldest_undo(&self) -> Result<Option<u64>, StoreError> {
        let decode = |key: &[u8], _: &[u8]| keys::parse_header(key);
        let mut records =
            self.tables.scan(Family::Undo, self.whole(), IteratorMode::Start, decode)?;
        records.next().transpose()
    }

    /// Slots of one account by slot hash, in key order.
    pub(super) fn slots_of(
        &self,
        account: &B256,
    ) -> Result<impl Iterator<Item = Result<(B256, U256), StoreError>> + use<'_>, StoreError> {
        self.slots_from(account, &B256::ZERO)
    }

    /// The same from the slot with this hash on.
    pub(super) fn slots_from(
        &self,
        account: &B256,
        slot: &B256,
    ) -> Result<impl Iterator<Item = Result<(B256, U256), StoreError>> + use<'_>, StoreError> {
        let first = keys::slot(account, slot);
        let mode = IteratorMode::From(&first, Direction::Forward);
        let slots = self.tables.scan(Family::Slots, self.prefix(), mode, decode_slot_entry)?;
        Ok(slots.map(|slot| slot.map(|(_, slot, value)| (slot, value))))
    }

    /// Accounts by key, in key order, from this key on.
    pub(super) fn accounts_from(
        &self,
        key: &B256,
    ) -> Result<impl Iterator<Item = Result<(B256, StoredAccount), StoreError>> + use<'_>, StoreError>
    {
        let mode = IteratorMode::From(key.as_slice(), Direction::Forward);
        self.tables.scan(Family::Accounts, self.whole(), mode, |key, value| {
            Ok((keys::parse_hash(key)?, StoredAccount::decode(value)?))
        })
    }

    /// Keys of every node of one account's storage trie, in path order.
    pub(super) fn slot_nodes_of(
        &self,
        account: &B256,
    ) -> Result<impl Iterator<Item = Result<keys::NodeKey, StoreError>> + use<'_>, StoreError> {
        let mode = IteratorMode::From(account.as_slice(), Direction::Forward);
        self.tables.scan(Family::TrieSlots, self.prefix(), mode, |key, _| {
            // Checked here: a key that is too short has no prefix of its own.
            if key.len() < ACCOUNT_KEY_BYTES { Err("the key is too short") } else { Ok(key.into()) }
        })
    }

    /// Options for entries that share the first key's prefix.
    fn prefix(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.snapshot);
        options.set_prefix_same_as_start(true);
        options
    }

    fn whole(&self) -> ReadOptions {
        let mut options = whole_family();
        options.set_snapshot(&self.snapshot);
        options
    }
}
