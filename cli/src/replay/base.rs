//! The state a chain is replayed on: a store, or memory.

use crate::CliError;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use blockloom_engine::RecoveredBlock;
use blockloom_fixtures::GenesisBlock;
use blockloom_state::{
    BaseStateError, BlockChanges, Durability, Genesis, MemoryState, Prepared, Store, Tip,
};
use parking_lot::RwLock;
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::path::{Path, PathBuf};

/// State at a block boundary, and the way to the next one.
#[derive(Debug)]
pub(crate) enum Base {
    /// Kept for the run only. Behind locks, because a block may be executed
    /// while the one before it is applied.
    Memory {
        /// State after the tip.
        state: Box<RwLock<MemoryState>>,
        /// Header of the tip, and where the state stands.
        head: Box<RwLock<(Header, Tip)>>,
    },
    /// Kept on disk.
    Store {
        /// The store.
        store: Box<Store>,
        /// Its folder, for messages.
        path: PathBuf,
    },
}

/// Where state is kept, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep<'a> {
    /// Folder of the store; `None` keeps state in memory.
    pub(crate) db: Option<&'a Path>,
    /// Blocks that can be unwound.
    pub(crate) undo_depth: u64,
    /// What commits survive.
    pub(crate) durability: Durability,
}

impl Base {
    /// The store that is asked for, created from `genesis` if its folder is
    /// vacant; the genesis state in memory if none is.
    pub(crate) fn open(keep: Keep<'_>, genesis: GenesisBlock) -> Result<Self, CliError> {
        let Keep { db, undo_depth, durability } = keep;
        let Some(path) = db else {
            let root = genesis.header.state_root;
            let tip = Tip { number: genesis.header.number, hash: genesis.hash, root };
            let state = Box::new(RwLock::new(genesis.state));
            return Ok(Self::Memory { state, head: Box::new(RwLock::new((genesis.header, tip))) });
        };
        let failed = |source| CliError::Store { path: path.to_owned(), source };
        let store = if Store::is_vacant(path).map_err(failed)? {
            Store::create(
                path,
                &Genesis {
                    chain_id: genesis.config.chain_id,
                    header: &genesis.header,
                    hash: genesis.hash,
                    state: &genesis.state,
                },
            )
        } else {
            Store::open(path)
        }
        .map_err(failed)?;
        let stored = (store.chain_id(), store.genesis_hash());
        if stored != (genesis.config.chain_id, genesis.hash) {
            return Err(CliError::OtherChain {
                path: path.to_owned(),
                stored_id: stored.0,
                stored_genesis: stored.1,
                chain_id: genesis.config.chain_id,
                genesis: genesis.hash,
            });
        }
        let store = Box::new(store.with_undo_depth(undo_depth).with_durability(durability));
        Ok(Self::Store { store, path: path.to_owned() })
    }

    /// The last block whose state this is.
    pub(crate) fn tip(&self) -> Tip {
        match self {
            Self::Memory { head, .. } => head.read().1,
            Self::Store { store, .. } => store.tip(),
        }
    }

    /// The tip's header.
    pub(crate) fn tip_header(&self) -> Result<Header, CliError> {
        match self {
            Self::Memory { head, .. } => Ok(head.read().0.clone()),
            Self::Store { store, path } => {
                let number = store.tip().number;
                let failed = |source| CliError::Store { path: path.clone(), source };
                let header = store.header(number).map_err(failed)?;
                header
                    .map(|sealed| sealed.into_inner())
                    .ok_or_else(|| CliError::NoHeader { path: path.clone(), number })
            }
        }
    }

    /// Hash of block `number` at or below the tip; `None` if it is not known.
    pub(crate) fn hash_of(&self, number: u64) -> Result<Option<B256>, CliError> {
        match self {
            Self::Memory { head, .. } => {
                let tip = head.read().1;
                Ok((number == tip.number).then_some(tip.hash))
            }
            Self::Store { store, path } => {
                let failed = |source| CliError::Store { path: path.clone(), source };
                Ok(store.header(number).map_err(failed)?.map(|sealed| sealed.hash()))
            }
        }
    }

    /// Works out the state after `changes`.
    ///
    /// In memory the changes are applied right away: a wrong root ends the
    /// run, and nobody looks at the state then.
    pub(crate) fn prepare(&self, changes: &BlockChanges) -> Result<Next, CliError> {
        match self {
            Self::Memory { state, .. } => {
                state.write().apply(changes);
                Ok(Next::Applied { root: state.read().root() })
            }
            Self::Store { store, path } => store
                .prepare(changes)
                .map(|prepared| Next::Prepared(Box::new(prepared)))
                .map_err(|source| CliError::Store { path: path.clone(), source }),
        }
    }

    /// Makes `block` the tip, whose state is `next`; its root has been checked.
    /// Gives the bytes that were written.
    pub(crate) fn commit(&self, block: &RecoveredBlock, next: Next) -> Result<u64, CliError> {
        let new = block.header();
        match (self, next) {
            (Self::Memory { state, head }, _) => {
                state.write().set_block_hash(new.number, block.hash);
                let tip = Tip { number: new.number, hash: block.hash, root: new.state_root };
                *head.write() = (new.clone(), tip);
                Ok(0)
            }
            (Self::Store { store, path }, Next::Prepared(prepared)) => store
                .commit_prepared(new, block.hash, &prepared)
                .map(|committed| committed.bytes_written as u64)
                .map_err(|source| CliError::Store { path: path.clone(), source }),
            (Self::Store { .. }, Next::Applied { .. }) => {
                unreachable!("a store prepares what it commits")
            }
        }
    }

    /// Waits until every commit so far is safe on disk.
    pub(crate) fn sync(&self) -> Result<(), CliError> {
        match self {
            Self::Memory { .. } => Ok(()),
            Self::Store { store, path } => {
                store.sync().map_err(|source| CliError::Store { path: path.clone(), source })
            }
        }
    }
}

impl DatabaseRef for Base {
    type Error = BaseStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, BaseStateError> {
        match self {
            Self::Memory { state, .. } => answer(state.read().basic_ref(address)),
            Self::Store { store, .. } => answer(store.basic_ref(address)),
        }
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, BaseStateError> {
        match self {
            Self::Memory { state, .. } => answer(state.read().code_by_hash_ref(code_hash)),
            Self::Store { store, .. } => answer(store.code_by_hash_ref(code_hash)),
        }
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, BaseStateError> {
        match self {
            Self::Memory { state, .. } => answer(state.read().storage_ref(address, index)),
            Self::Store { store, .. } => answer(store.storage_ref(address, index)),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, BaseStateError> {
        match self {
            Self::Memory { state, .. } => answer(state.read().block_hash_ref(number)),
            Self::Store { store, .. } => answer(store.block_hash_ref(number)),
        }
    }
}

fn answer<T, E: std::error::Error + Send + Sync + 'static>(
    result: Result<T, E>,
) -> Result<T, BaseStateError> {
    result.map_err(BaseStateError::new)
}

/// The state after a block that is not committed yet.
#[derive(Debug)]
pub(crate) enum Next {
    /// In memory, where the changes have been applied.
    Applied {
        /// State root after the block.
        root: B256,
    },
    /// In a store.
    Prepared(Box<Prepared>),
}

impl Next {
    /// State root after the block.
    pub(crate) fn root(&self) -> B256 {
        match self {
            Self::Applied { root } => *root,
            Self::Prepared(prepared) => prepared.root(),
        }
    }
}
