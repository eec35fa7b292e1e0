//! One worker at the frontier, the others ahead of it.

use crate::{
    cursor::{Cursor, Latch, Prefix},
    distance::Distance,
    quarrel::Quarrel,
    scheduler::{Hint, Known},
    stage::{Reach, Stage, StageCell},
    version::TxIdx,
};

/// What the frontier finds at its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Nobody has run it: it belongs to the frontier now.
    Untried,
    /// It ran ahead of its turn; its result waits.
    Ran,
    /// Somebody is at it.
    Running,
}

/// What is known of one transaction beforehand.
#[derive(Debug)]
struct Turn {
    /// The previous transaction of the same sender, or another that it surely
    /// depends on.
    after: Option<TxIdx>,
    /// The closest lower transaction that is like it.
    like: Option<TxIdx>,
    /// The lowest of those that are like it: its `quarrel` counts.
    group: TxIdx,
    quarrel: Quarrel,
}

/// A block whose transactions become final one after another, run by the one
/// worker at the *frontier*, while *scouts* run some of them before their turn.
///
/// ```text
///             .--- the frontier arrives ---> Final
///             |
/// Free --claim--> Running --finish--> Ran --the frontier arrives--> Final
///
/// Held --the frontier arrives--> Final
/// ```
///
/// The frontier never waits for permission: a transaction that no scout has
/// begun is its own, so whatever scouts do or leave, it comes to the end of the
/// block. Which results of scouts stand is for the frontier to judge.
#[derive(Debug)]
pub struct Lookahead {
    turns: Vec<Turn>,
    stages: Vec<StageCell>,
    prefix: Prefix,
    /// Where the next stretch for a scout begins.
    reach: Reach,
    /// Transactions that may take long, in block order, and how many of them
    /// were handed out.
    long: Vec<TxIdx>,
    long_started: Cursor,
    stopped: Latch,
    /// How far ahead of the frontier scouts begin, and how many transactions
    /// they take in one go.
    stretch: u32,
    /// How far they go.
    distance: Distance,
}

/// The stretch of the block that one scout is walking.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stretch {
    at: u32,
    end: u32,
}

impl Lookahead {
    /// A block of `transactions` transactions, with what is `known` of them in
    /// order; an iterator that ends early leaves the rest without. Scouts walk
    /// `stretch` transactions at a time.
    pub fn new(transactions: usize, stretch: u32, known: impl IntoIterator<Item = Known>) -> Self {
        let mut known = known.into_iter();
        let mut turns: Vec<Turn> = Vec::with_capacity(transactions);
        let mut stages = Vec::with_capacity(transactions);
        let mut long = Vec::new();
        for position in 0..transactions {
            let tx = TxIdx::new(position);
            let Known { hint, like } = known.next().unwrap_or_default();
            let like = like.filter(|lower| *lower < tx);
            let group = like.map_or(tx, |lower| turns[lower.position()].group);
            let after = match hint {
                Hint::After(lower) => Some(lower).filter(|lower| *lower < tx),
                _ => None,
            };
            if hint == Hint::Long {
                long.push(tx);
            }
            let is_held = hint == Hint::AtFrontier;
            stages.push(StageCell::new(if is_held { Stage::Held } else { Stage::Free }));
            turns.push(Turn { after, like, group, quarrel: Quarrel::default() });
        }
        Self {
            turns,
            stages,
            prefix: Prefix::new(),
            reach: Reach::default(),
            long,
            long_started: Cursor::new(0),
            stopped: Latch::new(),
            stretch: stretch.max(1),
            distance: Distance::new(stretch.max(1)),
        }
    }

    /// Transactions that are final.
    #[must_use]
    pub fn committed(&self) -> TxIdx {
        self.prefix.get()
    }

    /// Sends the scouts home.
    pub fn stop(&self) {
        self.stopped.try_take();
    }

