//! Where two results part ways, named precisely enough to start looking.

use alloy_primitives::{Address, U256, keccak256};
use blockloom_engine::{BlockOutput, Receipt};
use blockloom_state::{AccountChange, BlockChanges, MemoryAccount, MemoryState};
use std::{
    collections::BTreeSet,
    fmt::{Debug, Display},
};

/// Most differences reported of one comparison. The first ones tell what
/// broke; a wrong early transaction alone can shift thousands of values.
pub(crate) const MAX_DIFFERENCES: usize = 8;

/// One value that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Transaction the value belongs to, where it belongs to one.
    pub transaction: Option<usize>,
    /// What differs: `gas_used`, `account 0x… balance`, `receipt logs`.
    pub location: String,
    /// The value we have.
    pub got: String,
    /// The value it should have.
    pub expected: String,
}

impl Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(transaction) = self.transaction {
            write!(f, "transaction {transaction}: ")?;
        }
        write!(f, "{}: got {}, expected {}", self.location, self.got, self.expected)
    }
}

/// Differences found so far; further ones are dropped once it is full.
#[derive(Debug, Default)]
pub(crate) struct Differences(Vec<Difference>);

impl Differences {
    /// Notes a difference unless `got` equals `expected`.
    pub(crate) fn check<T: PartialEq + Display + ?Sized>(
        &mut self,
        location: &str,
        got: &T,
        expected: &T,
    ) {
        self.check_at(None, || location.to_owned(), got, expected);
    }

    /// [`Differences::check`] for a value of one transaction.
    pub(crate) fn check_at<T: PartialEq + Display + ?Sized>(
        &mut self,
        transaction: Option<usize>,
        location: impl FnOnce() -> String,
        got: &T,
        expected: &T,
    ) {
        if got != expected {
            self.push(transaction, location(), got.to_string(), expected.to_string());
        }
    }

    /// Notes a difference that is already known to be one.
    pub(crate) fn push(
        &mut self,
        transaction: Option<usize>,
        location: String,
        got: String,
        expected: String,
    ) {
        if self.0.len() < MAX_DIFFERENCES {
            self.0.push(Difference { transaction, location, got, expected });
        }
    }

    /// Whether nothing differed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What differed, in the order it was found.
    pub(crate) fn into_vec(self) -> Vec<Difference> {
        self.0
    }
}

/// Everything in which `got` differs from `expected`; empty exactly if they
/// are equal.
pub(crate) fn between_outputs(got: &BlockOutput, expected: &BlockOutput) -> Vec<Difference> {
    let mut found = Differences::default();
    if got == expected {
        return found.into_vec();
    }
    between_receipts(&got.receipts, &expected.receipts, &mut found);
    found.check("gas_used", &got.gas_used, &expected.gas_used);
    found.check("blob_gas_used", &got.blob_gas_used, &expected.blob_gas_used);
    check_debug("requests", &got.requests, &expected.requests, &mut found);
    between_changes(&got.changes, &expected.changes, &mut found);
    check_debug("block access list", &got.access_list, &expected.access_list, &mut found);
    if found.is_empty() {
        // A field added to the output and forgotten here must not pass.
        check_debug("output", got, expected, &mut found);
    }
    found.into_vec()
}

fn between_receipts(got: &[Receipt], expected: &[Receipt], found: &mut Differences) {
    found.check("number of receipts", &got.len(), &expected.len());
    for (tx_idx, (got, expected)) in got.iter().zip(expected).enumerate() {
        if got == expected {
            continue;
        }
        let at = Some(tx_idx);
        found.check_at(at, || "receipt type".into(), &got.tx_type, &expected.tx_type);
        found.check_at(at, || "receipt status".into(), &got.success, &expected.success);
        found.check_at(
            at,
            || "receipt cumulative gas".into(),
            &got.cumulative_gas_used,
            &expected.cumulative_gas_used,
        );
        between_logs(tx_idx, &got.logs, &expected.logs, found);
    }
}

