mod archived;
mod crash;
mod dumped;
mod past;
mod random;
mod reorg;
mod tries;
mod vacancy;

use super::{
    codec,
    keys::{Family, meta},
    open::SCHEMA,
    *,
};
use crate::{AccountBasics, AccountChange, BlockChanges, MemoryState};
use alloy_primitives::{Bytes, address, bytes, keccak256};
use std::{collections::BTreeMap, path::Path};
use tempfile::TempDir;

const CHAIN_ID: u64 = 1337;
const ALICE: Address = address!("00000000000000000000000000000000000a11ce");
const BOB: Address = address!("0000000000000000000000000000000000000b0b");

/// A store in a folder of its own, beside the state it should hold.
struct Chain {
    folder: TempDir,
    store: Store,
    state: MemoryState,
    header: Header,
}

impl Chain {
    fn new(state: MemoryState) -> Self {
        let folder = TempDir::new().unwrap();
        let header = Header { state_root: state.root(), ..Default::default() };
        let store = create(folder.path(), CHAIN_ID, &header, &state).unwrap();
        Self { folder, store, state, header }
    }

    /// Header of the block that follows with `changes`.
    fn next_header(&self, changes: &BlockChanges) -> Header {
        let mut state = self.state.clone();
        state.apply(changes);
        Header {
            number: self.header.number + 1,
            parent_hash: self.header.hash_slow(),
            state_root: state.root(),
            ..Default::default()
        }
    }

    fn commit(&mut self, changes: &BlockChanges) -> Result<Committed, StoreError> {
        let header = self.next_header(changes);
        let block = NewBlock { header: &header, hash: header.hash_slow(), changes };
        let committed = self.store.commit(&block)?;
        self.state.apply(changes);
        self.header = header;
        Ok(committed)
    }

    fn reopen(self) -> Self {
        let Self { folder, store, state, header } = self;
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        Self { folder, store, state, header }
    }
}

fn create(
    path: &Path,
    chain_id: u64,
    header: &Header,
    state: &MemoryState,
) -> Result<Store, StoreError> {
    Store::create(path, &Genesis { chain_id, header, hash: header.hash_slow(), state })
}

fn basics(balance: u64) -> AccountBasics {
    AccountBasics { balance: U256::from(balance), nonce: 1, code_hash: KECCAK_EMPTY }
}

/// Alice, with `balance` and one slot set.
fn changes(balance: u64, slot: u64, value: u64) -> BlockChanges {
    let slots = BTreeMap::from([(U256::from(slot), U256::from(value))]);
    let change = AccountChange { after: Some(basics(balance)), wiped: false, slots };
    BlockChanges { accounts: BTreeMap::from([(ALICE, change)]), code: BTreeMap::new() }
}

fn genesis_state() -> MemoryState {
    let mut state = MemoryState::new();
    let code_hash = state.insert_code(bytes!("6001600255"));
    state.insert_account(ALICE, basics(100));
    state.insert_account(BOB, AccountBasics { code_hash, ..basics(7) });
    state.set_slot(BOB, U256::from(1), U256::MAX);
    state
}

