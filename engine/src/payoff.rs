//! Whether speculation pays, judged from what arrives at the frontier.

/// Fewest speculations that must have been in vain before they are held
/// against the rest.
const TRIAL: u32 = 16;

/// The same as a part of the block: the more is to come, the longer it is worth
/// trying.
const TRIAL_PART: u32 = 64;

/// With two workers, speculation pays while one in this many stands. Below,
/// what it saves is less than what it costs: the bookkeeping of every
/// transaction, and a second core at work. Each worker more may be as often in
/// vain again.
const WORTH: u32 = 3;

/// Transactions, as a multiple of the trial, that the frontier may run in a row
/// with nobody having tried them before, until it is clear that nobody ever
/// will: they wait for each other.
const LONELY: u32 = 4;

/// Counts are halved once they are so many times the trial: what was long ago
/// matters less.
const MEMORY: u32 = 5;

/// Fading counts of speculations that stood and of those that were in vain.
#[derive(Debug)]
pub(crate) struct Payoff {
    trial: u32,
    worth: u32,
    stood: u32,
    in_vain: u32,
    /// Transactions in a row that nobody had tried.
    untried: u32,
}

impl Payoff {
    /// Before the first of so many transactions, for so many workers.
    pub(crate) fn new(transactions: usize, workers: usize) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let trial = TRIAL.max(count(transactions) / TRIAL_PART);
        let worth = WORTH.saturating_mul(count(workers.saturating_sub(1)).max(1));
        Self { trial, worth, stood: 0, in_vain: 0, untried: 0 }
    }

    /// A speculative result was committed.
    pub(crate) const fn stood(&mut self) {
        self.stood += 1;
        self.untried = 0;
        self.fade();
    }

    /// A transaction on which somebody had speculated ran at the frontier.
    pub(crate) const fn in_vain(&mut self) {
        self.in_vain += 1;
        self.fade();
    }

    /// A transaction ran at the frontier, and nobody had tried it before.
    pub(crate) const fn untried(&mut self) {
        self.untried += 1;
    }

    const fn fade(&mut self) {
        if self.stood + self.in_vain >= MEMORY * self.trial {
            self.stood /= 2;
            self.in_vain /= 2;
        }
    }

    /// Whether the rest of the block is better run one after another.
    pub(crate) const fn is_poor(&self) -> bool {
        let is_vain =
            self.in_vain >= self.trial && self.stood.saturating_mul(self.worth) < self.in_vain;
        is_vain || self.untried >= LONELY * self.trial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(results: impl IntoIterator<Item = bool>) -> Payoff {
        let mut payoff = Payoff::new(100, 2);
        for stands in results {
            if stands {
                payoff.stood();
            } else {
                payoff.in_vain();
            }
        }
        payoff
    }

    #[test]
    fn there_is_a_trial_first() {
        assert!(!after([false; TRIAL as usize - 1]).is_poor());
        assert!(after([false; TRIAL as usize]).is_poor());
    }

    #[test]
    fn a_large_block_gets_a_longer_trial() {
        let mut payoff = Payoff::new(6400, 2);
        (1..100).for_each(|_| payoff.in_vain());
        assert!(!payoff.is_poor());
        payoff.in_vain();
        assert!(payoff.is_poor());
    }

    #[test]
    fn a_few_good_results_are_enough() {
        assert!(!after((0..200).map(|i| i % 3 == 0)).is_poor());
        assert!(after((0..200).map(|i| i % 20 == 0)).is_poor());
    }

    #[test]
    fn a_good_start_is_forgotten() {
        assert!(after([true; 200].into_iter().chain([false; 120])).is_poor());
    }

    #[test]
    fn nobody_speculating_is_poor_as_well() {
        let mut payoff = after([true; 10]);
        (1..LONELY * TRIAL).for_each(|_| payoff.untried());
        assert!(!payoff.is_poor());
        payoff.stood();
        (0..LONELY * TRIAL).for_each(|_| payoff.untried());
        assert!(payoff.is_poor());
    }
}
