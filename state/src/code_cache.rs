//! Analysed code by hash, across blocks.

use alloy_primitives::{Address, B256, Bytes, U256, map::FbBuildHasher};
use dashmap::DashMap;
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{fmt, ops::Deref, sync::Arc};

/// Entries beyond which the cache starts anew.
///
/// At the 24 KiB limit of EIP-170 this bounds the cache to about 400 MB; real
/// contracts average a third of that.
const MAX_ENTRIES: usize = 16_384;

/// Analysed code, kept from block to block.
///
/// Code is named by its hash, so an entry never goes stale; jump destinations
/// are analysed once per contract instead of once per load.
///
/// # One for each worker
///
/// [`Bytecode`] counts its references, and revm takes and drops a few whenever
/// an account is loaded or called. Where two threads use the same one, each of
/// these waits until the count has come over from the other's core: together
/// they may wait for as long as a token transfer takes. So a worker that runs
/// beside others has a cache of its own ([`CodeCache::of_worker`]), which copies
/// what it takes from the one that all share.
#[derive(Debug, Default)]
pub struct CodeCache {
    by_hash: DashMap<B256, Bytecode, FbBuildHasher<32>>,
    /// Whose entries this one copies; `None` where they are read.
    shared: Option<Arc<Self>>,
}

impl CodeCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty cache for one worker, over one that is `shared`.
    #[must_use]
    pub fn of_worker(shared: Arc<Self>) -> Self {
        Self { shared: Some(shared), ..Self::new() }
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
        let code = match &self.shared {
            Some(shared) => copy(&shared.get(hash, base)?),
            None => base.code_by_hash_ref(hash)?,
        };
        if self.by_hash.len() >= MAX_ENTRIES {
            self.by_hash.clear();
        }
        self.by_hash.insert(hash, code.clone());
        Ok(code)
    }
}

/// The same code with a count of its own.
fn copy(code: &Bytecode) -> Bytecode {
    let bytes = Bytes::copy_from_slice(code.original_byte_slice());
    let copy = Bytecode::new_raw_checked(bytes).ok().filter(|copy| copy.kind() == code.kind());
    copy.unwrap_or_else(|| code.clone())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryState;
    use std::ptr;

    /// Whether both count the same references.
    fn are_shared(one: &Bytecode, other: &Bytecode) -> bool {
        ptr::eq(one.bytecode(), other.bytecode())
    }

    fn world() -> (MemoryState, [B256; 2]) {
        let mut state = MemoryState::new();
        let delegation = Bytecode::new_eip7702(Address::repeat_byte(7)).original_bytes();
        let codes = [Bytes::from_static(&[0x5b, 0x60, 0x5b, 0x00]), delegation];
        let hashes = codes.map(|code| state.insert_code(code));
        (state, hashes)
    }

    #[test]
    fn a_worker_has_its_own_of_the_same_code() {
        let (state, hashes) = world();
        let shared = Arc::new(CodeCache::new());
        let workers = [(); 2].map(|()| CodeCache::of_worker(Arc::clone(&shared)));
        for hash in hashes {
            let code = shared.get(hash, &state).unwrap();
            assert!(are_shared(&code, &shared.get(hash, &state).unwrap()));
            let [one, other] = workers.each_ref().map(|worker| worker.get(hash, &state).unwrap());
            for (one, other) in [(&one, &code), (&other, &code), (&one, &other)] {
                assert_eq!((one, one.kind()), (other, other.kind()));
                assert_eq!(one.legacy_jump_table(), other.legacy_jump_table());
                assert_eq!((one.hash_slow(), one.bytes()), (hash, other.bytes()));
                assert!(!are_shared(one, other));
            }
            assert!(are_shared(&one, &workers[0].get(hash, &state).unwrap()));
        }
    }
}
