//! What one transaction did to the state.

use crate::{changes::AccountBasics, multi_version::AccountWrite};
use alloy_primitives::{Address, U256};
use revm::{
    primitives::KECCAK_EMPTY,
    state::{Account, EvmState},
};

/// What one transaction did to one account's basics.
#[derive(Clone, Debug)]
pub(crate) enum BasicsDelta {
    /// What the multi-version memory knows as well.
    Write(AccountWrite),
    /// The balance shrank by this much, whatever it was.
    Debit(U256),
}

/// The same with whose they are, and how they were before.
#[derive(Clone, Debug)]
pub(crate) struct AccountDelta {
    pub(crate) address: Address,
    pub(crate) before: Option<AccountBasics>,
    /// `None` if only slots changed.
    pub(crate) write: Option<BasicsDelta>,
    /// Where the account's slots end in the list of all.
    pub(crate) slots_end: usize,
}

/// A slot's value before and after one transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotDelta {
    pub(crate) slot: U256,
    pub(crate) before: U256,
    pub(crate) now: U256,
}

/// What one transaction changed: accounts, each with its slots.
///
/// The same as revm's own state of a transaction without what was only read;
/// taking it over leaves a [`BlockState`](crate::BlockState) as committing that
/// does.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    pub(crate) accounts: Vec<AccountDelta>,
    pub(crate) slots: Vec<SlotDelta>,
}

impl BasicsDelta {
    fn of(account: &Account, before: Option<&AccountBasics>, is_moved: bool) -> Option<Self> {
        let left = account.info.balance;
        if let Some(before) = before.filter(|before| is_moved && before.balance > left) {
            return Some(Self::Debit(before.balance - left));
        }
        let mut write = AccountWrite::of(account, before, is_moved)?;
        if let AccountWrite::Set { info: Some(info), .. } = &mut write
            && (info.code_hash == KECCAK_EMPTY
                || before.is_some_and(|before| before.code_hash == info.code_hash))
        {
            // Code that is not new is read by its hash: everybody has their own.
            info.code = None;
        }
        Some(Self::Write(write))
    }

    /// Whether no slot from before is left.
    pub(crate) const fn is_wipe(&self) -> bool {
        matches!(self, Self::Write(write) if write.is_wipe())
    }
}

impl Delta {
    /// What a transaction did that left `state`. Where `is_moved` says that a
    /// balance was merely moved, with nobody looking at all of it, it was moved
    /// whatever it had been.
    #[must_use]
    pub fn of(state: &EvmState, is_moved: impl Fn(&Address) -> bool) -> Self {
        let mut delta = Self::default();
        delta.refill(state, is_moved);
        delta
    }

    /// Becomes [what](Self::of) another transaction did, in the same memory.
    pub fn refill(&mut self, state: &EvmState, is_moved: impl Fn(&Address) -> bool) {
        self.accounts.clear();
        self.slots.clear();
        for (address, account) in state {
            if account.is_touched() {
                self.push(*address, account, is_moved(address));
            }
        }
    }

    /// Replaces the basics of accounts without code, whose slots stay.
    #[must_use]
    pub fn of_basics<const N: usize>(
        accounts: [(Address, Option<AccountBasics>, AccountBasics); N],
    ) -> Self {
        let accounts = accounts.map(|(address, before, now)| {
            let info = Some(now.into_info());
            let write = Some(BasicsDelta::Write(AccountWrite::Set { info, wiped: false }));
            AccountDelta { address, before, write, slots_end: 0 }
        });
        Self { accounts: accounts.into(), slots: Vec::new() }
    }

    fn push(&mut self, address: Address, account: &Account, is_moved: bool) {
        let existed = !account.is_loaded_as_not_existing();
        let before = existed.then(|| AccountBasics::from(&account.original_info()));
        let write = BasicsDelta::of(account, before.as_ref(), is_moved);
        let first = self.slots.len();
        // Slots of an account that is gone are gone with it.
        let is_gone = account.is_selfdestructed() || (account.is_empty() && !account.is_created());
        if !is_gone {
            let changed = account.storage.iter().filter(|(_, slot)| slot.is_changed());
            self.slots.extend(changed.map(|(slot, value)| SlotDelta {
                slot: *slot,
                before: value.original_value,
                now: value.present_value,
            }));
        }
        if write.is_some() || self.slots.len() > first {
            let slots_end = self.slots.len();
            self.accounts.push(AccountDelta { address, before, write, slots_end });
        }
    }

    /// Accounts, each with its slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&AccountDelta, &[SlotDelta])> {
        let mut first = 0;
        self.accounts.iter().map(move |account| {
            let slots = &self.slots[first..account.slots_end];
            first = account.slots_end;
            (account, slots)
        })
    }
}
