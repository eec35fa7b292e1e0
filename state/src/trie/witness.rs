//! The part of a state that one block needs, proven by the state root.

use super::{NodeIndex, PartialTrie, TrieError, WitnessError};
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
        let leaf = PartialTrie::get(&self.index, self.root, &keccak256(address))
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
        let leaf = PartialTrie::get(&self.index, account.storage_root, &key)
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
        let mut new_nodes = Vec::new();
        let mut keep = |node: Vec<u8>| new_nodes.push(node);
        let mut accounts = PartialTrie::new(&self.index, self.root);
        // Removals come last: a branch that gains a key before it loses one
        // never shrinks to a single child, whose node may not be at hand.
        let mut removed = Vec::new();
        for (address, change) in &changes.accounts {
            let Some(after) = &change.after else {
                removed.push(address);
                continue;
            };
            let storage_root = self.storage_root_after(address, change, &mut keep)?;
            let leaf = alloy_rlp::encode(root::trie_account(after, storage_root));
            accounts.set(&keccak256(address), leaf).map_err(|source| not_found(address, source))?;
        }
        for address in removed {
            accounts.remove(&keccak256(address)).map_err(|source| not_found(address, source))?;
        }
        self.root = accounts.root(&mut keep);
        for node in new_nodes {
            self.index.insert(node.into());
        }
        Ok(self.root)
    }

    fn storage_root_after(
        &self,
        address: &Address,
        change: &AccountChange,
        keep: &mut impl FnMut(Vec<u8>),
    ) -> Result<B256, WitnessError> {
        let before = match self.account(address)? {
            Some(account) if !change.wiped => account.storage_root,
            _ => EMPTY_ROOT_HASH,
        };
        let mut storage = PartialTrie::new(&self.index, before);
        // Removals last, as for accounts.
        let (cleared, set): (Vec<_>, Vec<_>) =
            change.slots.iter().partition(|(_, value)| value.is_zero());
        for (slot, value) in set {
            let key = root::hashed_slot(*slot);
            storage
                .set(&key, alloy_rlp::encode(value))
                .map_err(|source| slot_not_found(address, *slot, source))?;
        }
        for (slot, _) in cleared {
            storage
                .remove(&root::hashed_slot(*slot))
                .map_err(|source| slot_not_found(address, *slot, source))?;
        }
        Ok(storage.root(keep))
    }
}

fn not_found(address: &Address, source: TrieError) -> WitnessError {
    WitnessError::Accounts { address: *address, source: Box::new(source) }
}

fn slot_not_found(address: &Address, slot: U256, source: TrieError) -> WitnessError {
    WitnessError::Storage { address: *address, slot, source: Box::new(source) }
}