    /// Whether somebody has sent them home.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_set()
    }

    /// Whether scouts are to go home: somebody said so, or nothing is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_stopped() || self.prefix.get().position() == self.turns.len()
    }

    /// The frontier arrives at `tx`.
    pub fn arrive(&self, tx: TxIdx) -> Arrival {
        let stage = &self.stages[tx.position()];
        match stage.get() {
            Stage::Free if !stage.claim() => Arrival::Running,
            Stage::Free | Stage::Held => Arrival::Untried,
            Stage::Running => Arrival::Running,
            Stage::Ran => Arrival::Ran,
        }
    }

    /// `tx`, where the frontier is, is final.
    ///
    /// # Panics
    ///
    /// If the frontier is elsewhere.
    pub fn commit(&self, tx: TxIdx) {
        self.prefix.step(tx);
        self.quarrel(tx).shrink();
        self.distance.grow();
    }

    /// Running ahead with `tx` was in vain: those like it are in each other's
    /// way, or, as long as it does not look like that or where they run in turn
    /// already, scouts too far ahead.
    pub fn note_conflict(&self, tx: TxIdx) {
        let quarrel = self.quarrel(tx);
        if !quarrel.explains(tx) {
            self.distance.shrink();
        }
        quarrel.grow(self.reach.get());
    }

    fn quarrel(&self, tx: TxIdx) -> &Quarrel {
        &self.turns[self.turns[tx.position()].group.position()].quarrel
    }

    /// Takes a transaction for a scout that walks `stretch` and to whom what a
    /// lower transaction left is visible if `sees` says so. Those that surely
    /// need what it does not see are passed over, and left to the frontier.
    ///
    /// `None` if nothing can be taken now.
    pub fn claim(&self, stretch: &mut Stretch, sees: impl Fn(TxIdx) -> bool) -> Option<TxIdx> {
        if let Some(tx) = self.claim_long() {
            return Some(tx);
        }
        let end = TxIdx::new(self.turns.len()).raw();
        // Ends: each round moves towards the end of the block.
        loop {
            let prefix = self.prefix.get().raw();
            let first = prefix.saturating_add(self.stretch);
            stretch.at = stretch.at.max(first);
            if stretch.at - prefix > self.distance.get() {
                return None;
            }
            if stretch.at >= stretch.end {
                let at = self.reach.take(first, self.stretch, end)?;
                *stretch = Stretch { at, end: at.saturating_add(self.stretch).min(end) };
            }
            let tx = TxIdx::from_raw(stretch.at);
            stretch.at += 1;
            if self.may_start(tx, &sees) && self.stages[tx.position()].claim() {
                return Some(tx);
            }
        }
    }

    /// Takes one of those that may take long, if the frontier is not near.
    fn claim_long(&self) -> Option<TxIdx> {
        let tx = self.long[self.long_started.claim(self.long.len())?];
        (tx > self.prefix.get() && self.stages[tx.position()].claim()).then_some(tx)
    }

    /// Takes the lowest transaction above `tried`, which moves on, that nobody has
    /// begun and that does not surely need what is not visible: for the worker at
    /// the frontier while it has to wait, to whom that of a lower transaction is
    /// visible if `sees` says so.
    ///
    /// In order, so that what it runs may rest on what it ran before; scouts begin
    /// with what may take long.
    pub fn claim_after(&self, tried: &mut TxIdx, sees: impl Fn(TxIdx) -> bool) -> Option<TxIdx> {
        if self.is_stopped() {
            return None;
        }
        // Ends with the block.
        while tried.position() + 1 < self.turns.len() {
            *tried = tried.next();
            let tx = *tried;
            if self.may_start(tx, &sees) && self.stages[tx.position()].claim() {
                return Some(tx);
            }
        }
        None
    }

    fn may_start(&self, tx: TxIdx, sees: &impl Fn(TxIdx) -> bool) -> bool {
        if self.stages[tx.position()].get() != Stage::Free {
            return false;
        }
        let turn = &self.turns[tx.position()];
        let waits_for_like =
            || turn.like.filter(|_| self.turns[turn.group.position()].quarrel.is_high());
        turn.after.is_none_or(sees) && waits_for_like().is_none_or(sees)
    }

    /// A scout has begun `tx` and leaves it to whoever comes by next.
    pub fn give_back(&self, tx: TxIdx) {
        self.stages[tx.position()].give_back();
    }

    /// A scout has run `tx`; its result waits for the frontier.
    pub fn finish(&self, tx: TxIdx) {
        self.stages[tx.position()].finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tx(position: usize) -> TxIdx {
        TxIdx::new(position)
    }

    fn claims(lookahead: &Lookahead, sees: impl Fn(TxIdx) -> bool) -> Vec<usize> {
        let mut stretch = Stretch::default();
        std::iter::from_fn(|| lookahead.claim(&mut stretch, &sees)).map(TxIdx::position).collect()
    }

    fn hints(hints: &[Hint]) -> impl Iterator<Item = Known> {
        hints.iter().map(|hint| Known { hint: *hint, like: None })
    }

    #[test]
    fn a_scout_begins_a_stretch_ahead_and_the_frontier_takes_the_rest() {
        let lookahead = Lookahead::new(7, 3, []);
        assert_eq!(claims(&lookahead, |_| false), [3, 4, 5, 6]);
        for position in 0..3 {
            assert_eq!(lookahead.arrive(tx(position)), Arrival::Untried);
            lookahead.commit(tx(position));
        }
        assert_eq!(lookahead.arrive(tx(3)), Arrival::Running);
        lookahead.finish(tx(3));
        assert_eq!(lookahead.arrive(tx(3)), Arrival::Ran);
    }

    #[test]
    fn a_scout_that_is_overtaken_goes_on_ahead() {
        let lookahead = Lookahead::new(9, 2, []);
        let mut stretch = Stretch::default();
        assert_eq!(lookahead.claim(&mut stretch, |_| false), Some(tx(2)));
        lookahead.finish(tx(2));
        for position in 0..4 {
            lookahead.arrive(tx(position));
            lookahead.commit(tx(position));
        }
        assert_eq!(lookahead.claim(&mut stretch, |_| false), Some(tx(6)));
    }

    #[test]
    fn scouts_that_are_too_far_ahead_wait_for_the_frontier() {
        let lookahead = Lookahead::new(10, 1, []);
        (0..20).for_each(|n| lookahead.note_conflict(tx(n % 10)));
        assert_eq!(claims(&lookahead, |_| true), [1, 2]);
        for position in 0..3 {
            lookahead.arrive(tx(position));
            lookahead.commit(tx(position));
        }
        assert_eq!(claims(&lookahead, |_| true), [4, 5, 6, 7, 8]);
    }

    #[test]
    fn what_surely_depends_on_the_unseen_is_left_to_the_frontier() {
        let known = [Hint::None, Hint::None, Hint::After(tx(1)), Hint::AtFrontier, Hint::None];
        let lookahead = Lookahead::new(5, 1, hints(&known));
        assert_eq!(claims(&lookahead, |lower| lower != tx(1)), [1, 4]);
        let lookahead = Lookahead::new(5, 1, hints(&known));
        assert_eq!(claims(&lookahead, |_| true), [1, 2, 4]);
        for position in [0, 3] {
            assert_eq!(lookahead.arrive(tx(position)), Arrival::Untried);
            (position == 0).then(|| lookahead.commit(tx(0)));
        }
    }

    #[test]
    fn what_may_take_long_comes_first() {
        let known = [Hint::None, Hint::None, Hint::None, Hint::Long];
        let lookahead = Lookahead::new(4, 1, hints(&known));
        assert_eq!(claims(&lookahead, |_| false), [3, 1, 2]);
    }

    #[test]
    fn a_frontier_that_waits_runs_on_in_order() {
        let known = [Hint::None, Hint::None, Hint::After(tx(1)), Hint::Long, Hint::None];
        let lookahead = Lookahead::new(5, 1, hints(&known));
        let mut tried = tx(0);
        assert_eq!(lookahead.claim_after(&mut tried, |_| false), Some(tx(1)));
        assert_eq!(lookahead.claim_after(&mut tried, |lower| lower == tx(1)), Some(tx(2)));
        assert_eq!(lookahead.claim_after(&mut tried, |_| false), Some(tx(3)));
        lookahead.stop();
        assert_eq!(lookahead.claim_after(&mut tried, |_| false), None);
        let lookahead = Lookahead::new(5, 1, hints(&known));
        let mut tried = tx(1);
        assert_eq!(lookahead.claim_after(&mut tried, |_| false), Some(tx(3)));
    }

    #[test]
    fn what_is_given_back_is_taken_in_its_turn() {
        let known = [Hint::None, Hint::None, Hint::None, Hint::Long];
        let lookahead = Lookahead::new(4, 1, hints(&known));
        let mut stretch = Stretch::default();
        assert_eq!(lookahead.claim(&mut stretch, |_| true), Some(tx(3)));
        lookahead.give_back(tx(3));
        assert_eq!(claims(&lookahead, |_| true), [1, 2, 3]);
        lookahead.give_back(tx(3));
        assert_eq!(lookahead.arrive(tx(3)), Arrival::Untried);
    }

    #[test]
    fn a_quarrel_keeps_nobody_else_back() {
        let lookahead = Lookahead::new(40, 1, []);
        let begun = lookahead.claim(&mut Stretch::default(), |_| true).unwrap();
        (0..20).for_each(|_| lookahead.note_conflict(begun));
        let far = |n: u32| claims(&lookahead, |_| true).iter().any(|at| *at >= n as usize);
        assert!(far(10), "two conflicts, which no quarrel explains, count");
    }

    #[test]
    fn those_in_a_quarrel_run_one_after_another() {
        let alike = |n: usize| Known { hint: Hint::None, like: n.checked_sub(1).map(TxIdx::new) };
        let lookahead = Lookahead::new(6, 1, (0..6).map(alike));
        (0..3).for_each(|position| lookahead.note_conflict(tx(position)));
        assert_eq!(claims(&lookahead, |_| false), []);
        let lookahead = Lookahead::new(6, 1, (0..6).map(alike));
        lookahead.note_conflict(tx(0));
        assert_eq!(claims(&lookahead, |_| false), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn in_vain_although_in_turn_means_too_far_ahead() {
        let alike = |n: usize| Known { hint: Hint::None, like: n.checked_sub(1).map(TxIdx::new) };
        let lookahead = Lookahead::new(100, 1, (0..100).map(alike));
        let begun = claims(&lookahead, |_| true).len();
        (0..begun).for_each(|position| lookahead.note_conflict(tx(position)));
        let distance = lookahead.distance.get();
        assert!(distance > 10, "they were begun before anybody knew: {distance}");
        (begun + 1..begun + 20).for_each(|position| lookahead.note_conflict(tx(position)));
        assert!(lookahead.distance.get() < distance / 4, "they were begun in turn");
    }

    #[test]
    fn no_two_scouts_get_the_same() {
        let lookahead = Lookahead::new(1000, 32, []);
        let all = || claims(&lookahead, |_| true);
        let (mut one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(all);
            (all(), other.join().unwrap())
        });
        one.extend(other);
        one.sort_unstable();
        assert_eq!(one, (32..1000).collect::<Vec<_>>());
    }

    #[test]
    #[should_panic(expected = "in block order")]
    fn commits_are_in_block_order() {
        Lookahead::new(3, 1, []).commit(tx(1));
    }
}
