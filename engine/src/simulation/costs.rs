//! What the steps of a worker cost, all of it measured: the transactions here,
//! everything else in `calibration`.

use super::{
    calibration::{Ahead, Calibration, StepCosts},
    scene::Scene,
    turns::Virtual,
};
use crate::{
    base::open_reader,
    error::BlockError,
    output::{ExecutionStats, StopWatch},
    pace::Point,
    stock::{Observer, Stock},
    transactions::Transactions,
    transfer::TransferRules,
};
use alloy_primitives::{Address, U256, map::HashMap};
use blockloom_state::{BlockState, Delta, ErasedReader, MemoryState};
use revm::{
    context_interface::result::{HaltReason, ResultAndState},
    state::{Account, EvmState},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// What one transaction costs, and what it depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// To run it in order, with nothing beside it.
    pub run: Duration,
    /// Accounts and slots it reads.
    pub n_reads: usize,
    /// The last transaction below that writes something it depends on, of all
    /// such locations: slots it reads, accounts that pay or change. Credits to
    /// an account whose balance is not spent do not count.
    pub after: Vec<usize>,
    /// Whether it is a plain transfer, which is computed when its turn comes.
    pub is_transfer: bool,
    /// To write down for others what it did.
    pub tell: Duration,
    /// To take that over.
    pub hear: Duration,
}

/// What the transactions of a block cost when they are run alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// One for each transaction, in block order.
    pub transactions: Vec<Measured>,
    /// The whole block by [`Engine::execute_sequential`](crate::Engine::execute_sequential).
    pub sequential: Duration,
    /// What else workers do.
    pub calibration: Calibration,
}

impl Costs {
    /// The sum over all transactions.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.transactions.iter().map(|transaction| transaction.run).sum()
    }

    /// The longest transaction.
    #[must_use]
    pub fn largest(&self) -> Duration {
        self.transactions.iter().map(|transaction| transaction.run).max().unwrap_or_default()
    }

    /// The longest chain of transactions each of which depends on the one
    /// before.
    #[must_use]
    pub fn critical_path(&self) -> Duration {
        let mut ends: Vec<Duration> = Vec::with_capacity(self.transactions.len());
        for transaction in &self.transactions {
            let begin = transaction.after.iter().map(|lower| ends[*lower]).max();
            ends.push(begin.unwrap_or_default() + transaction.run);
        }
        ends.into_iter().max().unwrap_or_default()
    }

    /// Nanoseconds of what the worker `index` is about to do, while so many
    /// transactions are final.
    pub(super) fn of(&self, workers: &[Virtual], index: usize, crew: &Crew) -> u64 {
        let worker = &workers[index];
        if worker.pending == Point::Wait {
            let (waits, heard) = (&self.calibration.waits, self.heard(worker, crew));
            return wait(waits, workers, index) + heard;
        }
        let position = worker.tx.position();
        let Some(measured) = self.transactions.get(position) else { return 0 };
        let StepCosts { judge, check, publish, report, commit, abort, .. } =
            self.calibration.of(crew.sharing);
        let n_reads = measured.n_reads;
        let alone = match worker.pending {
            // What it executes lies, as far as anybody knows, evenly between
            // its reads.
            Point::Run | Point::Read => self.ahead(position, crew.sharing),
            Point::RunHere => nanos(measured.run + measured.tell),
            Point::Judge => judge.of(n_reads),
            Point::Check => check.of(n_reads),
            Point::Publish => publish.of(n_reads),
            Point::Report => report.of(n_reads) + self.heard(worker, crew),
            Point::Commit => commit.of(n_reads) + self.transfer_after(position, crew.sharing),
            Point::Abort => abort.of(n_reads),
            Point::Wait => 0,
        };
        if workers.len() > 1 { alone * self.calibration.crowding / 1_000 } else { alone }
    }

    /// One piece of running the transaction ahead: up to its first read, between
    /// two of them, or after the last.
    fn ahead(&self, position: usize, sharing: Shared) -> u64 {
        let StepCosts { ahead, ahead_permille, .. } = self.calibration.of(sharing);
        let Measured { run, n_reads, .. } = self.transactions[position];
        match ahead.get(position).copied().flatten() {
            Some(Ahead { time, n_reads }) => nanos(time) / (n_reads + 1),
            None => nanos(run) * ahead_permille / 1_000 / (n_reads as u64 + 1),
        }
    }

    /// To hear what became final since the last time.
    fn heard(&self, worker: &Virtual, crew: &Crew) -> u64 {
        if crew.sharing == Shared::Memory {
            return 0;
        }
        let news = self.transactions.get(worker.heard..crew.committed).unwrap_or_default();
        news.iter().map(|transaction| nanos(transaction.hear)).sum()
    }

    /// Where a frontier of [`Shared::News`] computes transfers between two
    /// steps: that after `position`, if it is one.
    fn transfer_after(&self, position: usize, sharing: Shared) -> u64 {
        let next = self.transactions.get(position + 1);
        let next = next.filter(|next| next.is_transfer && sharing == Shared::News);
        next.map_or(0, |next| nanos(next.run + next.tell))
    }
}

