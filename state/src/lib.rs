//! What was read and written: base state, multi-version memory, the store.

mod changes;
mod memory;
mod root;

pub use changes::{AccountBasics, AccountChange, BlockChanges};
pub use memory::{MemoryAccount, MemoryState, MemoryStateError};
pub use root::{state_root, storage_root};
