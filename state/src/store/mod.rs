//! The store: the state of a chain's newest block in RocksDB.
//!
//! Accounts and slots lie in flat tables under their hashed keys, so a read
//! during execution is one lookup, and a scan meets the leaves of the tries in
//! order. The inner nodes of the tries lie beside them by path. The state is
//! always that of one block, the tip:
//!
//! 1. [`Store::create`] writes a genesis state, [`Store::open`] finds a store
//!    again and checks that it is whole;
//! 2. execution reads through [`DatabaseRef`];
//! 3. [`Store::prepare`] works out what a block's changes lead to: it reads the
//!    trie paths to what changed, from memory where it can, and hashes them
//!    anew. Its cost follows the block, not the state;
//! 4. [`Store::commit`] checks that the block follows the tip and that its
//!    state root is right, and writes everything, the new tip and what it takes
//!    to go back included, in one atomic batch;
//! 5. [`Store::unwind`] goes back, for a reorganisation of the chain;
//! 6. [`Store::state_at`] reads the state after a block below the tip, as far as
//!    undo records reach, and [`Store::archived`] the bodies and receipts of
//!    blocks that were committed with them.
//!
//! A crash at any moment leaves the state before a block or after it: RocksDB
//! replays its log up to the last whole batch. A log that is damaged further
//! back costs the blocks after the damage, never a part of one.

mod archive;
mod batch;
mod codec;
mod dump;
mod error;
mod hashed;
mod keys;
mod node_cache;
mod open;
mod past;
mod prepare;
mod proof;
mod stats;
mod tables;
mod trie_nodes;
mod tuning;
mod undo;
mod vacancy;
mod verify;
mod verify_trie;
mod view;

pub use archive::{Archive, TransactionPlace};
pub use batch::{Committed, Durability, NewBlock};
pub use dump::{BLOCK_HASHES, HashedAccount, Import, ImportError};
pub use error::StoreError;
pub use open::Genesis;
pub use past::StateAt;
pub use prepare::{LookedUp, Prepared};
pub use proof::{AccountProof, SlotProof};
pub use stats::{CacheUse, FamilySize, StoreStats};
pub use trie_nodes::HashedNodes;
pub use verify::Verified;

use crate::{memory, root};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Sealed, U256};
use node_cache::NodeCache;
use parking_lot::RwLock;
use revm::{DatabaseRef, bytecode::Bytecode, primitives::KECCAK_EMPTY, state::AccountInfo};
use tables::Tables;

/// The newest block of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
    /// State root: that of everything the store holds.
    pub root: B256,
}

/// A chain's state on disk.
///
/// Shared by reference: any number of threads may read and prepare blocks.
/// Writes and verifications wait for each other. Reads that run beside a
/// commit may see the state before or after it, so a caller that executes on
/// the tip commits when its readers are done.
#[derive(Debug)]
pub struct Store {
    tables: Tables,
    chain_id: u64,
    genesis_hash: B256,
    durability: Durability,
    /// Blocks that can be unwound.
    undo_depth: u64,
    /// Trie nodes that were needed lately.
    nodes: NodeCache,
    /// Whoever needs the state to stand still takes this upgradably, which
    /// keeps out others that do but lets [`Store::tip`] read. Nobody who holds
    /// it waits for other threads.
    head: RwLock<Head>,
}

/// Where the store stands.
#[derive(Debug)]
struct Head {
    tip: Tip,
    /// First block with an undo record; the one after the tip if there is
    /// none.
    oldest_undo: u64,
    /// Commits since the last one that waited for the disk.
    n_unsynced: u64,
}

impl Head {
    /// Notes a new tip, whose write waited for the disk if it `syncs`.
    const fn moved_to(&mut self, tip: Tip, syncs: bool) {
        self.tip = tip;
        self.n_unsynced = if syncs { 0 } else { self.n_unsynced.saturating_add(1) };
    }
}

impl Store {
    /// Chain the blocks belong to.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Hash of the first block of the chain.
    pub fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    /// The newest block.
    pub fn tip(&self) -> Tip {
        self.head.read().tip
    }

    /// Header of a block from the first to the tip, with its hash; `None` for any
    /// other number.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or the header is damaged.
    pub fn header(&self, number: u64) -> Result<Option<Sealed<Header>>, StoreError> {
        let header = self.tables.header(number)?;
        Ok(header.map(|(hash, header)| Sealed::new_unchecked(header, hash)))
    }
}

impl DatabaseRef for Store {
    type Error = StoreError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let account = self.tables.account(&keys::account(&address))?;
        Ok(account.map(|account| memory::account_info(&account.basics)))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        if code_hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        let code = self.tables.code(&code_hash)?;
        code.map(memory::analyse).ok_or_else(|| StoreError::Missing {
            family: keys::Family::Code.name(),
            key: code_hash.into(),
        })
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Self::Error> {
        self.tables.slot(&keys::account(&address), &root::hashed_slot(index))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.tables.block_hash(number)?.ok_or(StoreError::UnknownBlock(number))
    }
}

#[cfg(test)]
mod tests;
