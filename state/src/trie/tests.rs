use super::{index::NewNodes, oracle::root_by_eth_trie, walk::get, *};
use crate::memory::arbitrary;
use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use alloy_rlp::{BufMut, Encodable};
use alloy_trie::{
    EMPTY_ROOT_HASH, HashBuilder, Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode},
    proof::ProofRetainer,
};
use proptest::{collection, prelude::*};
use std::collections::BTreeMap;

type Leaves = BTreeMap<B256, Vec<u8>>;

/// Root and every node of a trie, by alloy-trie from scratch.
fn rebuild(leaves: &Leaves) -> (B256, Vec<Bytes>) {
    let keys = leaves.keys().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(keys));
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    (root, nodes.into_nodes_sorted().into_iter().map(|(_, node)| node).collect())
}

fn index(nodes: impl IntoIterator<Item = Bytes>) -> NodeIndex {
    let mut index = NodeIndex::default();
    nodes.into_iter().for_each(|node| index.insert(node));
    index
}

/// A leaf's value as it is, which need not be RLP.
#[derive(Clone, Debug)]
struct Raw(Vec<u8>);

impl Encodable for Raw {
    fn encode(&self, out: &mut dyn BufMut) {
        out.put_slice(&self.0);
    }

    fn length(&self) -> usize {
        self.0.len()
    }
}

impl PartialTrie<'_, NodeIndex> {
    fn update_one(&self, key: &B256, after: Option<Vec<u8>>) -> Result<B256, TrieError> {
        let change = Change { key: *key, existed: false, after: after.map(Raw) };
        self.update(&[change], &mut NewNodes::default())
    }
}

/// Keys that share long prefixes and split at few places. With 60 nibbles in
/// common, nodes get shorter than a hash and are embedded in their parents.
fn key() -> impl Strategy<Value = B256> {
    let cluster = prop_oneof![Just([0_u8; 30]), Just([0x11; 30]), Just([0x1f; 30])];
    let tail = (0..4_u8, 0..20_u8);
    prop_oneof![
        4 => (cluster, tail).prop_map(|(cluster, (a, b))| {
            B256::from_slice(&[&cluster[..], &[a, b]].concat())
        }),
        1 => (0..40_u8).prop_map(|byte| keccak256([byte])),
    ]
}

/// Writes of one block: a value, or none to remove the key.
type Writes = BTreeMap<B256, Option<Vec<u8>>>;

fn writes() -> impl Strategy<Value = Writes> {
    let value = prop_oneof![
        3 => Just(None),
        2 => (1..5_usize).prop_map(|len| Some(vec![7; len])),
        2 => (30..80_usize).prop_map(|len| Some(vec![9; len])),
    ];
    collection::btree_map(key(), value, 0..24)
}

/// The writes as changes; `hints` says which keys to admit the existence of.
fn to_changes(writes: &Writes, leaves: &Leaves, hints: bool) -> Vec<Change<Raw>> {
    let change = |(key, after): (&B256, &Option<Vec<u8>>)| {
        let existed = hints && leaves.contains_key(key);
        Change { key: *key, existed, after: after.clone().map(Raw) }
    };
    writes.iter().map(change).collect()
}

