//! Analysed code by hash, across blocks.

use alloy_primitives::{Address, B256, U256, map::FbBuildHasher};
use dashmap::DashMap;
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{fmt, ops::Deref};

/// Entries beyond which the cache starts anew.
///
/// At the 24 KiB limit of EIP-170 this bounds the cache to about 400 MB; real
/// contracts average a third of that.
const MAX_ENTRIES: usize = 16_384;

/// Analysed code, shared by all workers and kept from block to block.
///
/// Code is named by its hash, so an entry never goes stale; jump destinations
/// are analysed once per contract instead of once per load.
#[derive(Debug, Default)]
pub struct CodeCache {
    by_hash: DashMap<B256, Bytecode, FbBuildHasher<32>>,
}

impl CodeCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The code behind `hash`, read from `base` the first time.
    ///
    /// # Errors
    ///
    /// Whatever `base` answers; failures are not cached.
    pub fn get<B: DatabaseRef>(&self, hash: B256, base: &B) -> Result<Bytecode, B::Error> {
        if let Some(code) = self.by_hash.get(&hash) {
            return Ok(code.clone());
        }
        let code = base.code_by_hash_ref(hash)?;
        if self.by_hash.len() >= MAX_ENTRIES {
            self.by_hash.clear();
        }
        self.by_hash.insert(hash, code.clone());
        Ok(code)
    }
}

/// A reader of a state that takes code from a cache, borrowed or shared.
pub struct CachedCode<R, C> {
    reader: R,
    cache: C,
}

impl<R, C> CachedCode<R, C> {
    /// Reads through `reader`, and code through `cache`.
    pub const fn new(reader: R, cache: C) -> Self {
        Self { reader, cache }
    }
}

impl<R, C> fmt::Debug for CachedCode<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachedCode")
    }
}

impl<R: DatabaseRef, C: Deref<Target = CodeCache>> DatabaseRef for CachedCode<R, C> {
    type Error = R::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, R::Error> {
        self.reader.basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, R::Error> {
        self.cache.get(code_hash, &self.reader)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, R::Error> {
        self.reader.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, R::Error> {
        self.reader.block_hash_ref(number)
    }
}
