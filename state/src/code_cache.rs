//! Analysed code by hash, across blocks.

use alloy_primitives::{B256, map::FbBuildHasher};
use dashmap::DashMap;
use revm::{DatabaseRef, state::Bytecode};

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
