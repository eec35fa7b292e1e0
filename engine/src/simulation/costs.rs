//! What the steps of a worker cost.

use super::turns::Virtual;
use crate::{
    base::BaseReader,
    block::RecoveredBlock,
    chain_spec::ChainSpec,
    engine::Engine,
    error::BlockError,
    output::ExecutionStats,
    pace::Point,
    stock::{Observer, Stock},
    transactions::Transactions,
    transfer::TransferRules,
};
use alloy_primitives::{Address, U256, map::HashMap};
use blockloom_state::AnySnapshot;
use revm::{
    context_interface::result::{HaltReason, ResultAndState},
    state::{Account, EvmState},
};
use std::time::{Duration, Instant};

/// Nanoseconds until a thread that was asleep works.
pub(super) const WAKING: u64 = 40_000;

/// Running ahead costs so many hundredths of what running in order does: every
/// read is written down.
const AHEAD_PERCENT: u64 = 110;

/// Nanoseconds to compare one location at the frontier, or before.
const COMPARE: u64 = 25;

/// Nanoseconds to tell others of one location, or to take over what they tell.
const TELL: u64 = 40;

/// Nanoseconds of whatever else belongs to a step.
const STEP: u64 = 150;

/// Nanoseconds of the first round of waiting; each of the next few takes twice
/// as long, and later ones as long as a nap.
const WAIT: u64 = 20;
const DOUBLINGS: u32 = 6;
const YIELDS: u32 = 16;
const YIELD: u64 = 1_000;
const NAP: u64 = 110_000;

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
}

/// What the transactions of a block cost when they are run alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// One for each transaction, in block order.
    pub transactions: Vec<Measured>,
    /// The whole block by [`Engine::execute_sequential`].
    pub sequential: Duration,
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

    /// Nanoseconds of what `worker` is about to do.
    pub(super) fn of(&self, worker: &Virtual) -> u64 {
        let Some(measured) = self.transactions.get(worker.tx.position()) else { return STEP };
        let run = u64::try_from(measured.run.as_nanos()).unwrap_or(u64::MAX);
        let n_reads = measured.n_reads as u64;
        match worker.pending {
            // What it executes lies, as far as anybody knows, evenly between
            // its reads.
            Point::Run | Point::Read => run * AHEAD_PERCENT / 100 / (n_reads + 1),
            Point::RunHere => run + STEP,
            Point::Judge | Point::Check => STEP + COMPARE * n_reads,
            Point::Publish | Point::Report => STEP / 2 + TELL * n_reads / 2,
            Point::Commit => STEP + TELL * n_reads / 2,
            Point::Abort => STEP,
            Point::Wait => wait(worker.waited),
        }
    }
}

/// Nanoseconds of the `round`-th wait in a row.
fn wait(round: u32) -> u64 {
    if round <= DOUBLINGS {
        WAIT << round
    } else if round <= DOUBLINGS + YIELDS {
        YIELD
    } else {
        NAP
    }
}

/// See [`Engine::measure`].
pub(super) fn measure(
    engine: &Engine,
    spec: &ChainSpec,
    block: &RecoveredBlock,
    base: &dyn AnySnapshot,
    rounds: usize,
) -> Result<Costs, BlockError> {
    let mut costs = Costs::default();
    for round in 0..rounds.max(1) {
        let executed = engine.execute_in_order(spec, block, base)?;
        let measured = run(engine, spec, block, base)?;
        if round == 0 {
            costs = Costs { transactions: measured, sequential: executed.stats.elapsed };
            continue;
        }
        costs.sequential = costs.sequential.min(executed.stats.elapsed);
        for (best, now) in costs.transactions.iter_mut().zip(measured) {
            best.run = best.run.min(now.run);
        }
    }
    Ok(costs)
}

/// Runs the block once, in order, as a frontier does, and looks on.
fn run(
    engine: &Engine,
    spec: &ChainSpec,
    block: &RecoveredBlock,
    base: &dyn AnySnapshot,
) -> Result<Vec<Measured>, BlockError> {
    let transactions = Transactions::new(block, &engine.pool);
    let stock = Stock { spec, block, transactions: &transactions, pool: None, access_list: false };
    let reader = BaseReader::open(base, engine.code(), block.header().number)?;
    let mut executor = stock.begun(reader)?;
    let rules = TransferRules::new(&spec.evm_env(block.header()));
    let mut onlooker = Onlooker {
        transactions: &transactions,
        measured: Vec::with_capacity(transactions.len()),
        started: Instant::now(),
        writers: HashMap::default(),
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
        self.measured.push(Measured { n_reads: 2, ..Measured::default() });
        self.started = Instant::now();
        true
    }

    fn ran(&mut self, result: &ResultAndState<HaltReason>) {
        let elapsed = self.started.elapsed();
        self.depend(&result.state);
        // What looking on takes does not count; committing does.
        if let Some(measured) = self.measured.last_mut() {
            measured.run = elapsed;
        }
        self.started = Instant::now();
    }
}
