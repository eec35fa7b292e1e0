//! Virtual workers step the scheduler through seeded interleavings, on one
//! thread, and must end where a sequential run ends.

use crate::{Blocked, Frontier, Hint, Known, Limits, Scheduler, Step, Task, TxIdx, Version};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A transaction of the model: adds up what it reads, plus one, and writes
/// that.
#[derive(Clone, Debug)]
struct Transaction {
    reads: Vec<usize>,
    writes: Vec<usize>,
}

const VARIABLES: usize = 4;

fn transactions() -> impl Strategy<Value = Vec<Transaction>> {
    let variables = || prop::collection::vec(0..VARIABLES, 0..3);
    let transaction =
        (variables(), variables()).prop_map(|(reads, writes)| Transaction { reads, writes });
    prop::collection::vec(transaction, 1..12)
}

/// What somebody may claim to know of a transaction, true or not.
fn known() -> impl Strategy<Value = Known> {
    let tx = || (0..12usize).prop_map(TxIdx::new);
    let hint = prop_oneof![
        4 => Just(Hint::None),
        1 => tx().prop_map(Hint::After),
        1 => Just(Hint::AtFrontier),
        1 => Just(Hint::Long),
    ];
    (hint, prop::option::of(tx())).prop_map(|(hint, like)| Known { hint, like })
}

fn sequential(block: &[Transaction]) -> Vec<u64> {
    let mut state = vec![0; VARIABLES];
    for transaction in block {
        let sum = transaction.reads.iter().map(|variable| state[*variable]).sum::<u64>() + 1;
        for variable in &transaction.writes {
            state[*variable] = sum;
        }
    }
    state
}

/// Multi-version memory of the model. `None` is an estimate.
#[derive(Default)]
struct Memory {
    variables: [BTreeMap<TxIdx, Option<u64>>; VARIABLES],
    readers: Vec<(TxIdx, usize)>,
}

impl Memory {
    fn read(&mut self, variable: usize, reader: TxIdx) -> Result<u64, TxIdx> {
        self.readers.push((reader, variable));
        match self.variables[variable].range(..reader).next_back() {
            None => Ok(0),
            Some((_, Some(value))) => Ok(*value),
            Some((writer, None)) => Err(*writer),
        }
    }

    fn publish(&mut self, writer: TxIdx, transaction: &Transaction, sum: u64) -> Vec<TxIdx> {
        for variable in &transaction.writes {
            self.variables[*variable].insert(writer, Some(sum));
        }
        let overtaken = |(reader, variable): &&(TxIdx, usize)| {
            *reader > writer && transaction.writes.contains(variable)
        };
        self.readers.iter().filter(overtaken).map(|(reader, _)| *reader).collect()
    }

    fn estimate(&mut self, writer: TxIdx) {
        for variable in &mut self.variables {
            if let Some(entry) = variable.get_mut(&writer) {
                *entry = None;
            }
        }
    }
}

/// What a virtual worker is in the middle of.
enum Worker<'s> {
    Free,
    /// It has read, and not yet published.
    Ran(Version, Vec<u64>),
    /// It has published, and not yet finished.
    Published(Version, Vec<u64>),
    AtFrontier(Frontier<'s>),
    /// It has claimed at the frontier, and not yet acted.
    Claimed(Frontier<'s>, Step),
    Gone,
}

struct Model<'s> {
    block: &'s [Transaction],
    scheduler: &'s Scheduler,
    memory: Memory,
    reads: BTreeMap<TxIdx, (Version, Vec<u64>)>,
    runs: Vec<u32>,
    aborts: u32,
    committed: Vec<usize>,
}

impl<'s> Model<'s> {
    fn run(&mut self, version: Version) -> Result<Vec<u64>, TxIdx> {
        self.runs[version.tx.position()] += 1;
        let reads = self.block[version.tx.position()].reads.clone();
        reads.into_iter().map(|variable| self.memory.read(variable, version.tx)).collect()
    }

    fn publish(&mut self, version: Version, reads: &[u64]) {
        let sum = reads.iter().sum::<u64>() + 1;
        let transaction = self.block[version.tx.position()].clone();
        for reader in self.memory.publish(version.tx, &transaction, sum) {
            self.scheduler.suspect(reader);
        }
    }

    /// Whether `reads` are what `version` would read now.
    fn holds(&mut self, version: Version, reads: &[u64]) -> bool {
        let now: Result<Vec<_>, _> = self.block[version.tx.position()]
            .clone()
            .reads
            .into_iter()
            .map(|variable| self.memory.read(variable, version.tx))
            .collect();
        now.as_deref() == Ok(reads)
    }

    fn validate(&mut self, version: Version) {
        let (recorded, reads) = self.reads[&version.tx].clone();
        if recorded == version && !self.holds(version, &reads) && self.scheduler.abort(version) {
            self.aborts += 1;
            self.memory.estimate(version.tx);
            self.scheduler.reopen(version);
        }
    }

