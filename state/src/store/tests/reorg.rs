//! Going back, and on along another branch.

use super::{random::check_equal, *};
use crate::memory::arbitrary;
use proptest::{collection, prelude::*};
use rocksdb::IteratorMode;

/// Every entry of a family, in key order.
pub(super) type Entries = Vec<(Box<[u8]>, Box<[u8]>)>;

/// Every byte a store holds, by family.
pub(super) fn contents(store: &Store) -> BTreeMap<&'static str, Entries> {
    let entries = |family: &Family| {
        let handle = store.tables.family(*family).unwrap();
        let mut options = rocksdb::ReadOptions::default();
        options.set_total_order_seek(true);
        let entries = store.tables.db.iterator_cf_opt(handle, options, IteratorMode::Start);
        (family.name(), entries.map(|entry| entry.unwrap()).collect())
    };
    Family::ALL.iter().map(entries).collect()
}

/// Names the first family that differs, instead of printing two databases.
#[track_caller]
pub(super) fn check_same(found: &Store, expected: &Store) {
    let (found, expected) = (contents(found), contents(expected));
    for (family, entries) in &expected {
        let found = &found[family];
        assert_eq!(found.len(), entries.len(), "entries of {family}");
        for (found, expected) in found.iter().zip(entries) {
            assert_eq!(found, expected, "in {family}");
        }
    }
}

impl Chain {
    /// The same chain in a store of its own that never knew another branch.
    fn replayed(genesis: &MemoryState, blocks: &[BlockChanges]) -> Self {
        let mut chain = Self::new(genesis.clone());
        for changes in blocks {
            chain.commit(changes).unwrap();
        }
        chain
    }

    /// Back to the block after the first `n` of `blocks`.
    fn unwind(&mut self, genesis: &MemoryState, blocks: &[BlockChanges], n: usize) {
        let tip = self.store.unwind(n as u64).unwrap();
        assert_eq!((tip.number, self.store.tip()), (n as u64, tip));
        self.state = genesis.clone();
        blocks[..n].iter().for_each(|changes| self.state.apply(changes));
        self.header = self.store.header(tip.number).unwrap().unwrap().into_inner();
        assert_eq!(tip.root, self.state.root());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_reorganised_store_has_the_bytes_of_a_straight_one(
        genesis in arbitrary::state(),
        lost in collection::vec(arbitrary::changes(), 1..6),
        won in collection::vec(arbitrary::changes(), 0..6),
        kept in any::<prop::sample::Index>(),
        reopen in any::<bool>(),
    ) {
        let kept = kept.index(lost.len() + 1);
        let mut chain = Chain::replayed(&genesis, &lost);
        chain.unwind(&genesis, &lost, kept);
        if reopen {
            chain = chain.reopen();
        }
        check_equal(&chain.store, &chain.state)?;
        let mut winning = lost[..kept].to_vec();
        check_same(&chain.store, &Chain::replayed(&genesis, &winning).store);
        for changes in won {
            chain.commit(&changes).unwrap();
            winning.push(changes);
        }
        let straight = Chain::replayed(&genesis, &winning);
        check_same(&chain.store, &straight.store);
        prop_assert_eq!(chain.store.verify().unwrap(), straight.store.verify().unwrap());
    }
}

#[test]
fn going_back_is_refused_where_there_is_no_way() {
    let mut chain = Chain::new(genesis_state());
    chain.store = chain.store.with_undo_depth(2);
    assert_eq!(chain.store.oldest_target(), 0);
    for block in 1..=5 {
        chain.commit(&changes(block, block, block)).unwrap();
    }
    let before = contents(&chain.store);
    assert_eq!((before["undo"].len(), chain.store.oldest_target()), (2, 3));
    let above = chain.store.unwind(6);
    assert!(matches!(above, Err(StoreError::AboveTip { number: 6, tip: 5 })), "{above:?}");
    let too_far = chain.store.unwind(2);
    assert!(matches!(too_far, Err(StoreError::NoUndo { number: 2, oldest: 3 })), "{too_far:?}");
    assert_eq!(chain.store.unwind(5).unwrap().number, 5);
    assert_eq!(contents(&chain.store), before);

    let chain = chain.reopen();
    assert_eq!(chain.store.oldest_target(), 3);
    assert_eq!(chain.store.unwind(3).unwrap().number, 3);
    assert_eq!(chain.store.oldest_target(), 3);
    chain.store.verify().unwrap();
    let chain = chain.reopen();
    let spent = chain.store.unwind(2);
    assert!(matches!(spent, Err(StoreError::NoUndo { number: 2, oldest: 3 })), "{spent:?}");
}

#[test]
fn a_smaller_depth_drops_what_is_older() {
    let mut chain = Chain::new(genesis_state());
    for block in 1..=6 {
        chain.commit(&changes(block, block, block)).unwrap();
    }
    for (depth, block, kept) in [(3, 7, 3), (0, 8, 0), (2, 9, 1), (2, 10, 2), (2, 11, 2)] {
        chain.store = chain.store.with_undo_depth(depth);
        chain.commit(&changes(block, block, block)).unwrap();
        assert_eq!(contents(&chain.store)["undo"].len(), kept, "block {block}");
        assert_eq!(chain.store.oldest_target(), block - kept as u64);
        assert_eq!(chain.store.verify().unwrap().n_undo, kept as u64);
    }
}

#[test]
fn code_goes_with_the_block_that_brought_it() {
    let mut chain = Chain::new(genesis_state());
    let deploy = |balance: u64, code: &'static [u8]| {
        let code = Bytes::from_static(code);
        let code_hash = keccak256(&code);
        let mut block = changes(balance, 1, balance);
        block.code.insert(code_hash, code);
        if let Some(change) = block.accounts.get_mut(&ALICE) {
            change.after = Some(AccountBasics { code_hash, ..basics(balance) });
        }
        block
    };
    chain.commit(&deploy(1, b"first")).unwrap();
    let after_first = contents(&chain.store);
    // The same code once more, and other code.
    chain.commit(&deploy(2, b"first")).unwrap();
    chain.commit(&deploy(3, b"second")).unwrap();
    assert_eq!(contents(&chain.store)["code"].len(), after_first["code"].len() + 1);
    chain.store.unwind(1).unwrap();
    assert_eq!(contents(&chain.store), after_first);
}

#[test]
fn a_damaged_undo_record_is_named_and_changes_nothing() {
    let mut chain = Chain::new(genesis_state());
    chain.commit(&changes(1, 2, 3)).unwrap();
    let key = keys::header(1);
    let record = contents(&chain.store)["undo"][0].1.clone();
    for damaged in [&record[..record.len() - 1], &[&record[..], &[0]].concat(), &[]] {
        put(&chain.store, Family::Undo, &key, damaged);
        let error = chain.store.unwind(0).unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { family: "undo", .. }), "{error:?}");
        assert_eq!(chain.store.tip().number, 1);
    }
    // A record that says something else leads to another root than the parent's.
    let mut other = record.to_vec();
    let balance = other.len() - 4 - 33 - 4 - 1;
    other[balance] ^= 1;
    put(&chain.store, Family::Undo, &key, &other);
    let error = chain.store.unwind(0).unwrap_err();
    assert!(matches!(error, StoreError::WrongRoot { number: 0, .. }), "{error:?}");
    put(&chain.store, Family::Undo, &key, &record);
    chain.store.verify().unwrap();
    assert_eq!(chain.store.unwind(0).unwrap().number, 0);
}
