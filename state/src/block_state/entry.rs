//! One account of a block in progress.

use crate::{
    ahead::{BasicsDelta, SlotDelta},
    changes::{AccountBasics, AccountChange},
    multi_version::{AccountWrite, WrittenAccount, WrittenSlot, add_credit},
};
use alloy_primitives::{U256, map::HashMap};
use revm::{
    primitives::KECCAK_EMPTY,
    state::{Account, AccountInfo},
};

/// A slot's value before the block and now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) before: U256,
    pub(super) now: U256,
}

impl Slot {
    fn is_changed(&self) -> bool {
        self.now != self.before
    }
}

/// An account before the block and now.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) before: Option<AccountInfo>,
    pub(super) now: Option<AccountInfo>,
    /// The storage from before the block is gone.
    pub(super) wiped: bool,
    pub(super) slots: HashMap<U256, Slot>,
}

impl Entry {
    pub(super) fn new(before: Option<AccountInfo>) -> Self {
        Self { now: before.clone(), before, wiped: false, slots: HashMap::default() }
    }

    /// The account as it was when `account`'s transaction loaded it: nobody
    /// wrote it earlier in the block, or it would have an entry.
    pub(super) fn as_loaded(account: &Account) -> Self {
        let existed = !account.is_loaded_as_not_existing();
        Self::new(existed.then(|| account.original_info()))
    }

    fn wipe(&mut self) {
        self.wiped = true;
        self.slots.clear();
    }

    /// Takes over what one transaction did, by the rules of revm's own state.
    pub(super) fn apply(&mut self, account: Account) {
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
        let mut info = account.info;
        if info.code_hash == KECCAK_EMPTY {
            // revm has one such code for the whole process, and whoever copies
            // the account would wait for those who count its references too.
            info.code = None;
        }
        self.now = Some(info);
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

    /// The account as of now, without its code.
    pub(super) fn basics(&self) -> Option<AccountBasics> {
        self.now.as_ref().map(AccountBasics::from)
    }

    /// Whether the account, but for its slots, is what it was before the block.
    pub(super) fn is_unchanged(&self) -> bool {
        match (&self.now, &self.before) {
            (Some(now), Some(before)) => AccountBasics::from(now) == AccountBasics::from(before),
            (now, before) => now.is_none() && before.is_none(),
        }
    }

    /// Takes over what a transaction did that ran elsewhere.
    pub(super) fn follow(&mut self, write: Option<&BasicsDelta>, slots: &[SlotDelta]) {
        match write {
            None => {}
            Some(BasicsDelta::Write(AccountWrite::Credit(amount))) => {
                self.now = add_credit(self.now.take(), *amount);
            }
            Some(BasicsDelta::Debit(amount)) => {
                if let Some(info) = &mut self.now {
                    // A guess may have less; it is found stale at the frontier.
                    info.balance = info.balance.saturating_sub(*amount);
                }
            }
            Some(BasicsDelta::Write(AccountWrite::Set { info, wiped })) => {
                if *wiped {
                    self.wipe();
                }
                let known = self.now.take();
                self.now.clone_from(info);
                if let (Some(now), Some(known)) = (&mut self.now, known)
                    && now.code.is_none()
                    && now.code_hash == known.code_hash
                {
                    now.code = known.code;
                }
            }
        }
        for slot in slots {
            let before = if self.wiped { U256::ZERO } else { slot.before };
            self.slots
                .entry(slot.slot)
                .and_modify(|known| known.now = slot.now)
                .or_insert(Slot { before, now: slot.now });
        }
    }

    /// Takes over what transactions left that ran outside of this state.
    pub(super) fn replace(&mut self, written: WrittenAccount<'_>) {
        if written.wiped {
            self.wipe();
        }
        self.now = written.now;
    }

    /// Takes over what such transactions left in a slot.
    pub(super) fn replace_slot(&mut self, written: WrittenSlot) {
        let before = if self.wiped { U256::ZERO } else { written.before.unwrap_or_default() };
        self.slots
            .entry(written.slot)
            .and_modify(|known| known.now = written.now)
            .or_insert(Slot { before, now: written.now });
    }

    /// Whether anything of what the block did here is left.
    pub(super) fn is_changed(&self) -> bool {
        !self.is_unchanged()
            || (self.wiped && self.before.is_some())
            || self.slots.values().any(Slot::is_changed)
    }

    /// What the block did here.
    pub(super) fn change(&self) -> AccountChange {
        let wiped = self.wiped && self.before.is_some();
        let mut slots: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.is_changed())
            .map(|(key, slot)| (*key, slot.now))
            .collect();
        slots.sort_unstable_by_key(|(key, _)| *key);
        AccountChange { after: self.basics(), wiped, slots: slots.into_iter().collect() }
    }
}
