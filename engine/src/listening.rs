//! When whoever runs a transaction ahead of its turn listens to the news.

use revm::context_interface::result::ExecutionResult;

/// Reads after which an execution listens again, at least.
const EVERY: usize = 16;

/// Gas from which on an execution listens once more at its end: some twenty
/// microseconds.
const MUCH_GAS: u64 = 80_000;

/// How long one execution goes on before it listens again: news may tell that
/// something it read is stale, but looking through all that was read takes
/// time of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listening {
    /// Reads after which it is time.
    at: usize,
}

impl Listening {
    /// At the beginning of an execution.
    pub(crate) const fn new() -> Self {
        Self { at: EVERY }
    }

    /// Whether it is time, after so many reads.
    pub(crate) const fn is_due(&mut self, n_reads: usize) -> bool {
        let is_due = n_reads >= self.at;
        if is_due {
            self.at = n_reads + EVERY;
        }
        is_due
    }

    /// Whether it is time after an execution with this result. Who runs for long
    /// without reading has heard of nothing meanwhile, and its result may be
    /// stale before anybody has seen it.
    pub(crate) fn is_due_after<H>(result: &ExecutionResult<H>) -> bool {
        result.tx_gas_used() >= MUCH_GAS
    }

    /// There was news, for which all reads are looked through: half as many
    /// more are left in peace.
    pub(crate) fn had_news(&mut self, n_reads: usize) {
        self.at = n_reads + EVERY.max(n_reads / 2);
    }
}
