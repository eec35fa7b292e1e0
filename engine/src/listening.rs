//! When whoever runs a transaction ahead of its turn listens to the news.

/// Reads after which an execution listens again, at least.
const EVERY: usize = 16;

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

    /// There was news, for which all reads are looked through: half as many
    /// more are left in peace.
    pub(crate) fn had_news(&mut self, n_reads: usize) {
        self.at = n_reads + EVERY.max(n_reads / 2);
    }
}