    fn start(&mut self, mut version: Version) -> Worker<'s> {
        loop {
            match self.run(version) {
                Ok(reads) => return Worker::Ran(version, reads),
                Err(writer) => match self.scheduler.block(version, writer) {
                    Blocked::Parked => return Worker::Free,
                    Blocked::Retry(next) => version = next,
                },
            }
        }
    }

    fn act(&mut self, mut frontier: Frontier<'s>, step: Step) -> Worker<'s> {
        let (version, speculative) = match step {
            Step::Busy | Step::Done => return Worker::Free,
            Step::Execute(version) => (version, false),
            Step::Validate(version) => {
                let (recorded, reads) = self.reads[&version.tx].clone();
                assert_eq!(recorded, version, "the frontier sees the newest incarnation");
                if self.holds(version, &reads) {
                    (version, true)
                } else {
                    self.aborts += 1;
                    (frontier.reject(version), false)
                }
            }
        };
        if !speculative {
            let reads = self.run(version).expect("nothing below is open any more");
            self.publish(version, &reads);
        }
        self.committed.push(version.tx.position());
        frontier.commit(version, speculative);
        Worker::AtFrontier(frontier)
    }

    /// One step of one worker.
    fn step(&mut self, worker: Worker<'s>) -> Worker<'s> {
        match worker {
            Worker::Gone => Worker::Gone,
            Worker::Free => match self.scheduler.next_task() {
                Task::Done => Worker::Gone,
                Task::Idle => Worker::Free,
                Task::Frontier(frontier) => Worker::AtFrontier(frontier),
                Task::Execute(version) => self.start(version),
                Task::Validate(version) => {
                    self.validate(version);
                    Worker::Free
                }
            },
            Worker::Ran(version, reads) => {
                if self.scheduler.is_doubted(version.tx) && !self.holds(version, &reads) {
                    self.aborts += 1;
                    self.scheduler.give_up(version);
                    return Worker::Free;
                }
                self.publish(version, &reads);
                Worker::Published(version, reads)
            }
            Worker::Published(version, reads) => {
                self.reads.insert(version.tx, (version, reads));
                if self.scheduler.finish(version) {
                    self.validate(version);
                }
                Worker::Free
            }
            Worker::AtFrontier(mut frontier) => {
                let step = frontier.step();
                Worker::Claimed(frontier, step)
            }
            Worker::Claimed(frontier, step) => self.act(frontier, step),
        }
    }
}

/// Runs `block` with as many workers as named in `schedule`, whose entries say
/// who goes next; after its end all take turns. Returns the number of aborts.
fn check(block: &[Transaction], known: &[Known], schedule: &[usize], limits: Limits) -> u32 {
    let scheduler = Scheduler::new(block.len(), limits, known.iter().copied());
    let mut model = Model {
        block,
        scheduler: &scheduler,
        memory: Memory::default(),
        reads: BTreeMap::new(),
        runs: vec![0; block.len()],
        aborts: 0,
        committed: Vec::new(),
    };
    let mut workers: Vec<_> = (0..4).map(|_| Worker::Free).collect();
    // Fair turns reach the end: each transaction takes a bounded number of
    // steps per attempt, and has a bounded number of attempts.
    let fair = (0..block.len() * 400).map(|turn| turn % 4);
    for turn in schedule.iter().copied().chain(fair) {
        let worker = std::mem::replace(&mut workers[turn], Worker::Gone);
        workers[turn] = model.step(worker);
    }
    assert!(workers.iter().all(|worker| matches!(worker, Worker::Gone)), "the block ends");
    assert!(scheduler.is_complete());
    assert_eq!(model.committed, (0..block.len()).collect::<Vec<_>>(), "commits are in order");
    assert!(model.runs.iter().all(|runs| *runs <= limits.attempts + 1), "attempts are bounded");
    let end = TxIdx::new(block.len());
    let state: Vec<_> =
        (0..VARIABLES).map(|variable| model.memory.read(variable, end).unwrap()).collect();
    assert_eq!(state, sequential(block));
    model.aborts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_schedule_ends_where_the_sequential_run_does(
        block in transactions(),
        known in prop::collection::vec(known(), 0..12),
        schedule in prop::collection::vec(0..4usize, 0..200),
        attempts in 1..5u32,
        window in 1..12u32,
    ) {
        check(&block, &known, &schedule, Limits { attempts, window, fixed_window: false });
    }
}

#[test]
fn a_chain_run_backwards_is_aborted_and_recovers() {
    let link = Transaction { reads: vec![0], writes: vec![0] };
    let block = vec![link; 6];
    // All workers start something before any of them publishes.
    let schedule: Vec<_> = (0..24).map(|turn| 3 - turn % 4).collect();
    let aborts = check(&block, &[], &schedule, Limits::default());
    assert!(aborts > 0, "the schedule forces a conflict");
}

#[test]
fn a_cancelled_block_hands_out_nothing_more() {
    let scheduler = Scheduler::new(3, Limits::default(), []);
    let Task::Frontier(mut frontier) = scheduler.next_task() else {
        panic!("the frontier is free")
    };
    scheduler.cancel();
    assert_eq!(frontier.step(), Step::Done);
    drop(frontier);
    assert!(matches!(scheduler.next_task(), Task::Done));
    assert!(!scheduler.is_complete());
}

#[test]
fn a_frontier_dropped_in_the_middle_of_a_transaction_ends_the_block() {
    let scheduler = scheduler(&[Known::default(); 2]);
    let Task::Frontier(mut frontier) = scheduler.next_task() else {
        panic!("the frontier is free")
    };
    let Step::Execute(version) = frontier.step() else { panic!("nobody has run 0") };
    frontier.commit(version, false);
    drop(frontier);
    let Task::Frontier(mut frontier) = scheduler.next_task() else { panic!("0 is final") };
    assert!(matches!(frontier.step(), Step::Execute(_)));
    drop(frontier);
    assert!(matches!(scheduler.next_task(), Task::Done));
    assert!(!scheduler.is_complete());
}

/// The tasks of executing that are handed out now, run to their end at once.
fn run_all(scheduler: &Scheduler) -> Vec<usize> {
    let mut started = Vec::new();
    while let Task::Execute(version) = scheduler.next_task() {
        started.push(version.tx.position());
        assert!(!scheduler.finish(version));
    }
    started
}

fn scheduler(known: &[Known]) -> Scheduler {
    Scheduler::new(known.len(), Limits::default(), known.iter().copied())
}

fn hinted(hint: Hint) -> Known {
    Known { hint, like: None }
}

#[test]
fn a_planned_successor_waits_for_its_predecessor() {
    let after = |tx| hinted(Hint::After(TxIdx::new(tx)));
    let scheduled = scheduler(&[Known::default(), after(0), after(9)]);
    let Task::Frontier(frontier) = scheduled.next_task() else { panic!("the frontier is free") };
    assert_eq!(run_all(&scheduled), [0, 1, 2], "1 became ready when 0 had run");
    drop(frontier);
    let scheduled = scheduler(&[Known::default(), after(0)]);
    let Task::Frontier(_frontier) = scheduled.next_task() else { panic!("the frontier is free") };
    let Task::Execute(first) = scheduled.next_task() else { panic!("0 is ready") };
    assert_eq!(first.tx, TxIdx::new(0));
    assert!(matches!(scheduled.next_task(), Task::Idle), "1 waits for 0");
}

#[test]
fn what_takes_long_goes_first_and_what_is_quick_waits_for_the_frontier() {
    let known = [Hint::None, Hint::AtFrontier, Hint::None, Hint::Long].map(hinted);
    let scheduled = scheduler(&known);
    let Task::Frontier(_frontier) = scheduled.next_task() else { panic!("the frontier is free") };
    assert_eq!(run_all(&scheduled), [3, 0, 2]);
}

#[test]
fn the_window_counts_only_what_may_be_speculated_on() {
    let mut known = vec![hinted(Hint::AtFrontier); 100];
    known.push(Known::default());
    let limits = Limits { window: 1, ..Limits::default() };
    let scheduled = Scheduler::new(known.len(), limits, known);
    let Task::Frontier(_frontier) = scheduled.next_task() else { panic!("the frontier is free") };
    assert_eq!(run_all(&scheduled), [100]);
}

#[test]
fn those_alike_run_one_after_another_once_they_met() {
    let like = |tx| Known { hint: Hint::None, like: Some(TxIdx::new(tx)) };
    let scheduled = scheduler(&[Known::default(), like(0), like(1), Known::default()]);
    let Task::Frontier(_frontier) = scheduled.next_task() else { panic!("the frontier is free") };
    let Task::Execute(zero) = scheduled.next_task() else { panic!("0 is ready") };
    let Task::Execute(one) = scheduled.next_task() else { panic!("nothing speaks against 1") };
    assert!(!scheduled.finish(one));
    assert!(scheduled.abort(one));
    scheduled.reopen(one);
    let Task::Execute(other) = scheduled.next_task() else { panic!("3 is ready") };
    assert_eq!(other.tx, TxIdx::new(3), "1 waits for 0, and 2 for 1");
    assert!(!scheduled.finish(zero));
    assert_eq!(run_all(&scheduled), [1, 2]);
    assert!(scheduled.was_chained(one.tx));
    assert!(!scheduled.was_chained(zero.tx));
}

#[test]
fn a_doubt_is_told_once_and_the_run_may_be_given_up() {
    let scheduled = scheduler(&[Known::default(); 2]);
    let Task::Frontier(_frontier) = scheduled.next_task() else { panic!("the frontier is free") };
    let Task::Execute(version) = scheduled.next_task() else { panic!("0 is ready") };
    assert!(!scheduled.is_doubted(version.tx));
    scheduled.suspect(version.tx);
    assert!(scheduled.is_doubted(version.tx));
    assert!(!scheduled.is_doubted(version.tx));
    scheduled.give_up(version);
    let Task::Execute(again) = scheduled.next_task() else { panic!("0 is ready again") };
    assert_eq!((again.tx, again.incarnation), (version.tx, version.incarnation.next()));
}
