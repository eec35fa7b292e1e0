//! What was read and written: base state, multi-version memory, the store.

mod block_state;
mod changes;
mod code_cache;
mod memory;
mod multi_version;
mod read_set;
mod root;
mod snapshot;
#[cfg(feature = "rocksdb")]
mod store;
mod sync;
mod trie;

pub use block_state::BlockState;
pub use changes::{AccountBasics, AccountChange, BlockChanges};
pub use code_cache::CodeCache;
pub use memory::{MemoryAccount, MemoryState, MemoryStateError};
pub use multi_version::{
    AccountIdx, AccountWrite, MultiVersionMemory, ReadError, SlotIdx, WriteSet,
};
pub use read_set::{AccountRead, Agreement, Drift, Observed, ReadSet};
pub use root::{state_root, storage_root};
pub use snapshot::{BaseStateError, ErasedReader, ReaderPerWorker, Snapshot};
#[cfg(feature = "rocksdb")]
pub use store::{Committed, Durability, Genesis, NewBlock, Store, StoreError, Tip, Verified};
pub use trie::{TrieError, WitnessError, WitnessState};
