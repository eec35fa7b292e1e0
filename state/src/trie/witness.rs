//! The part of a state that one block needs, proven by the state root.

use super::{Change, NodeIndex, PartialTrie, TrieError, WitnessError, index::NewNodes, walk::get};
use crate::{AccountChange, BlockChanges, root};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};

/// A state given by its root and some of its trie nodes.
///
/// It answers for every account and slot whose path the nodes cover, present
/// or provably absent, and gives the root after a block if the nodes cover
/// what the block changed.
#[derive(Clone, Debug)]
pub struct WitnessState {
    root: B256,
    index: NodeIndex,
}

impl WitnessState {
    /// A state with this root, known through `nodes`: the RLP of account and
    /// storage trie nodes, in any order. Nodes that are not part of the state
    /// do no harm.
    pub fn new(root: B256, nodes: impl IntoIterator<Item = Bytes>) -> Self {
        let mut index = NodeIndex::default();
        for node in nodes {
            index.insert(node);
        }
        Self { root, index }
    }

    /// Root of the state as it stands.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Number of different nodes known, those from [`apply`](Self::apply)
    /// included.
    pub fn n_nodes(&self) -> usize {
        self.index.len()
    }

    /// The account at `address`; `None` if it provably does not exist.
    ///
    /// # Errors
    ///
    /// If a node on the path is missing or damaged.
    pub fn account(&self, address: &Address) -> Result<Option<TrieAccount>, WitnessError> {
        let leaf = get(&self.index, self.root, &keccak256(address))
            .map_err(|source| not_found(address, source))?;
        leaf.map(alloy_rlp::decode_exact::<TrieAccount>)
            .transpose()
            .map_err(|source| WitnessError::MalformedAccount { address: *address, source })
    }

    /// Value of one slot; zero if the account or the slot provably is not
    /// there.
    ///
    /// # Errors
    ///
    /// If a node on either path is missing or damaged.
    pub fn slot(&self, address: &Address, slot: U256) -> Result<U256, WitnessError> {
        let Some(account) = self.account(address)? else { return Ok(U256::ZERO) };
        let key = root::hashed_slot(slot);
        let leaf = get(&self.index, account.storage_root, &key)
            .map_err(|source| slot_not_found(address, slot, source))?;
        leaf.map_or(Ok(U256::ZERO), alloy_rlp::decode_exact::<U256>)
            .map_err(|source| WitnessError::MalformedSlot { address: *address, slot, source })
    }

    /// Moves the state over a block and returns the root after it.
    ///
    /// Cost follows the paths that `changes` touches. New nodes are kept, so
    /// the state can be read and moved on.
    ///
    /// # Errors
    ///
    /// If a node the update needs is missing or damaged; the state is then
    /// what it was before.
    pub fn apply(&mut self, changes: &BlockChanges) -> Result<B256, WitnessError> {
        let mut new = NewNodes::default();
        let mut leaves = Vec::with_capacity(changes.accounts.len());
        for (address, change) in &changes.accounts {
            let after = match &change.after {
                Some(after) => {
                    let storage_root = self.storage_root_after(address, change, &mut new)?;
                    Some(root::trie_account(after, storage_root))
                }
                None => None,
            };
            leaves.push(Change { key: keccak256(address), existed: false, after });
        }
        leaves.sort_unstable_by_key(|leaf| leaf.key);
        self.root = PartialTrie::new(&self.index, self.root)
            .update(&leaves, &mut new)
            .map_err(|source| WitnessError::Update(Box::new(source)))?;
        self.index.extend(new);
        Ok(self.root)
    }

    fn storage_root_after(
        &self,
        address: &Address,
        change: &AccountChange,
        new: &mut NewNodes,
    ) -> Result<B256, WitnessError> {
        let before = match self.account(address)? {
            Some(account) if !change.wiped => account.storage_root,
            _ => EMPTY_ROOT_HASH,
        };
        let leaf = |(slot, value): (&U256, &U256)| {
            let after = (!value.is_zero()).then_some(*value);
            Change { key: root::hashed_slot(*slot), existed: false, after }
        };
        let mut leaves: Vec<_> = change.slots.iter().map(leaf).collect();
        leaves.sort_unstable_by_key(|leaf| leaf.key);
        PartialTrie::new(&self.index, before).update(&leaves, new).map_err(|source| {
            WitnessError::StorageUpdate { address: *address, source: Box::new(source) }
        })
    }
}

fn not_found(address: &Address, source: TrieError) -> WitnessError {
    WitnessError::Accounts { address: *address, source: Box::new(source) }
}

fn slot_not_found(address: &Address, slot: U256, source: TrieError) -> WitnessError {
    WitnessError::Storage { address: *address, slot, source: Box::new(source) }
}
