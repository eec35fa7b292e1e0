//! Workers on threads of the model checker, which share a block as those of the
//! engine do.

use crate::{
    Blocked, Frontier, Limits, Scheduler, Step, Task, TxIdx, Version,
    scheduler::lock,
    sync::{AtomicU32, Mutex, Ordering},
};
use shuttle::thread;
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

/// A transaction of the model: adds up the variables it reads, plus one, and
/// writes that to others.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) reads: Vec<usize>,
    pub(super) writes: Vec<usize>,
}

/// A transaction that reads `reads` and writes `writes`.
pub(super) fn transaction(reads: &[usize], writes: &[usize]) -> Transaction {
    Transaction { reads: reads.into(), writes: writes.into() }
}

/// What happens on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incident {
    Nothing,
    /// The caller cancels the block at any moment.
    Cancel,
    /// Whoever commits this transaction cancels while it has the frontier.
    CancelAt(usize),
    /// A worker panics while it runs this transaction.
    PanicIn(usize),
}

/// The panic of [`Incident::PanicIn`].
struct Planned;

/// Multi-version memory of the model. `None` is an estimate.
#[derive(Debug, Default)]
struct Memory {
    variables: BTreeMap<usize, BTreeMap<TxIdx, Option<u64>>>,
    readers: Vec<(TxIdx, usize)>,
}

/// An incarnation, and what it read.
type Outcome = (Version, Vec<u64>);

#[derive(Debug)]
pub(super) struct Shared {
    block: Vec<Transaction>,
    scheduler: Scheduler,
    incident: Incident,
    memory: Mutex<Memory>,
    outcomes: Vec<Mutex<Option<Outcome>>>,
    committed: Mutex<Vec<usize>>,
    runs: AtomicU32,
}

impl Shared {
    pub(super) fn new(block: &[Transaction], limits: Limits, incident: Incident) -> Self {
        Self {
            block: block.to_vec(),
            scheduler: Scheduler::new(block.len(), limits, []),
            incident,
            memory: Mutex::default(),
            outcomes: block.iter().map(|_| Mutex::new(None)).collect(),
            committed: Mutex::default(),
            runs: AtomicU32::new(0),
        }
    }

    pub(super) fn cancel(&self) {
        self.scheduler.cancel();
    }

