//! The stored tries: their records, their proofs, and damage to them.

use super::{reorg::contents, *};
use crate::memory::arbitrary;
use alloy_trie::{Nibbles, proof::verify_proof};
use proptest::{collection, prelude::*};

/// Checks a proof with alloy-trie's verifier, which knows nothing of the store.
fn check_proof(store: &Store, state: &MemoryState, address: Address) -> Result<(), TestCaseError> {
    let slots: Vec<_> = arbitrary::slots().collect();
    let proof = store.proof(address, &slots).unwrap();
    prop_assert_eq!(proof.state_root, state.root());
    let account = state.account(&address);
    let leaf = account.map(|a| root::trie_account(&a.basics(), a.storage_root()));
    prop_assert_eq!(proof.account, leaf);
    let key = Nibbles::unpack(keccak256(address));
    verify_proof(proof.state_root, key, leaf.map(alloy_rlp::encode), &proof.account_proof)
        .map_err(|error| TestCaseError::fail(format!("{address}: {error}")))?;
    let storage_root = leaf.map_or(alloy_trie::EMPTY_ROOT_HASH, |leaf| leaf.storage_root);
    for (slot, proof) in slots.iter().zip(&proof.storage_proof) {
        let value = state.slot(&address, *slot);
        prop_assert_eq!((proof.slot, proof.value), (*slot, value));
        let expected = (!value.is_zero()).then(|| alloy_rlp::encode(value));
        let key = Nibbles::unpack(root::hashed_slot(*slot));
        verify_proof(storage_root, key, expected, &proof.proof)
            .map_err(|error| TestCaseError::fail(format!("slot {slot} of {address}: {error}")))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn records_follow_from_the_state_alone(
        before in arbitrary::state(),
        blocks in collection::vec((arbitrary::changes(), any::<bool>()), 1..6),
    ) {
        let mut chain = Chain::new(before);
        for (changes, reopen) in blocks {
            chain.commit(&changes).unwrap();
            if reopen {
                chain = chain.reopen();
            }
            let fresh = Chain::new(chain.state.clone());
            let (found, expected) = (contents(&chain.store), contents(&fresh.store));
            for family in ["accounts", "slots", "trie_accounts", "trie_slots"] {
                prop_assert_eq!(&found[family], &expected[family], "{}", family);
            }
            chain.store.verify().unwrap();
        }
    }

    #[test]
    fn proofs_prove_what_the_state_holds(
        before in arbitrary::state(),
        block in arbitrary::changes(),
    ) {
        let mut chain = Chain::new(before);
        chain.commit(&block).unwrap();
        for address in arbitrary::addresses() {
            check_proof(&chain.store, &chain.state, address)?;
        }
    }
}

#[test]
fn nothing_is_proven_by_an_empty_trie() {
    let chain = Chain::new(MemoryState::new());
    let proof = chain.store.proof(ALICE, &[U256::ZERO]).unwrap();
    assert_eq!((proof.account, proof.account_proof.len()), (None, 0));
    assert_eq!((proof.storage_proof[0].value, proof.storage_proof[0].proof.len()), (U256::ZERO, 0));
    let mut chain = chain.reopen();
    chain.commit(&changes(1, 2, 3)).unwrap();
    chain.store.unwind(0).unwrap();
    let nothing = contents(&chain.reopen().store);
    assert!(
        ["accounts", "slots", "trie_accounts", "trie_slots"].iter().all(|f| nothing[f].is_empty())
    );
}

/// A store with branches in the state trie and in a storage trie.
fn grown() -> Chain {
    let mut state = genesis_state();
    for i in 0..200_u64 {
        state.insert_account(Address::left_padding_from(&i.to_be_bytes()), basics(i + 1));
        state.set_slot(BOB, U256::from(i), U256::from(i + 1));
    }
    Chain::new(state)
}

#[test]
fn damage_to_a_node_is_found_by_opening_reading_or_verifying() {
    for family in [Family::TrieAccounts, Family::TrieSlots] {
        let n_nodes = contents(&grown().store)[family.name()].len();
        assert!(n_nodes > 20, "{n_nodes} nodes in {}", family.name());
        for at in [0, 1, n_nodes / 2, n_nodes - 1] {
            for turn in [true, false] {
                let chain = grown();
                let (key, mut record) = contents(&chain.store)[family.name()][at].clone();
                if turn {
                    record[5] ^= 1;
                    put(&chain.store, family, &key, &record);
                } else {
                    delete(&chain.store, family, &key);
                }
                let error = chain.store.verify().unwrap_err();
                let is_named = match &error {
                    StoreError::Corrupt { family: it, .. } => *it == family.name(),
                    StoreError::Trie { account, .. } => {
                        account.is_some() == (family == Family::TrieSlots)
                    }
                    _ => false,
                };
                assert!(is_named, "{error:?}");
                let Chain { folder, store, .. } = chain;
                drop(store);
                let opened = Store::open(folder.path());
                // Only the top of the state trie is looked at by opening.
                let is_top = family == Family::TrieAccounts && at == 0;
                assert_eq!(opened.is_err(), is_top, "{opened:?}");
            }
        }
    }
}

#[test]
fn surplus_nodes_are_found_by_verifying() {
    let bob = keys::account(&BOB);
    let alice = keys::account(&ALICE);
    for owner in [None, Some(bob), Some(alice), Some(B256::ZERO), Some(B256::repeat_byte(0xff))] {
        for path in [vec![0], vec![7; 63], vec![15; 40]] {
            let chain = grown();
            let key = keys::node(owner.as_ref(), &Nibbles::from_nibbles(path));
            let family = if owner.is_some() { Family::TrieSlots } else { Family::TrieAccounts };
            let record = contents(&chain.store)[family.name()][0].1.clone();
            put(&chain.store, family, &key, &record);
            let error = chain.store.verify().unwrap_err();
            assert!(
                matches!(&error, StoreError::Corrupt { family: it, .. } if *it == family.name()),
                "{error:?}"
            );
        }
    }
}

#[test]
fn the_only_slot_of_an_account_may_be_written_kept_joined_and_cleared() {
    let mut chain = Chain::new(genesis_state());
    // Set, set again to the same, changed, joined by another and left alone.
    for (slot, value) in [(1, 5), (1, 5), (1, 6), (2, 7), (1, 0), (2, 7), (2, 0), (2, 0)] {
        let changes = changes(3, slot, value);
        let root = chain.next_header(&changes).state_root;
        assert_eq!(chain.store.root_after(&changes).unwrap(), root, "slot {slot} to {value}");
        chain.commit(&changes).unwrap();
        chain.store.verify().unwrap();
    }
    assert_eq!(chain.store.unwind(0).unwrap().root, genesis_state().root());
}

#[test]
fn a_block_costs_its_own_paths() {
    let chain = grown();
    let prepared = chain.store.prepare(&changes(7, 7, 7)).unwrap();
    // Alice's new slot, her leaf, and the branches above that.
    let n_hashed = prepared.hashed().count();
    assert!((3..=6).contains(&n_hashed), "{n_hashed} nodes hashed");
    assert_eq!(chain.store.prepare(&BlockChanges::default()).unwrap().hashed().count(), 0);
}

/// Tasks that prepare and commit on one small pool, where a lock held across
/// parallel work would be waited for by the very thread that holds it.
#[test]
fn a_pool_that_prepares_on_all_threads_does_not_come_to_a_halt() {
    use rayon::prelude::*;
    let chain = grown();
    let mut block = BlockChanges::default();
    for i in 0..500_u64 {
        let slots = (0..4).map(|slot| (U256::from(slot), U256::from(i + 1))).collect();
        let change = AccountChange { after: Some(basics(i)), wiped: false, slots };
        block.accounts.insert(Address::left_padding_from(&(i * 3).to_be_bytes()), change);
    }
    let header = chain.next_header(&block);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let outcomes: Vec<_> = pool.install(|| {
        let commit = |_| {
            let new = NewBlock { header: &header, hash: header.hash_slow(), changes: &block };
            chain.store.commit(&new)
        };
        (0..8).into_par_iter().map(commit).collect()
    });
    // One of them was first; the others came too late, whenever they noticed.
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in outcomes.into_iter().filter_map(Result::err) {
        let is_late = matches!(error, StoreError::NotNext { .. } | StoreError::Stale { .. });
        assert!(is_late, "{error:?}");
    }
    assert_eq!(chain.store.tip().root, header.state_root);
    chain.store.verify().unwrap();
}
