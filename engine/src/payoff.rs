//! Whether speculation pays, judged from what arrives at the frontier.

/// Commits before there is a judgement: enough to fill the first window's
/// start, where the workers are still spreading out.
const TRIAL: u32 = 12;

/// Commits over which gas is remembered, about: each one weighs 15/16 of the
/// next.
const FADING: u64 = 16;

/// Speculation pays while at least one part in this many of the gas committed
/// comes from it. Below, what it saves is less than what it costs: the
/// bookkeeping of every transaction, and a second core at work.
const WORTH: u64 = 8;

/// Fading sums of gas committed, and of how much of it was speculation's.
#[derive(Debug, Default)]
pub(crate) struct Payoff {
    commits: u32,
    total: u64,
    speculative: u64,
}

impl Payoff {
    /// Notes a commit of a transaction that used `gas`.
    pub(crate) const fn note(&mut self, gas: u64, speculative: bool) {
        self.commits = self.commits.saturating_add(1);
        self.total = self.total - self.total / FADING + gas;
        self.speculative = self.speculative - self.speculative / FADING;
        if speculative {
            self.speculative += gas;
        }
    }

    /// Whether the rest of the block is better run one after another.
    pub(crate) const fn is_poor(&self) -> bool {
        self.commits >= TRIAL && self.speculative.saturating_mul(WORTH) < self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(commits: impl IntoIterator<Item = bool>) -> Payoff {
        let mut payoff = Payoff::default();
        for speculative in commits {
            payoff.note(100_000, speculative);
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
        assert!(!after((0..200).map(|i| i % 4 == 0)).is_poor());
        assert!(after((0..200).map(|i| i % 100 == 0)).is_poor());
    }

    #[test]
    fn a_good_start_is_forgotten() {
        assert!(after([true; 100].into_iter().chain([false; 60])).is_poor());
    }
}
