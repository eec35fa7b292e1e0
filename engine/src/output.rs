//! What executing a block gives.

use crate::block::Receipt;
use alloy_eip7928::BlockAccessList;
use alloy_eips::eip7685::Requests;
use blockloom_state::BlockChanges;
use std::time::{Duration, Instant};

/// The result of a block: everything consensus can see.
///
/// Two outputs are equal exactly if the executions agree, so tests compare
/// whole values. How the result came about is in [`ExecutionStats`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOutput {
    /// One receipt per transaction, in block order.
    pub receipts: Vec<Receipt>,
    /// Execution-layer requests (EIP-7685), in type order; empty before Prague.
    pub requests: Requests,
    /// Gas as the header counts it.
    pub gas_used: u64,
    /// Blob gas as the header counts it; 0 before Cancun.
    pub blob_gas_used: u64,
    /// State changes, system calls, withdrawals and rewards included.
    pub changes: BlockChanges,
    /// The block access list (EIP-7928), where it was asked for.
    pub access_list: Option<BlockAccessList>,
}

/// How an execution went; never part of its result.
#[derive(Clone, Debug, Default)]
pub struct ExecutionStats {
    /// Transactions in the block.
    pub transactions: usize,
    /// Times any transaction was run, whatever came of it.
    pub executions: usize,
    /// Executions whose result was thrown away because a read was stale.
    pub aborts: usize,
    /// Executions given up because a read met an estimate.
    pub blocked: usize,
    /// Read sets checked ahead of the frontier.
    pub validations: usize,
    /// Transactions executed at the frontier, on committed state.
    pub at_frontier: usize,
    /// Those of the executions that were plain transfers, computed without the
    /// EVM, each in its place.
    pub transfers: usize,
    /// Transactions that ran one after another, outside of the parallel part:
    /// all of a block that is not worth it, or what was left of one when
    /// speculation turned out not to pay.
    pub sequential: usize,
    /// Workers that took part; 0 for the sequential path.
    pub workers: usize,
    /// Wall time of the whole execution.
    pub elapsed: Duration,
    /// The same by stage.
    pub stages: Stages,
}

/// Wall time by stage of one execution.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Looking at the block: what its transactions are, what to do first.
    pub plan: Duration,
    /// What comes before the transactions: tables, system calls.
    pub open: Duration,
    /// Transactions that several workers run.
    pub parallel: Duration,
    /// Taking over what they wrote.
    pub gather: Duration,
    /// Transactions that run one after another.
    pub sequential: Duration,
    /// What comes after the transactions, and putting the result together.
    pub close: Duration,
}

/// A clock that says how long each stage took.
#[derive(Debug)]
pub(crate) struct StopWatch(Instant);

impl StopWatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start or the last lap.
    pub(crate) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.0, now)
    }
}

impl ExecutionStats {
    /// Adds one worker's counters.
    pub(crate) const fn add(&mut self, worker: &Self) {
        self.executions += worker.executions;
        self.aborts += worker.aborts;
        self.blocked += worker.blocked;
        self.validations += worker.validations;
        self.at_frontier += worker.at_frontier;
        self.transfers += worker.transfers;
        self.sequential += worker.sequential;
    }

    /// Executions beyond one per transaction.
    #[must_use]
    pub const fn re_executions(&self) -> usize {
        self.executions.saturating_sub(self.transactions)
    }
}

/// A block's result and how it went.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The result.
    pub output: BlockOutput,
    /// Counters and times.
    pub stats: ExecutionStats,
}