/// What a step's cost depends on, beside the worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crew {
    pub(super) sharing: Shared,
    /// Transactions that are final.
    pub(super) committed: usize,
}

/// What workers share: [`Sharing`](crate::Sharing) once it is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shared {
    News,
    Memory,
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// One round of waiting. Who spins notices at once when somebody else has done
/// something; others after this round.
fn wait(waits: &[Duration], workers: &[Virtual], index: usize) -> u64 {
    let worker = &workers[index];
    let round = |round: u32| {
        let round = usize::try_from(round).unwrap_or(usize::MAX).min(waits.len().saturating_sub(1));
        waits.get(round).map_or(1, |time| nanos(*time).max(1))
    };
    if !worker.spins {
        return round(worker.waited);
    }
    let others = workers
        .iter()
        .enumerate()
        .filter(|(other, of)| *other != index && !of.is_gone && !of.waits());
    let next = others.map(|(_, other)| other.clock).min().unwrap_or_default();
    round(0).max(next.saturating_sub(worker.clock))
}

/// See [`Engine::measure`](crate::Engine::measure).
pub(super) fn measure(scene: &Scene<'_>, rounds: usize) -> Result<Arc<Costs>, BlockError> {
    // Whoever runs first finds caches cold.
    scene.in_order()?;
    let mut all = Vec::new();
    for _ in 0..rounds.max(1) {
        all.push((scene.in_order()?, run(scene)?));
    }
    let sequential = median(all.iter().map(|(sequential, _)| *sequential).collect());
    let usual = |time: fn(&Measured) -> Duration| {
        let mut times = Times::default();
        for (beside, round) in &all {
            let paired = |measured| paired(time(measured), *beside, sequential);
            times.add(round.iter().map(paired).enumerate());
        }
        times.usual()
    };
    let (run, tell, hear) = (
        usual(|measured| measured.run),
        usual(|measured| measured.tell),
        usual(|measured| measured.hear),
    );
    let mut transactions = all.swap_remove(0).1;
    for (position, measured) in transactions.iter_mut().enumerate() {
        measured.run = run[&position];
        measured.tell = tell[&position];
        measured.hear = hear[&position];
    }
    let costs = Costs { transactions, sequential, ..Costs::default() };
    Calibration::measure(scene, costs, rounds)
}

/// What `time` comes to on a machine as fast as usual, where a sequential run
/// takes `usual`: one right beside it took `beside`. A machine that is shared
/// has slow spells, longer than a run.
pub(super) fn paired(time: Duration, beside: Duration, usual: Duration) -> Duration {
    let nanos = time.as_nanos() * usual.as_nanos();
    let nanos = nanos.checked_div(beside.as_nanos()).unwrap_or_default();
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How long the same took with each transaction, by position, in several rounds.
#[derive(Debug, Default)]
pub(super) struct Times {
    each: BTreeMap<usize, Vec<Duration>>,
    /// Of all of them, by round.
    means: Vec<Duration>,
}

impl Times {
    /// Adds a round, in which not everything need have happened.
    pub(super) fn add(&mut self, round: impl IntoIterator<Item = (usize, Duration)>) {
        let (mut sum, mut n) = (Duration::ZERO, 0);
        for (position, time) in round {
            (sum, n) = (sum + time, n + 1);
            self.each.entry(position).or_default().push(time);
        }
        self.means.extend(sum.checked_div(n));
    }

    /// What each takes usually: its median, scaled so that the mean of all is
    /// that of the usual round. In each round a few take long, seldom the same,
    /// and no median knows of them.
    pub(super) fn usual(self) -> BTreeMap<usize, Duration> {
        let mean = median(self.means);
        let mut each: BTreeMap<_, _> =
            self.each.into_iter().map(|(position, times)| (position, median(times))).collect();
        let n = u32::try_from(each.len()).unwrap_or(u32::MAX);
        let of_medians = each.values().sum::<Duration>().checked_div(n).unwrap_or_default();
        each.values_mut().for_each(|time| *time = paired(*time, of_medians, mean));
        each
    }
}

/// The one in the middle; nothing of nothing.
pub(super) fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Runs the block once, in order, as a frontier does, and looks on.
fn run(scene: &Scene<'_>) -> Result<Vec<Measured>, BlockError> {
    let Scene { engine, spec, block, base } = *scene;
    let transactions = Transactions::new(block, &engine.pool);
    let stock = Stock::new(spec, block, &transactions);
    let reader = open_reader(base, engine.code(), block.header().number)?;
    let mut executor = stock.begun(reader)?;
    let rules = TransferRules::new(&spec.evm_env(block.header()));
    let mut onlooker = Onlooker {
        transactions: &transactions,
        measured: Vec::with_capacity(transactions.len()),
        started: Instant::now(),
        writers: HashMap::default(),
        listener: BlockState::new(ErasedReader(MemoryState::new())),
    };
    let mut stats = ExecutionStats::default();
    stock.run_from(0, &mut executor, Some(&rules), &mut stats, &mut onlooker)?;
    onlooker.lap();
    Ok(onlooker.measured)
}

/// An account without its slots, or one of them.
type Location = (Address, Option<U256>);

struct Onlooker<'t> {
    transactions: &'t Transactions<'t>,
    measured: Vec<Measured>,
    started: Instant,
    /// The last writer of each location.
    writers: HashMap<Location, usize>,
    /// Takes over what each did. Its base is never asked.
    listener: BlockState<ErasedReader<MemoryState>>,
}

