//! The committed state of a block in progress.

use crate::{
    changes::{AccountBasics, AccountChange, BlockChanges},
    multi_version::{MultiVersionMemory, WrittenAccount, WrittenSlot},
    snapshot::BaseStateError,
};
use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, B256Map, Entry as MapEntry, HashMap},
};
use blockloom_scheduler::TxIdx;
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

/// A slot's value before the block and now.
#[derive(Clone, Copy, Debug)]
struct Slot {
    before: U256,
    now: U256,
}

/// An account before the block and now.
#[derive(Debug)]
struct Entry {
    before: Option<AccountInfo>,
    now: Option<AccountInfo>,
    /// The storage from before the block is gone.
    wiped: bool,
    slots: HashMap<U256, Slot>,
}

impl Entry {
    fn new(before: Option<AccountInfo>) -> Self {
        Self { now: before.clone(), before, wiped: false, slots: HashMap::default() }
    }

    /// The account as it was when `account`'s transaction loaded it: nobody
    /// wrote it earlier in the block, or it would have an entry.
    fn as_loaded(account: &Account) -> Self {
        let existed = !account.is_loaded_as_not_existing();
        Self::new(existed.then(|| account.original_info()))
    }

    fn wipe(&mut self) {
        self.wiped = true;
        self.slots.clear();
    }

    /// Takes over what one transaction did, by the rules of revm's own state.
    fn apply(&mut self, account: Account) {
        if account.is_selfdestructed() || (account.is_empty() && !account.is_created()) {
            // EIP-161: an empty account that is touched vanishes. Before that
            // fork revm does not hand such accounts out as touched.
            self.now = None;
            self.wipe();
            return;
        }
        if account.is_created() {
            self.wipe();
        }
        self.now = Some(account.info);
        for (key, slot) in account.storage {
            if slot.is_changed() {
                let before = if self.wiped { U256::ZERO } else { slot.original_value };
                self.slots
                    .entry(key)
                    .and_modify(|known| known.now = slot.present_value)
                    .or_insert(Slot { before, now: slot.present_value });
            }
        }
    }

    /// Takes over what transactions left that ran outside of this state.
    fn replace(&mut self, written: WrittenAccount<'_>) {
        if written.wiped {
            self.wipe();
        }
        self.now = written.now;
    }

    /// Takes over what such transactions left in a slot.
    fn replace_slot(&mut self, written: WrittenSlot) {
        let before = if self.wiped { U256::ZERO } else { written.before.unwrap_or_default() };
        self.slots
            .entry(written.slot)
            .and_modify(|known| known.now = written.now)
            .or_insert(Slot { before, now: written.now });
    }

    /// What the block did here; `None` if nothing is left of it.
    fn change(&self) -> Option<AccountChange> {
        let after = self.now.as_ref().map(AccountBasics::from);
        let wiped = self.wiped && self.before.is_some();
        let slots = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.now != slot.before)
            .map(|(key, slot)| (*key, slot.now))
            .collect::<BTreeMap<_, _>>();
        let unchanged = after == self.before.as_ref().map(AccountBasics::from);
        if unchanged && !wiped && slots.is_empty() {
            return None;
        }
        Some(AccountChange { after, wiped, slots })
    }
}

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
        Self {
            base,
            accounts: AddressMap::default(),
            code: B256Map::default(),
            access_list: BalState::default(),
            failure: Arc::default(),
        }
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
        let changed = |(address, entry): (&Address, &Entry)| Some((*address, entry.change()?));
        self.with_code(self.accounts.iter().filter_map(changed).collect())
    }

    /// The same, with the threads of `pool` sorting and collecting where there
    /// are enough accounts for that to pay.
    pub fn changes_on(&self, pool: &rayon::ThreadPool) -> BlockChanges {
        if self.accounts.len() < MIN_PARALLEL_ACCOUNTS {
            return self.changes();
        }
        let accounts = &self.accounts;
        let changed: Vec<_> = pool.install(|| {
            let mut entries: Vec<_> = accounts.iter().collect();
            entries.par_sort_unstable_by_key(|(address, _)| **address);
            let changed = |(address, entry): (&Address, &Entry)| Some((*address, entry.change()?));
            entries.into_par_iter().filter_map(changed).collect()
        });
        self.with_code(changed.into_iter().collect())
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

    /// Replaces balance and nonce of two different accounts by what `update`
    /// makes of them; `false` if it makes nothing, or the base state does not
    /// answer. Whoever can say why asks it again.
    pub fn update_pair(
        &mut self,
        addresses: [Address; 2],
        update: impl FnOnce([Option<AccountBasics>; 2]) -> Option<[AccountBasics; 2]>,
    ) -> bool {
        for address in addresses {
            if let MapEntry::Vacant(entry) = self.accounts.entry(address) {
                let Ok(info) = self.base.basic_ref(address) else { return false };
                entry.insert(Entry::new(info));
            }
        }
        let [first, second] = &addresses;
        let [Some(first), Some(second)] = self.accounts.get_disjoint_mut([first, second]) else {
            return false;
        };
        let now = |entry: &Entry| entry.now.as_ref().map(AccountBasics::from);
        let Some(after) = update([now(first), now(second)]) else { return false };
        for (entry, after) in [first, second].into_iter().zip(after) {
            let info = entry.now.get_or_insert_default();
            info.balance = after.balance;
            info.nonce = after.nonce;
        }
        true
    }

    /// The balance of an account, zero if there is none; `None` if the base
    /// state does not answer. Nobody has to know of that: whoever can say why
    /// asks again.
    pub fn balance(&mut self, address: Address) -> Option<U256> {
        let entry = match self.accounts.entry(address) {
            MapEntry::Occupied(entry) => entry.into_mut(),
            MapEntry::Vacant(entry) => entry.insert(Entry::new(self.base.basic_ref(address).ok()?)),
        };
        Some(entry.now.as_ref().map_or(U256::ZERO, |info| info.balance))
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
        if let Some(entry) = self.accounts.get(&address) {
            return Ok(entry.now.clone());
        }
        let answer = self.base.basic_ref(address);
        let info = self.remember(answer)?;
        self.accounts.insert(address, Entry::new(info.clone()));
        Ok(info)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, BaseStateError> {
        if let Some(code) = self.code.get(&code_hash) {
            return Ok(code.clone());
        }
        let answer = self.base.code_by_hash_ref(code_hash);
        self.remember(answer)
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, BaseStateError> {
        if let Some(entry) = self.accounts.get(&address) {
            if let Some(slot) = entry.slots.get(&key) {
                return Ok(slot.now);
            }
            if entry.wiped || entry.before.is_none() {
                return Ok(U256::ZERO);
            }
        }
        let answer = self.base.storage_ref(address, key);
        let value = self.remember(answer)?;
        if let Some(entry) = self.accounts.get_mut(&address) {
            entry.slots.insert(key, Slot { before: value, now: value });
        }
        Ok(value)
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
