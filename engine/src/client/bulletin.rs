//! What the workers of one block tell each other, whatever the EVM.

use alloy_primitives::Address;
use blockloom_scheduler::{Lookahead, TxIdx};
use blockloom_state::{BaseStateError, BlockState, Correction, Delta};
use parking_lot::RwLock;
use revm::DatabaseRef;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU32, Ordering::Relaxed},
};

/// A worker ahead of the frontier. The caller's thread, while it waits, is one
/// as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScoutId(pub(super) usize);

/// Something that became final.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Planned transactions that are final now, skipped ones included.
    pub(super) done: TxIdx,
    /// The scout whose result stood, and who knows it therefore.
    pub(super) by: Option<ScoutId>,
    pub(super) delta: Option<Delta>,
    /// How things really are that a scout had guessed wrongly.
    pub(super) correction: Option<(ScoutId, Correction)>,
}

/// Who runs what, and what is final.
#[derive(Debug)]
pub(super) struct Bulletin {
    pub(super) lookahead: Lookahead,
    pub(super) beneficiary: Address,
    news: RwLock<Vec<Arc<News>>>,
    attended: OnceLock<()>,
    /// Reads that whoever runs a transaction ahead has made so far.
    reads: Vec<AtomicU32>,
}

impl Bulletin {
    /// Nothing is known yet of a block of so many transactions.
    pub(super) fn new(lookahead: Lookahead, beneficiary: Address, transactions: usize) -> Self {
        let reads = (0..transactions).map(|_| AtomicU32::new(0)).collect();
        let news = RwLock::new(Vec::new());
        Self { lookahead, beneficiary, news, attended: OnceLock::new(), reads }
    }

    /// A run of `tx` gets on.
    pub(super) fn note_read(&self, tx: TxIdx) {
        // Whoever looks only wants to know whether it changes.
        self.reads[tx.position()].fetch_add(1, Relaxed);
    }

    /// A number that changes while whoever runs `tx` gets on.
    pub(super) fn progress(&self, tx: TxIdx) -> u32 {
        self.reads[tx.position()].load(Relaxed)
    }

    /// A scout has come.
    pub(super) fn attend(&self) {
        self.attended.get_or_init(|| ());
    }

    /// Whether any scout has come yet: threads take a while to wake up.
    pub(super) fn is_attended(&self) -> bool {
        self.attended.get().is_some()
    }

    /// Adds to the news. What they say is done must be committed after this, so
    /// that whoever sees the latter finds the former.
    pub(super) fn tell(&self, news: News) {
        self.news.write().push(Arc::new(news));
    }

    /// All the news but the first `heard`.
    pub(super) fn since(&self, heard: usize) -> Vec<Arc<News>> {
        self.news.read().get(heard..).map_or_else(Vec::new, <[_]>::to_vec)
    }
}

/// How much of the news one scout has heard.
#[derive(Debug)]
pub(super) struct Ears {
    id: ScoutId,
    heard: usize,
    done: TxIdx,
}

impl Ears {
    pub(super) fn new(id: ScoutId) -> Self {
        Self { id, heard: 0, done: TxIdx::default() }
    }

    /// What every transaction below left was heard.
    pub(super) const fn done(&self) -> TxIdx {
        self.done
    }

    /// Lets `state` take over what became final since the last time; `false` if
    /// nothing did.
    pub(super) fn hear<B>(&mut self, bulletin: &Bulletin, state: &mut BlockState<B>) -> bool
    where
        B: DatabaseRef<Error = BaseStateError>,
    {
        let fresh = bulletin.since(self.heard);
        if fresh.is_empty() {
            return false;
        }
        self.heard += fresh.len();
        for news in fresh {
            if let Some((by, correction)) = &news.correction
                && *by == self.id
            {
                state.take_back(correction);
            }
            if news.by != Some(self.id)
                && let Some(delta) = &news.delta
            {
                state.follow(delta);
            }
            self.done = news.done;
        }
        true
    }
}