#[test]
fn a_store_answers_like_the_state_it_was_made_from() {
    let chain = Chain::new(genesis_state()).reopen();
    let Chain { store, state, header, .. } = &chain;
    let tip = Tip { number: 0, hash: header.hash_slow(), root: state.root() };
    assert_eq!(store.tip(), tip);
    assert_eq!((store.chain_id(), store.genesis_hash()), (CHAIN_ID, tip.hash));
    assert_eq!(store.header(0).unwrap().unwrap().into_parts(), (header.clone(), tip.hash));
    assert_eq!(store.header(1).unwrap(), None);
    assert_eq!(store.block_hash_ref(0).unwrap(), tip.hash);
    assert!(matches!(store.block_hash_ref(1), Err(StoreError::UnknownBlock(1))));
    assert_eq!(store.basic_ref(BOB).unwrap(), state.basic_ref(BOB).unwrap());
    assert_eq!(store.basic_ref(ALICE).unwrap().unwrap().code, Some(Bytecode::default()));
    assert_eq!(store.basic_ref(Address::ZERO).unwrap(), None);
    assert_eq!(store.storage_ref(BOB, U256::from(1)).unwrap(), U256::MAX);
    assert_eq!(store.storage_ref(BOB, U256::from(2)).unwrap(), U256::ZERO);
    let code_hash = state.account(&BOB).unwrap().basics().code_hash;
    assert_eq!(
        store.code_by_hash_ref(code_hash).unwrap(),
        state.code_by_hash_ref(code_hash).unwrap()
    );
    assert!(store.code_by_hash_ref(KECCAK_EMPTY).unwrap().is_empty());
    let missing = store.code_by_hash_ref(B256::ZERO);
    assert!(matches!(missing, Err(StoreError::Missing { family: "code", .. })));
    let found = Verified {
        n_accounts: 2,
        n_slots: 1,
        n_nodes: 1,
        n_codes: 1,
        n_headers: 1,
        n_undo: 0,
        n_archived: 0,
    };
    assert_eq!(store.verify().unwrap(), found);
}

#[test]
fn a_settled_store_has_nothing_left_to_compact() {
    let mut chain = Chain::new(genesis_state());
    for round in 1..=8 {
        chain.commit(&changes(round, round, round)).unwrap();
        for family in Family::ALL {
            chain.store.tables.db.flush_cf(chain.store.tables.family(family).unwrap()).unwrap();
        }
    }
    chain.store.settle().unwrap();
    for family in Family::ALL {
        let family = chain.store.tables.family(family).unwrap();
        for left in ["rocksdb.compaction-pending", "rocksdb.num-running-compactions"] {
            assert_eq!(chain.store.tables.db.property_int_value_cf(family, left), Ok(Some(0)));
        }
    }
    assert_eq!(chain.store.verify().unwrap().n_headers, 9);
}

#[test]
fn blocks_are_found_again_after_reopening() {
    let mut chain = Chain::new(genesis_state());
    let committed = chain.commit(&changes(99, 5, 6)).unwrap();
    assert_eq!(committed.root, chain.state.root());
    assert!(committed.bytes_written > 600, "{} bytes", committed.bytes_written);
    let chain = chain.reopen();
    assert_eq!(chain.store.tip().number, 1);
    assert_eq!(chain.store.tip().root, chain.state.root());
    assert_eq!(chain.store.basic_ref(ALICE).unwrap(), chain.state.basic_ref(ALICE).unwrap());
    assert_eq!(chain.store.storage_ref(ALICE, U256::from(5)).unwrap(), U256::from(6));
    assert_eq!(chain.store.verify().unwrap().n_headers, 2);
}

#[test]
fn what_was_prepared_is_committed_once_and_on_its_own_tip() {
    let mut chain = Chain::new(genesis_state()).reopen();
    let changes = changes(1, 2, 3);
    let header = chain.next_header(&changes);
    let prepared = chain.store.prepare(&changes).unwrap();
    assert_eq!(prepared.root(), header.state_root);
    let late = chain.store.prepare(&changes).unwrap();
    let committed = chain.store.commit_prepared(&header, header.hash_slow(), &prepared).unwrap();
    assert_eq!(committed.root, header.state_root);
    let next = Header { number: 2, parent_hash: header.hash_slow(), ..header.clone() };
    let refused = chain.store.commit_prepared(&next, next.hash_slow(), &late);
    assert!(matches!(refused, Err(StoreError::Stale { .. })), "{refused:?}");
    assert_eq!(chain.store.tip().number, 1);
    chain.state.apply(&changes);
    chain.header = header;
    assert_eq!(chain.reopen().store.verify().unwrap().n_headers, 2);
}

