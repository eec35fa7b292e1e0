//! What the workers of one block tell each other.

use crate::{
    block::RecoveredBlock, error::BlockError, plan::Plan, speculative::Run,
    transactions::Transactions,
};
use alloy_primitives::U256;
use blockloom_scheduler::{Lookahead, TxIdx};
use blockloom_state::{Correction, Delta, Observed, Seen};
use parking_lot::Mutex;
use revm::{
    context_interface::result::{ExecutionResult, HaltReason, ResultAndState},
    state::EvmState,
};
use std::{mem, sync::OnceLock};

/// A worker of one block; the one at the frontier is not numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScoutId(pub(crate) usize);

/// What a run ahead of its turn left.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Whose it is; `None` for the worker at the frontier.
    pub(crate) by: Option<ScoutId>,
    pub(crate) seen: Seen,
    /// What it did, if it was [`found`](Self::found) to come to a result.
    pub(crate) delta: Delta,
    /// `None` if it failed: then only the frontier can tell what is true.
    pub(crate) found: Option<Found>,
}

/// An outcome as it is handed over: only where it is goes from hand to hand.
pub(crate) type Parcel = Box<Outcome>;

/// The result of a run ahead, which stands if what it saw does.
pub(crate) struct Found {
    pub(crate) result: ExecutionResult<HaltReason>,
    /// What the beneficiary is due.
    pub(crate) reward: Option<U256>,
    /// Where somebody wants to see it: everything it did, as far as it knew.
    pub(crate) state: Option<EvmState>,
}

impl Outcome {
    /// Becomes what came of `run`, which saw what is in `seen` already.
    pub(crate) fn fill(&mut self, by: Option<ScoutId>, run: Run, wants_states: bool) {
        let Self { seen, delta, .. } = self;
        let found = match run {
            Run::Done { result: ResultAndState { result, state }, reward } => {
                delta.refill(&state, |address| {
                    let mut reads = seen.accounts.iter();
                    reads.any(|read| read.address == *address && read.observed != Observed::Whole)
                });
                Some(Found { result, reward, state: wants_states.then_some(state) })
            }
            Run::Blocked(_) | Run::Stale | Run::Failed => None,
        };
        (self.by, self.found) = (by, found);
    }

    /// What it did, if it came to a result.
    pub(crate) fn delta(&self) -> Option<&Delta> {
        self.found.as_ref().map(|_| &self.delta)
    }
}

/// Outcomes on their way back to the scout that left them: it uses their memory
/// again. What one thread allocates and another one frees costs both.
#[derive(Default)]
pub(crate) struct Spent(Mutex<Vec<Parcel>>);

impl Spent {
    /// Gives back all of `outcomes`.
    pub(crate) fn give_back(&self, outcomes: &mut Vec<Parcel>) {
        self.0.lock().append(outcomes);
    }

    /// An outcome to fill, from `spare`, which is filled up here.
    pub(crate) fn take(&self, spare: &mut Vec<Parcel>) -> Parcel {
        spare.pop().unwrap_or_else(|| {
            mem::swap(spare, &mut *self.0.lock());
            spare.pop().unwrap_or_default()
        })
    }
}

/// What became final at the frontier.
#[derive(Debug)]
pub(crate) struct News {
    /// The scout whose result stood, and who knows it therefore.
    pub(crate) by: Option<ScoutId>,
    pub(crate) delta: Delta,
    /// How things really are that a scout had guessed wrongly.
    pub(crate) correction: Option<(ScoutId, Correction)>,
}

/// What the workers of one block share.
pub(crate) struct Board<'a> {
    pub(crate) block: &'a RecoveredBlock,
    pub(crate) transactions: &'a Transactions<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) lookahead: Lookahead,
    /// What ran ahead, by transaction. Put there by who ran it, taken by the
    /// frontier.
    pub(crate) outcomes: Vec<Mutex<Option<Parcel>>>,
    /// What is done with, by scout.
    pub(crate) spent: Vec<Spent>,
    /// What is final, by transaction; nothing where nobody needs to be told.
    pub(crate) news: Vec<OnceLock<Box<News>>>,
    pub(crate) n_scouts: usize,
    /// Whether some transaction may take long.
    pub(crate) has_long: bool,
    /// The first error of a scout; it ends the block.
    pub(crate) error: Mutex<Option<BlockError>>,
    /// Whether results must be complete, account by account.
    pub(crate) wants_states: bool,
    /// Whether scouts are sent home once they turn out not to help.
    pub(crate) may_give_up: bool,
}

impl Board<'_> {
    /// Says that the first `done` transactions are final, and what they did, by
    /// position.
    pub(crate) fn begin_at(&self, done: usize, deltas: Vec<(usize, Delta)>) {
        for (position, delta) in deltas {
            let news = News { by: None, delta, correction: None };
            self.news[position].get_or_init(|| Box::new(news));
        }
        (0..done).for_each(|position| self.lookahead.commit(TxIdx::new(position)));
    }

    /// Ends the block with `error`, unless another one was first.
    pub(crate) fn fail(&self, error: BlockError) {
        self.error.lock().get_or_insert(error);
        self.lookahead.stop();
    }

    /// Leaves the outcome of `tx` to the frontier.
    pub(crate) fn leave(&self, tx: TxIdx, outcome: Parcel) {
        *self.outcomes[tx.position()].lock() = Some(outcome);
        self.lookahead.finish(tx);
    }
}
