//! The state machine that decides who runs next.

use crate::{
    cursor::{Cursor, Flag, Latch, Prefix},
    frontier::Frontier,
    mistake::Mistake,
    rivalry::Rivalry,
    status::{State, Status},
    suspects::Suspects,
    sync::{Mutex, MutexGuard},
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// When it should run.
    pub hint: Hint,
    /// The closest lower transaction that does something alike (that calls the
    /// same contract, say). Where such transactions turn out to be in each
    /// other's way, they are started one after another.
    pub like: Option<TxIdx>,
}

/// When a transaction should run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hint {
    /// In its turn.
    #[default]
    None,
    /// It surely depends on this lower transaction (the previous one of the
    /// same sender, say), and is not started before that one has run. One that
    /// is not lower is ignored.
    After(TxIdx),
    /// It is not worth speculating on: it waits for the frontier.
    AtFrontier,
    /// It may take long: it is started before all others, so that no worker is
    /// alone with it at the end.
    Long,
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
    /// A lower write overtook a read of the running incarnation.
    doubted: Flag,
    /// How many of the lower transactions may be speculated on.
    rank: u32,
    like: Option<TxIdx>,
    /// The lowest of the transactions that are alike; it keeps their `rivalry`.
    group: TxIdx,
    rivalry: Rivalry,
    /// It was made to wait for `like`.
    chained: Flag,
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
    /// Transactions that may be speculated on, in block order.
    speculative: Vec<TxIdx>,
    /// The next of them to start.
    execution: Cursor,
    /// Transactions that may take long, in block order, and how many of them
    /// were handed out.
    long: Vec<TxIdx>,
    long_started: Cursor,
    suspects: Suspects,
    cancelled: Latch,
    attempts: u32,
}