#[test]
fn a_wrong_block_leaves_no_trace() {
    let mut chain = Chain::new(genesis_state());
    let changes = changes(1, 2, 3);
    let good = chain.next_header(&changes);
    let tip = chain.store.tip();
    let commit = |header: &Header| {
        let hash = header.hash_slow();
        chain.store.commit(&NewBlock { header, hash, changes: &changes })
    };
    let stranger = Header { parent_hash: B256::repeat_byte(9), ..good.clone() };
    assert!(matches!(commit(&stranger), Err(StoreError::NotNext { number: 1, tip: 0, .. })));
    let later = Header { number: 2, ..good.clone() };
    assert!(matches!(commit(&later), Err(StoreError::NotNext { number: 2, tip: 0, .. })));
    let wrong = Header { state_root: B256::repeat_byte(9), ..good.clone() };
    assert!(matches!(commit(&wrong), Err(StoreError::WrongRoot { number: 1, .. })));
    assert_eq!(chain.store.tip(), tip);
    assert_eq!(chain.store.verify().unwrap().n_headers, 1);
    assert_eq!(chain.store.storage_ref(ALICE, U256::from(2)).unwrap(), U256::ZERO);
    chain.commit(&changes).unwrap();
    assert_eq!(chain.reopen().store.tip().number, 1);
}

#[test]
fn numbers_follow_what_the_store_holds_and_does() {
    let mut chain = Chain::new(genesis_state()).reopen();
    chain.commit(&changes(1, 2, 3)).unwrap();
    chain.commit(&changes(1, 2, 4)).unwrap();
    let stats = chain.store.stats().unwrap();
    let names: Vec<_> = stats.families.iter().map(|family| family.name).collect();
    assert_eq!(names, Family::ALL.map(Family::name));
    let entries = |name: &str| stats.families.iter().find(|f| f.name == name).unwrap().n_entries;
    assert_eq!((entries("headers"), entries("undo"), entries("code")), (3, 2, 1));
    assert!(stats.families.iter().all(|family| family.memory_bytes > 0), "{stats:?}");
    assert!(stats.families[0].file_bytes > 0, "{stats:?}");
    // The top of the state trie was read by opening, and then by each block.
    assert!(stats.node_cache.hits >= 2 && stats.node_cache.bytes > 0, "{stats:?}");
    assert!(stats.node_cache.hit_rate().is_some_and(|rate| rate > 0.3 && rate < 1.0));
    assert!(stats.block_cache.hits + stats.block_cache.misses > 0, "{stats:?}");
    assert_eq!(CacheUse::default().hit_rate(), None);
}

#[test]
fn a_block_of_another_chain_is_refused() {
    let ours = Chain::new(genesis_state());
    let theirs = Chain::new(MemoryState::new());
    let changes = changes(1, 2, 3);
    let header = theirs.next_header(&changes);
    let block = NewBlock { header: &header, hash: header.hash_slow(), changes: &changes };
    assert!(matches!(ours.store.commit(&block), Err(StoreError::NotNext { .. })));
}

#[test]
fn a_removed_account_takes_its_slots_along() {
    let mut chain = Chain::new(genesis_state());
    let removed = AccountChange { after: None, wiped: true, slots: BTreeMap::new() };
    let accounts = BTreeMap::from([(BOB, removed)]);
    chain.commit(&BlockChanges { accounts, code: BTreeMap::new() }).unwrap();
    assert_eq!(chain.store.basic_ref(BOB).unwrap(), None);
    assert_eq!(chain.store.storage_ref(BOB, U256::from(1)).unwrap(), U256::ZERO);
    let found = Verified {
        n_accounts: 1,
        n_slots: 0,
        n_nodes: 0,
        n_codes: 1,
        n_headers: 2,
        n_undo: 1,
        n_archived: 0,
    };
    assert_eq!(chain.reopen().store.verify().unwrap(), found);
}

