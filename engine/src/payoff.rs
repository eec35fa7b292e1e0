//! Whether speculation pays, judged from what arrives at the frontier.

/// Speculations that must have been in vain before they are held against the
/// rest.
const TRIAL: u32 = 6;

/// Speculation pays while one in this many stands. Below, what it saves is
/// less than what it costs: the bookkeeping of every transaction, and a second
/// core at work.
const WORTH: u32 = 3;

/// Transactions that the frontier may run in a row with nobody having tried
/// them before, until it is clear that nobody ever will: they wait for each
/// other.
const LONELY: u32 = 24;

/// Results after which counts are halved: what was long ago matters less.
const MEMORY: u32 = 32;

/// Fading counts of speculations that stood and of those that were in vain.
#[derive(Debug, Default)]
pub(crate) struct Payoff {
    stood: u32,
    in_vain: u32,
    /// Transactions in a row that nobody had tried.
    untried: u32,
}

impl Payoff {
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
        if self.stood + self.in_vain >= MEMORY {
            self.stood /= 2;
            self.in_vain /= 2;
        }
    }

    /// Whether the rest of the block is better run one after another.
    pub(crate) const fn is_poor(&self) -> bool {
        let is_vain = self.in_vain >= TRIAL && self.stood * WORTH < self.in_vain;
        is_vain || self.untried >= LONELY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(results: impl IntoIterator<Item = bool>) -> Payoff {
        let mut payoff = Payoff::default();
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
    fn a_few_good_results_are_enough() {
        assert!(!after((0..200).map(|i| i % 3 == 0)).is_poor());
        assert!(after((0..200).map(|i| i % 20 == 0)).is_poor());
    }

    #[test]
    fn a_good_start_is_forgotten() {
        assert!(after([true; 100].into_iter().chain([false; 60])).is_poor());
    }

    #[test]
    fn nobody_speculating_is_poor_as_well() {
        let mut payoff = after([true; 10]);
        (1..LONELY).for_each(|_| payoff.untried());
        assert!(!payoff.is_poor());
        payoff.stood();
        (0..LONELY).for_each(|_| payoff.untried());
        assert!(payoff.is_poor());
    }
}
