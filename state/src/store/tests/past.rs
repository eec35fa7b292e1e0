//! Reading and going on from blocks below the tip.

use super::{random::check_equal, *};
use crate::memory::arbitrary;
use proptest::{collection, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_kept_state_is_what_it_was_and_others_can_be_built_on_it(
        genesis in arbitrary::state(),
        blocks in collection::vec(arbitrary::changes(), 1..7),
        branch in collection::vec(arbitrary::changes(), 0..4),
    ) {
        let mut chain = Chain::new(genesis.clone());
        let mut states = vec![genesis];
        for changes in &blocks {
            chain.commit(changes).unwrap();
            states.push(chain.state.clone());
        }
        for (number, state) in (0..).zip(&states) {
            let past = chain.store.state_at(number).unwrap();
            prop_assert_eq!(past.block().root, state.root());
            check_equal(&past, state)?;
            // A branch of its own, one block more each time.
            let mut state = state.clone();
            prop_assert_eq!(past.root_after([]).unwrap(), state.root());
            for n_blocks in 1..=branch.len() {
                state.apply(&branch[n_blocks - 1]);
                let root = past.root_after(&branch[..n_blocks]).unwrap();
                prop_assert_eq!(root, state.root(), "{} blocks on {}", n_blocks, number);
            }
        }
    }
}

#[test]
fn a_state_stands_still_while_the_store_moves() {
    let mut chain = Chain::new(genesis_state());
    chain.commit(&changes(1, 1, 1)).unwrap();
    let before = chain.state.clone();
    let Chain { store, .. } = &chain;
    let (tip, past) = (store.state_at(1).unwrap(), store.state_at(0).unwrap());
    let second = chain.next_header(&changes(2, 2, 2));
    let block = NewBlock { header: &second, hash: second.hash_slow(), changes: &changes(2, 2, 2) };
    store.commit(&block).unwrap();
    check_equal(&tip, &before).unwrap();
    check_equal(&past, &genesis_state()).unwrap();
    store.unwind(0).unwrap();
    check_equal(&tip, &before).unwrap();
    check_equal(&past, &genesis_state()).unwrap();
    assert_eq!(tip.block_hash_ref(1).unwrap(), tip.block().hash);
    assert!(matches!(past.block_hash_ref(1), Err(StoreError::UnknownBlock(1))));
}

#[test]
fn what_is_not_kept_is_said() {
    let mut chain = Chain::new(genesis_state());
    chain.store = chain.store.with_undo_depth(2);
    for block in 1..=5 {
        chain.commit(&changes(block, block, block)).unwrap();
    }
    let above = chain.store.state_at(6);
    assert!(matches!(above, Err(StoreError::AboveTip { number: 6, tip: 5 })), "{above:?}");
    let below = chain.store.state_at(2);
    assert!(matches!(below, Err(StoreError::NoUndo { number: 2, oldest: 3 })), "{below:?}");
    assert_eq!(chain.store.state_at(3).unwrap().block().number, 3);
    let fresh = Chain::new(genesis_state());
    assert_eq!(fresh.store.state_at(0).unwrap().block().number, 0);
}
