//! loom, on each pair of a claim and what it publishes: every interleaving of
//! two threads, and every value that a read may give where memory is only as
//! ordered as acquire and release make it.
//!
//! loom takes sequentially consistent accesses for that as well, so what rests
//! on more is left to `blocks`.

use super::finds;
use crate::{
    Arrival, Blocked, Limits, Lookahead, Scheduler, Step, Stretch, Task, TxIdx,
    cursor::{Flag, Latch, Prefix},
    mistake::Mistake,
    stage::{Reach, Stage, StageCell},
    status::{State, Status},
    version::Incarnation,
};
use loom::{
    model::Builder,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

/// Most switches away from a thread that could go on, where all schedules of a
/// whole block would be too many, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
const PREEMPTIONS: usize = 3;

/// A value that nothing keeps in order but what is being tested: whoever was
/// not handed it may find an old one.
#[derive(Debug, Default)]
struct Plain(AtomicU32);

impl Plain {
    fn set(&self, value: u32) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

fn tx(position: usize) -> TxIdx {
    TxIdx::new(position)
}

/// Checks every schedule of `model` with few preemptions, and says how many
/// there were.
fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    let preemptions = *builder.preemption_bound.get_or_insert(PREEMPTIONS);
    let schedules = std::sync::Arc::new(std::sync::Mutex::new(0));
    let counter = std::sync::Arc::clone(&schedules);
    builder.check(move || {
        *counter.lock().expect("nobody panics with it") += 1;
        model();
    });
    let schedules = *schedules.lock().expect("nobody panics with it");
    println!("{schedules} schedules of up to {preemptions} preemptions");
}

/// Runs `other` on a second thread beside `one`.
fn beside<T: 'static>(other: impl FnOnce() -> T + 'static, one: impl FnOnce()) -> T {
    let other = thread::spawn(other);
    one();
    other.join().expect("the other thread ends")
}

/// Two threads that want the latch: never both at once, and each sees what the
/// one before did.
fn the_latch() {
    loom::model(|| {
        let shared = Arc::new((Latch::new(), Plain::default()));
        let take = |(latch, plain): &(Latch, Plain)| {
            let taken = latch.try_take();
            if taken {
                let seen = plain.get();
                plain.set(seen + 1);
                assert!(latch.release(), "it was held");
            }
            u32::from(taken)
        };
        let other = Arc::clone(&shared);
        let mut taken = 0;
        taken += beside(move || take(&other), || taken = take(&shared));
        assert_eq!(shared.1.get(), taken, "each saw what the one before did");
    });
}

#[test]
fn one_at_a_time_holds_the_latch() {
    finds(Mistake::LatchInTwoSteps, the_latch);
    finds(Mistake::LatchUnordered, the_latch);
}

/// A frontier and an abort that want the same result, which a worker has just
/// left: one of them gets it, and sees it.
fn the_status() {
    loom::model(|| {
        let first = Incarnation::FIRST;
        let (executing, executed) = ((State::Executing, first), (State::Executed, first));
        let shared = Arc::new((Status::new(State::Executing), Plain::default()));
        let take = move |(status, result): &(Status, Plain), to| {
            let taken = status.change(executed, (to, first));
            if taken {
                assert_eq!(result.get(), 7, "the result comes with the status");
            }
            u32::from(taken)
        };
        let other = Arc::clone(&shared);
        let abort = move || take(&other, State::Aborting);
        let mut taken = 0;
        taken += beside(abort, || {
            shared.1.set(7);
            shared.0.advance(executing, executed);
            taken = take(&shared, State::Committing);
        });
        assert_eq!(taken, 1, "one of them gets it");
    });
}

#[test]
fn one_arrow_is_taken_once() {
    finds(Mistake::StatusInTwoSteps, the_status);
    finds(Mistake::StatusUnordered, the_status);
}

/// Whoever sees the prefix sees what became final below it.
fn the_prefix(moves: fn(&Prefix, TxIdx)) {
    loom::model(move || {
        let shared = Arc::new((Prefix::new(), Plain::default()));
        let other = Arc::clone(&shared);
        let look = move || {
            if other.0.get() > tx(0) {
                assert_eq!(other.1.get(), 7, "what is final is seen");
            }
        };
        beside(look, || {
            shared.1.set(7);
            moves(&shared.0, tx(0));
        });
    });
}

