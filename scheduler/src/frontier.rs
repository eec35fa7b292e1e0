//! The one place where transactions become final.

use crate::{
    mistake::Mistake,
    scheduler::Scheduler,
    status::State,
    version::{TxIdx, Version},
};

/// What the frontier meets at its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has run speculatively: check its reads, then
    /// [`commit`](Frontier::commit) it or [`reject`](Frontier::reject) it.
    Validate(Version),
    /// It has no result: run it here, on committed state, then
    /// [`commit`](Frontier::commit) it.
    Execute(Version),
    /// Another worker is at it and will come here when it has finished.
    Busy,
    /// The block is at its end, or cancelled.
    Done,
}

/// The right to make transactions final, in block order. Only one exists per
/// scheduler at any time; dropping it lets another worker take over. Dropping
/// it in the middle of a transaction ends the block.
#[derive(Debug)]
pub struct Frontier<'s> {
    scheduler: &'s Scheduler,
    /// Committed, but those that wait for it not yet woken: the next
    /// transaction is claimed first, because its dependents are mostly right
    /// behind, where this very worker goes on.
    unannounced: Option<TxIdx>,
    /// A transaction is claimed, and not yet final.
    is_at_work: bool,
}

impl<'s> Frontier<'s> {
    /// Takes the frontier if it is free and has something to do.
    pub(crate) fn try_take(scheduler: &'s Scheduler) -> Option<Self> {
        let at = scheduler.prefix.get();
        let (state, _) = scheduler.slots.get(at.position())?.status.get();
        if matches!(state, State::Executing | State::Aborting | State::Committing) {
            return None;
        }
        // Built only once the latch is taken: dropping a `Frontier` releases it.
        scheduler.latch.try_take().then(|| Self { scheduler, unannounced: None, is_at_work: false })
    }

    /// Claims the transaction at the frontier, unless a worker is at it.
    pub fn step(&mut self) -> Step {
        let step = self.claim();
        self.is_at_work = matches!(step, Step::Validate(_) | Step::Execute(_));
        self.announce();
        step
    }

    fn claim(&self) -> Step {
        let tx = self.scheduler.prefix.get();
        if self.scheduler.is_cancelled() || tx == self.scheduler.end() {
            return Step::Done;
        }
        let status = &self.scheduler.slots[tx.position()].status;
        // Ends: a failed change means that another thread took an arrow, and
        // the attempts of a transaction are bounded.
        loop {
            let (state, incarnation) = status.get();
            let version = Version { tx, incarnation };
            let step = match state {
                State::Executing | State::Aborting => return Step::Busy,
                State::Executed => Step::Validate(version),
                State::Ready | State::Blocked | State::Held => Step::Execute(version),
                State::Committing | State::Committed => {
                    unreachable!("{version} is the frontier's alone, but is {state:?}")
                }
            };
            if status.change((state, incarnation), (State::Committing, incarnation)) {
                if Mistake::PrefixEarly.is_made() {
                    self.scheduler.prefix.advance(tx);
                }
                return step;
            }
        }
    }

    /// A read of `version` is stale: the version that the caller now runs
    /// here, where it cannot fail again.
    pub fn reject(&mut self, version: Version) -> Version {
        let next = Version { incarnation: version.incarnation.next(), ..version };
        self.scheduler.slots[version.tx.position()].status.advance(
            (State::Committing, version.incarnation),
            (State::Committing, next.incarnation),
        );
        self.scheduler.window.narrow();
        self.scheduler.note_conflict(version.tx);
        next
    }

    /// `version`, validated or run here, is final and its writes are
    /// published.
    pub fn commit(&mut self, version: Version, speculative: bool) {
        let Version { tx, incarnation } = version;
        let status = &self.scheduler.slots[tx.position()].status;
        status.advance((State::Committing, incarnation), (State::Committed, incarnation));
        if !Mistake::PrefixEarly.is_made() {
            self.scheduler.prefix.advance(tx);
        }
        self.scheduler.note_commit(tx);
        if speculative {
            self.scheduler.window.widen();
        } else {
            self.scheduler.window.probe();
        }
        self.is_at_work = false;
        self.announce();
        self.unannounced = Some(tx);
    }

    fn announce(&mut self) {
        if let Some(tx) = self.unannounced.take() {
            self.scheduler.resume_dependents(tx);
        }
    }
}

impl Drop for Frontier<'_> {
    fn drop(&mut self) {
        if self.is_at_work {
            // Whoever held it has panicked, or met an error: nobody can take
            // the block past that transaction. Said before the latch is free,
            // because others may be about to take it.
            self.scheduler.cancel();
        }
        self.announce();
        self.scheduler.latch.release();
    }
}
