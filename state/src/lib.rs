//! What was read and written: base state, multi-version memory, the store.

mod changes;
mod sync;
mod snapshot;
mod read_set;
mod multi_version;
mod code_cache;
mod block_state;
mod memory;
mod root;
mod trie;

pub use block_state::BlockState;
pub use code_cache::CodeCache;
pub use multi_version::{AccountIdx, AccountWrite, MultiVersionMemory, ReadError, SlotIdx, WriteSet};
pub use read_set::{AccountRead, Agreement, Drift, Observed, ReadSet};
pub use snapshot::{BaseStateError, ErasedReader, ReaderPerWorker, Snapshot};
pub use changes::{AccountBasics, AccountChange, BlockChanges};
pub use memory::{MemoryAccount, MemoryState, MemoryStateError};
pub use root::{state_root, storage_root};
pub use trie::{TrieError, WitnessError, WitnessState};
