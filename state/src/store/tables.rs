//! Typed reads of the column families. Every value is checked.

use super::view::View;
use super::{
    Archive, StoreError, Tip,
    codec::{self, Damage, StoredAccount},
    keys::{self, Family, meta},
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, U256, keccak256};
use parking_lot::Mutex;
use rocksdb::{
    ColumnFamily, DB, DBPinnableSlice, IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions,
};

/// The open database.
pub(super) struct Tables {
    pub(super) db: DB,
    /// The options it was opened with, which also count what it does.
    pub(super) options: Options,
    /// Why the first write failed that did; held while one is under way.
    failure: Mutex<Option<rocksdb::Error>>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("db", &self.db).finish_non_exhaustive()
    }
}

impl Tables {
    pub(super) const fn new(db: DB, options: Options) -> Self {
        Self { db, options, failure: Mutex::new(None) }
    }

    /// Writes all of `batch`, and waits for the disk if it `syncs`.
    pub(super) fn write(&self, batch: WriteBatch, syncs: bool) -> Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.set_sync(syncs);
        let mut failure = self.failure.lock();
        let written = self.db.write_opt(batch, &options);
        written.map_err(|error| failure.get_or_insert(error).clone())
    }

    /// Waits until everything written is on disk.
    pub(super) fn sync(&self) -> Result<(), rocksdb::Error> {
        // After a write that failed RocksDB says that there was one, and not why.
        self.db.flush_wal(true).map_err(|error| self.failure.lock().get_or_insert(error).clone())
    }

    pub(super) fn family(&self, family: Family) -> Result<&ColumnFamily, StoreError> {
        let missing = || StoreError::Missing { family: family.name(), key: Bytes::new() };
        self.db.cf_handle(family.name()).ok_or_else(missing)
    }

    /// The tables as they are now, whatever is written later.
    pub(super) fn view(&self) -> View<'_> {
        View::new(self)
    }

    fn get<T>(
        &self,
        family: Family,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, Damage>,
    ) -> Result<Option<T>, StoreError> {
        self.get_with(&ReadOptions::default(), family, key, decode)
    }

    /// The value of `key`, decoded.
    pub(super) fn get_with<T>(
        &self,
        options: &ReadOptions,
        family: Family,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, Damage>,
    ) -> Result<Option<T>, StoreError> {
        let value = self
            .db
            .get_pinned_cf_opt(self.family(family)?, key, options)
            .map_err(StoreError::database("reading the store"))?;
        value.map(|value| decode(&value).map_err(|reason| corrupt(family, key, reason))).transpose()
    }

    pub(super) fn account(&self, key: &B256) -> Result<Option<StoredAccount>, StoreError> {
        self.get(Family::Accounts, key.as_slice(), StoredAccount::decode)
    }

    /// Value of one slot; zero if it is not there.
    pub(super) fn slot(&self, account: &B256, slot: &B256) -> Result<U256, StoreError> {
        let value = self.get(Family::Slots, &keys::slot(account, slot), codec::decode_slot)?;
        Ok(value.unwrap_or_default())
    }

    /// Code by its hash. Hashes it again: code is read once and then cached,
    /// and running the wrong code would be the worst of damages.
    pub(super) fn code(&self, hash: &B256) -> Result<Option<Bytes>, StoreError> {
        self.get(Family::Code, hash.as_slice(), |bytes| decode_code(hash, bytes))
    }

    pub(super) fn header(&self, number: u64) -> Result<Option<(B256, Header)>, StoreError> {
        let decode = |bytes: &[u8]| decode_numbered(number, bytes);
        self.get(Family::Headers, &keys::header(number), decode)
    }

    pub(super) fn block_hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        self.get(Family::Headers, &keys::header(number), codec::decode_header_hash)
    }

    pub(super) fn archive(&self, number: u64) -> Result<Option<Archive>, StoreError> {
        self.get(Family::Archive, &keys::header(number), Archive::decode)
    }

    /// The entry of a hash, if it is of the kind that `decode` takes.
    pub(super) fn lookup<T>(
        &self,
        hash: &B256,
        decode: impl FnOnce(&[u8]) -> Result<Option<T>, Damage>,
    ) -> Result<Option<T>, StoreError> {
        self.get(Family::Lookup, hash.as_slice(), decode).map(Option::flatten)
    }

    pub(super) fn schema(&self) -> Result<Option<u32>, StoreError> {
        self.get(Family::Meta, meta::SCHEMA, codec::decode_u32)
    }

    pub(super) fn chain_id(&self) -> Result<u64, StoreError> {
        self.meta(meta::CHAIN_ID, codec::decode_u64)
    }

    pub(super) fn genesis_hash(&self) -> Result<B256, StoreError> {
        self.meta(meta::GENESIS_HASH, codec::decode_hash)
    }

    pub(super) fn first_header(&self) -> Result<B256, StoreError> {
        self.meta(meta::FIRST_HEADER, codec::decode_hash)
    }

    pub(super) fn tip(&self) -> Result<Tip, StoreError> {
        self.meta(meta::TIP, codec::decode_tip)
    }

    fn meta<T>(
        &self,
        key: &'static [u8],
        decode: impl FnOnce(&[u8]) -> Result<T, Damage>,
    ) -> Result<T, StoreError> {
        let missing =
            || StoreError::Missing { family: Family::Meta.name(), key: Bytes::from_static(key) };
        self.get(Family::Meta, key, decode)?.ok_or_else(missing)
    }

    /// The values of `keys`, which are in order, decoded; in the same order.
    /// Cheaper for each key than asking one by one.
    pub(super) fn get_many<K: AsRef<[u8]>, T>(
        &self,
        options: &ReadOptions,
        family: Family,
        keys: &[K],
        decode: impl Fn(&[u8]) -> Result<T, Damage>,
    ) -> Result<Vec<Option<T>>, StoreError> {
        let handle = self.family(family)?;
        let values = self.db.batched_multi_get_cf_opt(handle, keys, true, options);
        let decode_one = |(key, value): (&K, Result<Option<DBPinnableSlice<'_>>, _>)| {
            let value = value.map_err(StoreError::database("reading the store"))?;
            let damaged = |reason| corrupt(family, key.as_ref(), reason);
            value.map(|value| decode(&value).map_err(damaged)).transpose()
        };
        keys.iter().zip(values).map(decode_one).collect()
    }

    /// All entries of a family from `mode` on, in key order.
    pub(super) fn scan<T, F: Fn(&[u8], &[u8]) -> Result<T, Damage>>(
        &self,
        family: Family,
        options: ReadOptions,
        mode: IteratorMode<'_>,
        decode: F,
    ) -> Result<impl Iterator<Item = Result<T, StoreError>> + use<'_, T, F>, StoreError> {
        let entries = self.db.iterator_cf_opt(self.family(family)?, options, mode);
        Ok(entries.map(move |entry| {
            let (key, value) = entry.map_err(StoreError::database("scanning the store"))?;
            decode(&key, &value).map_err(|reason| corrupt(family, &key, reason))
        }))
    }

    /// Every account by key, in key order.
    pub(super) fn accounts(
        &self,
    ) -> Result<impl Iterator<Item = Result<(B256, StoredAccount), StoreError>>, StoreError> {
        self.scan(Family::Accounts, whole_family(), IteratorMode::Start, |key, value| {
            Ok((keys::parse_hash(key)?, StoredAccount::decode(value)?))
        })
    }

    /// Every slot by account key and slot hash, in key order.
    pub(super) fn slots(
        &self,
    ) -> Result<impl Iterator<Item = Result<(B256, B256, U256), StoreError>>, StoreError> {
        self.scan(Family::Slots, whole_family(), IteratorMode::Start, decode_slot_entry)
    }

    /// Every code hash, in order; the code is checked against it.
    pub(super) fn codes(
        &self,
    ) -> Result<impl Iterator<Item = Result<B256, StoreError>>, StoreError> {
        self.scan(Family::Code, whole_family(), IteratorMode::Start, |key, value| {
            let hash = keys::parse_hash(key)?;
            decode_code(&hash, value).map(|_| hash)
        })
    }

    /// Every header with its hash, in number order.
    pub(super) fn headers(
        &self,
    ) -> Result<impl Iterator<Item = Result<(B256, Header), StoreError>>, StoreError> {
        self.scan(Family::Headers, whole_family(), IteratorMode::Start, |key, value| {
            decode_numbered(keys::parse_header(key)?, value)
        })
    }
}

pub(super) fn decode_code(hash: &B256, bytes: &[u8]) -> Result<Bytes, Damage> {
    if keccak256(bytes) == *hash {
        Ok(Bytes::copy_from_slice(bytes))
    } else {
        Err("the code does not have this hash")
    }
}

pub(super) fn decode_numbered(number: u64, bytes: &[u8]) -> Result<(B256, Header), Damage> {
    let (hash, header) = codec::decode_header(bytes)?;
    if header.number == number { Ok((hash, header)) } else { Err("the header is another block's") }
}

pub(super) fn decode_slot_entry(key: &[u8], value: &[u8]) -> Result<(B256, B256, U256), Damage> {
    let (account, slot) = keys::parse_slot(key)?;
    Ok((account, slot, codec::decode_slot(value)?))
}

/// Options for a scan of everything, which shall not push out of the cache
/// what execution reads.
pub(super) fn whole_family() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_total_order_seek(true);
    options.fill_cache(false);
    options
}

pub(super) fn corrupt(family: Family, key: &[u8], reason: Damage) -> StoreError {
    StoreError::Corrupt { family: family.name(), key: Bytes::copy_from_slice(key), reason }
}
