//! One storage slot's versions.

use super::{
    AccountIdx, Reader,
    chain::{Chain, Entry, Interest},
    stamp::{Changes, Stamp},
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
    changes: Changes,
    chain: Mutex<Chain<U256>>,
}

/// What a block's transactions left in a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrittenSlot {
    pub(crate) account: AccountIdx,
    pub(crate) slot: U256,
    /// The value before the block's transactions, if one of them asked for it:
    /// all do but those that have created the account.
    pub(crate) before: Option<U256>,
    /// The value the last writer left.
    pub(crate) now: U256,
    pub(crate) writer: TxIdx,
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
        Self {
            account,
            slot,
            base: OnceLock::new(),
            changes: Changes::default(),
            chain: Mutex::default(),
        }
    }

    /// How often the slot has changed so far.
    pub(super) fn stamp(&self) -> Stamp {
        self.changes.get()
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
    /// below it, and the count of changes that belongs to; `Err` names the
    /// writer of an estimate. Readers are noted as those of accounts are.
    pub(super) fn source(
        &self,
        reader: Reader,
        wipe: Option<TxIdx>,
        register: bool,
    ) -> Result<(Source, Stamp), TxIdx> {
        if !reader.is_early && self.changes.get() == Stamp::UNWRITTEN {
            let source = if wipe.is_some() { Source::Wiped } else { Source::Base };
            return Ok((source, Stamp::UNWRITTEN));
        }
        let mut chain = self.chain.lock();
        let newest = chain.below(reader.tx).next().map(|(tx, entry)| (tx, entry.clone()));
        if register {
            chain.register(reader.tx, newest.as_ref().map(|(tx, _)| *tx), Interest::Whole);
        }
        let stamp = self.changes.get();
        drop(chain);
        let source = match newest {
            // A transaction that creates an account wipes it first and writes
            // its slots after.
            Some((tx, _)) if wipe.is_some_and(|wipe| tx < wipe) => Source::Wiped,
            Some((tx, Entry::Estimate)) => return Err(tx),
            Some((_, Entry::Value(value))) => Source::Written(value),
            None if wipe.is_some() => Source::Wiped,
            None => Source::Base,
        };
        Ok((source, stamp))
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
        self.changes.add();
    }

    pub(super) fn withdraw(&self, writer: TxIdx, overtaken: &mut Vec<TxIdx>) {
        let mut chain = self.chain.lock();
        chain.withdraw(writer, overtaken);
        self.changes.add();
    }

    pub(super) fn estimate(&self, writer: TxIdx) {
        let mut chain = self.chain.lock();
        chain.estimate(writer);
        self.changes.add();
    }

    /// What the transactions below `end`, which are final, together left here;
    /// `None` if none of them wrote.
    pub(super) fn written(&self, end: TxIdx) -> Option<WrittenSlot> {
        if self.changes.get() == Stamp::UNWRITTEN {
            return None;
        }
        let (writer, now) = match self.chain.lock().below(end).next()? {
            (writer, Entry::Value(value)) => (writer, *value),
            (writer, Entry::Estimate) => unreachable!("transaction {writer} is final"),
        };
        let before = self.base.get().copied();
        Some(WrittenSlot { account: self.account, slot: self.slot, before, now, writer })
    }
}
