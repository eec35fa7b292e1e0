//! What the first transactions of a block tell about the rest.

use crate::{
    due::Moved,
    pace::{Pace, Point},
    plan::Plan,
    stock::Observer,
    transactions::Transactions,
};
use alloy_primitives::{Address, U256, map::HashSet};
use blockloom_scheduler::TxIdx;
use blockloom_state::Delta;
use revm::{
    context_interface::result::{HaltReason, ResultAndState},
    state::EvmState,
};
use std::time::{Duration, Instant};

/// Transactions after which enough is known, unless each so far depends on an
/// earlier one.
const ENOUGH: u32 = 3;

/// Transactions that look like one chain if all but the first depend on an
/// earlier one.
const CHAIN: u32 = 6;

/// Time after which the rest is not kept waiting any longer; twice that while
/// everything depends on what was before.
pub(crate) const LONG_ENOUGH: Duration = Duration::from_micros(100);

/// Looks on while the first transactions of a block run one after another.
///
/// What it sees decides how a block is run, never what comes of it.
#[derive(Debug)]
pub(crate) struct Probe<'p> {
    plan: &'p Plan,
    transactions: &'p Transactions<'p>,
    /// When the transaction that runs was started.
    started: Instant,
    position: usize,
    seen: Seen,
    /// What each did, by position.
    deltas: Vec<(usize, Delta)>,
    trail: Trail,
}

/// Whether so many transactions look like one long chain, if so many of them
/// depend on an earlier one.
pub(crate) const fn look_like_a_chain(transactions: u32, dependent: u32) -> bool {
    transactions >= CHAIN && dependent + 1 >= transactions
}

/// The slots that transactions have written.
#[derive(Debug, Default)]
pub(crate) struct Trail(HashSet<(Address, U256)>);

impl Trail {
    /// Whether a transaction that did this depends on an earlier one; notes
    /// what it wrote.
    pub(crate) fn crosses(&mut self, state: &EvmState) -> bool {
        let slots = || {
            state.iter().flat_map(|(address, account)| {
                account.storage.iter().map(|(key, slot)| ((*address, *key), slot))
            })
        };
        let crosses = slots().any(|(location, _)| self.0.contains(&location));
        let changed = slots().filter(|(_, slot)| slot.is_changed());
        self.0.extend(changed.map(|(location, _)| location));
        crosses
    }
}

/// Time, gas and dependencies of the transactions seen; plain transfers, which
/// tell nothing of others, do not count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    elapsed: Duration,
    gas: u64,
    transactions: u32,
    /// Those that touched a slot which an earlier one wrote.
    dependent: u32,
}

impl<'p> Probe<'p> {
    pub(crate) fn start(plan: &'p Plan, transactions: &'p Transactions<'p>) -> Self {
        Self {
            plan,
            transactions,
            started: Instant::now(),
            position: 0,
            seen: Seen::default(),
            deltas: Vec::new(),
            trail: Trail::default(),
        }
    }

    pub(crate) const fn seen(&self) -> Seen {
        self.seen
    }

    fn remember(&mut self, delta: Delta) {
        self.deltas.push((self.position, delta));
    }

    /// Goes on looking, no longer at what the transactions are like, until
    /// somebody else `is_ready`.
    pub(crate) const fn until<F, P>(self, is_ready: F, pace: P) -> Meanwhile<'p, F, P>
    where
        F: Fn() -> bool,
        P: Pace,
    {
        Meanwhile { probe: self, is_ready, pace }
    }
}

impl Observer for Probe<'_> {
    fn goes_on(&mut self, position: usize) -> bool {
        self.started = Instant::now();
        self.position = position;
        self.seen.goes_on() && !self.plan.is_long(self.transactions, position)
    }

    fn ran(&mut self, result: &ResultAndState<HaltReason>) {
        self.seen.elapsed += self.started.elapsed();
        self.seen.gas += result.result.tx_gas_used();
        self.seen.transactions += 1;
        self.seen.dependent += u32::from(self.trail.crosses(&result.state));
        self.remember(Delta::of(&result.state, |_| false));
    }

    fn moved(&mut self, outcome: Moved) {
        self.remember(Delta::of_basics(outcome));
    }
}

