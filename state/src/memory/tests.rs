use super::*;
use crate::AccountChange;
use alloy_primitives::{address, b256, bytes};
use alloy_trie::TrieAccount;
use std::collections::BTreeMap;

const ALICE: Address = address!("00000000000000000000000000000000000a11ce");
const BOB: Address = address!("0000000000000000000000000000000000000b0b");

fn basics(balance: u64, nonce: u64) -> AccountBasics {
    AccountBasics { balance: U256::from(balance), nonce, code_hash: KECCAK_EMPTY }
}

fn change(after: Option<AccountBasics>, wiped: bool, slots: &[(u64, u64)]) -> AccountChange {
    let slots = slots.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value)));
    AccountChange { after, wiped, slots: slots.collect() }
}

fn changes(accounts: &[(Address, AccountChange)]) -> BlockChanges {
    BlockChanges { accounts: accounts.iter().cloned().collect(), code: BTreeMap::new() }
}

#[test]
fn an_empty_account_exists() {
    let mut state = MemoryState::new();
    state.insert_account(ALICE, EMPTY);
    let info = state.basic_ref(ALICE).unwrap().unwrap();
    assert!(info.is_empty());
    assert_eq!(info.code_hash, KECCAK_EMPTY);
    assert_eq!(info.code, Some(Bytecode::default()));
    assert_eq!(state.basic_ref(BOB).unwrap(), None);
}

#[test]
fn code_is_kept_raw_and_analysed() {
    let mut state = MemoryState::new();
    let raw = bytes!("600160020160ff");
    let hash = state.insert_code(raw.clone());
    state.insert_account(ALICE, AccountBasics { code_hash: hash, ..basics(0, 1) });
    assert_eq!(hash, keccak256(&raw));
    assert_eq!(state.code(&hash), Some(raw.clone()));
    assert_eq!(state.code_by_hash_ref(hash).unwrap().original_bytes(), raw);
    assert_eq!(state.basic_ref(ALICE).unwrap().unwrap().code, None);
    assert_eq!(state.insert_code(Bytes::new()), KECCAK_EMPTY);
    assert!(state.code_by_hash_ref(KECCAK_EMPTY).unwrap().is_empty());
}

#[test]
fn what_only_looks_like_a_delegation_is_ordinary_code() {
    let mut state = MemoryState::new();
    for raw in [bytes!("ef01"), bytes!("ef0100"), bytes!("ef0101aa")] {
        let hash = state.insert_code(raw.clone());
        let code = state.code_by_hash_ref(hash).unwrap();
        assert!(code.is_legacy());
        assert_eq!(code.original_bytes(), raw);
    }
    let delegation = bytes!("ef0100000000000000000000000000000000000000beef");
    let hash = state.insert_code(delegation);
    assert!(state.code_by_hash_ref(hash).unwrap().is_eip7702());
}

#[test]
fn missing_code_and_hashes_are_errors() {
    let mut state = MemoryState::new();
    let hash = B256::repeat_byte(1);
    assert_eq!(state.code_by_hash_ref(hash), Err(MemoryStateError::MissingCode(hash)));
    assert_eq!(state.block_hash_ref(7), Err(MemoryStateError::MissingBlockHash(7)));
    state.set_block_hash(7, hash);
    assert_eq!(state.block_hash_ref(7), Ok(hash));
}

#[test]
fn zero_removes_a_slot_and_creates_nothing() {
    let mut state = MemoryState::new();
    state.set_slot(ALICE, U256::from(1), U256::ZERO);
    assert_eq!(state, MemoryState::new());
    state.set_slot(ALICE, U256::from(1), U256::from(5));
    assert_eq!(state.slot(&ALICE, U256::from(1)), U256::from(5));
    assert_eq!(state.account(&ALICE).unwrap().basics(), EMPTY);
    state.insert_account(ALICE, basics(3, 0));
    assert_eq!(state.storage_ref(ALICE, U256::from(1)), Ok(U256::from(5)));
    state.set_slot(ALICE, U256::from(1), U256::ZERO);
    assert_eq!(state.account(&ALICE).unwrap().slots().count(), 0);
}

#[test]
fn apply_changes_wipes_and_removes() {
    let mut state = MemoryState::new();
    for address in [ALICE, BOB] {
        state.insert_account(address, basics(9, 1));
        state.set_slot(address, U256::from(1), U256::from(10));
        state.set_slot(address, U256::from(2), U256::from(20));
    }
    let mut block = changes(&[
        (ALICE, change(Some(basics(8, 2)), true, &[(3, 30)])),
        (BOB, change(Some(basics(9, 1)), false, &[(1, 0), (2, 21)])),
    ]);
    let code = bytes!("00");
    block.code.insert(keccak256(&code), code.clone());
    state.apply(&block);
    let slots =
        |state: &MemoryState, address| state.account(address).unwrap().slots().collect::<Vec<_>>();
    assert_eq!(slots(&state, &ALICE), [(U256::from(3), U256::from(30))]);
    assert_eq!(slots(&state, &BOB), [(U256::from(2), U256::from(21))]);
    assert_eq!(state.account(&ALICE).unwrap().basics(), basics(8, 2));
    assert_eq!(state.codes().collect::<Vec<_>>(), [(keccak256(&code), code)]);

    state.apply(&changes(&[(ALICE, change(None, true, &[]))]));
    assert_eq!(state.account(&ALICE), None);
    assert_eq!(state.accounts().map(|(address, _)| address).collect::<Vec<_>>(), [BOB]);
}

#[test]
fn roots_are_those_of_ethereum() {
    assert_eq!(MemoryState::new().root(), alloy_trie::EMPTY_ROOT_HASH);
    let mut state = MemoryState::new();
    state.insert_account(ALICE, basics(1, 0));
    state.set_slot(ALICE, U256::from(1), U256::from(0x80));
    let storage_root = alloy_trie::root::storage_root_unhashed([(
        b256!("0000000000000000000000000000000000000000000000000000000000000001"),
        U256::from(0x80),
    )]);
    let account = TrieAccount { balance: U256::from(1), storage_root, ..Default::default() };
    assert_eq!(state.root(), alloy_trie::root::state_root_unhashed([(ALICE, account)]));
    assert_ne!(state.root(), MemoryState::new().root());
}
