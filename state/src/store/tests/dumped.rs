//! A state out of one store and into another.

use super::{reorg::contents, *};
use crate::memory::arbitrary;
use proptest::{collection, prelude::*};
use std::convert::Infallible;

fn accounts(store: &Store) -> Vec<HashedAccount> {
    let mut accounts = Vec::new();
    store
        .for_each_account(|account| {
            accounts.push(account);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    accounts
}

fn import(
    folder: &Path,
    import: &Import,
    accounts: Vec<HashedAccount>,
) -> Result<Store, ImportError<Infallible>> {
    Store::import(folder, import, accounts.into_iter().map(Ok))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn an_imported_store_goes_on_like_the_one_it_came_from(
        genesis in arbitrary::state(),
        before in collection::vec(arbitrary::changes(), 0..4),
        after in arbitrary::changes(),
    ) {
        let mut chain = Chain::new(genesis);
        for changes in before {
            chain.commit(&changes).unwrap();
        }
        let folder = TempDir::new().unwrap();
        let header = chain.store.import_header().unwrap();
        let store = import(folder.path(), &header, accounts(&chain.store)).unwrap();
        prop_assert_eq!(store.tip(), chain.store.tip());
        prop_assert_eq!(store.genesis_hash(), chain.store.genesis_hash());
        let (state, header) = (chain.state.clone(), chain.header.clone());
        let mut copy = Chain { folder, store, state, header };
        for chain in [&mut chain, &mut copy] {
            chain.commit(&after).unwrap();
            chain.store.verify().unwrap();
        }
        let (found, expected) = (contents(&copy.store), contents(&chain.store));
        for family in ["accounts", "slots", "trie_accounts", "trie_slots", "headers", "meta"] {
            prop_assert_eq!(&found[family], &expected[family], "{}", family);
        }
    }
}

#[test]
fn a_dump_that_was_tampered_with_makes_no_store() {
    let mut chain = Chain::new(genesis_state());
    chain.commit(&changes(1, 2, 3)).unwrap();
    let (good, header) = (accounts(&chain.store), chain.store.import_header().unwrap());
    assert_eq!((good.len(), header.headers.len()), (2, 2));
    let folder = TempDir::new().unwrap();
    let refuse = |change: &dyn Fn(&mut Vec<HashedAccount>, &mut Import)| {
        let (mut accounts, mut header) = (good.clone(), header.clone());
        change(&mut accounts, &mut header);
        let error = import(folder.path(), &header, accounts).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{error}");
        error
    };
    let with_storage = good.iter().position(|account| !account.slots.is_empty()).unwrap();
    let with_code = good.iter().position(|account| !account.code.is_empty()).unwrap();

    let error = refuse(&|accounts, _| accounts[0].basics.nonce += 1);
    assert!(matches!(error, ImportError::Store(StoreError::WrongRoot { number: 1, .. })));
    let error = refuse(&|accounts, _| drop(accounts.pop()));
    assert!(matches!(error, ImportError::Store(StoreError::WrongRoot { .. })));
    let error = refuse(&|accounts, _| accounts.push(accounts[0].clone()));
    assert!(matches!(error, ImportError::Duplicate(key) if key == good[0].key));
    let error = refuse(&|accounts, _| accounts[with_storage].slots[0].1 = U256::ZERO);
    assert!(matches!(error, ImportError::Slot { .. }));
    let error = refuse(&|accounts, _| {
        let slots = &mut accounts[with_storage].slots;
        slots.push(slots[0]);
    });
    assert!(matches!(error, ImportError::Slot { .. }));
    let error = refuse(&|accounts, _| accounts[with_code].code = Bytes::from_static(b"other"));
    assert!(matches!(error, ImportError::Code(_)));
    let error = refuse(&|_, header| header.headers.clear());
    assert!(matches!(error, ImportError::Headers(0)));
    let error = refuse(&|_, header| header.headers.reverse());
    assert!(matches!(error, ImportError::Headers(1)));
    assert!(import(folder.path(), &header, good.clone()).is_ok());
}
