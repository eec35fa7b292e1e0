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
use std::{
    collections::BTreeSet,
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// Version of the layout that this program reads and writes. A change of keys,
/// values or families is a new version.
pub(super) const SCHEMA: u32 = 2;

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
    /// Creates a store at `path`, a folder that is empty or not there yet.
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
        let tables = Tables { db, options };
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
            head: RwLock::new(Head { tip, oldest_undo }),
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
/// It is made in a folder beside its own and moved there when it is whole, so
/// that whatever ends the program leaves a store or none. What an attempt that
/// was cut short has left is removed by the next one.
pub(super) fn begin(
    path: &Path,
    beginning: &Beginning<'_>,
    changes: &HashedChanges,
) -> Result<Store, StoreError> {
    let [.., (_, header)] = beginning.headers else {
        return Err(not_a_store(path, "it would have no block"));
    };
    check_vacant(path)?;
    batch::check_root(header.number, changes.root_from_nothing(), header.state_root)?;

    let unfinished = unfinished(path);
    remove_unfinished(&unfinished)?;
    make(&unfinished, beginning, changes)?;
    move_into_place(&unfinished, path)?;
    Store::open(path)
}

/// Where the store that will be at `path` is made.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    path.with_file_name(name)
}

fn remove_unfinished(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::Io { doing: "removing", path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Moves a finished store to its place, and sees that it stays there.
fn move_into_place(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed =
        |source| StoreError::Io { doing: "moving the new store to", path: to.to_owned(), source };
    std::fs::rename(from, to).map_err(failed)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = File::open(parent.unwrap_or_else(|| Path::new("."))).map_err(failed)?;
    parent.sync_all().map_err(failed)
}

/// Makes the store in the folder `path`, and closes it.
fn make(path: &Path, beginning: &Beginning<'_>, changes: &HashedChanges) -> Result<(), StoreError> {
    let [.., (hash, header)] = beginning.headers else {
        return Err(not_a_store(path, "it would have no block"));
    };
    let (number, root) = (header.number, header.state_root);
    let mut options = tuning::database();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let db = DB::open_cf_descriptors(&options, path, tuning::families())
        .map_err(|source| opening(path, source))?;
    let tables = Tables { db, options };
    let nothing = Tip { number, hash: *hash, root: EMPTY_ROOT_HASH };
    let cache = NodeCache::new(NODE_CACHE_BYTES);
    let prepared = prepare_on(nothing, &tables.view(), &cache, changes)?;
    // The same root by another way: the one above came from all leaves.
    batch::check_root(number, prepared.root, root)?;
    let mut batch = BlockBatch::new(&tables);
    batch.put_state(&prepared)?;
    batch.put_code(&prepared.code)?;
    for (hash, header) in beginning.headers {
        let tip = Tip { number: header.number, hash: *hash, root: header.state_root };
        batch.put_header(&tip, header)?;
    }
    batch.put(Family::Meta, meta::CHAIN_ID, &beginning.chain_id.to_be_bytes())?;
    batch.put(Family::Meta, meta::GENESIS_HASH, beginning.genesis_hash.as_slice())?;
    let first = beginning.headers.first().map_or(*hash, |(hash, _)| *hash);
    batch.put(Family::Meta, meta::FIRST_HEADER, first.as_slice())?;
    batch.put(Family::Meta, meta::SCHEMA, &SCHEMA.to_be_bytes())?;
    batch.put_tip(&Tip { root, ..nothing })?;
    batch.write(Durability::Synced)?;
    // Out of the log, so that damage to the log can cost later blocks but
    // never the first state.
    for family in Family::ALL {
        tables
            .db
            .flush_cf(tables.family(family)?)
            .map_err(StoreError::database("writing the first state"))?;
    }
    Ok(())
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

fn check_vacant(path: &Path) -> Result<(), StoreError> {
    let entries = std::fs::read_dir(path).map(|mut entries| entries.next());
    match entries {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(StoreError::NotEmpty(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(StoreError::NotEmpty(path.to_owned()))
        }
        Err(source) => Err(StoreError::Io { doing: "looking into", path: path.to_owned(), source }),
    }
}

fn check_present(path: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { doing: "looking for", path: path.to_owned(), source };
    if !path.try_exists().map_err(io)? {
        return Err(StoreError::NotFound(path.to_owned()));
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
    Tables { db, options }.schema()
}

fn check_schema(path: &Path, found: Option<u32>) -> Result<(), StoreError> {
    match found {
        Some(SCHEMA) => Ok(()),
        Some(found) => Err(StoreError::Schema { path: path.to_owned(), found, expected: SCHEMA }),
        None => Err(not_a_store(path, "it has no layout version; was its creation cut short?")),
    }
}

fn not_a_store(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::NotAStore { path: path.to_owned(), reason: reason.into() }
}

fn opening(path: &Path, source: rocksdb::Error) -> StoreError {
    // RocksDB has no code for a lock that is taken, only this message.
    if source.as_ref().contains("While lock file") || source.as_ref().contains("lock hold by") {
        return StoreError::Locked { path: path.to_owned(), source };
    }
    StoreError::database("opening the store")(source)
}
