//! How running ahead went.

/// What came of running ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AheadStats {
    /// Transactions planned.
    pub planned: usize,
    /// Results made ahead that stood.
    pub stood: usize,
    /// Results, or attempts, that did not.
    pub in_vain: usize,
    /// Transactions run by the caller's own EVM while there was a plan.
    pub at_frontier: usize,
    /// Planned transactions that the caller left out, and others it ran
    /// instead.
    pub off_plan: usize,
    /// Times that the caller found a transaction still running.
    pub waits: usize,
}