fn apply(leaves: &mut Leaves, writes: Writes) {
    for (key, value) in writes {
        match value {
            Some(value) => leaves.insert(key, value),
            None => leaves.remove(&key),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn updates_give_the_root_of_a_rebuilt_trie(
        blocks in collection::vec((writes(), any::<bool>()), 1..6),
    ) {
        let mut leaves = Leaves::new();
        for (writes, hints) in blocks {
            let (root, nodes) = rebuild(&leaves);
            let index = index(nodes);
            for key in writes.keys() {
                prop_assert_eq!(&get(&index, root, key)?, &leaves.get(key).cloned());
            }
            let changes = to_changes(&writes, &leaves, hints);
            apply(&mut leaves, writes);
            let trie = PartialTrie::new(&index, root);
            let root = trie.update(&changes, &mut NewNodes::default())?;
            prop_assert_eq!(root, rebuild(&leaves).0);
            prop_assert_eq!(root, root_by_eth_trie(&leaves));
        }
    }

    #[test]
    fn updates_keep_the_nodes_of_a_rebuilt_trie(
        blocks in collection::vec(writes(), 1..6),
    ) {
        let mut leaves = Leaves::new();
        let (mut root, mut index) = (EMPTY_ROOT_HASH, NodeIndex::default());
        for writes in blocks {
            let changes = to_changes(&writes, &leaves, false);
            apply(&mut leaves, writes);
            let mut new = NewNodes::default();
            root = PartialTrie::new(&index, root).update(&changes, &mut new)?;
            index.extend(new);
            // Every node can be reached, and proves what it should.
            prop_assert_eq!(root, rebuild(&leaves).0);
            for (key, value) in &leaves {
                prop_assert_eq!(get(&index, root, key)?, Some(value.clone()));
            }
        }
    }

    #[test]
    fn kept_nodes_hold_the_whole_trie(writes in writes()) {
        let empty = NodeIndex::default();
        let mut leaves = Leaves::new();
        apply(&mut leaves, writes.clone());
        let mut new = NewNodes::default();
        let root = PartialTrie::new(&empty, EMPTY_ROOT_HASH)
            .update(&to_changes(&writes, &leaves, false), &mut new)?;
        let mut kept: Vec<_> = new.into_nodes().collect();
        let (expected_root, mut expected) = rebuild(&leaves);
        // The retainer also lists embedded nodes, which no hash leads to.
        expected.retain(|node| node.len() >= 32 || keccak256(node) == expected_root);
        if leaves.is_empty() {
            expected.clear();
        }
        kept.sort_unstable();
        kept.dedup();
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(root, expected_root);
        prop_assert_eq!(kept, expected);
    }

    #[test]
    fn a_witness_follows_a_state(
        before in arbitrary::state(),
        blocks in collection::vec(arbitrary::changes(), 1..4),
    ) {
        let mut expected = before.clone();
        let mut witness = WitnessState::new(EMPTY_ROOT_HASH, []);
        witness.apply(&arbitrary::creation_of(&before))?;
        prop_assert_eq!(witness.root(), before.root());
        for block in blocks {
            expected.apply(&block);
            prop_assert_eq!(witness.apply(&block)?, expected.root());
        }
        for address in arbitrary::addresses() {
            let account = expected.account(&address);
            let leaf = account.map(|account| {
                crate::root::trie_account(&account.basics(), account.storage_root())
            });
            prop_assert_eq!(witness.account(&address)?, leaf);
            for slot in arbitrary::slots() {
                prop_assert_eq!(witness.slot(&address, slot)?, expected.slot(&address, slot));
            }
        }
    }
}

/// Many keys under branches that are split, few under others, and deep ones.
fn many(round: u8) -> Writes {
    let spread = (0..2_000_u16).map(|i| keccak256([&i.to_be_bytes()[..], &[1]].concat()));
    let deep = (0..=255_u8).map(|byte| {
        let mut key = B256::repeat_byte(0x33);
        key[31] = byte;
        key
    });
    let chosen = |key: &B256| key[30].wrapping_add(key[31]) % 3 == round % 3;
    let value = |key: &B256| {
        let len = 1 + usize::from(key[29].wrapping_mul(round)) % 60;
        (!key[28].wrapping_add(round).is_multiple_of(4)).then(|| vec![round; len])
    };
    spread.chain(deep).filter(chosen).map(|key| (key, value(&key))).collect()
}

#[test]
fn large_updates_are_the_same_on_any_number_of_threads() {
    let pools = [1, 2, 5]
        .map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads start"));
    let mut leaves = Leaves::new();
    let (mut root, mut index) = (EMPTY_ROOT_HASH, NodeIndex::default());
    for round in 1..=9 {
        let writes = many(round);
        let changes = to_changes(&writes, &leaves, round % 2 == 0);
        assert!(changes.len() > 500, "{} changes in round {round}", changes.len());
        let [alone, pair, crowd] = pools.each_ref().map(|pool| {
            let mut new = NewNodes::default();
            let trie = PartialTrie::new(&index, root);
            let root = pool.install(|| trie.update(&changes, &mut new)).unwrap();
            (root, new.into_nodes().collect::<Vec<_>>())
        });
        apply(&mut leaves, writes);
        assert_eq!(alone.0, rebuild(&leaves).0, "round {round}");
        assert_eq!(pair, alone, "round {round}");
        assert_eq!(crowd, alone, "round {round}");
        root = alone.0;
        alone.1.into_iter().for_each(|node| index.insert(node));
    }
    let removals: Vec<Change<Raw>> =
        leaves.keys().map(|key| Change { key: *key, existed: true, after: None }).collect();
    let updated = PartialTrie::new(&index, root).update(&removals, &mut NewNodes::default());
    assert_eq!(updated, Ok(EMPTY_ROOT_HASH));
}

/// Two keys that part at the first nibble, and one beside the second.
const LOW: B256 = b256!("0000000000000000000000000000000000000000000000000000000000000001");
const HIGH: B256 = b256!("f000000000000000000000000000000000000000000000000000000000000001");
const HIGH_2: B256 = b256!("ff00000000000000000000000000000000000000000000000000000000000001");

fn long(byte: u8) -> Vec<u8> {
    vec![byte; 40]
}

/// The trie of `leaves` without the node at `path`.
fn without(leaves: &Leaves, path: &[u8]) -> (B256, NodeIndex, B256) {
    let keys = leaves.keys().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(keys));
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().into_nodes_sorted();
    let hidden = Nibbles::from_nibbles(path);
    let hash = nodes.iter().find(|(path, _)| *path == hidden).map(|(_, node)| keccak256(node));
    let rest = nodes.into_iter().filter(|(path, _)| *path != hidden).map(|(_, node)| node);
    (root, index(rest), hash.expect("the node is there to hide"))
}

#[test]
fn a_collapse_names_the_sibling_it_lacks() {
    let leaves = Leaves::from([(LOW, long(1)), (HIGH, long(2))]);
    let (root, index, hash) = without(&leaves, &[0xf]);
    let trie = PartialTrie::new(&index, root);
    let path = Nibbles::from_nibbles([0xf]);
    assert_eq!(trie.update_one(&LOW, None), Err(TrieError::MissingNode { path, hash }));
}

#[test]
fn a_collapse_onto_a_branch_or_leaf_joins_the_paths() {
    for others in [vec![HIGH], vec![HIGH, HIGH_2]] {
        let mut leaves: Leaves = others.iter().map(|key| (*key, long(2))).collect();
        let expected = rebuild(&leaves).0;
        leaves.insert(LOW, long(1));
        let (root, nodes) = rebuild(&leaves);
        let index = index(nodes);
        assert_eq!(PartialTrie::new(&index, root).update_one(&LOW, None), Ok(expected));
    }
}

#[test]
fn a_branch_that_gains_before_it_loses_needs_no_sibling() {
    let leaves = Leaves::from([(LOW, long(1)), (HIGH, long(2))]);
    let (root, index, _) = without(&leaves, &[0xf]);
    let middle = B256::repeat_byte(0x77);
    let changes = [(LOW, None), (middle, Some(Raw(long(3))))].map(|(key, after)| Change {
        key,
        existed: false,
        after,
    });
    let updated = PartialTrie::new(&index, root).update(&changes, &mut NewNodes::default());
    let expected = rebuild(&Leaves::from([(middle, long(3)), (HIGH, long(2))])).0;
    assert_eq!(updated, Ok(expected));
}

#[test]
fn a_missing_path_is_an_error_not_an_absence() {
    let leaves = Leaves::from([(LOW, long(1)), (HIGH, long(2))]);
    let (root, index, hash) = without(&leaves, &[0]);
    let missing = TrieError::MissingNode { path: Nibbles::from_nibbles([0]), hash };
    assert_eq!(get(&index, root, &LOW), Err(missing.clone()));
    assert_eq!(get(&index, root, &HIGH), Ok(Some(long(2))));
    assert_eq!(get(&index, root, &B256::repeat_byte(0x77)), Ok(None));
    assert_eq!(PartialTrie::new(&index, root).update_one(&LOW, Some(long(3))), Err(missing));
}

fn get_from(nodes: Vec<Vec<u8>>, root: &[u8]) -> Result<Option<Vec<u8>>, TrieError> {
    let nodes = nodes.into_iter().chain([root.to_vec()]).map(Bytes::from);
    get(&index(nodes), keccak256(root), &B256::ZERO)
}

fn leaf(n_nibbles: usize, value: &[u8]) -> Vec<u8> {
    alloy_rlp::encode(LeafNodeRef::new(&Nibbles::from_nibbles(vec![0; n_nibbles]), value))
}

fn extension(n_nibbles: usize, child: &[u8]) -> Vec<u8> {
    extension_to(n_nibbles, &RlpNode::from_rlp(child))
}

fn extension_to(n_nibbles: usize, child: &RlpNode) -> Vec<u8> {
    let mut rlp = Vec::new();
    ExtensionNodeRef::new(&Nibbles::from_nibbles(vec![0; n_nibbles]), child).encode(&mut rlp);
    rlp
}

#[test]
fn nodes_that_no_trie_can_hold_are_refused() {
    assert_eq!(get_from(vec![], &leaf(64, &long(1))), Ok(Some(long(1))));
    let misplaced = |result: Result<_, _>| matches!(result, Err(TrieError::MisplacedNode { .. }));
    assert!(misplaced(get_from(vec![], &leaf(63, &long(1)))));
    let empty = [0x80];
    let hash = RlpNode::word_rlp(&keccak256(empty));
    assert!(misplaced(get_from(vec![empty.to_vec()], &extension_to(1, &hash))));
    let child = leaf(63, &long(1));
    assert!(misplaced(get_from(vec![child.clone()], &extension(0, &child))));
    assert!(misplaced(get_from(vec![child.clone()], &extension(64, &child))));
    assert!(misplaced(get_from(vec![child.clone()], &extension(2, &child))));
    let lonely = [&[0xf1, 0xa0][..], &keccak256(&child)[..], &[0x80; 16]].concat();
    let lonely = [&[0xc0 + 0x31], &lonely[1..]].concat();
    assert!(misplaced(get_from(vec![child], &lonely)));
}

#[test]
fn damaged_bytes_are_refused() {
    let malformed = |result: Result<_, _>| matches!(result, Err(TrieError::MalformedNode { .. }));
    let good = leaf(64, &long(1));
    assert!(malformed(get_from(vec![], &good[..good.len() - 1])));
    assert!(malformed(get_from(vec![], &[&good[..], &[0]].concat())));
    assert!(malformed(get_from(vec![], &[])));
    // A child that is a short string is neither a hash nor a node.
    assert!(malformed(get_from(vec![], &[0xc4, 0x10, 0x82, 1, 2])));
}

#[test]
fn leaves_that_are_no_account_or_number_are_named() {
    let address = Address::repeat_byte(1);
    let slot = U256::from(5);
    let state = |leaf: Vec<u8>, nodes: Vec<Bytes>| {
        let (root, all) = rebuild(&Leaves::from([(keccak256(address), leaf)]));
        WitnessState::new(root, all.into_iter().chain(nodes))
    };
    let bad_account = state(vec![0xc1, 0x80], vec![]);
    let error = bad_account.account(&address).unwrap_err();
    assert!(matches!(error, WitnessError::MalformedAccount { address: at, .. } if at == address));

    let slots = Leaves::from([(crate::root::hashed_slot(slot), vec![0xc0])]);
    let (storage_root, nodes) = rebuild(&slots);
    let account = alloy_trie::TrieAccount { storage_root, ..Default::default() };
    let bad_slot = state(alloy_rlp::encode(account), nodes);
    let error = bad_slot.slot(&address, slot).unwrap_err();
    assert!(matches!(error, WitnessError::MalformedSlot { slot: at, .. } if at == slot));
    assert_eq!(bad_slot.slot(&Address::ZERO, slot), Ok(U256::ZERO));

    let no_storage = state(alloy_rlp::encode(account), vec![]);
    let error = no_storage.slot(&address, slot).unwrap_err();
    assert!(matches!(error, WitnessError::Storage { address: at, .. } if at == address));
}

#[test]
fn a_failed_block_leaves_the_witness_as_it_was() {
    let mut full = WitnessState::new(EMPTY_ROOT_HASH, []);
    let account = |balance: u64| crate::AccountChange {
        after: Some(crate::AccountBasics {
            balance: U256::from(balance),
            nonce: 0,
            code_hash: alloy_trie::KECCAK_EMPTY,
        }),
        wiped: false,
        slots: BTreeMap::new(),
    };
    let mut block = crate::BlockChanges::default();
    for byte in 0..16 {
        block.accounts.insert(Address::repeat_byte(byte), account(1));
    }
    let root = full.apply(&block).unwrap();
    let mut partial = WitnessState::new(root, []);
    assert!(matches!(partial.apply(&block), Err(WitnessError::Accounts { .. })));
    assert_eq!((partial.root(), partial.n_nodes()), (root, 0));
}
