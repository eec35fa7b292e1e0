//! The state machine that decides who runs next.

use crate::{
    cursor::{Cursor, Latch, Prefix},
    frontier::Frontier,
    status::{State, Status},
    suspects::Suspects,
    sync::Mutex,
    version::{Incarnation, TxIdx, Version},
    window::Window,
};

/// How much speculation a block gets.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Speculative attempts of one transaction, blocked ones included; after
    /// that it runs once more, at the frontier.
    pub attempts: u32,
    /// Transactions ahead of the frontier that may be started, to begin with.
    pub window: u32,
    /// Keep the window as it is instead of adapting it to what survives.
    pub fixed_window: bool,
}

impl Default for Limits {
    /// Three attempts, an adaptive window that starts at 64.
    fn default() -> Self {
        Self { attempts: 3, window: 64, fixed_window: false }
    }
}

/// What is known of a transaction before the block runs. Changes the order of
/// work, never a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing.
    None,
    /// It surely depends on this lower transaction (the previous one of the
    /// same sender, say), and is not started before that one has run. One that
    /// is not lower is ignored.
    After(TxIdx),
    /// It is not worth speculating on: it waits for the frontier.
    AtFrontier,
}

/// What a worker is to do next.
#[derive(Debug)]
pub enum Task<'s> {
    /// Take the frontier forward; nobody else can meanwhile.
    Frontier(Frontier<'s>),
    /// Run this version speculatively, then report with
    /// [`finish`](Scheduler::finish), [`block`](Scheduler::block) or
    /// [`hold`](Scheduler::hold).
    Execute(Version),
    /// Check the reads of this version; if one is stale, call
    /// [`abort`](Scheduler::abort).
    Validate(Version),
    /// Nothing can be started now; ask again after a moment.
    Idle,
    /// The block is at its end, or cancelled.
    Done,
}

/// What becomes of an execution that met an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Given back; it is offered again when the writer has finished.
    Parked,
    /// The writer has finished meanwhile: run this version now.
    Retry(Version),
}

/// One transaction's share of the scheduler, on a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Slot {
    pub(crate) status: Status,
    /// Transactions that wait for this one to finish. Held together with no
    /// other lock.
    dependents: Mutex<Vec<TxIdx>>,
}

/// Collaborative scheduling of one block; see the crate's essay.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) slots: Vec<Slot>,
    pub(crate) prefix: Prefix,
    pub(crate) latch: Latch,
    pub(crate) window: Window,
    execution: Cursor,
    suspects: Suspects,
    cancelled: Latch,
    attempts: u32,
}

impl Scheduler {
    /// A scheduler for `transactions` transactions.
    ///
    /// `hints` says what is known of each transaction in order; an iterator
    /// that ends early leaves the rest without.
    pub fn new(transactions: usize, limits: Limits, hints: impl IntoIterator<Item = Hint>) -> Self {
        let mut hints = hints.into_iter();
        let mut slots: Vec<Slot> = Vec::with_capacity(transactions);
        for position in 0..transactions {
            let tx = TxIdx::new(position);
            let state = match hints.next() {
                Some(Hint::After(lower)) if lower < tx => {
                    lock(&slots[lower.position()].dependents).push(tx);
                    State::Blocked
                }
                Some(Hint::AtFrontier) => State::Held,
                _ => State::Ready,
            };
            slots.push(Slot { status: Status::new(state), dependents: Mutex::default() });
        }
        Self {
            slots,
            prefix: Prefix::new(),
            latch: Latch::new(),
            window: Window::new(limits.window, limits.fixed_window),
            execution: Cursor::new(TxIdx::new(0)),
            suspects: Suspects::default(),
            cancelled: Latch::new(),
            attempts: limits.attempts,
        }
    }

    /// Index one past the last transaction.
    pub(crate) fn end(&self) -> TxIdx {
        TxIdx::new(self.slots.len())
    }

