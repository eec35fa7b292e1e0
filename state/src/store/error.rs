//! What can go wrong with a store.

use crate::TrieError;
use alloy_primitives::{Address, B256, Bytes, hex};
use revm::database_interface::DBErrorMarker;
use std::path::PathBuf;

/// Why a store did not do what it was asked.
///
/// Whatever the error, the store on disk is at a block boundary.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A store is created in a folder of its own.
    #[error("{0} exists and is not an empty folder")]
    NotEmpty(PathBuf),
    /// Another process, or another thread of this one, is making a store there.
    #[error("a store is being made at {0}")]
    Unfinished(PathBuf),
    /// There is nothing to open.
    #[error("there is no store at {0}")]
    NotFound(PathBuf),
    /// What is there was not made by this program.
    #[error("{path} is not a blockloom store: {reason}")]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// What was found, or not found, in it.
        reason: String,
    },
    /// The store was written by another version of this program.
    #[error("{path} has layout version {found}; this program reads version {expected}")]
    Schema {
        /// The folder.
        path: PathBuf,
        /// Version of the store.
        found: u32,
        /// The one version that can be read.
        expected: u32,
    },
    /// Another process, or another handle of this one, has the store open.
    #[error("{path} is in use")]
    Locked {
        /// The folder.
        path: PathBuf,
        /// RocksDB's report.
        #[source]
        source: rocksdb::Error,
    },
    /// The file system has no room left. Nothing of the block was kept.
    #[error("no space left while {doing}")]
    DiskFull {
        /// What was going on.
        doing: &'static str,
        /// RocksDB's report.
        #[source]
        source: rocksdb::Error,
    },
    /// RocksDB failed.
    #[error("{doing}")]
    Database {
        /// What was going on.
        doing: &'static str,
        /// RocksDB's report.
        #[source]
        source: rocksdb::Error,
    },
    /// The file system failed.
    #[error("{doing} {path}")]
    Io {
        /// What was going on.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's report.
        #[source]
        source: std::io::Error,
    },
    /// A stored value is not what this program writes.
    #[error("damaged entry {key} in {family}: {reason}", key = hex::encode_prefixed(key))]
    Corrupt {
        /// The column family.
        family: &'static str,
        /// The entry's key.
        key: Bytes,
        /// The rule its value breaks.
        reason: &'static str,
    },
    /// An entry that others rely on is missing.
    #[error("no entry {key} in {family}", key = hex::encode_prefixed(key))]
    Missing {
        /// The column family.
        family: &'static str,
        /// The entry's key.
        key: Bytes,
    },
    /// A trie lacks a node, or holds one that cannot be there.
    #[error("damaged {}", trie_name(account.as_ref()))]
    Trie {
        /// Key of the account whose storage trie it is; `None` for the state
        /// trie.
        account: Option<B256>,
        /// What is wrong with it.
        #[source]
        source: Box<TrieError>,
    },
    /// BLOCKHASH asked for a block that the store does not hold.
    #[error("no hash for block {0}")]
    UnknownBlock(u64),
    /// The block does not follow the tip.
    #[error(
        "block {number} with parent {parent} does not follow the tip, block {tip} with hash {tip_hash}"
    )]
    NotNext {
        /// Number of the refused block.
        number: u64,
        /// Its parent's hash.
        parent: B256,
        /// Number of the tip.
        tip: u64,
        /// Hash of the tip.
        tip_hash: B256,
    },
    /// The tip has changed since a block was prepared.
    #[error("prepared on block {prepared}, but the tip is {tip}")]
    Stale {
        /// Hash of the block it was prepared on.
        prepared: B256,
        /// Hash of the tip.
        tip: B256,
    },
    /// Unwinding cannot go forward.
    #[error("block {number} is above the tip, block {tip}")]
    AboveTip {
        /// The block to go back to.
        number: u64,
        /// Number of the tip.
        tip: u64,
    },
    /// The records needed to go back that far are not kept.
    #[error("cannot go back to block {number}: undo records reach to block {oldest}")]
    NoUndo {
        /// The block to go back to.
        number: u64,
        /// Lowest block that can be reached.
        oldest: u64,
    },
    /// The state a block leads to is not the one its header names.
    #[error("block {number} leads to state root {computed}, its header says {expected}")]
    WrongRoot {
        /// The block.
        number: u64,
        /// Root of the state.
        computed: B256,
        /// Root in the header.
        expected: B256,
    },
    /// The genesis state names code it does not hold.
    #[error("account {address} has code {code_hash}, which the genesis state does not hold")]
    GenesisCode {
        /// The account.
        address: Address,
        /// Hash of its code.
        code_hash: B256,
    },
}

fn trie_name(account: Option<&B256>) -> String {
    account.map_or_else(|| "state trie".to_owned(), |key| format!("storage trie of account {key}"))
}

impl DBErrorMarker for StoreError {}

impl StoreError {
    /// Sorts RocksDB's errors: some of them a user can act on.
    pub(super) fn database(doing: &'static str) -> impl Fn(rocksdb::Error) -> Self {
        move |source| {
            // RocksDB has no code for a full disk, only the system's words.
            if source.as_ref().contains("No space left on device") {
                Self::DiskFull { doing, source }
            } else {
                Self::Database { doing, source }
            }
        }
    }
}
