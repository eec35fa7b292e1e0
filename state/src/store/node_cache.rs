//! Trie nodes kept in memory between blocks.

use alloy_primitives::{B256, map::FbBuildHasher};
use quick_cache::{Weighter, sync::Cache};
use std::sync::Arc;

/// A node as it is stored. The count of its holders lies in front of the bytes,
/// so that looking it up is one cache miss and not two.
pub(super) type Record = Arc<[u8]>;

/// Default bound of the cache, in bytes.
///
/// The first five levels of a trie as large as mainnet's are 69 905 branches
/// of some 600 bytes, 42 MB: every block goes through them. The rest is for the
/// upper levels of busy storage tries.
pub(super) const NODE_CACHE_BYTES: u64 = 128 << 20;

/// What an entry takes beside its record: the key, the record's handle and
/// count, and the cache's own links, roughly.
const ENTRY_BYTES: u64 = 128;

/// Size of a usual record, from which the cache sizes its tables: between a
/// full branch of 532 bytes and the many with few children above leaves.
const USUAL_RECORD_BYTES: u64 = 256;

/// Records of branches and extensions by the hash of the node.
///
/// A hash stands for its node for ever, so an entry is never wrong, at whatever
/// block; one that has left the trie is merely useless. Each block takes out
/// what it replaced and puts in what it made. What is read seldom makes way, so
/// upper levels stay.
#[derive(Debug)]
pub(super) struct NodeCache(Cache<B256, Record, ByRecord, FbBuildHasher<32>>);

#[derive(Clone, Debug)]
struct ByRecord;

impl Weighter<B256, Record> for ByRecord {
    fn weight(&self, _: &B256, record: &Record) -> u64 {
        record.len() as u64 + ENTRY_BYTES
    }
}

impl NodeCache {
    /// An empty cache that holds at most `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let entries = bytes / (USUAL_RECORD_BYTES + ENTRY_BYTES);
        let entries = usize::try_from(entries).unwrap_or(usize::MAX);
        Self(Cache::with(entries, bytes, ByRecord, FbBuildHasher::default(), Default::default()))
    }

    pub(super) fn get(&self, hash: &B256) -> Option<Record> {
        self.0.get(hash)
    }

    pub(super) fn insert(&self, hash: B256, record: Record) {
        self.0.insert(hash, record);
    }

    pub(super) fn remove(&self, hash: &B256) {
        self.0.remove(hash);
    }

    /// Bytes in use, and lookups that found their node or did not.
    pub(super) fn usage(&self) -> (u64, u64, u64) {
        (self.0.weight(), self.0.hits(), self.0.misses())
    }
}
