//! shuttle, on whole small blocks: random schedules, and such with few
//! preemptions, of three workers that share a block as the engine's do. Every
//! access to an atomic or a lock is a point at which another worker may go
//! first; memory is sequentially consistent, as the scheduler asks for.
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
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    sync::Arc,
    thread,
};

const WORKERS: usize = 3;

/// Schedules of each kind, of each block, in each check.
const SCHEDULES: usize = 2_000;

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
    Runner::new(scheduler, Config::new()).run(model);
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

/// A leader and two scouts on one block. Each transaction is claimed once, and
/// its result is there for the leader; `stopped_at` sends the scouts home when
/// the leader is there.
fn with_scouts(stopped_at: Option<usize>) {
    const TRANSACTIONS: usize = 6;
    let known = [Hint::None, Hint::None, Hint::After(TxIdx::new(0)), Hint::AtFrontier, Hint::Long]
        .map(|hint| Known { hint, like: None });
    everywhere(move || {
        let results: Vec<_> = (0..TRANSACTIONS).map(|_| Mutex::new(None)).collect();
        let shared = Arc::new((Lookahead::new(TRANSACTIONS, 1, known), results));
        let scouts = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || scout(&shared))
        });
        let (lookahead, results) = &*shared;
        for (position, result) in results.iter().enumerate() {
            let tx = TxIdx::new(position);
            if stopped_at == Some(position) {
                lookahead.stop();
            }
            let arrival = loop {
                match lookahead.arrive(tx) {
                    Arrival::Running => thread::yield_now(),
                    arrival => break arrival,
                }
            };
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

fn scout((lookahead, results): &(Lookahead, Vec<Mutex<Option<usize>>>)) {
    let mut stretch = Stretch::default();
    while !lookahead.is_over() {
        match lookahead.claim(&mut stretch, |lower| lower < lookahead.committed()) {
            None => thread::yield_now(),
            Some(tx) => {
                let before = lock(&results[tx.position()]).replace(tx.position());
                assert_eq!(before, None, "{tx} is claimed once");
                lookahead.finish(tx);
            }
        }
    }
}

#[test]
fn a_leader_and_its_scouts_reach_the_end() {
    with_scouts(None);
}

#[test]
fn scouts_go_home_at_any_moment() {
    with_scouts(Some(0));
    with_scouts(Some(3));
}

#[test]
fn mistakes_are_found_among_scouts() {
    finds(Mistake::StageInTwoSteps, || with_scouts(None));
}

#[test]
fn mistakes_are_found_in_whole_blocks() {
    finds(Mistake::LatchInTwoSteps, undisturbed);
    finds(Mistake::StatusInTwoSteps, undisturbed);
    finds(Mistake::PrefixEarly, undisturbed);
}
