//! The chain that is served: a store, and executed blocks around its tip.
//!
//! The canonical chain is what the store holds. A block that arrives is executed
//! on the state after its parent, which may be the tip, an older block as long
//! as undo records reach, or a block that is not canonical itself, and is then
//! *known*: kept in memory with its result. Only a change of the head moves the
//! store: back to where the branches part, and on along the new one.
//!
//! # Invariants
//!
//! - Whoever changes anything holds `work`; the store moves only under the write
//!   lock of `moves`, so that a reader who holds it sees one chain throughout.
//! - A known block has passed every check, its state root included.

mod body;
mod head;
mod insert;
mod parent;
mod post_state;
mod read;

pub(crate) use body::FullBlock;
pub(crate) use head::{ForkchoiceError, Markers};
pub(crate) use insert::{InsertError, Verdict};
pub(crate) use read::ReadError;

use crate::{CliError, client};
use alloy_consensus::{Header, ReceiptEnvelope, Sealed};
use alloy_primitives::B256;
use blockloom_engine::{
    ChainSpec, RecoveredBlock,
    client::{Ahead, AheadConfig},
};
use blockloom_fixtures::GenesisBlock;
use blockloom_state::{BlockChanges, Durability, Genesis, Store};
use parent::Readers;
use parking_lot::{Mutex, RwLock};
use std::{collections::HashMap, path::Path, sync::Arc};

/// Hashes of invalid blocks that are remembered. A consensus client repeats the
/// newest ones; whoever sends more at once is only answered more slowly.
const MAX_INVALID: usize = 1024;

/// A block that has been executed and found right.
#[derive(Debug)]
pub(crate) struct KnownBlock {
    pub(crate) block: RecoveredBlock,
    pub(crate) receipts: Vec<ReceiptEnvelope>,
    pub(crate) changes: Arc<BlockChanges>,
}

/// What is remembered of blocks beside the store.
#[derive(Debug, Default)]
struct Recent {
    /// Executed blocks by hash, canonical or not, down to what can be unwound.
    known: HashMap<B256, Arc<KnownBlock>>,
    /// Invalid blocks, and the answer they got.
    invalid: HashMap<B256, Verdict>,
    markers: Markers,
}

/// The chain.
#[derive(Debug)]
pub(crate) struct Chain {
    store: Arc<Store>,
    factory: client::Factory,
    /// What the factory's workers read through.
    readers: Readers,
    genesis: Sealed<Header>,
    /// How far below the tip blocks stay known.
    depth: u64,
    /// Held by whoever executes or moves the head.
    work: Mutex<()>,
    /// Held for reading by whoever needs the canonical chain to stand still.
    moves: RwLock<()>,
    recent: RwLock<Recent>,
}

impl Chain {
    /// Opens the store at `path`, or creates it from the genesis block.
    pub(crate) fn open(
        path: &Path,
        genesis: &GenesisBlock,
        spec: ChainSpec,
        ahead: AheadConfig,
        depth: u64,
    ) -> Result<Self, CliError> {
        let failed = |source| CliError::Store { path: path.to_owned(), source };
        let store = if Store::is_vacant(path).map_err(failed)? {
            let genesis = Genesis {
                chain_id: genesis.config.chain_id,
                header: &genesis.header,
                hash: genesis.hash,
                state: &genesis.state,
            };
            Store::create(path, &genesis).map_err(failed)?
        } else {
            Store::open(path).map_err(failed)?
        };
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
        let store = store.with_undo_depth(depth).with_durability(Durability::Synced);
        let readers = Readers::default();
        let ahead = Ahead::new(ahead)?.with_snapshots(readers.clone());
        Ok(Self {
            store: Arc::new(store),
            factory: client::factory(ahead, spec),
            readers,
            genesis: Sealed::new_unchecked(genesis.header.clone(), genesis.hash),
            depth,
            work: Mutex::default(),
            moves: RwLock::default(),
            recent: RwLock::default(),
        })
    }

    /// The rules.
    pub(crate) const fn spec(&self) -> &ChainSpec {
        self.factory.inner().spec()
    }

    /// Number and hash of the newest canonical block.
    pub(crate) fn tip(&self) -> (u64, B256) {
        let tip = self.store.tip();
        (tip.number, tip.hash)
    }

    fn known(&self, hash: &B256) -> Option<Arc<KnownBlock>> {
        self.recent.read().known.get(hash).cloned()
    }
}
