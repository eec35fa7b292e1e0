//! A base state that remembers what it was asked, and what it said.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use blockloom_state::{AccountBasics, BaseStateError, MemoryState};
use parking_lot::Mutex;
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::collections::BTreeMap;

/// Any base state, behind one type: the engine is compiled anew for each type
/// of base state, revm included, and not everywhere is speed worth that.
pub(crate) type AnyBase<'a> = &'a (dyn DatabaseRef<Error = BaseStateError> + Sync);

/// Passes reads on to a base state and keeps the answers. Where one location
/// is answered twice, the first answer is kept.
pub(crate) struct Recorder<'a> {
    inner: AnyBase<'a>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    accounts: BTreeMap<Address, Option<AccountBasics>>,
    slots: BTreeMap<(Address, U256), U256>,
    code: BTreeMap<B256, Bytecode>,
    hashes: BTreeMap<u64, B256>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(inner: AnyBase<'a>) -> Self {
        Self { inner, seen: Mutex::default() }
    }

    /// All that two runs of a block read, as the states that they were told
    /// of: `self`'s and `other`'s. What only one of them asked for is in both.
    pub(crate) fn into_states(self, other: Recorder<'_>) -> [MemoryState; 2] {
        let (mut first, mut second) = (self.seen.into_inner(), other.seen.into_inner());
        first.add_missing(&second);
        second.add_missing(&first);
        [first, second].map(|seen| seen.into_state(self.inner))
    }
}

impl Seen {
    fn add_missing(&mut self, other: &Self) {
        fn add<K: Ord + Clone, V: Clone>(to: &mut BTreeMap<K, V>, from: &BTreeMap<K, V>) {
            for (key, value) in from {
                to.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        add(&mut self.accounts, &other.accounts);
        add(&mut self.slots, &other.slots);
        add(&mut self.code, &other.code);
        add(&mut self.hashes, &other.hashes);
    }

    /// The state. Code of accounts that were only looked at is asked for now;
    /// an account whose code cannot be had comes without.
    fn into_state(self, base: AnyBase<'_>) -> MemoryState {
        let mut state = MemoryState::new();
        for (address, basics) in self.accounts {
            let Some(mut basics) = basics else { continue };
            let hash = basics.code_hash;
            if hash != KECCAK256_EMPTY {
                let seen = self.code.get(&hash).cloned();
                let code = seen.or_else(|| base.code_by_hash_ref(hash).ok());
                let code = code.map(|code| code.original_bytes()).unwrap_or_default();
                basics.code_hash = state.insert_code(code);
            }
            state.insert_account(address, basics);
        }
        for ((address, slot), value) in self.slots {
            state.set_slot(address, slot, value);
        }
        for (number, hash) in self.hashes {
            state.set_block_hash(number, hash);
        }
        state
    }
}

impl DatabaseRef for Recorder<'_> {
    type Error = BaseStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, BaseStateError> {
        let info = self.inner.basic_ref(address)?;
        let basics = info.as_ref().map(AccountBasics::from);
        self.seen.lock().accounts.entry(address).or_insert(basics);
        Ok(info)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, BaseStateError> {
        let code = self.inner.code_by_hash_ref(hash)?;
        self.seen.lock().code.entry(hash).or_insert_with(|| code.clone());
        Ok(code)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, BaseStateError> {
        let value = self.inner.storage_ref(address, slot)?;
        self.seen.lock().slots.entry((address, slot)).or_insert(value);
        Ok(value)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, BaseStateError> {
        let hash = self.inner.block_hash_ref(number)?;
        self.seen.lock().hashes.entry(number).or_insert(hash);
        Ok(hash)
    }
}