#[test]
fn creation_refuses_what_it_would_spoil_or_cannot_prove() {
    let folder = TempDir::new().unwrap();
    let state = genesis_state();
    let header = Header { state_root: state.root(), ..Default::default() };
    let wrong = create(folder.path(), CHAIN_ID, &Header::default(), &state);
    assert!(matches!(wrong, Err(StoreError::WrongRoot { number: 0, .. })));

    let mut no_code = state.clone();
    let code_hash = B256::repeat_byte(3);
    no_code.insert_account(ALICE, AccountBasics { code_hash, ..basics(1) });
    let refused = create(folder.path(), CHAIN_ID, &header, &no_code);
    assert!(matches!(refused, Err(StoreError::GenesisCode { address: ALICE, .. })));

    let file = folder.path().join("somebody's");
    std::fs::write(&file, "data").unwrap();
    let refused = create(folder.path(), CHAIN_ID, &header, &state);
    assert!(matches!(refused, Err(StoreError::NotEmpty(path)) if path == folder.path()));
    let refused = create(&file, CHAIN_ID, &header, &state);
    assert!(matches!(refused, Err(StoreError::NotEmpty(path)) if path == file));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    create(&folder.path().join("new/folder"), CHAIN_ID, &header, &state).unwrap();
}

fn reason(result: Result<Store, StoreError>) -> String {
    match result {
        Err(StoreError::NotAStore { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_that_is_no_store_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let absent = folder.path().join("absent");
    assert!(matches!(Store::open(&absent), Err(StoreError::NotFound(path)) if path == absent));
    assert!(reason(Store::open(folder.path())).contains("not a RocksDB folder"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    drop(rocksdb::DB::open_cf(&options, folder.path(), ["accounts", "theirs"]).unwrap());
    let files = |path: &Path| {
        let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let before = files(folder.path());
    let why = reason(Store::open(folder.path()));
    let lacks = "archive, code, headers, lookup, meta, slots, trie_accounts, trie_slots, undo";
    assert_eq!(why, format!("it lacks {lacks} and holds theirs"));
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_store_of_another_version_says_so() {
    let chain = Chain::new(genesis_state());
    let path = chain.folder.path();
    put(&chain.store, Family::Meta, meta::SCHEMA, &5_u32.to_be_bytes());
    drop(chain.store);
    let is_schema = |path: &Path, found: u32| {
        let error = Store::open(path).unwrap_err();
        let message = format!("layout version {found}; this program reads version {SCHEMA}");
        assert!(error.to_string().contains(&message), "{error}");
        matches!(error, StoreError::Schema { found: it, expected: SCHEMA, .. } if it == found)
    };
    assert!(is_schema(path, 5));
    // The same if that version has families of its own.
    let mut options = rocksdb::Options::default();
    options.create_missing_column_families(true);
    let names = Family::ALL.map(Family::name).into_iter().chain(["history"]);
    drop(rocksdb::DB::open_cf(&options, path, names).unwrap());
    assert!(is_schema(path, 5));

    // The first version had no tries, so it lacks families of this one.
    let old = TempDir::new().unwrap();
    options.create_if_missing(true);
    let names = ["accounts", "slots", "code", "headers", "meta"];
    let db = rocksdb::DB::open_cf(&options, old.path(), names).unwrap();
    db.put_cf(db.cf_handle("meta").unwrap(), meta::SCHEMA, 1_u32.to_be_bytes()).unwrap();
    drop(db);
    assert!(is_schema(old.path(), 1));
}

#[test]
fn commits_are_synced_as_often_as_asked() {
    let every = |n: u64| Durability::Every(n.try_into().unwrap());
    // Commits, out of seven, that wait for the disk.
    let cases: [(_, &[u64]); 5] = [
        (Durability::Synced, &[1, 2, 3, 4, 5, 6, 7]),
        (every(1), &[1, 2, 3, 4, 5, 6, 7]),
        (every(3), &[3, 6]),
        (every(8), &[]),
        (Durability::Unsynced, &[]),
    ];
    for (durability, expected) in cases {
        let mut chain = Chain::new(genesis_state());
        chain.store = chain.store.with_durability(durability);
        let mut synced = Vec::new();
        for block in 1..=7 {
            let syncs = |store: &Store| {
                store.tables.options.get_ticker_count(rocksdb::statistics::Ticker::WalFileSynced)
            };
            let before = syncs(&chain.store);
            chain.commit(&changes(block, block, block)).unwrap();
            synced.extend((syncs(&chain.store) > before).then_some(block));
        }
        assert_eq!(synced, expected, "{durability:?}");
        assert_eq!(chain.reopen().store.tip().number, 7);
    }
}

#[test]
fn a_store_in_use_is_locked() {
    let chain = Chain::new(genesis_state());
    let second = Store::open(chain.folder.path());
    assert!(matches!(second, Err(StoreError::Locked { .. })), "{second:?}");
    chain.reopen();
}

fn put(store: &Store, family: Family, key: &[u8], value: &[u8]) {
    store.tables.db.put_cf(store.tables.family(family).unwrap(), key, value).unwrap();
}

fn delete(store: &Store, family: Family, key: &[u8]) {
    store.tables.db.delete_cf(store.tables.family(family).unwrap(), key).unwrap();
}

/// What opening says after the store was damaged behind its back.
fn open_after(damage: impl FnOnce(&Store)) -> StoreError {
    let Chain { folder, store, .. } = Chain::new(genesis_state());
    damage(&store);
    drop(store);
    Store::open(folder.path()).unwrap_err()
}

#[test]
fn damaged_meta_is_named() {
    let is_corrupt = |error: &StoreError, at: &[u8]| matches!(error, StoreError::Corrupt { family: "meta", key, .. } if key == at);
    for key in [meta::SCHEMA, meta::CHAIN_ID, meta::GENESIS_HASH, meta::TIP] {
        let error = open_after(|store| put(store, Family::Meta, key, b"?"));
        assert!(is_corrupt(&error, key), "{error:?}");
    }
    for key in [meta::CHAIN_ID, meta::GENESIS_HASH, meta::TIP] {
        let error = open_after(|store| delete(store, Family::Meta, key));
        assert!(matches!(&error, StoreError::Missing { family: "meta", .. }), "{error:?}");
    }
    let error = open_after(|store| delete(store, Family::Meta, meta::SCHEMA));
    assert!(matches!(&error, StoreError::NotAStore { .. }), "{error:?}");
}

#[test]
fn a_tip_that_differs_from_its_header_is_refused() {
    let tip = Tip { number: 0, hash: B256::ZERO, root: B256::ZERO };
    // Ends and middles of number, hash and root.
    for i in [0, 7, 8, 24, 39, 40, 56, 71] {
        let error = open_after(|store| {
            let mut bytes = codec::encode_tip(&store.tip());
            bytes[i] ^= 1;
            put(store, Family::Meta, meta::TIP, &bytes);
        });
        let missing = matches!(error, StoreError::Missing { family: "headers", .. });
        let differs = matches!(error, StoreError::Corrupt { family: "headers", .. });
        assert!(if i < 8 { missing } else { differs }, "byte {i}: {error:?}");
    }
    let error = open_after(|store| delete(store, Family::Headers, &keys::header(tip.number)));
    assert!(matches!(error, StoreError::Missing { family: "headers", .. }));
}

#[test]
fn damaged_values_are_errors_when_read() {
    let Chain { store, state, .. } = &Chain::new(genesis_state());
    let account = keys::account(&BOB);
    let slot = keys::slot(&account, &root::hashed_slot(U256::from(1)));
    let code_hash = state.account(&BOB).unwrap().basics().code_hash;
    put(store, Family::Accounts, account.as_slice(), &[0xff]);
    put(store, Family::Slots, &slot, &[0; 32]);
    put(store, Family::Code, code_hash.as_slice(), b"other");
    put(store, Family::Headers, &keys::header(0), &[0; 40]);
    let family = |error: StoreError| match error {
        StoreError::Corrupt { family, .. } => family,
        other => panic!("{other:?}"),
    };
    assert_eq!(family(store.basic_ref(BOB).unwrap_err()), "accounts");
    assert_eq!(family(store.storage_ref(BOB, U256::from(1)).unwrap_err()), "slots");
    assert_eq!(family(store.code_by_hash_ref(code_hash).unwrap_err()), "code");
    assert_eq!(family(store.header(0).unwrap_err()), "headers");
    let change = AccountChange { after: None, wiped: true, slots: BTreeMap::new() };
    let touching = BlockChanges { accounts: BTreeMap::from([(BOB, change)]), ..Default::default() };
    assert_eq!(family(store.root_after(&touching).unwrap_err()), "accounts");
}

/// What a verification says after one entry was changed.
fn verify_after(damage: impl FnOnce(&Store, &MemoryState)) -> StoreError {
    let mut chain = Chain::new(genesis_state());
    chain.commit(&changes(1, 2, 3)).unwrap();
    chain.store.verify().unwrap();
    damage(&chain.store, &chain.state);
    chain.store.verify().unwrap_err()
}

#[test]
fn verification_finds_what_reads_cannot_see() {
    let alice = keys::account(&ALICE);
    let slot = |account: &B256| keys::slot(account, &root::hashed_slot(U256::from(2)));
    let family = |error: StoreError| match error {
        StoreError::Corrupt { family, .. } | StoreError::Missing { family, .. } => family,
        other => panic!("{other:?}"),
    };
    let error = verify_after(|store, _| put(store, Family::Slots, &slot(&alice), &[4]));
    assert_eq!(family(error), "accounts");
    for orphan in [B256::ZERO, B256::repeat_byte(0xff)] {
        let error = verify_after(|store, _| put(store, Family::Slots, &slot(&orphan), &[4]));
        assert_eq!(family(error), "slots");
    }
    let error = verify_after(|store, state| {
        let code_hash = state.account(&BOB).unwrap().basics().code_hash;
        delete(store, Family::Code, code_hash.as_slice());
    });
    assert_eq!(family(error), "code");
    let error = verify_after(|store, _| delete(store, Family::Headers, &keys::header(0)));
    assert_eq!(family(error), "headers");
    let error = verify_after(|store, state| {
        let rich = codec::StoredAccount {
            basics: basics(1_000_000),
            storage_root: state.account(&ALICE).unwrap().storage_root(),
            has_one_slot: state.account(&ALICE).unwrap().slots().count() == 1,
        };
        put(store, Family::Accounts, alice.as_slice(), &rich.encode());
    });
    assert!(matches!(error, StoreError::WrongRoot { number: 1, .. }));
}

#[test]
fn code_of_a_block_can_be_read_back() {
    let mut chain = Chain::new(genesis_state());
    let code = Bytes::from([&[0xef, 0x01, 0x00][..], BOB.as_slice()].concat());
    let code_hash = keccak256(&code);
    let mut block = changes(3, 4, 0);
    block.code.insert(code_hash, code.clone());
    if let Some(change) = block.accounts.get_mut(&ALICE) {
        change.after = Some(AccountBasics { code_hash, ..basics(3) });
    }
    chain.commit(&block).unwrap();
    let chain = chain.reopen();
    let stored = chain.store.code_by_hash_ref(code_hash).unwrap();
    assert_eq!((stored.eip7702_address(), stored.original_bytes()), (Some(BOB), code));
    assert_eq!(chain.store.basic_ref(ALICE).unwrap().unwrap().code_hash, code_hash);
}