#[test]
fn who_sees_the_prefix_sees_what_is_final() {
    finds(Mistake::PrefixUnordered, || the_prefix(Prefix::advance));
    finds(Mistake::StepUnordered, || the_prefix(Prefix::step));
}

/// A scout and the frontier want the same transaction; the frontier sees the
/// scout's result, or that there will be one.
fn the_stage() {
    loom::model(|| {
        let shared = Arc::new((StageCell::new(Stage::Free), Plain::default()));
        let other = Arc::clone(&shared);
        let scout = move || {
            let (stage, result) = &*other;
            let claimed = stage.claim();
            if claimed {
                result.set(7);
                stage.finish();
            }
            u32::from(claimed)
        };
        let mut claimed = 0;
        claimed += beside(scout, || {
            let (stage, result) = &*shared;
            match stage.get() {
                Stage::Free => claimed = u32::from(stage.claim()),
                Stage::Ran => assert_eq!(result.get(), 7, "a result comes with its stage"),
                Stage::Running | Stage::Held => {}
            }
        });
        assert_eq!(claimed, 1, "one of them gets it");
    });
}

#[test]
fn a_stage_is_claimed_once_and_brings_its_result() {
    finds(Mistake::StageInTwoSteps, the_stage);
    finds(Mistake::StageUnordered, the_stage);
}

/// Two scouts that give back what they began: never both at once, and each sees
/// what the one before did.
fn a_stage_given_back() {
    loom::model(|| {
        let shared = Arc::new((StageCell::new(Stage::Free), Plain::default()));
        let begin = |(stage, plain): &(StageCell, Plain)| {
            let claimed = stage.claim();
            if claimed {
                plain.set(plain.get() + 1);
                stage.give_back();
            }
            u32::from(claimed)
        };
        let other = Arc::clone(&shared);
        let mut claimed = 0;
        claimed += beside(move || begin(&other), || claimed = begin(&shared));
        assert_eq!(shared.1.get(), claimed, "each saw what the one before did");
        assert_eq!(shared.0.get(), Stage::Free, "it is there for the next");
    });
}

#[test]
fn a_stage_given_back_is_there_for_the_next() {
    finds(Mistake::GivenBackNever, a_stage_given_back);
    finds(Mistake::GivenBackUnordered, a_stage_given_back);
}

/// No two scouts get the same stretch.
#[test]
fn stretches_do_not_overlap() {
    loom::model(|| {
        let shared = Arc::new(Reach::default());
        let take = |reach: &Reach| [(); 2].map(|()| reach.take(1, 2, 6));
        let other = Arc::clone(&shared);
        let mut all = Vec::new();
        let others = beside(move || take(&other), || all.extend(take(&shared)));
        all.extend(others);
        all.sort_unstable();
        assert_eq!(all, [None, Some(1), Some(3), Some(5)]);
    });
}

/// A doubt raised after a write is either seen, with the write, or still there
/// for the next look.
#[test]
fn a_doubt_is_not_lost() {
    loom::model(|| {
        let shared = Arc::new((Flag::default(), Plain::default()));
        let other = Arc::clone(&shared);
        let look = move || {
            let (flag, write) = &*other;
            let seen = flag.is_raised();
            if seen {
                flag.lower();
                assert_eq!(write.get(), 7, "the write comes with the doubt");
            }
            seen
        };
        let seen = beside(look, || {
            shared.1.set(7);
            shared.0.raise();
        });
        assert_ne!(seen, shared.0.is_raised(), "it was seen, or it is there");
    });
}

/// One that met an estimate while its writer finishes: it is parked and woken,
/// or told to go on.
fn a_block_that_meets_a_finish() {
    bounded(|| {
        let scheduler = Arc::new(Scheduler::new(2, Limits::default(), []));
        let Task::Frontier(_frontier) = scheduler.next_task() else { panic!("it is free") };
        let [writer, reader] = [(); 2].map(|()| match scheduler.next_task() {
            Task::Execute(version) => version,
            task => panic!("both are ready, but: {task:?}"),
        });
        let other = Arc::clone(&scheduler);
        let block = move || other.block(reader, writer.tx);
        let blocked = beside(block, || assert!(!scheduler.finish(writer), "nothing is in doubt"));
        let (state, _) = scheduler.slots[reader.tx.position()].status.get();
        match blocked {
            Blocked::Parked => assert_eq!(state, State::Ready, "it was woken"),
            Blocked::Retry(_) => assert_eq!(state, State::Executing, "it goes on"),
        }
    });
}

