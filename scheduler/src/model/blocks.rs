//! shuttle, on whole small blocks: random schedules, and such with few
//! preemptions, of three workers that share a block as the engine's do. Every
//! access to an atomic or a lock is a point at which another worker may go
//! first; memory is sequentially consistent, and what asks for less is left to
//! `pairs`.
//!
//! `BLOCKLOOM_SCHEDULES` sets how many schedules each check explores and
//! `BLOCKLOOM_SEED` where they start; a failure prints the schedule itself,
//! which `shuttle::replay` takes.

use super::{
    finds,
    worker::{Incident, Shared, Transaction, transaction},
};
use crate::{
    Arrival, Hint, Known, Limits, Lookahead, Stretch, TxIdx, mistake::Mistake, scheduler::lock,
    sync::Mutex,
};
use shuttle::{
    Config, MaxSteps, Runner,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    sync::Arc,
    thread,
};

const WORKERS: usize = 3;

/// Schedules of each kind, of each block, in each check.
const SCHEDULES: usize = 2_000;

/// Steps after which nobody gets on any more: far more than a block takes.
const HOPELESS: usize = 50_000;

/// Preemptions, at most, in a schedule that has few of them.
const PREEMPTIONS: usize = 3;

fn number(variable: &str, otherwise: usize) -> usize {
    let given = std::env::var(variable).ok();
    given.map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Explores schedules of `block`.
fn explore(block: &[Transaction], incident: Incident) {
    let limits = Limits { attempts: 2, window: 4, fixed_window: false };
    let block = block.to_vec();
    let model = move || {
        let shared = Arc::new(Shared::new(&block, limits, incident));
        let workers = [(); WORKERS].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work())
        });
        if incident == Incident::Cancel {
            shared.cancel();
        }
        for worker in workers {
            worker.join().expect("a worker's panic is its own");
        }
        shared.check(limits);
    };
    everywhere(model);
}

/// Runs `model` on random schedules, and on such with few preemptions.
fn everywhere(model: impl Fn() + Send + Sync + Clone + 'static) {
    let n_schedules = number("BLOCKLOOM_SCHEDULES", SCHEDULES);
    let seed = number("BLOCKLOOM_SEED", 1) as u64;
    run(RandomScheduler::new_from_seed(seed, n_schedules), model.clone());
    run(PctScheduler::new_from_seed(seed, PREEMPTIONS, n_schedules), model);
    println!("{n_schedules} schedules of each kind from seed {seed}");
}

fn run(scheduler: impl Scheduler + 'static, model: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(HOPELESS);
    Runner::new(scheduler, config).run(model);
}

/// Each reads what the one before wrote.
fn chain() -> Vec<Transaction> {
    vec![transaction(&[0], &[0]); 4]
}

/// Two that meet, two that do not, and one that reads what all wrote.
fn mixed() -> Vec<Transaction> {
    vec![
        transaction(&[], &[0]),
        transaction(&[0], &[1]),
        transaction(&[], &[2]),
        transaction(&[1, 2], &[0]),
        transaction(&[0, 1, 2], &[]),
    ]
}

fn undisturbed() {
    explore(&chain(), Incident::Nothing);
    explore(&mixed(), Incident::Nothing);
}

#[test]
fn every_schedule_ends_where_the_sequential_run_does() {
    undisturbed();
}

#[test]
fn a_block_can_be_cancelled_at_any_moment() {
    explore(&chain(), Incident::Cancel);
    explore(&mixed(), Incident::Cancel);
}

#[test]
fn a_block_can_be_cancelled_in_the_middle_of_a_commit() {
    explore(&chain(), Incident::CancelAt(2));
    explore(&mixed(), Incident::CancelAt(1));
}

#[test]
fn a_panic_ends_the_block_for_everybody() {
    explore(&chain(), Incident::PanicIn(1));
    explore(&mixed(), Incident::PanicIn(3));
}

/// What scouts do with what may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Long {
    Runs,
    /// It is given back as long as something below is not final.
    GivesBack,
}

/// What a leader and its scouts share: who is at each transaction, and what
/// came of it.
#[derive(Debug)]
struct Excursion {
    lookahead: Lookahead,
    taken: Vec<Mutex<bool>>,
    results: Vec<Mutex<Option<usize>>>,
    long: Long,
}

/// Position of the one transaction of [`Excursion`] that may take long.
const LONG: usize = 4;

