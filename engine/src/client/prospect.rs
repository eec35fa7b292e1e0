//! A plan before anybody runs ahead.

use super::{board::Outlook, plan::BlockPlan, runtime::AheadConfig};
use crate::{
    config::{Mode, Worth},
    probe::{LONG_ENOUGH, Trail, look_like_a_chain},
    transfer::TransferRules,
};
use blockloom_state::Delta;
use revm::{context_interface::Transaction, state::EvmState};
use std::time::Duration;

/// Transactions that are looked at, at most.
const ENOUGH: usize = 16;

/// The first ones, which meet cold caches and tell nothing beside others.
const COLD: usize = 2;

/// A plan that nobody runs ahead yet: an inspector is on, or the transactions
/// look so quick that scouts may cost more than they bring. Then the first ones
/// tell.
///
/// What it sees decides how fast a block is, never what comes of it.
#[derive(Debug)]
pub(super) struct Prospect<Tx> {
    plan: BlockPlan<Tx>,
    outlook: Outlook,
    rules: Option<TransferRules>,
    /// What changed the state since it was made.
    prelude: Vec<Delta>,
    /// The same of the last transaction, which may not be committed.
    last: Option<Delta>,
    /// How many of the planned transactions are done.
    done: usize,
    look: Option<Look>,
}

/// What scouts set out with.
#[derive(Debug)]
pub(super) struct Departure<Tx> {
    /// What is left to be run.
    pub(super) plan: BlockPlan<Tx>,
    pub(super) outlook: Outlook,
    /// What changed the state before.
    pub(super) prelude: Vec<Delta>,
}

/// What the first transactions were like; plain transfers tell nothing.
#[derive(Debug, Default)]
struct Look {
    times: Vec<Duration>,
    /// Those that touched a slot which an earlier one wrote.
    dependent: u32,
    trail: Trail,
}

impl Look {
    fn is_over(&self) -> bool {
        self.times.len() >= ENOUGH || self.times.iter().sum::<Duration>() >= LONG_ENOUGH
    }

    /// Whether it is worth running so many others ahead.
    fn pays(&self, n_left: usize, worth: &Worth) -> bool {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let is_chain = look_like_a_chain(count(self.times.len()), self.dependent);
        let warm = self.times.get(COLD..).filter(|warm| !warm.is_empty()).unwrap_or(&self.times);
        if warm.is_empty() {
            return true;
        }
        let time = warm.iter().sum::<Duration>() / count(warm.len());
        let left = time.saturating_mul(count(n_left));
        !is_chain && time >= worth.time_per_transaction && left >= worth.time_left
    }
}

impl<Tx: Transaction + PartialEq> Prospect<Tx> {
    /// Nothing was run of `plan` yet; `None` if it does not look worth running
    /// ahead.
    pub(super) fn of(
        plan: BlockPlan<Tx>,
        config: &AheadConfig,
        rules: Option<&TransferRules>,
    ) -> Option<Self> {
        let outlook = Outlook::of(&plan.transactions, rules);
        let is_quick = config.mode == Mode::Adaptive && outlook.is_quick();
        let look = is_quick.then(Look::default);
        if !outlook.pays(config) {
            return None;
        }
        let (rules, prelude) = (rules.copied(), Vec::new());
        Some(Self { plan, outlook, rules, prelude, last: None, done: 0, look })
    }

    /// Whether the first transactions are looked at before anybody runs ahead.
    pub(super) const fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    /// Whether it is still looked at what transactions are like, `tx` among
    /// them.
    pub(super) fn looks_at(&mut self, tx: &Tx) -> bool {
        self.settle(true);
        let goes_on = self.look.as_ref().is_some_and(|look| !look.is_over());
        goes_on && self.plan.transactions.get(self.done) == Some(tx)
    }

    /// The transaction that is looked at took so long, unless it tells nothing,
    /// and did this, unless it failed.
    pub(super) fn ran(&mut self, took: Option<Duration>, state: Option<&EvmState>) {
        if let Some(look) = &mut self.look
            && let (Some(took), Some(state)) = (took, state)
        {
            look.times.push(took);
            look.dependent += u32::from(look.trail.crosses(state));
        }
        self.last = state.map(|state| Delta::of(state, |_| false));
        self.done += 1;
    }

    /// Something else than a transaction changed the state.
    pub(super) fn changed(&mut self, state: &EvmState) {
        self.settle(true);
        self.prelude.push(Delta::of(state, |_| false));
    }

    /// The last transaction was committed, or is not going to be.
    pub(super) fn settle(&mut self, is_committed: bool) {
        self.prelude.extend(self.last.take().filter(|_| is_committed));
    }

    /// What scouts set out with; `None` if it is not worth running ahead.
    pub(super) fn set_out(mut self, config: &AheadConfig) -> Option<Departure<Tx>> {
        self.settle(true);
        let Self { mut plan, mut outlook, rules, prelude, done, look, .. } = self;
        let left = plan.transactions.len().saturating_sub(done);
        if look.is_some_and(|look| !look.pays(left, &config.worth)) {
            return None;
        }
        if done > 0 {
            plan.transactions.drain(..done);
            outlook = Outlook::of(&plan.transactions, rules.as_ref());
        }
        outlook.pays(config).then_some(Departure { plan, outlook, prelude })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pays(times: &[u64], dependent: u32, n_left: usize) -> bool {
        let times = times.iter().copied().map(Duration::from_micros).collect();
        let look = Look { times, dependent, ..Look::default() };
        look.pays(n_left, &AheadConfig::default().worth)
    }

    #[test]
    fn quick_transactions_are_not_worth_it() {
        assert!(!pays(&[30, 20, 3, 3, 3], 0, 10_000));
        assert!(pays(&[30, 20, 12, 12, 12], 0, 1_000));
        assert!(!pays(&[30, 20, 12, 12, 12], 0, 20));
    }

    #[test]
    fn nor_are_those_that_depend_on_each_other() {
        assert!(!pays(&[20; 6], 5, 1_000));
        assert!(pays(&[20; 6], 4, 1_000));
        assert!(pays(&[20; 5], 4, 1_000));
    }

    #[test]
    fn without_having_seen_anything_it_may_pay() {
        assert!(pays(&[], 0, 10));
    }
}
