//! Who gets the turn.

use super::{
    costs::{Costs, Crew, Shared, nanos},
    turns::Virtual,
};
use crate::pace::Point;
use std::{mem, sync::Arc};

/// One in so many steps, the worker that goes first is put last.
const DEMOTED_ONCE_IN: usize = 40;

/// Who, of the workers that have not come to their end, gets the turn.
#[derive(Clone, Debug)]
pub enum Order {
    /// Anybody, at each step.
    Random,
    /// All in a circle, so that everybody is held up at every step.
    Circle,
    /// The same one as long as it gets on, which now and then is put last.
    Priorities,
    /// Those whose results are due are held up while anybody else gets on, so
    /// that what began first ends last.
    Late,
    /// This worker, by number, only where nobody else gets on.
    Starve(usize),
    /// All in a circle, each for so many transactions or until it has to wait.
    Shifts(usize),
    /// Whoever is first by a virtual clock.
    Time(Arc<Costs>),
}

/// An order under way.
#[derive(Debug)]
pub(super) struct Chooser {
    order: Order,
    chance: fastrand::Rng,
    /// Workers, who goes first in front.
    ranks: Vec<usize>,
    /// Transactions that are done in this shift. Before the first more than any
    /// has, so that the caller makes way for those who run ahead.
    done: usize,
    /// Whether the step under way is the last of one.
    ends: bool,
}

impl Chooser {
    pub(super) fn new(order: Order, seed: u64, n_workers: usize) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut ranks: Vec<_> = (0..n_workers).collect();
        chance.shuffle(&mut ranks);
        Self { order, chance, ranks, done: usize::MAX, ends: false }
    }

    /// What it costs the worker `index` to take its next step.
    pub(super) fn cost(&self, workers: &[Virtual], index: usize, crew: &Crew) -> u64 {
        match &self.order {
            Order::Time(costs) => costs.of(workers, index, crew),
            _ => 0,
        }
    }

    /// When the worker `index` is there.
    pub(super) fn start(&self, index: usize, sharing: Shared) -> u64 {
        let Order::Time(costs) = &self.order else { return 0 };
        let [caller, other] = costs.calibration.of(sharing).start;
        nanos(if index == 0 { caller } else { costs.calibration.waking + other })
    }

    /// Who comes after `last`; `None` if nobody is left.
    pub(super) fn choose(&mut self, workers: &[Virtual], last: usize) -> Option<usize> {
        let n_workers = workers.len();
        let live = |index: &usize| !workers[*index].is_gone;
        let waits = |index: usize| workers[index].waits();
        // Beginning after `last`, so that among equals everybody has a turn.
        let mut circle = (1..=n_workers).map(|step| (last + step) % n_workers).filter(live);
        match &self.order {
            Order::Random => {
                let candidates: Vec<_> = circle.collect();
                self.chance.choice(candidates)
            }
            Order::Circle => circle.next(),
            Order::Priorities => {
                let is_demoted = self.chance.usize(..DEMOTED_ONCE_IN) == 0;
                if is_demoted || waits(last) {
                    self.ranks.retain(|index| *index != last);
                    self.ranks.push(last);
                }
                self.ranks.iter().copied().find(live)
            }
            Order::Late => circle.min_by_key(|index| match workers[*index].pending {
                Point::Wait if waits(*index) => 2,
                Point::Publish | Point::Report | Point::Abort | Point::Commit => 1,
                _ => 0,
            }),
            Order::Starve(starved) => {
                circle.min_by_key(|index| (waits(*index), *index == *starved % n_workers))
            }
            Order::Shifts(length) => {
                let ends = matches!(workers[last].pending, Point::Report | Point::Commit);
                self.done += usize::from(mem::replace(&mut self.ends, ends));
                if live(&last) && !waits(last) && self.done < *length {
                    return Some(last);
                }
                (self.done, self.ends) = (0, false);
                let next = circle.clone().find(|index| !waits(*index));
                next.or_else(|| circle.next())
            }
            Order::Time(_) => circle.min_by_key(|index| (workers[*index].clock, *index)),
        }
    }
}
