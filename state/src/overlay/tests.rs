use super::*;
use crate::{
    MemoryState, MemoryStateError,
    memory::arbitrary::{addresses, changes, slots, state},
};
use alloy_primitives::{Bytes, address, keccak256};
use proptest::{collection, prelude::*};
use std::collections::BTreeMap;

/// A base that moves on underneath its readers.
#[derive(Debug)]
struct Base(RwLock<MemoryState>);

impl DatabaseRef for Base {
    type Error = MemoryStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MemoryStateError> {
        self.0.read().basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, MemoryStateError> {
        self.0.read().code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, MemoryStateError> {
        self.0.read().storage_ref(address, index)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryStateError> {
        self.0.read().block_hash_ref(number)
    }
}

/// So few entries that they are always on the way out.
const TINY: CacheSize = CacheSize { accounts: 8, slots: 16 };

/// So many that nothing ever leaves.
const LARGE: CacheSize = CacheSize { accounts: 10_000, slots: 100_000 };

fn hash_of(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// Reads everything there can be through the overlay.
#[track_caller]
fn assert_equal(overlay: &Overlay<Base>, model: &MemoryState) {
    for address in addresses() {
        let expected = model.basic_ref(address).unwrap();
        assert_eq!(overlay.basic_ref(address).unwrap(), expected, "{address}");
        for slot in slots() {
            let got = overlay.storage_ref(address, slot).unwrap();
            assert_eq!(got, model.slot(&address, slot), "{address} {slot}");
        }
    }
    for (hash, code) in model.codes() {
        assert_eq!(overlay.code_by_hash_ref(hash).unwrap().original_bytes(), code);
    }
}

/// Pushes and pops `blocks`, `depth` of them pending at most, and compares after
/// each step. What is read in between is whatever `reads` picks.
fn check(start: &MemoryState, blocks: &[(BlockChanges, usize)], depth: usize, size: CacheSize) {
    let mut model = start.clone();
    let overlay = Overlay::new(Base(RwLock::new(start.clone())), size);
    let mut oldest = 1;
    for ((changes, skip), number) in blocks.iter().zip(1..) {
        for address in addresses().skip(*skip).step_by(3) {
            overlay.warm(address, slots().skip(*skip).step_by(2));
        }
        model.apply(changes);
        overlay.push(number, hash_of(number), Arc::new(changes.clone()));
        assert_equal(&overlay, &model);
        assert_eq!(overlay.block_hash_ref(number), Ok(hash_of(number)));
        while overlay.depth() > depth {
            overlay.base.0.write().apply(&blocks[oldest - 1].0);
            // Between commit and pop both have the block.
            assert_equal(&overlay, &model);
            overlay.pop(oldest as u64);
            oldest += 1;
            assert_equal(&overlay, &model);
        }
        assert_eq!(overlay.pending_hash(oldest as u64 - 1), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn reads_are_those_of_the_newest_block(
        start in state(),
        blocks in collection::vec((changes(), 0..4_usize), 1..7),
        depth in 0..4_usize,
    ) {
        check(&start, &blocks, depth, TINY);
        check(&start, &blocks, depth, LARGE);
    }

    /// Threads warm the cache all the while blocks come and go.
    #[test]
    fn warming_never_leaves_anything_old(
        start in state(),
        blocks in collection::vec(changes(), 1..12),
    ) {
        let overlay = Overlay::new(Base(RwLock::new(start.clone())), LARGE);
        let mut model = start;
        std::thread::scope(|scope| {
            for skip in 0..2 {
                let overlay = &overlay;
                scope.spawn(move || {
                    for _ in 0..6 {
                        addresses().skip(skip).for_each(|address| overlay.warm(address, slots()));
                    }
                });
            }
            for (changes, number) in blocks.iter().zip(1..) {
                model.apply(changes);
                overlay.push(number, hash_of(number), Arc::new(changes.clone()));
                assert_equal(&overlay, &model);
                overlay.base.0.write().apply(changes);
                overlay.pop(number);
            }
        });
        assert_equal(&overlay, &model);
    }
}

const WIPED: Address = address!("00000000000000000000000000000000000000d1");

fn block(after: Option<u64>, wiped: bool, slots: &[(u64, u64)]) -> Arc<BlockChanges> {
    let after = after.map(|nonce| AccountBasics { nonce, ..AccountBasics::NOBODY });
    let slots = slots.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value)));
    let change = AccountChange { after, wiped, slots: slots.collect() };
    Arc::new(BlockChanges { accounts: [(WIPED, change)].into(), code: BTreeMap::new() })
}

#[test]
fn a_wipe_hides_what_is_cached_layered_and_stored() {
    let mut stored = MemoryState::new();
    stored.apply(&block(Some(1), false, &[(1, 10), (2, 20), (3, 30)]));
    let overlay = Overlay::new(Base(RwLock::new(stored)), LARGE);
    let read = |slot: u64| overlay.storage_ref(WIPED, U256::from(slot)).unwrap().to::<u64>();
    // One slot cached from the base, one in a layer, one only in the base.
    assert_eq!(read(1), 10);
    overlay.push(1, hash_of(1), block(Some(2), false, &[(2, 21)]));
    overlay.push(2, hash_of(2), block(Some(3), true, &[(4, 40)]));
    assert_eq!([read(1), read(2), read(3), read(4)], [0, 0, 0, 40]);
    overlay.push(3, hash_of(3), block(None, true, &[]));
    assert_eq!([read(1), read(2), read(3), read(4)], [0; 4]);
    assert_eq!(overlay.basic_ref(WIPED), Ok(None));
    // Back again, without a word about the slots it once had.
    overlay.push(4, hash_of(4), block(Some(1), false, &[(3, 33)]));
    assert_eq!([read(1), read(2), read(3), read(4)], [0, 0, 33, 0]);
}

#[test]
fn code_of_a_pending_block_is_found() {
    let overlay = Overlay::new(Base(RwLock::default()), TINY);
    let code = Bytes::from_static(&[0x60, 0x01, 0x00]);
    let hash = keccak256(&code);
    assert!(overlay.code_by_hash_ref(hash).is_err());
    let changes = BlockChanges { code: [(hash, code.clone())].into(), ..Default::default() };
    overlay.push(1, hash_of(1), Arc::new(changes));
    assert_eq!(overlay.code_by_hash_ref(hash).unwrap().original_bytes(), code);
    assert!(overlay.block_hash_ref(2).is_err());
}
