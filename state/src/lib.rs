//! What was read and written: base state, multi-version memory, the store.

mod changes;

pub use changes::{AccountBasics, AccountChange, BlockChanges};
