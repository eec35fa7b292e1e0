//! What is counted of blocks, for whoever installed a recorder.
//!
//! Workers count for themselves; this runs once per block, after it.

use crate::{client::AheadStats, output::ExecutionStats};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

const BLOCKS: &str = "blockloom_blocks_total";
const BLOCK_SECONDS: &str = "blockloom_block_seconds";
const STAGE_SECONDS: &str = "blockloom_stage_seconds";
const TRANSACTIONS: &str = "blockloom_transactions_total";
const EXECUTIONS: &str = "blockloom_executions_total";
const RE_EXECUTIONS: &str = "blockloom_re_executions_total";
const ABORTS: &str = "blockloom_aborts_total";
const ESTIMATES: &str = "blockloom_estimates_met_total";
const VALIDATIONS: &str = "blockloom_validations_total";
const AT_FRONTIER: &str = "blockloom_at_frontier_total";
const SEQUENTIAL: &str = "blockloom_sequential_total";
const AHEAD_PLANNED: &str = "blockloom_ahead_planned_total";
const AHEAD_STOOD: &str = "blockloom_ahead_stood_total";
const AHEAD_IN_VAIN: &str = "blockloom_ahead_in_vain_total";
const AHEAD_AT_FRONTIER: &str = "blockloom_ahead_at_frontier_total";
const AHEAD_OFF_PLAN: &str = "blockloom_ahead_off_plan_total";
const AHEAD_WAITS: &str = "blockloom_ahead_frontier_waits_total";

/// Every counter, with what it counts.
const COUNTERS: [(&str, &str); 15] = [
    (BLOCKS, "blocks executed, by the path that was taken"),
    (TRANSACTIONS, "transactions in them"),
    (EXECUTIONS, "times any transaction was run, whatever came of it"),
    (RE_EXECUTIONS, "executions beyond one per transaction"),
    (ABORTS, "executions whose result was thrown away because a read was stale"),
    (ESTIMATES, "executions given up because a read met an estimate"),
    (VALIDATIONS, "read sets checked ahead of the frontier"),
    (AT_FRONTIER, "transactions executed at the frontier of the parallel part"),
    (SEQUENTIAL, "transactions that ran one after another, outside of the parallel part"),
    (AHEAD_PLANNED, "transactions planned on executors of a client"),
    (AHEAD_STOOD, "results made ahead that stood"),
    (AHEAD_IN_VAIN, "results made ahead that did not"),
    (AHEAD_AT_FRONTIER, "planned transactions run by the caller's own EVM"),
    (AHEAD_OFF_PLAN, "transactions left out of a plan, and others run instead"),
    (AHEAD_WAITS, "times that a caller found a transaction still running"),
];

/// Tells the installed recorder of the `metrics` crate what this crate's
/// metrics mean. Without being told it records them all the same.
pub fn describe_metrics() {
    for (name, meaning) in COUNTERS {
        describe_counter!(name, Unit::Count, meaning);
    }
    describe_histogram!(BLOCK_SECONDS, Unit::Seconds, "wall time of a block's execution");
    describe_histogram!(STAGE_SECONDS, Unit::Seconds, "the same by stage");
}

fn add(name: &'static str, n: usize) {
    counter!(name).increment(n as u64);
}

/// A block was executed through the engine's own interface.
pub(crate) fn executed(stats: &ExecutionStats) {
    let path = if stats.workers == 0 { "sequential" } else { "parallel" };
    counter!(BLOCKS, "path" => path).increment(1);
    add(TRANSACTIONS, stats.transactions);
    add(EXECUTIONS, stats.executions);
    add(RE_EXECUTIONS, stats.re_executions());
    add(ABORTS, stats.aborts);
    add(ESTIMATES, stats.blocked);
    add(VALIDATIONS, stats.validations);
    add(AT_FRONTIER, stats.at_frontier);
    add(SEQUENTIAL, stats.sequential);
    histogram!(BLOCK_SECONDS).record(stats.elapsed);
    let stages = &stats.stages;
    for (stage, time) in [
        ("plan", stages.plan),
        ("open", stages.open),
        ("parallel", stages.parallel),
        ("gather", stages.gather),
        ("sequential", stages.sequential),
        ("close", stages.close),
    ] {
        histogram!(STAGE_SECONDS, "stage" => stage).record(time);
    }
}

/// A client's executor is done with a planned block.
pub(crate) fn ran_ahead(stats: &AheadStats) {
    add(AHEAD_PLANNED, stats.planned);
    add(AHEAD_STOOD, stats.stood);
    add(AHEAD_IN_VAIN, stats.in_vain);
    add(AHEAD_AT_FRONTIER, stats.at_frontier);
    add(AHEAD_OFF_PLAN, stats.off_plan);
    add(AHEAD_WAITS, stats.waits);
}
