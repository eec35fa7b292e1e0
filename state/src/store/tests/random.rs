//! A store beside a state in memory, over random blocks.

use super::*;
use crate::{memory::arbitrary, trie::oracle::state_root_by_eth_trie};
use proptest::{collection, prelude::*};

/// Every account, slot and code that random changes can touch is the same.
pub(super) fn check_equal(
    store: &impl DatabaseRef<Error = StoreError>,
    state: &MemoryState,
) -> Result<(), TestCaseError> {
    for address in arbitrary::addresses() {
        let expected = state.basic_ref(address).unwrap();
        prop_assert_eq!(&store.basic_ref(address).unwrap(), &expected, "account {}", address);
        for slot in arbitrary::slots() {
            let value = store.storage_ref(address, slot).unwrap();
            prop_assert_eq!(value, state.slot(&address, slot), "slot {} of {}", slot, address);
        }
        if let Some(info) = expected {
            let code = store.code_by_hash_ref(info.code_hash).unwrap();
            prop_assert_eq!(code, state.code_by_hash_ref(info.code_hash).unwrap());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_store_follows_a_state(
        before in arbitrary::state(),
        blocks in collection::vec((arbitrary::changes(), any::<bool>()), 1..8),
    ) {
        let mut chain = Chain::new(before);
        for (changes, reopen) in blocks {
            let header = chain.next_header(&changes);
            prop_assert_eq!(chain.store.root_after(&changes).unwrap(), header.state_root);
            let tip = chain.store.tip();
            prop_assert_eq!(chain.commit(&changes).unwrap().root, header.state_root);
            prop_assert_eq!(chain.store.tip().number, tip.number + 1);
            prop_assert_eq!(chain.store.tip().root, state_root_by_eth_trie(&chain.state));
            if reopen {
                chain = chain.reopen();
            }
            check_equal(&chain.store, &chain.state)?;
        }
        let verified = chain.store.verify().unwrap();
        prop_assert_eq!(verified.n_accounts, chain.state.accounts().count() as u64);
        prop_assert_eq!(verified.n_headers, chain.header.number + 1);
    }
}
