//! Results that a later write put in doubt.

use crate::{
    scheduler::lock,
    status::State,
    sync::{AtomicU32, Mutex, Ordering},
    version::{Incarnation, TxIdx, Version},
};
use std::collections::BTreeSet;

/// Transactions whose reads may be stale, lowest first.
///
/// `count` mirrors the size of the set so that the usual case, nothing in
/// doubt, takes no lock.
///
/// | call     | by                 | ordering | pairs with                                     |
/// |----------|--------------------|----------|------------------------------------------------|
/// | `insert` | finishing writers  | `SeqCst` | `remove`, `claim`: see below                   |
/// | `remove` | finishing readers  | `SeqCst` | `insert`                                       |
/// | `claim`  | idle workers       | `SeqCst` | `insert`                                       |
///
/// A suspect that is still executing stays in the set: the reader becomes
/// `Executed` before it calls `remove`, so either it finds itself here, or the
/// insert came later and a `claim` finds it `Executed`. A doubt lost all the
/// same would cost speed only; the frontier checks every read.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    set: Mutex<BTreeSet<TxIdx>>,
    count: AtomicU32,
}

impl Suspects {
    pub(crate) fn insert(&self, tx: TxIdx) {
        let mut set = lock(&self.set);
        set.insert(tx);
        self.mirror(&set);
    }

    /// Takes `tx` out; `true` if it was in.
    pub(crate) fn remove(&self, tx: TxIdx) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut set = lock(&self.set);
        let found = set.remove(&tx);
        self.mirror(&set);
        found
    }

    /// Takes out the lowest suspect that has run, with its version, and drops
    /// those that will run again anyway.
    pub(crate) fn claim(&self, status: impl Fn(TxIdx) -> (State, Incarnation)) -> Option<Version> {
        if self.is_empty() {
            return None;
        }
        let mut set = lock(&self.set);
        let mut claimed = None;
        set.retain(|tx| match status(*tx) {
            _ if claimed.is_some() => true,
            (State::Executing, _) => true,
            (State::Executed, incarnation) => {
                claimed = Some(Version { tx: *tx, incarnation });
                false
            }
            _ => false,
        });
        self.mirror(&set);
        claimed
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    fn mirror(&self, set: &BTreeSet<TxIdx>) {
        self.count.store(u32::try_from(set.len()).unwrap_or(u32::MAX), Ordering::SeqCst);
    }
}
