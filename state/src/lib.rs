//! What was read and written: base state, multi-version memory, the committed
//! state of a block, the store, and the tries that give its roots.
//!
//! The crate knows revm's database traits and value types, not its execution;
//! and of the scheduler only how it names transactions.
//!
//! # Layers
//!
//! ```text
//!   reads of a worker, reads at the frontier        one transaction after another
//!                      |                                          |
//!             MultiVersionMemory  - - what is final - ->      BlockState   --> BlockChanges
//!                      |                                          |                |
//!                      '-------> Snapshot (DatabaseRef) <---------'                v
//!                                MemoryState | Store        <------ applied, persisted
//! ```
//!
//! 1. **Base.** A [`Snapshot`] is the state before the block: any shared
//!    `DatabaseRef`, or one reader per worker. [`MemoryState`] and the RocksDB
//!    `Store` are two; [`CodeCache`] keeps analysed code across blocks.
//! 2. **Speculation.** [`MultiVersionMemory`] keeps per location the newest
//!    write of every transaction: a value, a credit, a wipe of the account's
//!    storage, or an estimate. Base values are kept beside them, so each is
//!    fetched once. What a committed transaction wrote stays there: below the
//!    frontier the memory is the state.
//! 3. **Reads.** A [`ReadSet`] remembers every answer one execution was given,
//!    and how often the location had changed by then. The execution stands if
//!    each answer would be the same again; its docs argue why comparing values
//!    is enough, and what an account's [`Observed`] shape is.
//! 4. **Block.** [`BlockState`] is what transactions run on one after another,
//!    before, after or instead of the parallel part, by the rules of revm's own
//!    state. It [takes over](BlockState::absorb) what the memory holds at the
//!    end of that part. With few workers each has one of its own instead:
//!    [`Seen`] and [`Delta`] are what a transaction that runs ahead was told
//!    and what it did, and [`Correction`] takes a wrong guess back.
//! 5. **Changes.** [`BlockChanges`] is what the block did in canonical form:
//!    sorted, and only what differs from before.
//! 6. **Persist.** The store works out a block's state root from the trie paths
//!    it changes, takes the block in one write batch, height and root included,
//!    and refuses one whose root is not its header's. It can go back, too.
//! 7. **Overlay.** An [`Overlay`] lets later blocks be executed meanwhile: it
//!    answers for blocks that are not persisted yet, and keeps what is read
//!    often in memory from block to block.
//!
//! # Invariants
//!
//! - A location is told apart by its full key, never by a hash of it.
//! - What the multi-version memory says below the frontier is what is
//!   committed; no later write changes it.
//! - A slot of an account that was destroyed or created in the block reads
//!   zero unless it was written since, also if the base state has a value.
//! - No lock is held while the base state is read, and never two locations'
//!   at once.
//! - The store is at a block boundary whenever it can be opened.
//!
//! # Features
//!
//! `rocksdb` (default) builds the store. A client that brings its own state
//! turns it off and compiles no C++.
//!
//! # Example
//!
//! ```
//! use alloy_primitives::{Address, U256};
//! use blockloom_state::{AccountBasics, AccountChange, BlockChanges, MemoryState};
//! use revm::{DatabaseRef, primitives::KECCAK_EMPTY};
//!
//! let rich = AccountBasics { balance: U256::from(5), nonce: 0, code_hash: KECCAK_EMPTY };
//! let mut changes = BlockChanges::default();
//! let change = AccountChange { after: Some(rich), wiped: false, slots: Default::default() };
//! changes.accounts.insert(Address::ZERO, change);
//!
//! let mut state = MemoryState::new();
//! let empty_root = state.root();
//! state.apply(&changes);
//! assert_ne!(state.root(), empty_root);
//! assert_eq!(state.basic_ref(Address::ZERO)?.map(|info| info.balance), Some(rich.balance));
//! # Ok::<(), blockloom_state::MemoryStateError>(())
//! ```

mod ahead;
mod block_state;
mod changes;
mod code_cache;
mod memory;
mod multi_version;
mod overlay;
mod read_set;
mod root;
mod snapshot;
#[cfg(feature = "rocksdb")]
mod store;
mod sync;
mod trie;

pub use ahead::{Delta, Seen, SeenAccount, SeenSlot};
pub use block_state::{BlockState, Correction};
pub use changes::{AccountBasics, AccountChange, BlockChanges};
pub use code_cache::{CachedCode, CodeCache};
pub use memory::{MemoryAccount, MemoryState, MemoryStateError};
pub use multi_version::{
    AccountIdx, AccountWrite, MultiVersionMemory, ReadError, Reader, SlotIdx, Stamp, WriteSet,
};
pub use overlay::{CacheSize, Overlay};
pub use read_set::{AccountRead, Agreement, Drift, Observed, ReadSet, SlotRead};
pub use root::{state_root, storage_root};
pub use snapshot::{
    AnyReader, AnySnapshot, BaseStateError, ErasedReader, ReaderPerWorker, Snapshot,
};
#[cfg(feature = "rocksdb")]
pub use store::{
    AccountProof, Archive, BLOCK_HASHES, CacheUse, Committed, Durability, FamilySize, Genesis,
    HashedAccount, HashedNodes, Import, ImportError, LookedUp, NewBlock, Prepared, SlotProof,
    StateAt, Store, StoreError, StoreStats, Tip, TransactionPlace, Verified,
};
pub use trie::{ProvenState, ProvenStateError, TrieError, WitnessError, WitnessState};
