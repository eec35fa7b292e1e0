//! A whole base state in memory: accounts, slots, code and block hashes.
//!
//! Serves genesis states, test fixtures and replays that need no disk. Readers
//! share it by reference; only [`MemoryState::apply`] and the setters change it.

use crate::{AccountBasics, BlockChanges, root};
use alloy_primitives::{
    Address, B256, Bytes, U256, keccak256,
    map::{AddressMap, B256Map, HashMap, U256Map},
};
use revm::{
    DatabaseRef, bytecode::Bytecode, database_interface::DBErrorMarker, primitives::KECCAK_EMPTY,
    state::AccountInfo,
};

/// One account with everything it stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryAccount {
    basics: AccountBasics,
    storage: U256Map<U256>,
}

impl MemoryAccount {
    /// Balance, nonce and code hash.
    pub fn basics(&self) -> AccountBasics {
        self.basics
    }

    /// Value of `slot`; zero where nothing was stored.
    pub fn slot(&self, slot: U256) -> U256 {
        self.storage.get(&slot).copied().unwrap_or_default()
    }

    /// Slots that hold a value other than zero, in slot order. Sorts on each
    /// call: O(n log n) for n slots.
    pub fn slots(&self) -> impl Iterator<Item = (U256, U256)> + use<> {
        let mut slots: Vec<_> = self.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
        slots.sort_unstable();
        slots.into_iter()
    }

    /// Root of the account's storage trie, computed in full.
    pub fn storage_root(&self) -> B256 {
        root::storage_root(self.storage.iter().map(|(slot, value)| (*slot, *value)))
    }
}

/// An in-memory base state.
///
/// An account that exists but is empty (possible before EIP-161) is kept and
/// is not the same as an account that is absent. Two states are equal if they
/// hold the same accounts, slots, code and block hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    accounts: AddressMap<MemoryAccount>,
    code: B256Map<Bytecode>,
    block_hashes: HashMap<u64, B256>,
}

/// Why a [`MemoryState`] could not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryStateError {
    /// An account names code that was never inserted.
    #[error("no code with hash {0}")]
    MissingCode(B256),
    /// BLOCKHASH asked for a block whose hash was never set.
    #[error("no hash for block {0}")]
    MissingBlockHash(u64),
}

impl DBErrorMarker for MemoryStateError {}

impl MemoryState {
    /// A state with no accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the account at `address` or replaces its basics; its slots stay.
    pub fn insert_account(&mut self, address: Address, basics: AccountBasics) {
        self.accounts
            .entry(address)
            .and_modify(|account| account.basics = basics)
            .or_insert_with(|| MemoryAccount { basics, storage: U256Map::default() });
    }

    /// Stores `code`, analyses it once, and returns its hash, which
    /// [`AccountBasics::code_hash`] then refers to.
    pub fn insert_code(&mut self, code: Bytes) -> B256 {
        if code.is_empty() {
            return KECCAK_EMPTY;
        }
        let hash = keccak256(&code);
        self.code.entry(hash).or_insert_with(|| analyse(code));
        hash
    }

    /// Sets one slot; zero removes it.
    ///
    /// Storage belongs to an account, so a value other than zero brings an
    /// absent account into being, empty; zero creates nothing.
    pub fn set_slot(&mut self, address: Address, slot: U256, value: U256) {
        if value.is_zero() {
            if let Some(account) = self.accounts.get_mut(&address) {
                account.storage.remove(&slot);
            }
            return;
        }
        let empty = || MemoryAccount { basics: EMPTY, storage: U256Map::default() };
        self.accounts.entry(address).or_insert_with(empty).storage.insert(slot, value);
    }

    /// Sets the hash BLOCKHASH gives for block `number`.
    pub fn set_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// The hashes that were set, by block number. Sorts on each call.
    pub fn block_hashes(&self) -> impl Iterator<Item = (u64, B256)> + use<> {
        let mut hashes: Vec<_> =
            self.block_hashes.iter().map(|(number, hash)| (*number, *hash)).collect();
        hashes.sort_unstable();
        hashes.into_iter()
    }