/// Compares the logs of one transaction.
pub(crate) fn between_logs(
    tx_idx: usize,
    got: &[alloy_primitives::Log],
    expected: &[alloy_primitives::Log],
    found: &mut Differences,
) {
    let at = Some(tx_idx);
    found.check_at(at, || "number of logs".into(), &got.len(), &expected.len());
    for (log_idx, (got, expected)) in got.iter().zip(expected).enumerate() {
        if got != expected {
            found.push(at, format!("log {log_idx}"), format!("{got:?}"), format!("{expected:?}"));
        }
    }
}

fn between_changes(got: &BlockChanges, expected: &BlockChanges, found: &mut Differences) {
    let addresses: BTreeSet<_> = got.accounts.keys().chain(expected.accounts.keys()).collect();
    for address in addresses {
        match (got.accounts.get(address), expected.accounts.get(address)) {
            (Some(got), Some(expected)) => between_account_changes(*address, got, expected, found),
            (got, expected) => check_debug(&format!("account {address}"), &got, &expected, found),
        }
    }
    let hashes: BTreeSet<_> = got.code.keys().chain(expected.code.keys()).collect();
    for hash in hashes {
        let location = format!("code {hash}");
        check_debug(&location, &got.code.get(hash), &expected.code.get(hash), found);
    }
}

fn between_account_changes(
    address: Address,
    got: &AccountChange,
    expected: &AccountChange,
    found: &mut Differences,
) {
    if got == expected {
        return;
    }
    check_debug(&format!("account {address} basics"), &got.after, &expected.after, found);
    found.check(&format!("account {address} wiped"), &got.wiped, &expected.wiped);
    let slots: BTreeSet<_> = got.slots.keys().chain(expected.slots.keys()).collect();
    for slot in slots {
        let location = format!("account {address} slot {slot:#x}");
        check_debug(&location, &got.slots.get(slot), &expected.slots.get(slot), found);
    }
}

/// Compares two whole states: every account, slot and code hash on either
/// side. Code itself is compared by hash, and each stored code is hashed.
pub(crate) fn between_states(got: &MemoryState, expected: &MemoryState) -> Vec<Difference> {
    let mut found = Differences::default();
    let addresses: BTreeSet<_> =
        got.accounts().chain(expected.accounts()).map(|(address, _)| address).collect();
    for address in addresses {
        match (got.account(&address), expected.account(&address)) {
            (Some(got), Some(expected)) => between_accounts(address, got, expected, &mut found),
            (got, expected) => {
                let exists = |account: Option<_>| if account.is_some() { "exists" } else { "none" };
                let location = format!("account {address}");
                found.check(&location, exists(got), exists(expected));
            }
        }
    }
    for (hash, code) in got.codes() {
        found.check(&format!("code {hash}"), &keccak256(&code), &hash);
    }
    found.into_vec()
}

fn between_accounts(
    address: Address,
    got: &MemoryAccount,
    expected: &MemoryAccount,
    found: &mut Differences,
) {
    if got == expected {
        return;
    }
    let (had, wanted) = (got.basics(), expected.basics());
    found.check(&format!("account {address} balance"), &had.balance, &wanted.balance);
    found.check(&format!("account {address} nonce"), &had.nonce, &wanted.nonce);
    found.check(&format!("account {address} code hash"), &had.code_hash, &wanted.code_hash);
    let slots: BTreeSet<U256> = got.slots().chain(expected.slots()).map(|(slot, _)| slot).collect();
    for slot in slots {
        let location = || format!("account {address} slot {slot:#x}");
        let hex = |value: U256| format!("{value:#x}");
        found.check_at(None, location, &hex(got.slot(slot)), &hex(expected.slot(slot)));
    }
}

/// Notes a difference of values that have no display form.
fn check_debug<T: PartialEq + Debug>(
    location: &str,
    got: &T,
    expected: &T,
    found: &mut Differences,
) {
    if got != expected {
        found.push(None, location.to_owned(), format!("{got:?}"), format!("{expected:?}"));
    }
}
