//! RocksDB options, for random point reads of keys that are hashes.

use super::keys::{ACCOUNT_KEY_BYTES, Family};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DataBlockIndexType,
    LogLevel, Options, SliceTransform, statistics::StatsLevel,
};

/// Decompressed blocks, indexes and filters kept in memory, all families
/// together. Holds the hot tenth of a state of a few gigabytes, and leaves the
/// rest of memory to the system's page cache.
const BLOCK_CACHE_BYTES: usize = 256 << 20;

/// Bits of filter for each key: 1 % of the reads of absent keys reach a data
/// block. Blocks read many slots and accounts that are not there.
const FILTER_BITS_PER_KEY: f64 = 10.0;

/// Data block of accounts and slots. A read takes a whole block in and uses
/// one entry of it, so the smallest size a disk reads anyway.
const POINT_BLOCK_BYTES: usize = 4 << 10;

/// Data block of code, headers and archived blocks, whose entries are large.
const LARGE_BLOCK_BYTES: usize = 16 << 10;

/// Entries per bucket of the hash index in a data block, which spares the
/// binary search: RocksDB's recommended load.
const HASH_INDEX_LOAD: f64 = 0.75;

/// Share of a write buffer spent on a filter of its keys. Fresh blocks are
/// read from there, and most keys asked for are not in it.
const WRITE_BUFFER_FILTER_SHARE: f64 = 0.02;

/// Files held open: well below the usual limit of 1024 for a process.
const MAX_OPEN_FILES: i32 = 512;

/// Written bytes after which the system is nudged to write them out, so that a
/// compaction does not end in one long stall.
const BYTES_PER_SYNC: u64 = 1 << 20;

/// RocksDB's own log files kept.
const LOG_FILES: usize = 4;

/// Options of the database as a whole.
pub(super) fn database() -> Options {
    let mut options = Options::default();
    options.set_max_open_files(MAX_OPEN_FILES);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(LOG_FILES);
    // Counters only: timers and histograms would cost time on every read.
    options.enable_statistics();
    options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    options
}

/// Every family with its options. They share one block cache.
pub(super) fn families() -> Vec<ColumnFamilyDescriptor> {
    // 0: the cache works out the usual size of an entry by itself.
    let cache = Cache::new_hyper_clock_cache(BLOCK_CACHE_BYTES, 0);
    Family::ALL
        .iter()
        .map(|family| ColumnFamilyDescriptor::new(family.name(), options(*family, &cache)))
        .collect()
}

fn options(family: Family, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    // Counted against the cache's size, so that memory stays bounded.
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);

    let mut options = Options::default();
    match family {
        Family::Accounts | Family::Slots => {
            table.set_block_size(POINT_BLOCK_BYTES);
            table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
            table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
            table.set_data_block_hash_ratio(HASH_INDEX_LOAD);
            // Hashes do not compress; trying costs time on every read.
            options.set_compression_type(DBCompressionType::None);
            options.set_memtable_prefix_bloom_ratio(WRITE_BUFFER_FILTER_SHARE);
            options.set_memtable_whole_key_filtering(true);
        }
        Family::TrieAccounts | Family::TrieSlots => {
            // Read by key like slots, and hashes as well; but a root or a path
            // is asked for only where it is, or has just become a leaf.
            table.set_block_size(POINT_BLOCK_BYTES);
            table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
            options.set_compression_type(DBCompressionType::None);
        }
        Family::Undo => {
            // Written once, read hardly ever, dropped soon.
            table.set_block_size(LARGE_BLOCK_BYTES);
            options.set_compression_type(DBCompressionType::Lz4);
        }
        Family::Lookup => {
            // Hashes again, each asked for by itself.
            table.set_block_size(POINT_BLOCK_BYTES);
            table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
            options.set_compression_type(DBCompressionType::None);
        }
        Family::Code | Family::Headers | Family::Archive => {
            table.set_block_size(LARGE_BLOCK_BYTES);
            table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
            options.set_compression_type(DBCompressionType::Lz4);
        }
        Family::Meta => options.set_compression_type(DBCompressionType::None),
    }
    if matches!(family, Family::Slots | Family::TrieSlots) {
        // Lets a scan of what one account has skip files that have none.
        options.set_prefix_extractor(SliceTransform::create_fixed_prefix(ACCOUNT_KEY_BYTES));
    }
    options.set_block_based_table_factory(&table);
    options
}
