//! The base state as the two paths read it.

use crate::error::BlockError;
use alloy_primitives::{Address, B256, U256};
use blockloom_state::{
    AnyReader, AnySnapshot, BaseStateError, CachedCode, CodeCache, MultiVersionMemory,
};
use parking_lot::Mutex;
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// A reader of the base state, with code taken from the engine's cache.
pub(crate) type BaseReader<'a> = CachedCode<AnyReader<'a>, &'a CodeCache>;

/// Caches of code, kept from block to block.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    /// That of the calling thread, which knows what any worker knows.
    shared: Arc<CodeCache>,
    /// Those of the others that there were so far, virtual ones among them.
    scouts: Mutex<Vec<Arc<CodeCache>>>,
}

impl Codes {
    pub(crate) const fn shared(&self) -> &Arc<CodeCache> {
        &self.shared
    }

    /// That of one of the others.
    pub(crate) fn of_scout(&self, index: usize) -> Arc<CodeCache> {
        let mut scouts = self.scouts.lock();
        while scouts.len() <= index {
            scouts.push(Arc::new(CodeCache::of_worker(Arc::clone(&self.shared))));
        }
        Arc::clone(&scouts[index])
    }
}

/// A reader of `base`, for block `number`.
pub(crate) fn open_reader<'a>(
    base: &'a dyn AnySnapshot,
    code: &'a CodeCache,
    number: u64,
) -> Result<BaseReader<'a>, BlockError> {
    match base.any_reader() {
        Ok(reader) => Ok(BaseReader::new(reader, code)),
        Err(source) => Err(BlockError::base_state(number, None, source)),
    }
}

/// Time a read takes from which on a base state is slow: longer than any lookup
/// in memory, shorter than most in a file or on a network.
const SLOW_READ: Duration = Duration::from_micros(20);

/// Accounts that are read to find out.
const TRIED: usize = 3;

/// Whether reading from `base`, and not running what was read, is what will
/// take most of a block's time.
///
/// Tries a few of the block's senders. What goes wrong with that is somebody
/// else's to tell.
pub(crate) fn is_slow(base: &dyn AnySnapshot, senders: &[Address]) -> bool {
    let Ok(reader) = base.any_reader() else { return false };
    let apart = (senders.len() / TRIED).max(1);
    let mut times = senders.iter().step_by(apart).take(TRIED).map(|sender| {
        let started = Instant::now();
        let _ = reader.basic_ref(*sender);
        started.elapsed()
    });
    // Each of them, since any may have been interrupted.
    times.all(|time| time >= SLOW_READ)
}

/// A reader of the base state for what runs before and after the parallel part
/// of a block, which takes what speculation has fetched already from the
/// multi-version memory. It adds nothing there: the block state keeps what is
/// read here.
pub(crate) struct SharedBase<'a> {
    /// Filled if the block has a parallel part, and worth a look.
    pub(crate) memory: Option<&'a OnceLock<MultiVersionMemory>>,
    pub(crate) reader: BaseReader<'a>,
}

impl fmt::Debug for SharedBase<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedBase")
    }
}

impl SharedBase<'_> {
    /// What speculation, if there was any, has fetched.
    fn known<T>(&self, find: impl FnOnce(&MultiVersionMemory) -> Option<T>) -> Option<T> {
        self.memory?.get().and_then(find)
    }
}

impl DatabaseRef for SharedBase<'_> {
    type Error = BaseStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, BaseStateError> {
        match self.known(|memory| memory.known_account(&address)) {
            Some(known) => Ok(known),
            None => self.reader.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, BaseStateError> {
        self.reader.code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, BaseStateError> {
        match self.known(|memory| memory.known_slot(&address, slot)) {
            Some(known) => Ok(known),
            None => self.reader.storage_ref(address, slot),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, BaseStateError> {
        self.reader.block_hash_ref(number)
    }
}
