//! Creating a store and finding one again.

use super::{
    Durability, Head, Store, StoreError, Tip,
    batch::{self, BlockBatch},
    hashed::HashedChanges,
    keys::{self, Family, meta},
    node_cache::{NODE_CACHE_BYTES, NodeCache},
    prepare::prepare_on,
    tables::{self, Tables},
    trie_nodes::StoredTrie,
    tuning,
    undo::UNDO_DEPTH,
    vacancy::{self, Unfinished},
};
use crate::{
    MemoryState,
    trie::{NodeSource, TrieError},
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use parking_lot::RwLock;
use revm::primitives::KECCAK_EMPTY;
use rocksdb::{DB, Options};
use std::{collections::BTreeSet, path::Path};

/// Version of the layout that this program reads and writes. A change of keys,
/// values or families is a new version.
pub(super) const SCHEMA: u32 = 4;

/// The family RocksDB always has. Ours is left empty.
const ROCKSDB_DEFAULT_FAMILY: &str = "default";

/// What a store starts from.
#[derive(Clone, Copy, Debug)]
pub struct Genesis<'a> {
    /// Chain the blocks belong to.
    pub chain_id: u64,
    /// Header of the first block; its number need not be zero.
    pub header: &'a Header,
    /// Hash of the first block.
    pub hash: B256,
    /// State after the first block.
    pub state: &'a MemoryState,
}

impl Store {
    /// Creates a store at `path`, a folder that [is vacant](Self::is_vacant).
    ///
    /// A program that ends on the way leaves a folder that is still vacant.
    ///
    /// # Errors
    ///
    /// If something is there already, if the state's root is not the header's,
    /// if the state lacks code it names, or if the disk refuses.
    pub fn create(path: impl AsRef<Path>, genesis: &Genesis<'_>) -> Result<Self, StoreError> {
        check_codes(genesis.state)?;
        let beginning = Beginning {
            chain_id: genesis.chain_id,
            genesis_hash: genesis.hash,
            headers: &[(genesis.hash, genesis.header)],
        };
        begin(path.as_ref(), &beginning, &HashedChanges::of_state(genesis.state))
    }

    /// Opens the store at `path` and checks that it is ours, of this version,
    /// and that its tip, the tip's header and the top of the state trie agree.
    /// [`Store::verify`] checks the rest.
    ///
    /// # Errors
    ///
    /// If there is no store, it is in use, it was made by something else, or
    /// it is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        check_present(path)?;
        check_families(path)?;
        let options = tuning::database();
        let db = DB::open_cf_descriptors(&options, path, tuning::families())
            .map_err(|source| opening(path, source))?;
        let tables = Tables::new(db, options);
        check_schema(path, tables.schema()?)?;
        Self::with_tables(tables)
    }

    fn with_tables(tables: Tables) -> Result<Self, StoreError> {
        let chain_id = tables.chain_id()?;
        let genesis_hash = tables.genesis_hash()?;
        let tip = tables.tip()?;
        check_tip(&tables, &tip)?;
        let nodes = NodeCache::new(NODE_CACHE_BYTES);
        check_trie(&tables, &nodes, &tip)?;
        let oldest_undo = tables.view().oldest_undo()?.unwrap_or(tip.number.saturating_add(1));
        Ok(Self {
            tables,
            chain_id,
            genesis_hash,
            durability: Durability::default(),
            undo_depth: UNDO_DEPTH,
            nodes,
            head: RwLock::new(Head { tip, oldest_undo, n_unsynced: 0 }),
        })
    }
}

/// What a store knows from its first day on.
#[derive(Debug)]
pub(super) struct Beginning<'a> {
    pub(super) chain_id: u64,
    pub(super) genesis_hash: B256,
    /// One header or more, an unbroken chain; the state is that after the last.
    pub(super) headers: &'a [(B256, &'a Header)],
}

/// Makes a store with the state that `changes` lead to from nothing.
///
/// The folder is marked as unfinished until the store in it is whole, so that
/// whatever ends the program leaves a store or something that the next attempt
/// takes for an empty folder. Nothing is moved into place: the folder may be a
/// mount point, or the end of a link.
pub(super) fn begin(
    path: &Path,
    beginning: &Beginning<'_>,
    changes: &HashedChanges,
) -> Result<Store, StoreError> {
    let [.., (hash, header)] = beginning.headers else {
        return Err(not_a_store(path, "it would have no block"));
    };
    let tip = Tip { number: header.number, hash: *hash, root: header.state_root };
    if !vacancy::is_vacant(path)? {
        return Err(StoreError::NotEmpty(path.to_owned()));
    }
    batch::check_root(tip.number, changes.root_from_nothing(), tip.root)?;
    let unfinished = Unfinished::begin(path)?;
    let tables = make(path, beginning, tip, changes)?;
    unfinished.finish()?;
    Store::with_tables(tables)
}