    /// Works until the block is at its end; a panic ends it for everybody, as
    /// in the engine.
    pub(super) fn work(&self) {
        let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.ask())) else { return };
        if !payload.is::<Planned>() {
            resume_unwind(payload);
        }
        self.scheduler.cancel();
    }

    fn ask(&self) {
        loop {
            match self.scheduler.next_task() {
                Task::Done => break,
                Task::Idle => thread::yield_now(),
                Task::Execute(version) => self.execute(version),
                Task::Validate(version) => self.validate(version),
                Task::Frontier(mut frontier) => self.advance(&mut frontier),
            }
        }
        if self.scheduler.is_complete() {
            let committed = lock(&self.committed).len();
            assert_eq!(committed, self.block.len(), "who sees the end finds everything final");
        }
    }

    fn execute(&self, mut version: Version) {
        let tx = version.tx;
        loop {
            match self.run(tx) {
                Ok(reads) => {
                    if self.scheduler.is_doubted(tx) && !self.holds(tx, &reads) {
                        return self.scheduler.give_up(version);
                    }
                    self.publish(tx, &reads);
                    *lock(&self.outcomes[tx.position()]) = Some((version, reads));
                    if self.scheduler.finish(version) {
                        self.validate(version);
                    }
                    return;
                }
                Err(writer) => match self.scheduler.block(version, writer) {
                    Blocked::Parked => return,
                    Blocked::Retry(next) => version = next,
                },
            }
        }
    }

    fn run(&self, tx: TxIdx) -> Result<Vec<u64>, TxIdx> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let reads = &self.block[tx.position()].reads;
        reads
            .iter()
            .map(|variable| {
                if self.incident == Incident::PanicIn(tx.position()) {
                    // Without the hook, which would print each of them.
                    resume_unwind(Box::new(Planned));
                }
                let mut memory = lock(&self.memory);
                memory.readers.push((tx, *variable));
                memory.read(*variable, tx)
            })
            .collect()
    }

    fn holds(&self, tx: TxIdx, reads: &[u64]) -> bool {
        let memory = lock(&self.memory);
        let mut now = self.block[tx.position()].reads.iter().map(|v| memory.read(*v, tx));
        reads.iter().all(|read| now.next() == Some(Ok(*read)))
    }

    fn publish(&self, writer: TxIdx, reads: &[u64]) {
        let sum = reads.iter().sum::<u64>() + 1;
        let writes = &self.block[writer.position()].writes;
        let mut overtaken = Vec::new();
        let mut memory = lock(&self.memory);
        for variable in writes {
            memory.variables.entry(*variable).or_default().insert(writer, Some(sum));
            let readers = memory.readers.iter();
            let later = readers.filter(|(reader, read)| *reader > writer && read == variable);
            overtaken.extend(later.map(|(reader, _)| *reader));
        }
        drop(memory);
        for reader in overtaken {
            self.scheduler.suspect(reader);
        }
    }

    fn validate(&self, version: Version) {
        let outcome = lock(&self.outcomes[version.tx.position()]).clone();
        let holds = match outcome {
            Some((recorded, reads)) if recorded == version => self.holds(version.tx, &reads),
            _ => true,
        };
        if !holds && self.scheduler.abort(version) {
            let mut memory = lock(&self.memory);
            for entries in memory.variables.values_mut() {
                entries.entry(version.tx).and_modify(|entry| *entry = None);
            }
            drop(memory);
            self.scheduler.reopen(version);
        }
    }

    fn advance(&self, frontier: &mut Frontier<'_>) {
        loop {
            let (version, speculative) = match frontier.step() {
                Step::Busy | Step::Done => return,
                Step::Execute(version) => (version, false),
                Step::Validate(version) => {
                    let outcome = lock(&self.outcomes[version.tx.position()]).take();
                    match outcome {
                        Some((recorded, reads)) if self.holds(version.tx, &reads) => {
                            assert_eq!(recorded, version, "the newest incarnation waits here");
                            (version, true)
                        }
                        _ => (frontier.reject(version), false),
                    }
                }
            };
            let position = version.tx.position();
            if !speculative {
                let reads = self.run(version.tx).expect("nothing below is open any more");
                self.publish(version.tx, &reads);
            }
            if self.incident == Incident::CancelAt(position) {
                self.cancel();
            }
            lock(&self.committed).push(position);
            frontier.commit(version, speculative);
        }
    }

    /// Asserts that so much as was committed is what a sequential run gives,
    /// and that all of it was unless something happened.
    pub(super) fn check(&self, limits: Limits) {
        let committed = lock(&self.committed);
        assert_eq!(*committed, (0..committed.len()).collect::<Vec<_>>(), "commits are in order");
        if self.incident == Incident::Nothing {
            assert!(self.scheduler.is_complete(), "the block ends");
        }
        let most = (limits.attempts as usize + 1) * self.block.len();
        assert!(self.runs.load(Ordering::SeqCst) as usize <= most, "attempts are bounded");
        let memory = lock(&self.memory);
        let end = TxIdx::new(committed.len());
        for (variable, value) in sequential(&self.block[..committed.len()]) {
            assert_eq!(memory.read(variable, end), Ok(value), "variable {variable}");
        }
    }
}

impl Memory {
    fn read(&self, variable: usize, reader: TxIdx) -> Result<u64, TxIdx> {
        let newest = self.variables.get(&variable).and_then(|of| of.range(..reader).next_back());
        match newest {
            None => Ok(0),
            Some((_, Some(value))) => Ok(*value),
            Some((writer, None)) => Err(*writer),
        }
    }
}

fn sequential(block: &[Transaction]) -> BTreeMap<usize, u64> {
    let mut state = BTreeMap::new();
    for Transaction { reads, writes } in block {
        let read = |variable| state.get(variable).copied().unwrap_or_default();
        let sum = reads.iter().map(read).sum::<u64>() + 1;
        state.extend(writes.iter().map(|variable| (*variable, sum)));
    }
    state
}
