//! Whether speculation pays, judged from what arrives at the frontier.

/// Speculations that must have been in vain before there is a judgement.
const TRIAL: u32 = 6;

/// Speculation pays while at least one in this many stands. Below, what it
/// saves is less than what it costs: the bookkeeping of every transaction, and
/// a second core at work.
const WORTH: u32 = 4;

/// Results after which both counts are halved: what was long ago matters less.
const MEMORY: u32 = 32;

/// Fading counts of speculations that stood and of those that were in vain.
#[derive(Debug, Default)]
pub(crate) struct Payoff {
    stood: u32,
    in_vain: u32,
}

impl Payoff {
    /// A speculative result was committed.
    pub(crate) const fn stood(&mut self) {
        self.stood += 1;
        self.fade();
    }

    /// A transaction on which somebody had speculated ran at the frontier.
    pub(crate) const fn in_vain(&mut self) {
        self.in_vain += 1;
        self.fade();
    }

    const fn fade(&mut self) {
        if self.stood + self.in_vain >= MEMORY {
            self.stood /= 2;
            self.in_vain /= 2;
        }
    }

    /// Whether the rest of the block is better run one after another.
    pub(crate) const fn is_poor(&self) -> bool {
        self.in_vain >= TRIAL && self.stood * WORTH < self.in_vain
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
}