    /// The account at `address`, if it exists.
    pub fn account(&self, address: &Address) -> Option<&MemoryAccount> {
        self.accounts.get(address)
    }

    /// All accounts in address order. Sorts on each call: O(n log n).
    pub fn accounts(&self) -> impl Iterator<Item = (Address, &MemoryAccount)> {
        let mut accounts: Vec<_> =
            self.accounts.iter().map(|(address, account)| (*address, account)).collect();
        accounts.sort_unstable_by_key(|(address, _)| *address);
        accounts.into_iter()
    }

    /// Value of one slot; zero where the account or the slot is absent.
    pub fn slot(&self, address: &Address, slot: U256) -> U256 {
        self.accounts.get(address).map_or(U256::ZERO, |account| account.slot(slot))
    }

    /// The code with this hash, as it was inserted (without the padding that
    /// analysis adds).
    pub fn code(&self, hash: &B256) -> Option<Bytes> {
        self.code.get(hash).map(Bytecode::original_bytes)
    }

    /// All code by hash, in hash order.
    pub fn codes(&self) -> impl Iterator<Item = (B256, Bytes)> {
        let mut codes: Vec<_> = self.code.iter().collect();
        codes.sort_unstable_by_key(|(hash, _)| **hash);
        codes.into_iter().map(|(hash, code)| (*hash, code.original_bytes()))
    }

    /// Moves the state from before a block to after it.
    ///
    /// Code stays when the last account that had it is gone: it is addressed
    /// by hash and harmless.
    pub fn apply(&mut self, changes: &BlockChanges) {
        for (hash, code) in &changes.code {
            self.code.entry(*hash).or_insert_with(|| analyse(code.clone()));
        }
        for (address, change) in &changes.accounts {
            let Some(basics) = change.after else {
                self.accounts.remove(address);
                continue;
            };
            self.insert_account(*address, basics);
            if change.wiped
                && let Some(account) = self.accounts.get_mut(address)
            {
                account.storage.clear();
            }
            for (slot, value) in &change.slots {
                self.set_slot(*address, *slot, *value);
            }
        }
    }

    /// State root, computed in full: every account and every slot is hashed.
    pub fn root(&self) -> B256 {
        root::state_root(self.accounts.iter().map(|(address, account)| {
            (*address, root::trie_account(&account.basics, account.storage_root()))
        }))
    }
}

/// Basics of an account that exists and has nothing.
const EMPTY: AccountBasics =
    AccountBasics { balance: U256::ZERO, nonce: 0, code_hash: KECCAK_EMPTY };

impl DatabaseRef for MemoryState {
    type Error = MemoryStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.accounts.get(&address).map(|account| account_info(&account.basics)))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        if code_hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        self.code.get(&code_hash).cloned().ok_or(MemoryStateError::MissingCode(code_hash))
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Self::Error> {
        Ok(self.slot(&address, index))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.block_hashes.get(&number).copied().ok_or(MemoryStateError::MissingBlockHash(number))
    }
}

/// What revm is told about an account.
///
/// Code is left for revm to ask for by hash, since most accounts that are read
/// are not called; only "no code" is said at once.
pub(crate) fn account_info(basics: &AccountBasics) -> AccountInfo {
    AccountInfo {
        balance: basics.balance,
        nonce: basics.nonce,
        code_hash: basics.code_hash,
        account_id: None,
        code: (basics.code_hash == KECCAK_EMPTY).then(Bytecode::default),
    }
}

/// Analyses stored code for execution.
///
/// Code that starts like an EIP-7702 delegation but is none (only a genesis
/// file or a chain older than EIP-3541 can hold it) runs as ordinary code, as
/// it did when it was deployed.
pub(crate) fn analyse(code: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod tests;