/// Somebody who goes on until others are ready, and keeps in mind what they will
/// need to know.
#[derive(Debug)]
pub(crate) struct Meanwhile<'p, F, P> {
    probe: Probe<'p>,
    is_ready: F,
    pace: P,
}

impl<F, P> Meanwhile<'_, F, P> {
    /// What each transaction did, by position.
    pub(crate) fn into_deltas(self) -> Vec<(usize, Delta)> {
        self.probe.deltas
    }
}

impl<F: Fn() -> bool, P: Pace> Observer for Meanwhile<'_, F, P> {
    fn goes_on(&mut self, position: usize) -> bool {
        self.probe.position = position;
        // Others should not be kept waiting by what takes long.
        let goes_on =
            !(self.is_ready)() && !self.probe.plan.is_long(self.probe.transactions, position);
        if goes_on {
            self.pace.at(Point::RunHere, TxIdx::new(position));
        }
        goes_on
    }

    fn ran(&mut self, result: &ResultAndState<HaltReason>) {
        self.probe.remember(Delta::of(&result.state, |_| false));
    }

    fn moved(&mut self, outcome: Moved) {
        self.probe.remember(Delta::of_basics(outcome));
    }
}

impl Seen {
    fn goes_on(&self) -> bool {
        let (enough, long_enough) =
            if self.is_chain() { (CHAIN, 2 * LONG_ENOUGH) } else { (ENOUGH, LONG_ENOUGH) };
        self.transactions < enough && self.elapsed < long_enough
    }

    /// Whether each transaction seen depends on an earlier one.
    const fn is_chain(&self) -> bool {
        self.dependent + 1 >= self.transactions
    }

    /// Whether the block looks like one long chain.
    pub(crate) const fn looks_like_a_chain(&self) -> bool {
        look_like_a_chain(self.transactions, self.dependent)
    }

    /// How long `gas` takes at the pace seen; `None` if nothing was seen.
    pub(crate) fn time_of(&self, gas: u64) -> Option<Duration> {
        let nanos = u128::from(gas) * self.elapsed.as_nanos() / u128::from(self.gas.max(1));
        (self.gas > 0).then(|| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Gas that the transactions seen have used.
    pub(crate) const fn gas(&self) -> u64 {
        self.gas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(transactions: u32, dependent: u32, micros: u64) -> Seen {
        let elapsed = Duration::from_micros(micros);
        Seen { elapsed, gas: 100_000, transactions, dependent }
    }

    #[test]
    fn it_extrapolates() {
        let seen = seen(2, 0, 50);
        assert_eq!(seen.time_of(1_000_000), Some(Duration::from_micros(500)));
        assert_eq!(seen.time_of(u64::MAX), Some(Duration::from_nanos(u64::MAX / 2)));
        assert_eq!(Seen::default().time_of(1), None);
    }

    #[test]
    fn it_looks_longer_where_everything_depends_on_what_was_before() {
        assert!(seen(2, 0, 10).goes_on());
        assert!(!seen(3, 0, 10).goes_on());
        assert!(!seen(3, 1, 10).goes_on());
        assert!(seen(3, 2, 10).goes_on());
        assert!(!seen(CHAIN, CHAIN - 1, 10).goes_on());
        assert!(!seen(1, 0, 200).goes_on());
        assert!(!seen(2, 0, 100).goes_on());
    }

    #[test]
    fn a_chain_is_told_from_a_chance_meeting() {
        assert!(seen(CHAIN, CHAIN - 1, 10).looks_like_a_chain());
        assert!(!seen(CHAIN, CHAIN - 2, 10).looks_like_a_chain());
        assert!(!seen(CHAIN - 1, CHAIN - 2, 10).looks_like_a_chain());
    }
}
