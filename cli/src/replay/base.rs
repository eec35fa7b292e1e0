//! The state a chain is replayed on: a store, or memory.

use crate::CliError;
use alloy_consensus::Header;
use alloy_primitives::B256;
use blockloom_engine::RecoveredBlock;
use blockloom_fixtures::GenesisBlock;
use blockloom_state::{BlockChanges, Genesis, MemoryState, Prepared, Store, Tip};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// State at a block boundary, and the way to the next one.
#[derive(Debug)]
pub(crate) enum Base {
    /// Kept for the run only.
    Memory {
        /// State after the tip.
        state: Box<MemoryState>,
        /// Header of the tip.
        header: Box<Header>,
        /// Where the state stands.
        tip: Tip,
    },
    /// Kept on disk.
    Store {
        /// The store.
        store: Box<Store>,
        /// Its folder, for messages.
        path: PathBuf,
    },
}

impl Base {
    /// The store in `db`, created from `genesis` if the folder is absent or
    /// empty; without `db`, the genesis state in memory. The store keeps
    /// `undo_depth` blocks that can be unwound.
    pub(crate) fn open(
        db: Option<&Path>,
        undo_depth: u64,
        genesis: GenesisBlock,
    ) -> Result<Self, CliError> {
        let Some(path) = db else {
            let root = genesis.header.state_root;
            let tip = Tip { number: genesis.header.number, hash: genesis.hash, root };
            let header = Box::new(genesis.header);
            return Ok(Self::Memory { state: Box::new(genesis.state), header, tip });
        };
        let failed = |source| CliError::Store { path: path.to_owned(), source };
        let store = if is_vacant(path)? {
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
        let store = Box::new(store.with_undo_depth(undo_depth));
        Ok(Self::Store { store, path: path.to_owned() })
    }

    /// The last block whose state this is.
    pub(crate) fn tip(&self) -> Tip {
        match self {
            Self::Memory { tip, .. } => *tip,
            Self::Store { store, .. } => store.tip(),
        }
    }

    /// The tip's header.
    pub(crate) fn tip_header(&self) -> Result<Header, CliError> {
        match self {
            Self::Memory { header, .. } => Ok(Header::clone(header)),
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
            Self::Memory { tip, .. } => Ok((number == tip.number).then_some(tip.hash)),
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
    pub(crate) fn prepare(&mut self, changes: &BlockChanges) -> Result<Next, CliError> {
        match self {
            Self::Memory { state, .. } => {
                state.apply(changes);
                Ok(Next::Applied { root: state.root() })
            }
            Self::Store { store, path } => store
                .prepare(changes)
                .map(|prepared| Next::Prepared(Box::new(prepared)))
                .map_err(|source| CliError::Store { path: path.clone(), source }),
        }
    }

    /// Makes `block` the tip, whose state is `next`; its root has been checked.
    pub(crate) fn commit(&mut self, block: &RecoveredBlock, next: Next) -> Result<(), CliError> {
        let new = block.header();
        match (self, next) {
            (Self::Memory { state, header, tip }, _) => {
                state.set_block_hash(new.number, block.hash);
                **header = new.clone();
                *tip = Tip { number: new.number, hash: block.hash, root: new.state_root };
                Ok(())
            }
            (Self::Store { store, path }, Next::Prepared(prepared)) => {
                let committed = store.commit_prepared(new, block.hash, &prepared);
                committed.map(drop).map_err(|source| CliError::Store { path: path.clone(), source })
            }
            (Self::Store { .. }, Next::Applied { .. }) => {
                unreachable!("a store prepares what it commits")
            }
        }
    }
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

/// Whether `path` is free for a new store.
fn is_vacant(path: &Path) -> Result<bool, CliError> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(CliError::read(path, error)),
    }
}