#[test]
fn nobody_waits_for_one_that_has_finished() {
    finds(Mistake::BlockUnlocked, a_block_that_meets_a_finish);
}

/// One that finishes while a lower write puts it in doubt: the doubt is told to
/// the one that finishes, or found by whoever asks for a task next.
#[test]
fn a_doubt_meets_the_one_it_is_about() {
    bounded(|| {
        let scheduler = Arc::new(Scheduler::new(2, Limits::default(), []));
        let Task::Frontier(_frontier) = scheduler.next_task() else { panic!("it is free") };
        let Task::Execute(version) = scheduler.next_task() else { panic!("0 is ready") };
        let other = Arc::clone(&scheduler);
        let doubted = beside(move || other.finish(version), || scheduler.suspect(version.tx));
        let claimed = match scheduler.next_task() {
            Task::Validate(claimed) => claimed == version,
            _ => false,
        };
        assert_ne!(doubted, claimed, "it is checked once");
    });
}

/// A whole block on two workers, each of which leaves a result before it
/// reports: whoever finds the block at its end finds all of them.
fn a_block() {
    bounded(|| {
        let shared = Arc::new((
            Scheduler::new(2, Limits::default(), []),
            [Plain::default(), Plain::default()],
            Plain::default(),
        ));
        let other = Arc::clone(&shared);
        beside(move || work(&other), || work(&shared));
        assert!(shared.0.is_complete());
    });
}

fn work((scheduler, results, committed): &(Scheduler, [Plain; 2], Plain)) {
    loop {
        match scheduler.next_task() {
            Task::Done => break,
            Task::Idle => thread::yield_now(),
            Task::Execute(version) => {
                results[version.tx.position()].set(7);
                assert!(!scheduler.finish(version), "nothing is in doubt");
            }
            Task::Validate(version) => unreachable!("nobody doubts {version}"),
            Task::Frontier(mut frontier) => loop {
                let (version, speculative) = match frontier.step() {
                    Step::Busy => {
                        drop(frontier);
                        thread::yield_now();
                        break;
                    }
                    Step::Done => break,
                    Step::Execute(version) => (version, false),
                    Step::Validate(version) => (version, true),
                };
                let position = version.tx.position();
                if speculative {
                    assert_eq!(results[position].get(), 7, "the result is there");
                }
                assert_eq!(committed.get(), version.tx.raw(), "commits are in order");
                committed.set(version.tx.raw() + 1);
                frontier.commit(version, speculative);
            },
        }
    }
    assert_eq!(committed.get(), 2, "the block is not at its end before all is final");
}

#[test]
fn a_block_does_not_end_early() {
    finds(Mistake::PrefixEarly, a_block);
}

/// What a scout does with the first transaction that it begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Runs,
    GivesBack,
}

/// A leader and a scout on a block of three.
fn a_leader_and_its_scout(first: First) {
    bounded(move || {
        let results = [(); 3].map(|()| Plain::default());
        let shared = Arc::new((Lookahead::new(3, 1, []), results));
        let other = Arc::clone(&shared);
        let scout = move || {
            let (lookahead, results) = &*other;
            let mut stretch = Stretch::default();
            let mut gives_back = first == First::GivesBack;
            // Ends with the stretch: nothing is claimed twice.
            while let Some(tx) = lookahead.claim(&mut stretch, |_| true) {
                if std::mem::take(&mut gives_back) {
                    lookahead.give_back(tx);
                    continue;
                }
                results[tx.position()].set(7);
                lookahead.finish(tx);
            }
        };
        beside(scout, || {
            let (lookahead, results) = &*shared;
            for (position, result) in results.iter().enumerate() {
                loop {
                    match lookahead.arrive(tx(position)) {
                        Arrival::Running => thread::yield_now(),
                        Arrival::Untried => break,
                        Arrival::Ran => {
                            assert_eq!(result.get(), 7, "the result is there");
                            break;
                        }
                    }
                }
                lookahead.commit(tx(position));
            }
            assert!(lookahead.is_over());
        });
    });
}

#[test]
fn a_leader_and_its_scout_reach_the_end() {
    a_leader_and_its_scout(First::Runs);
}

#[test]
fn a_leader_runs_what_its_scout_gives_back() {
    finds(Mistake::GivenBackNever, || a_leader_and_its_scout(First::GivesBack));
}
