//! Bodies and receipts beside their blocks.

use super::{reorg::contents, *};

/// What is kept of the block with this number, with transactions of its own.
fn archive(number: u64) -> Archive {
    let transactions = (0..number).map(|position| transaction(number, position)).collect();
    let body = Bytes::from(vec![1; usize::try_from(number * 100).unwrap()]);
    Archive { transactions, body, receipts: Bytes::from(number.to_be_bytes().to_vec()) }
}

fn transaction(number: u64, position: u64) -> B256 {
    keccak256([number.to_be_bytes(), position.to_be_bytes()].concat())
}

impl Chain {
    fn commit_archived(&mut self, number: u64) {
        let changes = changes(number, number, number);
        let header = self.next_header(&changes);
        let prepared = self.store.prepare(&changes).unwrap();
        let hash = header.hash_slow();
        self.store.commit_archived(&header, hash, &prepared, &archive(number)).unwrap();
        self.state.apply(&changes);
        self.header = header;
    }
}

#[test]
fn what_is_archived_is_found_by_number_and_hash_and_goes_with_its_block() {
    let mut chain = Chain::new(genesis_state());
    chain.commit_archived(1);
    let first = contents(&chain.store);
    // One without, between two with.
    chain.commit(&changes(2, 2, 2)).unwrap();
    chain.commit_archived(3);
    let chain = chain.reopen();
    let store = &chain.store;
    assert_eq!(store.archived(0).unwrap(), None);
    assert_eq!(store.archived(1).unwrap(), Some(archive(1)));
    assert_eq!(store.archived(2).unwrap(), None);
    assert_eq!(store.archived(3).unwrap(), Some(archive(3)));
    let hash = chain.header.hash_slow();
    assert_eq!(store.block_number(&hash).unwrap(), Some(3));
    assert_eq!(store.transaction_place(&hash).unwrap(), None);
    for (position, index) in (0..3).zip(0..) {
        let place = TransactionPlace { block: 3, position: index };
        let hash = transaction(3, position);
        assert_eq!(store.transaction_place(&hash).unwrap(), Some(place));
        assert_eq!(store.block_number(&hash).unwrap(), None);
    }
    assert_eq!(store.transaction_place(&B256::ZERO).unwrap(), None);
    assert_eq!(store.verify().unwrap().n_archived, 2);

    store.unwind(1).unwrap();
    assert_eq!(contents(store), first);
    assert_eq!(store.transaction_place(&transaction(3, 0)).unwrap(), None);
    store.verify().unwrap();
}

#[test]
fn damage_is_found() {
    let mut chain = Chain::new(genesis_state());
    chain.commit_archived(1);
    let key = keys::header(1);
    let record = contents(&chain.store)["archive"][0].1.clone();
    for damaged in [&record[..3], &record[..30], &record[..40], &[0xff; 8]] {
        put(&chain.store, Family::Archive, &key, damaged);
        let error = chain.store.archived(1);
        assert!(matches!(error, Err(StoreError::Corrupt { family: "archive", .. })), "{error:?}");
        chain.store.verify().unwrap_err();
    }
    put(&chain.store, Family::Archive, &key, &record);
    chain.store.verify().unwrap();
    let hash = transaction(1, 0);
    put(&chain.store, Family::Lookup, hash.as_slice(), &[0; 9]);
    let error = chain.store.transaction_place(&hash);
    assert!(matches!(error, Err(StoreError::Corrupt { family: "lookup", .. })), "{error:?}");
    delete(&chain.store, Family::Lookup, hash.as_slice());
    let error = chain.store.verify();
    assert!(matches!(error, Err(StoreError::Missing { family: "lookup", .. })), "{error:?}");
}