/// Writes the first state into the folder `path`.
fn make(
    path: &Path,
    beginning: &Beginning<'_>,
    tip: Tip,
    changes: &HashedChanges,
) -> Result<Tables, StoreError> {
    let mut options = tuning::database();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let db = DB::open_cf_descriptors(&options, path, tuning::families())
        .map_err(|source| opening(path, source))?;
    let tables = Tables::new(db, options);
    let nothing = Tip { root: EMPTY_ROOT_HASH, ..tip };
    let cache = NodeCache::new(NODE_CACHE_BYTES);
    let prepared = prepare_on(nothing, &tables.view(), &cache, changes)?;
    // The same root by another way: the one before came from all leaves.
    batch::check_root(tip.number, prepared.root, tip.root)?;
    let mut batch = BlockBatch::new(&tables);
    batch.put_state(&prepared)?;
    batch.put_code(&prepared.code)?;
    for (hash, header) in beginning.headers {
        let tip = Tip { number: header.number, hash: *hash, root: header.state_root };
        batch.put_header(&tip, header)?;
    }
    batch.put(Family::Meta, meta::CHAIN_ID, &beginning.chain_id.to_be_bytes())?;
    batch.put(Family::Meta, meta::GENESIS_HASH, beginning.genesis_hash.as_slice())?;
    let first = beginning.headers.first().map_or(tip.hash, |(hash, _)| *hash);
    batch.put(Family::Meta, meta::FIRST_HEADER, first.as_slice())?;
    batch.put(Family::Meta, meta::SCHEMA, &SCHEMA.to_be_bytes())?;
    batch.put_tip(&tip)?;
    batch.write(true)?;
    // Out of the log, so that damage to the log can cost later blocks but
    // never the first state.
    for family in Family::ALL {
        tables
            .db
            .flush_cf(tables.family(family)?)
            .map_err(StoreError::database("writing the first state"))?;
    }
    Ok(tables)
}

fn check_tip(tables: &Tables, tip: &Tip) -> Result<(), StoreError> {
    let key = keys::header(tip.number);
    let Some((hash, header)) = tables.header(tip.number)? else {
        let key = Bytes::copy_from_slice(&key);
        return Err(StoreError::Missing { family: Family::Headers.name(), key });
    };
    if hash != tip.hash {
        return Err(tables::corrupt(Family::Headers, &key, "its hash is not the tip's"));
    }
    if header.state_root != tip.root {
        return Err(tables::corrupt(Family::Headers, &key, "its state root is not the tip's"));
    }
    Ok(())
}

/// The node at the top of the state trie must be the one the tip's root names.
fn check_trie(tables: &Tables, nodes: &NodeCache, tip: &Tip) -> Result<(), StoreError> {
    let view = tables.view();
    let trie = StoredTrie { view: &view, cache: nodes, account: None };
    let path = Nibbles::new();
    if tip.root != EMPTY_ROOT_HASH {
        return trie.node(&path, tip.root).map(drop);
    }
    match view.accounts_from(&B256::ZERO)?.next().transpose()? {
        None => Ok(()),
        Some(_) => Err(trie.damaged(TrieError::MissingNode { path, hash: tip.root })),
    }
}

fn check_codes(state: &MemoryState) -> Result<(), StoreError> {
    for (address, account) in state.accounts() {
        let code_hash = account.basics().code_hash;
        if code_hash != KECCAK_EMPTY && state.code(&code_hash).is_none() {
            return Err(StoreError::GenesisCode { address, code_hash });
        }
    }
    Ok(())
}

fn check_present(path: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { doing: "looking for", path: path.to_owned(), source };
    if !path.try_exists().map_err(io)? {
        return Err(StoreError::NotFound(path.to_owned()));
    }
    if vacancy::is_unfinished(path)? {
        return Err(not_a_store(path, "it was begun and not finished; create it again"));
    }
    // The file that every RocksDB folder has. RocksDB must not be asked: it
    // would leave files of its own in a folder of somebody else's.
    if path.join("CURRENT").try_exists().unwrap_or(false) {
        Ok(())
    } else {
        Err(not_a_store(path, "it is not a RocksDB folder"))
    }
}

/// Reads the list of families before anything is opened for writing, so that
/// somebody else's database is left untouched.
fn check_families(path: &Path) -> Result<(), StoreError> {
    let found = DB::list_cf(&Options::default(), path).map_err(|source| opening(path, source))?;
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    let ours = Family::ALL.iter().map(|family| family.name());
    let ours: BTreeSet<&str> = ours.chain([ROCKSDB_DEFAULT_FAMILY]).collect();
    if found == ours {
        return Ok(());
    }
    // Another version of ours may have other families, and says so itself.
    if found.contains(Family::Meta.name()) {
        check_schema(path, read_schema(path)?)?;
    }
    let list = |names: Vec<&str>| names.join(", ");
    let missing = list(ours.difference(&found).copied().collect());
    let unknown = list(found.difference(&ours).copied().collect());
    let reason = match (missing.is_empty(), unknown.is_empty()) {
        (false, true) => format!("it lacks {missing}"),
        (true, _) => format!("it also holds {unknown}"),
        (false, false) => format!("it lacks {missing} and holds {unknown}"),
    };
    Err(not_a_store(path, reason))
}

fn read_schema(path: &Path) -> Result<Option<u32>, StoreError> {
    let families = [Family::Meta.name()];
    let options = Options::default();
    let db = DB::open_cf_for_read_only(&options, path, families, false)
        .map_err(|source| opening(path, source))?;
    Tables::new(db, options).schema()
}

fn check_schema(path: &Path, found: Option<u32>) -> Result<(), StoreError> {
    match found {
        Some(SCHEMA) => Ok(()),
        Some(found) => Err(StoreError::Schema { path: path.to_owned(), found, expected: SCHEMA }),
        None => Err(not_a_store(path, "it has no layout version")),
    }
}

fn not_a_store(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::NotAStore { path: path.to_owned(), reason: reason.into() }
}

pub(super) fn opening(path: &Path, source: rocksdb::Error) -> StoreError {
    // RocksDB has no code for a lock that is taken, only this message.
    if source.as_ref().contains("While lock file") || source.as_ref().contains("lock hold by") {
        return StoreError::Locked { path: path.to_owned(), source };
    }
    StoreError::database("opening the store")(source)
}
