//! What a store consists of, and how its caches do.

use super::{Store, StoreError, keys::Family};
use rocksdb::{properties, statistics::Ticker};

/// Size of one column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilySize {
    /// The family's name.
    pub name: &'static str,
    /// Entries, as RocksDB estimates them: overwritten and deleted ones may
    /// still count.
    pub n_entries: u64,
    /// Bytes of files on disk.
    pub file_bytes: u64,
    /// Bytes written that are in memory, and in the log, only.
    pub memory_bytes: u64,
}

/// How often a cache had what was looked for, since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Bytes in the cache now.
    pub bytes: u64,
    /// Lookups that found something.
    pub hits: u64,
    /// Lookups that had to go further.
    pub misses: u64,
}

impl CacheUse {
    /// Share of lookups that found something, 0 to 1; `None` if there were
    /// none.
    pub fn hit_rate(&self) -> Option<f64> {
        let n_lookups = self.hits.saturating_add(self.misses);
        (n_lookups > 0).then(|| self.hits as f64 / n_lookups as f64)
    }
}

/// A store in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStats {
    /// One for each family, in the order a block is written.
    pub families: Vec<FamilySize>,
    /// RocksDB's cache of data blocks, for all families.
    pub block_cache: CacheUse,
    /// The cache of trie nodes, in front of it.
    pub node_cache: CacheUse,
}

impl Store {
    /// Sizes and hit rates as they are now. Scans nothing.
    ///
    /// # Errors
    ///
    /// If RocksDB does not answer.
    pub fn stats(&self) -> Result<StoreStats, StoreError> {
        let db = &self.tables.db;
        let families = Family::ALL.iter().map(|family| {
            let handle = self.tables.family(*family)?;
            let property = |name| {
                let value = db.property_int_value_cf(handle, name);
                value
                    .map(Option::unwrap_or_default)
                    .map_err(StoreError::database("asking for sizes"))
            };
            Ok(FamilySize {
                name: family.name(),
                n_entries: property(properties::ESTIMATE_NUM_KEYS)?,
                file_bytes: property(properties::TOTAL_SST_FILES_SIZE)?,
                memory_bytes: property(properties::CUR_SIZE_ALL_MEM_TABLES)?,
            })
        });
        let families = families.collect::<Result<_, StoreError>>()?;
        let handle = self.tables.family(Family::Accounts)?;
        let bytes = db
            .property_int_value_cf(handle, properties::BLOCK_CACHE_USAGE)
            .map_err(StoreError::database("asking for sizes"))?
            .unwrap_or_default();
        let ticker = |ticker| self.tables.options.get_ticker_count(ticker);
        let (hits, misses) = (ticker(Ticker::BlockCacheHit), ticker(Ticker::BlockCacheMiss));
        let (node_bytes, node_hits, node_misses) = self.nodes.usage();
        Ok(StoreStats {
            families,
            block_cache: CacheUse { bytes, hits, misses },
            node_cache: CacheUse { bytes: node_bytes, hits: node_hits, misses: node_misses },
        })
    }
}