impl Scheduler {
    /// A scheduler for `transactions` transactions.
    ///
    /// `known` says what is known of each transaction in order; an iterator
    /// that ends early leaves the rest without.
    pub fn new(
        transactions: usize,
        limits: Limits,
        known: impl IntoIterator<Item = Known>,
    ) -> Self {
        let mut known = known.into_iter();
        let mut slots: Vec<Slot> = Vec::with_capacity(transactions);
        let (mut speculative, mut long) = (Vec::with_capacity(transactions), Vec::new());
        for position in 0..transactions {
            let tx = TxIdx::new(position);
            let Known { hint, like } = known.next().unwrap_or_default();
            let like = like.filter(|lower| *lower < tx);
            let state = match hint {
                Hint::After(lower) if lower < tx => {
                    lock(&slots[lower.position()].dependents).push(tx);
                    State::Blocked
                }
                Hint::AtFrontier => State::Held,
                Hint::Long => {
                    long.push(tx);
                    State::Ready
                }
                _ => State::Ready,
            };
            slots.push(Slot {
                status: Status::new(state),
                doubted: Flag::default(),
                rank: TxIdx::new(speculative.len()).raw(),
                like,
                group: like.map_or(tx, |lower| slots[lower.position()].group),
                rivalry: Rivalry::default(),
                chained: Flag::default(),
                dependents: Mutex::default(),
            });
            if state != State::Held {
                speculative.push(tx);
            }
        }
        Self {
            slots,
            prefix: Prefix::new(),
            latch: Latch::new(),
            window: Window::new(limits.window, limits.fixed_window),
            speculative,
            execution: Cursor::new(0),
            long,
            long_started: Cursor::new(0),
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

    /// Starts a transaction that may take long, or the lowest ready one inside
    /// the window. Ends because every claim moves a cursor towards its end.
    fn claim_execution(&self) -> Option<Version> {
        while let Some(at) = self.long_started.claim(self.long.len()) {
            if let Some(version) = self.start(self.long[at]) {
                return Some(version);
            }
        }
        let frontier = self.slots.get(self.prefix.get().position())?;
        let reach = frontier.rank.saturating_add(self.window.get()) as usize;
        while let Some(at) = self.execution.claim(reach.min(self.speculative.len())) {
            if let Some(version) = self.start(self.speculative[at]) {
                return Some(version);
            }
        }
        None
    }

    /// Takes `tx` for execution, if it is ready, nobody else does, and it need
    /// not wait for one that is alike.
    fn start(&self, tx: TxIdx) -> Option<Version> {
        let status = &self.slots[tx.position()].status;
        let (state, incarnation) = status.get();
        if state == State::Ready && self.must_wait(tx, incarnation) {
            return None;
        }
        let taken = state == State::Ready
            && status.change((State::Ready, incarnation), (State::Executing, incarnation));
        if taken {
            self.slots[tx.position()].doubted.lower();
        }
        taken.then_some(Version { tx, incarnation })
    }

    /// Whether `tx` was parked behind the transaction that it is like, because
    /// those like it are in each other's way.
    fn must_wait(&self, tx: TxIdx, incarnation: Incarnation) -> bool {
        let slot = &self.slots[tx.position()];
        let Some(like) = slot.like else { return false };
        if !self.slots[slot.group.position()].rivalry.is_high() {
            return false;
        }
        // As in `block`: under this lock state and list agree.
        let mut dependents = lock(&self.slots[like.position()].dependents);
        let (state, _) = self.slots[like.position()].status.get();
        if matches!(state, State::Executed | State::Committed) {
            return false;
        }
        if slot.status.change((State::Ready, incarnation), (State::Blocked, incarnation)) {
            slot.chained.raise();
            dependents.push(tx);
        }
        true
    }

    /// Whether `tx` was made to wait for one that is like it, so that it ran
    /// at the same time as none of them.
    #[must_use]
    pub fn was_chained(&self, tx: TxIdx) -> bool {
        self.slots[tx.position()].chained.is_raised()
    }

    /// An execution of `tx` was in vain.
    pub(crate) fn note_conflict(&self, tx: TxIdx) {
        self.slots[self.slots[tx.position()].group.position()].rivalry.grow();
    }

    /// `tx` was committed.
    pub(crate) fn note_commit(&self, tx: TxIdx) {
        let slot = &self.slots[tx.position()];
        self.slots[slot.group.position()].rivalry.shrink();
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
        let look = || self.slots[writer.position()].status.get();
        let looked_early = Mistake::BlockUnlocked.is_made().then(look);
        let mut dependents = lock(&self.slots[writer.position()].dependents);
        let (state, _) = looked_early.unwrap_or_else(look);
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
        self.slots[tx.position()].doubted.raise();
        self.suspects.insert(tx);
    }

    /// Whether `tx`, which is running, became a suspect since it started or was
    /// last asked about. If one of its reads so far is stale already, it need
    /// not be run to its end: see [`give_up`](Self::give_up).
    #[must_use]
    pub fn is_doubted(&self, tx: TxIdx) -> bool {
        let doubted = &self.slots[tx.position()].doubted;
        doubted.is_raised() && {
            doubted.lower();
            true
        }
    }

    /// A read of `version` was found stale while it ran, and it was given up:
    /// it may run again.
    pub fn give_up(&self, version: Version) {
        let Version { tx, incarnation } = version;
        self.note_conflict(tx);
        let offered = self.offer(tx, (State::Executing, incarnation), incarnation.next());
        debug_assert!(offered, "a running transaction belongs to its worker");
    }

    /// A read of `version` is stale. `true` for the one caller that aborts it,
    /// who then turns its writes into estimates and calls
    /// [`reopen`](Self::reopen).
    #[must_use = "the winner of an abort must reopen the transaction"]
    pub fn abort(&self, version: Version) -> bool {
        let Version { tx, incarnation } = version;
        let aborted = self.slots[tx.position()]
            .status
            .change((State::Executed, incarnation), (State::Aborting, incarnation));
        if aborted {
            self.note_conflict(tx);
        }
        aborted
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
            self.execution.rewind(self.slots[tx.position()].rank);
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
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