    /// Transactions committed so far; all below are final.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.prefix.get().position()
    }

    /// Whether every transaction is committed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.prefix.get() == self.end()
    }

    /// Ends the block early: every later [`next_task`](Self::next_task) is
    /// [`Task::Done`].
    pub fn cancel(&self) {
        self.cancelled.try_take();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.is_set()
    }

    /// What the calling worker is to do next: the frontier first, then doubts
    /// about what has run, then the lowest transaction not yet started.
    pub fn next_task(&self) -> Task<'_> {
        if self.is_cancelled() || self.is_complete() {
            return Task::Done;
        }
        if let Some(frontier) = Frontier::try_take(self) {
            return Task::Frontier(frontier);
        }
        if let Some(version) = self.suspects.claim(|tx| self.slots[tx.position()].status.get()) {
            return Task::Validate(version);
        }
        self.claim_execution().map_or(Task::Idle, Task::Execute)
    }

    /// Starts the lowest ready transaction inside the window. Ends because
    /// every claim moves the cursor towards the end of the block.
    fn claim_execution(&self) -> Option<Version> {
        let reach = self.prefix.get().position() + self.window.get() as usize;
        let end = TxIdx::new(reach.min(self.slots.len()));
        while let Some(tx) = self.execution.claim(end) {
            let status = &self.slots[tx.position()].status;
            let (state, incarnation) = status.get();
            if state == State::Ready
                && status.change((State::Ready, incarnation), (State::Executing, incarnation))
            {
                return Some(Version { tx, incarnation });
            }
        }
        None
    }

    /// `version` has run and its writes are published.
    ///
    /// `true` if a lower write came in between, so that the caller should
    /// validate it right away.
    #[must_use = "a doubtful result should be validated at once"]
    pub fn finish(&self, version: Version) -> bool {
        let Version { tx, incarnation } = version;
        self.slots[tx.position()]
            .status
            .advance((State::Executing, incarnation), (State::Executed, incarnation));
        self.resume_dependents(tx);
        self.suspects.remove(tx)
    }

    /// `version` met an estimate left by `writer` and was given up.
    pub fn block(&self, version: Version, writer: TxIdx) -> Blocked {
        let Version { tx, incarnation } = version;
        let status = &self.slots[tx.position()].status;
        let from = (State::Executing, incarnation);
        let next = incarnation.next();
        if next.number() >= self.attempts {
            status.advance(from, (State::Held, next));
            return Blocked::Parked;
        }
        // Under this lock the writer's state and its list agree: it drains the
        // list after it becomes `Executed` or `Committed`.
        let mut dependents = lock(&self.slots[writer.position()].dependents);
        let (state, _) = self.slots[writer.position()].status.get();
        if matches!(state, State::Executed | State::Committed) {
            status.advance(from, (State::Executing, next));
            return Blocked::Retry(Version { tx, incarnation: next });
        }
        status.advance(from, (State::Blocked, next));
        dependents.push(tx);
        Blocked::Parked
    }

    /// `version` cannot be run speculatively: only the frontier will run it.
    pub fn hold(&self, version: Version) {
        let Version { tx, incarnation } = version;
        self.slots[tx.position()]
            .status
            .advance((State::Executing, incarnation), (State::Held, incarnation.next()));
    }

    /// A write landed below a read of `tx`: its result may be stale.
    pub fn suspect(&self, tx: TxIdx) {
        self.suspects.insert(tx);
    }

    /// A read of `version` is stale. `true` for the one caller that aborts it,
    /// who then turns its writes into estimates and calls
    /// [`reopen`](Self::reopen).
    #[must_use = "the winner of an abort must reopen the transaction"]
    pub fn abort(&self, version: Version) -> bool {
        let Version { tx, incarnation } = version;
        self.slots[tx.position()]
            .status
            .change((State::Executed, incarnation), (State::Aborting, incarnation))
    }

    /// The writes of the aborted `version` are estimates now: it may run
    /// again.
    pub fn reopen(&self, version: Version) {
        let Version { tx, incarnation } = version;
        self.offer(tx, (State::Aborting, incarnation), incarnation.next());
    }

    /// Offers `tx` to the workers, or to the frontier alone if it has used up
    /// its attempts.
    fn offer(&self, tx: TxIdx, from: (State, Incarnation), incarnation: Incarnation) -> bool {
        let held = incarnation.number() >= self.attempts;
        let to = if held { State::Held } else { State::Ready };
        let changed = self.slots[tx.position()].status.change(from, (to, incarnation));
        if changed && !held {
            self.execution.rewind(tx);
        }
        changed
    }

    /// Wakes what waits for `tx`. Loses a race only against the frontier,
    /// which then runs the dependent itself.
    pub(crate) fn resume_dependents(&self, tx: TxIdx) {
        let waiting = std::mem::take(&mut *lock(&self.slots[tx.position()].dependents));
        for dependent in waiting {
            let (state, incarnation) = self.slots[dependent.position()].status.get();
            if state == State::Blocked {
                self.offer(dependent, (State::Blocked, incarnation), incarnation);
            }
        }
    }
}

/// Locks, also after a panic elsewhere: what these locks protect is whole at
/// every point where a panic can happen.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
