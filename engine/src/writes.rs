//! From revm's result of one transaction to what the multi-version memory
//! keeps of it.

use alloy_primitives::{Address, U256};
use blockloom_state::{
    AccountBasics, AccountRead, AccountWrite, MultiVersionMemory, Observed, Stamp, WriteSet,
};
use revm::state::{Account, AccountInfo, EvmState, TransactionId};

/// Collects what a speculative execution wrote, from its result and the accounts it read.
///
/// Accounts that were only called, or credited with nobody looking at the
/// balance, leave no entry or a credit, so that they order nobody.
pub(crate) fn of_speculation<'r>(
    state: &EvmState,
    reads: impl Iterator<Item = &'r AccountRead>,
    memory: &MultiVersionMemory,
    writes: &mut WriteSet,
) {
    writes.clear();
    for read in reads {
        if let Some(account) = state.get(&read.address) {
            push(account, read, memory, writes);
        }
    }
}

/// Collects what an execution on committed state wrote, from its result alone.
pub(crate) fn of_committed(state: &EvmState, memory: &MultiVersionMemory, writes: &mut WriteSet) {
    writes.clear();
    for (address, account) in state {
        let existed = !account.is_loaded_as_not_existing();
        let read = AccountRead {
            account: memory.account(*address),
            address: *address,
            seen: existed.then(|| AccountBasics::from(&account.original_info())),
            observed: Observed::Whole,
            stamp: Stamp::UNWRITTEN,
        };
        push(account, &read, memory, writes);
    }
}

fn push(account: &Account, read: &AccountRead, memory: &MultiVersionMemory, writes: &mut WriteSet) {
    if !account.is_touched() {
        return;
    }
    let is_credit = read.observed == Observed::Shape;
    if let Some(write) = AccountWrite::of(account, read.seen.as_ref(), is_credit) {
        writes.accounts.push((read.account, write));
    }
    // Slots of an account that is gone are gone with it.
    if account.is_selfdestructed() {
        return;
    }
    for (key, slot) in &account.storage {
        if slot.is_changed() {
            writes.slots.push((memory.slot(read.account, *key), slot.present_value));
        }
    }
}

/// Whether an execution did nothing to an account but move its balance.
pub(crate) fn is_only_moved(account: &Account, seen: Option<&AccountBasics>) -> bool {
    let now = AccountBasics::from(&account.info);
    let is_same = |seen: &AccountBasics| seen.nonce == now.nonce && seen.code_hash == now.code_hash;
    !account.is_created() && !account.is_selfdestructed() && seen.is_none_or(is_same)
}

/// Whether an execution left an account with no less than it was `seen` to
/// have.
pub(crate) fn is_unspent(account: &Account, seen: Option<&AccountBasics>) -> bool {
    seen.is_none_or(|seen| seen.balance <= account.info.balance)
}

/// Pays the beneficiary, who is as `now` before the transaction, as revm would
/// have done at its end; `false` if the balance would overflow.
pub(crate) fn reward(
    state: &mut EvmState,
    beneficiary: Address,
    now: Option<AccountInfo>,
    reward: U256,
) -> bool {
    let account = state.entry(beneficiary).or_insert_with(|| match now {
        Some(info) => Account::from(info),
        None => Account::new_not_existing(TransactionId::ZERO),
    });
    account.mark_touch();
    let balance = account.info.balance.checked_add(reward);
    account.info.balance = balance.unwrap_or(account.info.balance);
    balance.is_some()
}

/// Brings a valid speculation's accounts up to date with `drifts`: what lower
/// transactions did meanwhile to balances and nonces it did not look at.
///
/// `false` if a balance would leave its range, which only an execution can
/// judge.
pub(crate) fn apply_drifts(state: &mut EvmState, drifts: &[blockloom_state::Drift]) -> bool {
    drifts.iter().all(|drift| apply_drift(state, drift.address, &drift.now))
}

fn apply_drift(state: &mut EvmState, address: Address, now: &AccountBasics) -> bool {
    let Some(account) = state.get_mut(&address) else { return true };
    let original = account.original_info_mut();
    let seen = original.balance;
    original.balance = now.balance;
    original.nonce = now.nonce;
    account.info.nonce = now.nonce;
    if seen == now.balance {
        return true;
    }
    // The execution moved a balance of which it did not look at all: what it
    // added or took is added to or taken from what is there now.
    let left = account.info.balance;
    let balance = match left.checked_sub(seen) {
        Some(added) => now.balance.checked_add(added),
        None => now.balance.checked_sub(seen - left),
    };
    account.info.balance = balance.unwrap_or(account.info.balance);
    balance.is_some()
}
