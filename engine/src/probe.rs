//! What the first transactions of a block tell about the rest.

use std::time::{Duration, Instant};

/// Transactions after which enough is known.
const ENOUGH: u32 = 4;

/// Time after which enough is known, if it is long before that.
const LONG_ENOUGH: Duration = Duration::from_micros(100);

/// Gas and time of the first transactions, run one after another.
///
/// Time decides how a block is run, never what comes of it.
#[derive(Debug)]
pub(crate) struct Probe {
    /// When the transaction that runs was started.
    started: Instant,
    elapsed: Duration,
    transactions: u32,
    gas: u64,
}

impl Probe {
    pub(crate) fn start() -> Self {
        let (elapsed, transactions, gas) = (Duration::ZERO, 0, 0);
        Self { started: Instant::now(), elapsed, transactions, gas }
    }

    /// A transaction that used `gas` has run; or a plain transfer, which tells
    /// nothing of others.
    pub(crate) fn note(&mut self, gas: Option<u64>) {
        let now = Instant::now();
        if let Some(gas) = gas {
            self.transactions += 1;
            self.gas += gas;
            self.elapsed += now - self.started;
        }
        self.started = now;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.transactions >= ENOUGH || self.elapsed >= LONG_ENOUGH
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

    #[test]
    fn it_extrapolates() {
        let elapsed = Duration::from_micros(50);
        let probe = Probe { started: Instant::now(), elapsed, transactions: 2, gas: 100_000 };
        assert_eq!(probe.time_of(1_000_000), Some(Duration::from_micros(500)));
        assert_eq!(Probe::start().time_of(1), None);
        assert_eq!(probe.time_of(u64::MAX), Some(Duration::from_nanos(u64::MAX / 2)));
    }

    #[test]
    fn a_few_transactions_are_enough() {
        let mut probe = Probe::start();
        assert!(!probe.is_done());
        (0..1000).for_each(|_| probe.note(None));
        assert!(!probe.is_done());
        (0..ENOUGH).for_each(|_| probe.note(Some(50_000)));
        assert!(probe.is_done());
    }
}
