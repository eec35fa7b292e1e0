//! Who runs next: Block-STM's collaborative scheduling, with a frontier.
//!
//! A block's transactions are executed by many workers at once, out of order,
//! each guessing at what the transactions before it will have written. This
//! crate decides which worker does what. It knows nothing of the EVM, keeps no
//! state values and starts no threads: it is a state machine with named
//! transitions, which a thread pool drives in production and a single-threaded
//! driver can step in tests.
//!
//! # Protocol
//!
//! 1. A worker asks for its [next task](Scheduler::next_task).
//! 2. **Execute.** It runs an incarnation of a transaction against what lower
//!    transactions have written so far, remembers what it read, publishes what
//!    it wrote and calls [`finish`](Scheduler::finish).
//! 3. **Block.** If it reads an *estimate*, a write that was taken back and is
//!    expected again, it gives the transaction up with
//!    [`block`](Scheduler::block) and takes another task; nobody waits. The
//!    transaction is offered again when that writer has finished.
//! 4. **Suspect.** Publishing shows who has read an older value. Those are
//!    [suspects](Scheduler::suspect); some worker validates them, and where a
//!    read is indeed stale it [aborts](Scheduler::abort) the incarnation, turns
//!    its writes into estimates and [reopens](Scheduler::reopen) it. One that
//!    still runs [notices](Scheduler::is_doubted) and is
//!    [given up](Scheduler::give_up).
//! 5. **Commit.** One worker at a time holds the [`Frontier`]. There, every
//!    lower transaction is final, so a transaction whose reads are still valid
//!    is [committed](Frontier::commit) for good; one whose reads are stale, or
//!    that has not run yet, is run on the spot on committed state and then
//!    committed. All the others go on speculating meanwhile.
//!
//! **Departure** from the paper: there is no validation cursor that sweeps the
//! block after each abort. The check at the frontier is the only one that
//! counts; steps 4 and 5 of the paper's `next_task` become targeted checks of
//! readers that a write has overtaken, which save the frontier from running
//! what could have been re-run in parallel. The published algorithm needs a
//! subtle argument about its two cursors to know that a block has ended; this
//! one needs the next section only.
//!
//! # What is known beforehand
//!
//! [`Known`] tells of each transaction when it should run ([`Hint`]) and which
//! lower one it is like. What may take long is started first of all, whatever
//! the window, so that it does not hold up the end of the block; what is quick
//! is left to the frontier. Those that are alike run side by side until two of
//! them meet; from then on each waits for the one before it, until that is
//! tried again. All of this changes the order of work, never what is committed.
//!
//! # Ending a block
//!
//! *Claim.* When [`Scheduler::is_complete`] is true, every transaction was
//! committed exactly once, in block order, and each with reads that were valid
//! when all lower transactions were final.
//!
//! *Proof.* The prefix moves in one place, [`Frontier::commit`], by one index
//! (`Prefix::advance` asserts it). A `Frontier` exists only while the latch is
//! set by it: `try_take` sets it with a swap that one thread wins, `Drop`
//! clears it. So commits are serial, in block order, and each index is
//! committed once. To commit `tx` its status must be `Committing`, which only
//! [`Frontier::step`] sets, by a compare-and-swap from the state it saw. Three
//! ways lead there. (1) From `Executed`: the holder then checks the reads of
//! that incarnation. The incarnation cannot change under it, since `abort`
//! starts from `Executed` and loses. All lower transactions are committed and
//! their published writes do not change any more, so what the check finds
//! stays true. (2) The check failed: the holder runs the transaction itself,
//! on the state all lower ones left. (3) From `Ready`, `Blocked` or `Held`: as
//! (2); a worker that wants to start or resume it loses the compare-and-swap.
//! In (2) and (3) reads are valid because nothing below can change. ∎
//!
//! *Claim.* Workers that keep asking reach `Done`.
//!
//! *Proof.* Look at the transaction at the frontier. If it is `Executing`,
//! `Aborting` or `Committing`, some worker is inside a task that returns; after
//! it, the state is another. In every other state `next_task` offers the
//! frontier to whoever asks first, or somebody holds it already and acts on it
//! with `step`. A holder that met `Busy` drops the frontier; the worker that
//! was busy asks for its next task after it finished, and by then either finds
//! the frontier free, or the holder, having dropped it, asks again itself.
//! Each commit moves the prefix, so there are as many as transactions. A holder
//! that drops the frontier in the middle of a transaction, because it failed or
//! panicked, cancels the block first, and everybody gets `Done`. Nobody waits for a lock while holding another, and a blocked transaction is never
//! waited for: the frontier runs it. ∎
//!
//! The atomics of this part are sequentially consistent; each is a type of its
//! own in `status`, `cursor`, `suspects`, `window` and `rivalry`, whose docs say
//! who calls what.
//!
//! # With few workers
//!
//! [`Lookahead`] is the other way to share out a block, for workers that do not
//! share a memory: one stays at the frontier and runs the block in order, the
//! others run single transactions ahead of it, whose results it takes or leaves.
//! Ending a block is no question there: the frontier is one thread, in a loop.
//! It never waits until others see what it did, since that may take as long as a
//! transaction: what it says of itself is released and acquired, and hints
//! (`distance`, `quarrel`) are not even that. Only claims (`stage`) are
//! sequentially consistent.
//!
//! # What is checked, and how far
//!
//! - `tests`: one thread steps four workers through random interleavings of
//!   blocks of up to eleven transactions, whole tasks at a time.
//! - `model::pairs`, by [loom](https://docs.rs/loom): each claim and what it
//!   publishes (latch, status, prefix, stage, giving back, reach, doubts,
//!   blocking against finishing), all interleavings of two threads and all values that acquire
//!   and release leave open; and whole blocks of two transactions on two
//!   workers, and of three with one scout, up to three preemptions.
//! - `model::blocks`, by [shuttle](https://docs.rs/shuttle): blocks of four to
//!   six transactions on three workers, 2,000 random schedules and as many with
//!   up to three preemptions each: ending a block, handing over the frontier,
//!   cancelling at any moment and in the middle of a commit, a panic in the
//!   middle of a transaction, scouts that are sent home, and such that give back
//!   what they began. It knows sequentially consistent memory only; where
//!   [`Lookahead`] asks for less, the pairs are what is checked.
//!
//! Both check this very code: the features `loom` and `shuttle` change what
//! `sync` hands out, and nothing else. Neither is for production. `mistake`
//! lists what is broken on purpose, one at a time, to see that it is found:
//! claims in two steps, changes that publish nothing, a prefix that moves before
//! its transaction is final, a look at a writer without its lock, a transaction
//! that is given back twice or never.
//!
//! ```sh
//! cargo test -p blockloom-scheduler --features loom model::
//! cargo test -p blockloom-scheduler --features shuttle model::
//! make model   # many more schedules
//! ```
//!
//! # Bounds
//!
//! A transaction is started at most [`Limits::attempts`] times speculatively
//! and once at the frontier. The window limits how far ahead speculation runs,
//! counted in transactions that may be speculated on, and shrinks to nothing
//! where it does not pay.
//! [`Lookahead`] has a distance instead, for the same reason.
//!
//! # Example
//!
//! One worker, no conflicts: everything happens at the frontier.
//!
//! ```
//! use blockloom_scheduler::{Limits, Scheduler, Step, Task};
//!
//! let scheduler = Scheduler::new(3, Limits::default(), []);
//! let mut order = Vec::new();
//! while let Task::Frontier(mut frontier) = scheduler.next_task() {
//!     while let Step::Execute(version) = frontier.step() {
//!         order.push(version.tx.position());
//!         frontier.commit(version, false);
//!     }
//! }
//! assert!(scheduler.is_complete());
//! assert_eq!(order, [0, 1, 2]);
//! ```

mod cursor;
mod distance;
mod frontier;
mod lookahead;
mod mistake;
mod quarrel;
mod rivalry;
mod scheduler;
mod stage;
mod status;
mod suspects;
mod sync;
mod version;
mod window;

pub use frontier::{Frontier, Step};
pub use lookahead::{Arrival, Lookahead, Stretch};
pub use scheduler::{Blocked, Hint, Known, Limits, Scheduler, Task};
pub use version::{Incarnation, TxIdx, Version};

#[cfg(test)]
#[cfg(any(feature = "loom", feature = "shuttle"))]
mod model;
#[cfg(test)]
#[cfg(not(any(feature = "loom", feature = "shuttle")))]
mod tests;