impl Excursion {
    fn new(long: Long) -> Self {
        const TRANSACTIONS: usize = 6;
        let first = TxIdx::new(0);
        let known = [Hint::None, Hint::None, Hint::After(first), Hint::AtFrontier, Hint::Long]
            .map(|hint| Known { hint, like: None });
        Self {
            lookahead: Lookahead::new(TRANSACTIONS, 1, known),
            taken: (0..TRANSACTIONS).map(|_| Mutex::new(false)).collect(),
            results: (0..TRANSACTIONS).map(|_| Mutex::new(None)).collect(),
            long,
        }
    }

    fn take(&self, tx: TxIdx) {
        let is_taken = std::mem::replace(&mut *lock(&self.taken[tx.position()]), true);
        assert!(!is_taken, "{tx} belongs to one of them at a time");
    }

    /// Runs `tx`, which was claimed, ahead of its turn.
    fn run(&self, tx: TxIdx) {
        self.take(tx);
        *lock(&self.results[tx.position()]) = Some(tx.position());
        self.lookahead.finish(tx);
    }

    fn is_too_early(&self, tx: TxIdx) -> bool {
        let is_long = self.long == Long::GivesBack && tx.position() == LONG;
        is_long && self.lookahead.committed() < tx
    }

    fn scout(&self) {
        let Self { lookahead, .. } = self;
        let mut stretch = Stretch::default();
        while !lookahead.is_over() {
            let claimed = lookahead.claim(&mut stretch, |lower| lower < lookahead.committed());
            match claimed {
                None => thread::yield_now(),
                Some(tx) if self.is_too_early(tx) => {
                    self.take(tx);
                    *lock(&self.taken[tx.position()]) = false;
                    lookahead.give_back(tx);
                }
                Some(tx) => self.run(tx),
            }
        }
    }

    /// Comes to `tx`, and runs others ahead while somebody is at it.
    fn arrive(&self, tx: TxIdx) -> Arrival {
        let mut tried = tx;
        loop {
            match self.lookahead.arrive(tx) {
                Arrival::Running => {}
                arrival => return arrival,
            }
            match self.lookahead.claim_after(&mut tried, |lower| lower < tx) {
                Some(other) => self.run(other),
                None => thread::yield_now(),
            }
        }
    }
}

/// A leader and two scouts on one block. Each transaction belongs to one of
/// them at a time, and its result is there for the leader; `stopped_at` sends
/// the scouts home when the leader is there.
fn with_scouts(stopped_at: Option<usize>, long: Long) {
    everywhere(move || {
        let shared = Arc::new(Excursion::new(long));
        let scouts = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.scout())
        });
        let Excursion { lookahead, results, .. } = &*shared;
        for (position, result) in results.iter().enumerate() {
            let tx = TxIdx::new(position);
            if stopped_at == Some(position) {
                lookahead.stop();
            }
            let arrival = shared.arrive(tx);
            if arrival == Arrival::Untried {
                shared.take(tx);
            }
            let expected = (arrival == Arrival::Ran).then_some(position);
            assert_eq!(lock(result).take(), expected, "{arrival:?} at {tx}");
            lookahead.commit(tx);
        }
        assert!(lookahead.is_over());
        for scout in scouts {
            scout.join().expect("a scout does not panic");
        }
        assert!(results.iter().all(|result| lock(result).is_none()), "nothing runs after its turn");
    });
}

#[test]
fn a_leader_and_its_scouts_reach_the_end() {
    with_scouts(None, Long::Runs);
}

#[test]
fn what_scouts_give_back_is_run_once() {
    with_scouts(None, Long::GivesBack);
}

#[test]
fn scouts_go_home_at_any_moment() {
    for long in [Long::Runs, Long::GivesBack] {
        with_scouts(Some(0), long);
        with_scouts(Some(3), long);
    }
}

#[test]
fn mistakes_are_found_among_scouts() {
    finds(Mistake::StageInTwoSteps, || with_scouts(None, Long::Runs));
    finds(Mistake::GivenBackNever, || with_scouts(None, Long::GivesBack));
    finds(Mistake::GivenBackTwice, || with_scouts(None, Long::GivesBack));
}

#[test]
fn mistakes_are_found_in_whole_blocks() {
    finds(Mistake::LatchInTwoSteps, undisturbed);
    finds(Mistake::StatusInTwoSteps, undisturbed);
    finds(Mistake::PrefixEarly, undisturbed);
}
