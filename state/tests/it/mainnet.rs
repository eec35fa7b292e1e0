//! Real blocks whose witnesses prove their pre-state and give their root.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use blockloom_state::{AccountBasics, AccountChange, BlockChanges, WitnessState};
use flate2::read::GzDecoder;
use revm::primitives::KECCAK_EMPTY;
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

/// Blocks of the test data that come with a witness.
const N_WITNESSES: usize = 15;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Witness {
    number: u64,
    parent_state_root: B256,
    nodes: Vec<Bytes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockFile {
    block: Header,
    pre_state: BTreeMap<Address, Account>,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    state_root: B256,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    post_state_diff: BTreeMap<Address, Option<Account>>,
}

/// A whole account before the block, or the changed fields of one after it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    balance: Option<U256>,
    nonce: Option<U64>,
    code_hash: Option<B256>,
    #[serde(default)]
    storage: BTreeMap<U256, U256>,
}

/// The folder of mainnet blocks. Without it the tests pass and say so, but not
/// in CI.
fn mainnet() -> Option<PathBuf> {
    let data = std::env::var_os("BLOCKLOOM_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let mainnet = data.join("mainnet");
    if mainnet.is_dir() {
        return Some(mainnet);
    }
    assert!(std::env::var_os("CI").is_none(), "no test data in {}", mainnet.display());
    eprintln!("SKIPPED 1 suite of {N_WITNESSES} blocks: no test data in {}", mainnet.display());
    None
}

fn read<T: DeserializeOwned>(path: &Path) -> T {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_reader(std::io::BufReader::new(GzDecoder::new(file)))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn blocks() -> impl Iterator<Item = (Witness, BlockFile)> {
    let folder = mainnet();
    let mut paths: Vec<_> = folder
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder.join("witness")).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(folder.is_none() || paths.len() == N_WITNESSES, "{} witnesses", paths.len());
    paths.into_iter().zip(folder.into_iter().cycle()).map(|(path, folder)| {
        let witness: Witness = read(&path);
        let block = read(&folder.join(format!("blocks/{}.json.gz", witness.number)));
        (witness, block)
    })
}

fn check_pre_state(number: u64, state: &WitnessState, pre_state: &BTreeMap<Address, Account>) {
    for (address, account) in pre_state {
        let expected = AccountBasics {
            balance: account.balance.unwrap_or_default(),
            nonce: account.nonce.unwrap_or_default().to(),
            code_hash: account.code_hash.unwrap_or(KECCAK_EMPTY),
        };
        let absent = AccountBasics { balance: U256::ZERO, nonce: 0, code_hash: KECCAK_EMPTY };
        let leaf = state.account(address).unwrap_or_else(|e| panic!("{number} {address}: {e}"));
        // After EIP-161 the files list an absent account as an empty one.
        let proven = leaf.map_or(absent, |leaf| AccountBasics {
            balance: leaf.balance,
            nonce: leaf.nonce,
            code_hash: leaf.code_hash,
        });
        assert_eq!(proven, expected, "block {number}, account {address}");
        for (slot, value) in &account.storage {
            let proven =
                state.slot(address, *slot).unwrap_or_else(|e| panic!("{number} {address}: {e}"));
            assert_eq!(proven, *value, "block {number}, slot {slot:#x} of {address}");
        }
    }
}

/// The expected changes, with fields that did not change filled in from the
/// state before the block.
fn changes(state: &WitnessState, diff: &BTreeMap<Address, Option<Account>>) -> BlockChanges {
    let change = |(address, account): (&Address, &Option<Account>)| {
        let before = state.account(address).unwrap().unwrap_or_default();
        let after = account.as_ref().map(|account| AccountBasics {
            balance: account.balance.unwrap_or(before.balance),
            nonce: account.nonce.map_or(before.nonce, |nonce| nonce.to()),
            code_hash: account.code_hash.unwrap_or(before.code_hash),
        });
        let slots = account.iter().flat_map(|account| account.storage.clone()).collect();
        (*address, AccountChange { after, wiped: after.is_none(), slots })
    };
    BlockChanges { accounts: diff.iter().map(change).collect(), code: BTreeMap::new() }
}

#[test]
fn witnesses_prove_the_pre_state_and_give_the_state_root() {
    for (witness, file) in blocks() {
        let mut state = WitnessState::new(witness.parent_state_root, witness.nodes);
        check_pre_state(witness.number, &state, &file.pre_state);
        let changes = changes(&state, &file.expected.post_state_diff);
        assert!(!changes.accounts.is_empty(), "block {} changes nothing", witness.number);
        let root =
            state.apply(&changes).unwrap_or_else(|e| panic!("block {}: {e:?}", witness.number));
        assert_eq!(root, file.block.state_root, "block {}", witness.number);
        for (address, change) in &changes.accounts {
            for (slot, value) in &change.slots {
                assert_eq!(state.slot(address, *slot), Ok(*value), "slot {slot:#x} of {address}");
            }
        }
    }
}

#[test]
fn a_witness_under_another_root_proves_nothing() {
    for (witness, file) in blocks().take(1) {
        let state = WitnessState::new(file.block.state_root, witness.nodes);
        for address in file.pre_state.keys() {
            assert!(state.account(address).is_err(), "{address} proven by the wrong root");
        }
    }
}
