//! The committed state of a block in progress.

mod correction;
mod entry;

pub use correction::Correction;

use crate::{
    ahead::{BasicsDelta, Delta},
    changes::{AccountBasics, AccountChange, BlockChanges},
    multi_version::{AccountWrite, MultiVersionMemory},
    snapshot::BaseStateError,
};
use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, B256Map, Entry as MapEntry},
};
use blockloom_scheduler::TxIdx;
use entry::{Entry, Slot};
use rayon::prelude::*;
use revm::{
    Database, DatabaseCommit, DatabaseRef,
    database_interface::bal::BalState,
    primitives::KECCAK_EMPTY,
    state::{Account, AccountInfo, Bytecode, EvmState, bal::BlockAccessIndex},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

/// Accounts from which several threads collect changes sooner than one. Waking
/// them takes a tenth of a millisecond, and what one has touched is in its
/// cache, not in theirs.
const MIN_PARALLEL_ACCOUNTS: usize = 8192;

/// The state of a block in progress: the base state and, over it, everything
/// that was committed here.
///
/// This is what stock sequential revm runs on, transaction after transaction.
/// It is a revm [`Database`] and takes changes by [`DatabaseCommit`]. Around a
/// parallel part it hands over what it has ([`preset`](Self::preset)) and takes
/// over what that part left ([`absorb`](Self::absorb)).
#[derive(Debug)]
pub struct BlockState<B> {
    base: B,
    accounts: AddressMap<Entry>,
    code: B256Map<Bytecode>,
    access_list: BalState,
    failure: Arc<OnceLock<BaseStateError>>,
}

impl<B: DatabaseRef<Error = BaseStateError>> BlockState<B> {
    /// The state before a block's first transaction.
    pub fn new(base: B) -> Self {
        Self::with_room(base, 0)
    }

    /// The same, with room for so many accounts: to make more as they come
    /// copies all there are.
    pub fn with_room(base: B, n_accounts: usize) -> Self {
        Self {
            base,
            accounts: AddressMap::with_capacity_and_hasher(n_accounts, Default::default()),
            code: B256Map::default(),
            access_list: BalState::default(),
            failure: Arc::default(),
        }
    }

    /// Forgets all that was committed, taken over and read, but for what was
    /// collected for an access list.
    pub fn forget(&mut self) {
        self.accounts.clear();
        self.code.clear();
    }

    /// Starts collecting a block access list (EIP-7928).
    pub fn build_access_list(&mut self) {
        self.access_list = BalState::default().with_bal_builder();
    }

    /// Whether an access list is collected.
    pub const fn builds_access_list(&self) -> bool {
        self.access_list.bal_builder.is_some()
    }

    /// Adds to the access list what one transaction did that runs outside of
    /// this state.
    pub fn list_access(&mut self, accounts: &EvmState) {
        for (address, account) in accounts {
            self.access_list.commit_one(*address, account);
        }
    }

    /// The state before the block.
    pub const fn base(&self) -> &B {
        &self.base
    }

    /// The same, to be changed into one that gives the same answers.
    pub const fn base_mut(&mut self) -> &mut B {
        &mut self.base
    }

    /// Which part of the block later commits belong to: 0 before the
    /// transactions, `i + 1` for transaction `i`, one more after them.
    pub const fn set_access_index(&mut self, index: u64) {
        self.access_list.bal_index = BlockAccessIndex::new(index);
    }

    /// The access list collected since
    /// [`build_access_list`](Self::build_access_list); `None` without it.
    pub fn take_access_list(&mut self) -> Option<alloy_eip7928::BlockAccessList> {
        self.access_list.take_built_alloy_bal()
    }

    /// The first failure of the base state, once one is met: revm and the
    /// system calls report it in words of their own, or swallow it.
    pub fn failure(&self) -> Arc<OnceLock<BaseStateError>> {
        Arc::clone(&self.failure)
    }

    /// Everything committed so far that differs from the base state. Costs
    /// O(n log n) in the touched locations.
    pub fn changes(&self) -> BlockChanges {
        // Addresses are sorted beside references: changes are large.
        let mut changed: Vec<_> =
            self.accounts.iter().filter(|(_, entry)| entry.is_changed()).collect();
        changed.sort_unstable_by_key(|(address, _)| **address);
        let changes = changed.into_iter().map(|(address, entry)| (*address, entry.change()));
        self.with_code(changes.collect())
    }

    /// The same, with the threads of `pool` sorting and collecting where there
    /// are enough accounts for that to pay.
    pub fn changes_on(&self, pool: &rayon::ThreadPool) -> BlockChanges {
        if self.accounts.len() < MIN_PARALLEL_ACCOUNTS {
            return self.changes();
        }
        let accounts = &self.accounts;
        let changes: Vec<_> = pool.install(|| {
            let mut changed: Vec<_> =
                accounts.par_iter().filter(|(_, entry)| entry.is_changed()).collect();
            changed.par_sort_unstable_by_key(|(address, _)| **address);
            let change = |(address, entry): (&Address, &Entry)| (*address, entry.change());
            changed.into_par_iter().map(change).collect()
        });
        self.with_code(changes.into_iter().collect())
    }

    /// Adds the code that changed accounts have now and had not before.
    fn with_code(&self, accounts: BTreeMap<Address, AccountChange>) -> BlockChanges {
        let mut changes = BlockChanges { accounts, ..Default::default() };
        if self.code.is_empty() {
            return changes;
        }
        for (address, change) in &changes.accounts {
            let Some(after) = change.after else { continue };
            let before = self.accounts[address].before.as_ref().map(|info| info.code_hash);
            if after.code_hash == KECCAK_EMPTY || before == Some(after.code_hash) {
                continue;
            }
            if let Some(code) = self.code.get(&after.code_hash) {
                changes.code.insert(after.code_hash, code.original_bytes());
            }
        }
        changes
    }

    /// Makes what is committed so far the base of `memory`, which must be
    /// empty.
    pub fn preset(&self, memory: &MultiVersionMemory) {
        for (address, entry) in &self.accounts {
            let wiped = entry.wiped || entry.before.is_none();
            memory.preset_account(*address, entry.now.clone(), wiped);
            for (key, slot) in &entry.slots {
                memory.preset_slot(*address, *key, slot.now);
            }
        }
    }

    /// Takes over what the transactions below `end` left, which ran on `memory`
    /// and are final. Their base state was this state.
    pub fn absorb(&mut self, memory: &MultiVersionMemory, end: TxIdx) {
        for written in memory.written_accounts(end) {
            if let Some(AccountInfo { code: Some(code), code_hash, .. }) = &written.now
                && *code_hash != KECCAK_EMPTY
                && written.before.is_none_or(|before| before.code_hash != *code_hash)
            {
                self.code.insert(*code_hash, code.clone());
            }
            self.accounts
                .entry(written.address)
                .or_insert_with(|| Entry::new(written.before.cloned()))
                .replace(written);
        }
        for (address, account, written) in memory.written_slots(end) {
            self.accounts
                .entry(address)
                .or_insert_with(|| Entry::new(account.clone()))
                .replace_slot(written);
        }
    }

    /// The account as of now, without asking the base state; `None` if nobody
    /// has looked at it or changed it.
    #[must_use]
    pub fn known_account(&self, address: &Address) -> Option<Option<AccountBasics>> {
        self.accounts.get(address).map(Entry::basics)
    }

    /// The slot as of now, without asking the base state; `None` if nobody has
    /// looked at it or changed it.
    #[must_use]
    pub fn known_slot(&self, address: &Address, slot: U256) -> Option<U256> {
        let entry = self.accounts.get(address)?;
        let is_zero = entry.wiped || entry.before.is_none();
        let known = entry.slots.get(&slot).map(|slot| slot.now);
        known.or_else(|| is_zero.then_some(U256::ZERO))
    }

    /// The account as of now, with its code if that is at hand; `None` if it is
    /// not known, or the same as before the block but for its slots.
    #[must_use]
    pub fn written_account(&self, address: &Address) -> Option<Option<AccountInfo>> {
        let entry = self.accounts.get(address).filter(|entry| !entry.is_unchanged())?;
        Some(entry.now.clone())
    }

    /// Code that was deployed here.
    #[must_use]
    pub fn written_code(&self, code_hash: &B256) -> Option<Bytecode> {
        self.code.get(code_hash).cloned()
    }

    /// Takes over what one transaction did that ran on another state like this
    /// one, and on everything that this one has taken over as well. Where
    /// nothing was known, what it saw is what was there before the block.
    pub fn follow(&mut self, delta: &Delta) {
        for (account, slots) in delta.iter() {
            if let Some(BasicsDelta::Write(AccountWrite::Set { info: Some(info), .. })) =
                &account.write
                && let Some(code) = &info.code
                && info.code_hash != KECCAK_EMPTY
            {
                self.code.insert(info.code_hash, code.clone());
            }
            self.accounts
                .entry(account.address)
                .or_insert_with(|| Entry::new(account.before.map(AccountBasics::into_info)))
                .follow(account.write.as_ref(), slots);
        }
    }

    /// Replaces balance and nonce of two different accounts by what `update`
    /// makes of them, and gives them before and after; `None` if it makes
    /// nothing, or the base state does not answer. Whoever can say why asks it
    /// again.
    pub fn update_pair(
        &mut self,
        addresses: [Address; 2],
        update: impl FnOnce([Option<AccountBasics>; 2]) -> Option<[AccountBasics; 2]>,
    ) -> Option<[(Address, Option<AccountBasics>, AccountBasics); 2]> {
        for address in addresses {
            if let MapEntry::Vacant(entry) = self.accounts.entry(address) {
                entry.insert(Entry::new(self.base.basic_ref(address).ok()?));
            }
        }
        let [from, to] = addresses;
        let [Some(first), Some(second)] = self.accounts.get_disjoint_mut([&from, &to]) else {
            return None;
        };
        let before = [first.basics(), second.basics()];
        let after = update(before)?;
        for (entry, after) in [first, second].into_iter().zip(after) {
            let info = entry.now.get_or_insert_default();
            info.balance = after.balance;
            info.nonce = after.nonce;
        }
        Some([(from, before[0], after[0]), (to, before[1], after[1])])
    }

    /// An account, and whether it is what it was before the block.
    ///
    /// Unlike a read through [`Database`], a failure is forgotten: it may be
    /// that of a guess, or whoever can say what it means asks again.
    ///
    /// # Errors
    ///
    /// Whatever the base state answers.
    pub fn read_account(
        &mut self,
        address: Address,
    ) -> Result<(Option<AccountInfo>, bool), BaseStateError> {
        let entry = match self.accounts.entry(address) {
            MapEntry::Occupied(entry) => entry.into_mut(),
            MapEntry::Vacant(entry) => entry.insert(Entry::new(self.base.basic_ref(address)?)),
        };
        Ok((entry.now.clone(), entry.is_unchanged()))
    }

    /// A slot, and whether it is what it was before the block; as
    /// [`read_account`](Self::read_account).
    ///
    /// # Errors
    ///
    /// Whatever the base state answers.
    pub fn read_slot(
        &mut self,
        address: Address,
        key: U256,
    ) -> Result<(U256, bool), BaseStateError> {
        let Some(entry) = self.accounts.get_mut(&address) else {
            return Ok((self.base.storage_ref(address, key)?, true));
        };
        let is_zero = entry.wiped || entry.before.is_none();
        let slot = match entry.slots.entry(key) {
            MapEntry::Occupied(slot) => *slot.get(),
            MapEntry::Vacant(_) if is_zero => Slot { before: U256::ZERO, now: U256::ZERO },
            MapEntry::Vacant(slot) => {
                let value = self.base.storage_ref(address, key)?;
                *slot.insert(Slot { before: value, now: value })
            }
        };
        Ok((slot.now, slot.now == slot.before && !entry.wiped))
    }

    /// Code by its hash; as [`read_account`](Self::read_account).
    ///
    /// # Errors
    ///
    /// Whatever the base state answers.
    pub fn read_code(&self, code_hash: B256) -> Result<Bytecode, BaseStateError> {
        match self.code.get(&code_hash) {
            Some(code) => Ok(code.clone()),
            None => self.base.code_by_hash_ref(code_hash),
        }
    }

    /// Adds `amount` to a balance, if that is anything.
    ///
    /// # Errors
    ///
    /// If the account must be read, and the base state fails.
    ///
    /// # Panics
    ///
    /// If the balance overflows.
    pub fn credit(&mut self, address: Address, amount: U256) -> Result<(), BaseStateError> {
        if amount.is_zero() {
            return Ok(());
        }
        let mut info = self.basic(address)?.unwrap_or_default();
        info.balance = info.balance.checked_add(amount).expect("the caller has checked the sum");
        self.accounts.get_mut(&address).expect("it was just read").now = Some(info);
        Ok(())
    }

    fn remember<T>(&self, answer: Result<T, BaseStateError>) -> Result<T, BaseStateError> {
        if let Err(error) = &answer {
            self.failure.get_or_init(|| error.clone());
        }
        answer
    }

    fn commit_account(&mut self, address: Address, account: Account) {
        self.access_list.commit_one(address, &account);
        if !account.is_touched() {
            return;
        }
        if let Some(code) = &account.info.code
            && account.info.code_hash != KECCAK_EMPTY
            && account.info.code_hash != account.original_info().code_hash
        {
            self.code.insert(account.info.code_hash, code.clone());
        }
        self.accounts.entry(address).or_insert_with(|| Entry::as_loaded(&account)).apply(account);
    }
}

impl<B: DatabaseRef<Error = BaseStateError>> Database for BlockState<B> {
    type Error = BaseStateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, BaseStateError> {
        let answer = self.read_account(address);
        self.remember(answer).map(|(info, _)| info)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, BaseStateError> {
        self.remember(self.read_code(code_hash))
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, BaseStateError> {
        let answer = self.read_slot(address, key);
        self.remember(answer).map(|(value, _)| value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, BaseStateError> {
        let answer = self.base.block_hash_ref(number);
        self.remember(answer)
    }
}

impl<B: DatabaseRef<Error = BaseStateError>> DatabaseCommit for BlockState<B> {
    fn commit(&mut self, changes: EvmState) {
        for (address, account) in changes {
            self.commit_account(address, account);
        }
    }

    fn commit_iter(&mut self, changes: &mut dyn Iterator<Item = (Address, Account)>) {
        for (address, account) in changes {
            self.commit_account(address, account);
        }
    }
}