impl Onlooker<'_> {
    /// The transaction before has come to its end.
    fn lap(&mut self) {
        if let Some(before) = self.measured.last_mut() {
            before.run += self.started.elapsed();
        }
    }

    fn depend(&mut self, state: &EvmState) {
        let position = self.measured.len() - 1;
        let sender = self.transactions.sender(position);
        let mut after = Vec::new();
        let mut n_reads = 0;
        for (address, account) in state {
            n_reads += 1 + account.storage.len();
            let observed = *address == sender || !is_only_credited(account);
            let changed = account.is_touched() && account.info != account.original_info();
            let basics = ((*address, None), observed, changed);
            let slots = account
                .storage
                .iter()
                .map(|(slot, value)| ((*address, Some(*slot)), true, value.is_changed()));
            for (location, reads, writes) in slots.chain([basics]) {
                if let Some(writer) = self.writers.get(&location).filter(|_| reads) {
                    after.push(*writer);
                }
                if writes {
                    self.writers.insert(location, position);
                }
            }
        }
        after.sort_unstable();
        after.dedup();
        let measured = &mut self.measured[position];
        (measured.n_reads, measured.after) = (n_reads, after);
    }
}

/// Whether nothing happened to an account but that its balance grew, or not
/// even that.
fn is_only_credited(account: &Account) -> bool {
    let before = account.original_info();
    account.info.balance >= before.balance
        && account.info.nonce == before.nonce
        && account.info.code_hash == before.code_hash
        && !account.is_selfdestructed()
}

impl Observer for Onlooker<'_> {
    fn goes_on(&mut self, _position: usize) -> bool {
        self.lap();
        // Transfers that are computed come to an end without anybody saying so.
        self.measured.push(Measured { n_reads: 2, is_transfer: true, ..Measured::default() });
        self.started = Instant::now();
        true
    }

    fn ran(&mut self, result: &ResultAndState<HaltReason>) {
        let elapsed = self.started.elapsed();
        self.depend(&result.state);
        let mut watch = StopWatch::start();
        let delta = Delta::of(&result.state, |_| false);
        let tell = watch.lap();
        self.listener.follow(&delta);
        let hear = watch.lap();
        // What looking on takes does not count; committing does.
        if let Some(measured) = self.measured.last_mut() {
            (measured.run, measured.is_transfer) = (elapsed, false);
            (measured.tell, measured.hear) = (tell, hear);
        }
        self.started = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_now_and_then_counts() {
        let mut times = Times::default();
        for late in 0..3 {
            // Another one is ten times as slow in each round.
            times.add(
                (0..3).map(|n| (n, Duration::from_nanos(if n == late { 1_000 } else { 100 }))),
            );
        }
        let each = Duration::from_nanos(400);
        assert_eq!(times.usual(), BTreeMap::from([(0, each), (1, each), (2, each)]));
        assert_eq!(Times::default().usual(), BTreeMap::new());
    }
}
