//! From revm's result of one transaction to what the multi-version memory
//! keeps of it.

use alloy_primitives::Address;
use blockloom_state::{
    AccountBasics, AccountRead, AccountWrite, MultiVersionMemory, Observed, Stamp, WriteSet,
};
use revm::state::{Account, AccountInfo, EvmState};

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
    if let Some(write) = account_write(account, read) {
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

/// Whether an execution did nothing to an account but credit it.
pub(crate) fn is_only_credited(account: &Account, seen: Option<&AccountBasics>) -> bool {
    let now = AccountBasics::from(&account.info);
    let unspent = |seen: &AccountBasics| {
        seen.nonce == now.nonce && seen.code_hash == now.code_hash && seen.balance <= now.balance
    };
    !account.is_created() && !account.is_selfdestructed() && seen.is_none_or(unspent)
}

/// What a transaction did to the basics of a touched account; `None` if
/// nothing. The cases are those of revm's own state, in its order.
fn account_write(account: &Account, read: &AccountRead) -> Option<AccountWrite> {
    if account.is_selfdestructed() {
        return Some(AccountWrite::Set { info: None, wiped: true });
    }
    if account.is_created() {
        return Some(AccountWrite::Set { info: Some(kept(&account.info)), wiped: true });
    }
    if account.is_empty() {
        // Touching an empty account removes it (EIP-161); where there was
        // none, nothing happens.
        return read.seen.is_some().then_some(AccountWrite::Set { info: None, wiped: true });
    }
    let now = AccountBasics::from(&account.info);
    if read.seen == Some(now) {
        return None;
    }
    match &read.seen {
        Some(seen) if read.observed == Observed::Shape => {
            Some(AccountWrite::Credit(now.balance - seen.balance))
        }
        _ => Some(AccountWrite::Set { info: Some(kept(&account.info)), wiped: false }),
    }
}

/// The account as others should read it: its id is the reader's own affair.
fn kept(info: &AccountInfo) -> AccountInfo {
    AccountInfo { account_id: None, ..info.clone() }
}

/// Brings a valid speculation's accounts up to date with `drifts`: what lower
/// transactions did meanwhile to balances and nonces it did not look at.
///
/// `false` if a balance would overflow, which only an execution can judge.
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
    // Only credits can have changed a balance that was not observed.
    let balance =
        account.info.balance.checked_sub(seen).and_then(|credit| now.balance.checked_add(credit));
    account.info.balance = balance.unwrap_or(account.info.balance);
    balance.is_some()
}
