//! One storage slot's versions.

use super::{
    AccountIdx,
    chain::{Chain, Entry, Interest},
};
use crate::sync::{Mutex, OnceLock};
use alloy_primitives::U256;
use blockloom_scheduler::TxIdx;

/// The versions of one storage slot, and its base value once somebody read it.
#[derive(Debug)]
pub(super) struct SlotCell {
    pub(super) account: AccountIdx,
    pub(super) slot: U256,
    base: OnceLock<U256>,
    chain: Mutex<Chain<U256>>,
}

/// Where a reader's value comes from.
pub(super) enum Source {
    /// A lower transaction of this block wrote it.
    Written(U256),
    /// It was wiped, or never written, on the way: zero.
    Wiped,
    /// Nobody below touched it.
    Base,
}

impl SlotCell {
    pub(super) fn new(account: AccountIdx, slot: U256) -> Self {
        Self { account, slot, base: OnceLock::new(), chain: Mutex::default() }
    }

    /// The base value, read through `load` the first time.
    pub(super) fn base<E>(&self, load: impl FnOnce() -> Result<U256, E>) -> Result<U256, E> {
        if let Some(base) = self.base.get() {
            return Ok(*base);
        }
        let loaded = load()?;
        Ok(*self.base.get_or_init(|| loaded))
    }

    /// The base value, if somebody has read it.
    pub(super) fn known_base(&self) -> Option<U256> {
        self.base.get().copied()
    }

    /// Sets the base value before any reader comes.
    pub(super) fn preset(&self, value: U256) {
        self.base.get_or_init(|| value);
    }

    /// Where `reader`'s value comes from, given the newest wipe of the account
    /// below it; `Err` names the writer of an estimate.
    pub(super) fn source(
        &self,
        reader: TxIdx,
        wipe: Option<TxIdx>,
        register: bool,
    ) -> Result<Source, TxIdx> {
        let mut chain = self.chain.lock();
        let newest = chain.below(reader).next().map(|(tx, entry)| (tx, entry.clone()));
        if register {
            chain.register(reader, newest.as_ref().map(|(tx, _)| *tx), Interest::Whole);
        }
        drop(chain);
        match newest {
            // A transaction that creates an account wipes it first and writes
            // its slots after.
            Some((tx, _)) if wipe.is_some_and(|wipe| tx < wipe) => Ok(Source::Wiped),
            Some((tx, Entry::Estimate)) => Err(tx),
            Some((_, Entry::Value(value))) => Ok(Source::Written(value)),
            None if wipe.is_some() => Ok(Source::Wiped),
            None => Ok(Source::Base),
        }
    }

    pub(super) fn publish(
        &self,
        writer: TxIdx,
        value: U256,
        committed: TxIdx,
        overtaken: &mut Vec<TxIdx>,
    ) {
        let mut chain = self.chain.lock();
        chain.trim(committed, |_, _| true);
        chain.publish(writer, value, Interest::Shape, overtaken);
    }

    pub(super) fn withdraw(&self, writer: TxIdx, overtaken: &mut Vec<TxIdx>) {
        self.chain.lock().withdraw(writer, overtaken);
    }

    pub(super) fn estimate(&self, writer: TxIdx) {
        self.chain.lock().estimate(writer);
    }
}
