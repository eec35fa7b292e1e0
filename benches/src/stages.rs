//! Where the time of a whole block goes, stage by stage.

use crate::{pairing::MeasureError, statistics::median, workload::Workload};
use blockloom_engine::{BlockError, Engine, receipts_root_and_bloom};
use serde::Serialize;
use std::time::Instant;

/// Times each stage runs; the median counts.
const RUNS: usize = 3;

/// Names of the stages, in the order in which a block takes them.
pub const STAGES: [&str; 5] =
    ["recover senders", "execute", "receipts root and bloom", "apply changes", "state root"];

/// What the stages of one block took, one after another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageTimes {
    /// Name of the workload.
    pub workload: String,
    /// Worker threads of the engine that recovered and executed.
    pub workers: usize,
    /// Milliseconds of each of [`STAGES`]; 0 for the first where the block has
    /// no signatures.
    ///
    /// The state root is that of the whole in-memory state, from scratch. A
    /// store that keeps its tries has less to do.
    pub ms: [f64; 5],
}

impl StageTimes {
    /// Takes `workload` through all stages with `engine`.
    ///
    /// # Errors
    ///
    /// If the block is refused.
    pub fn of(workload: &Workload, engine: &Engine) -> Result<Self, MeasureError> {
        let refused = |source| MeasureError::Refused {
            workload: workload.name.clone(),
            workers: engine.workers(),
            source,
        };
        let runs: Vec<_> =
            (0..RUNS).map(|_| once(workload, engine)).collect::<Result<_, _>>().map_err(refused)?;
        let ms = std::array::from_fn(|stage| {
            median(&runs.iter().map(|run| run[stage]).collect::<Vec<_>>())
        });
        Ok(Self { workload: workload.name.clone(), workers: engine.workers(), ms })
    }
}

fn once(workload: &Workload, engine: &Engine) -> Result<[f64; 5], BlockError> {
    let Workload { spec, block, base, .. } = workload;
    let recover = if workload.is_signed {
        let unrecovered = block.block.clone();
        let (recovered, ms) = timed(|| engine.recover(unrecovered));
        recovered?;
        ms
    } else {
        0.0
    };
    let (executed, execute) = timed(|| engine.execute(spec, block, base));
    let output = executed?.output;
    let (_, receipts) = timed(|| receipts_root_and_bloom(&output.receipts));
    let mut state = base.clone();
    let ((), apply) = timed(|| state.apply(&output.changes));
    let (_, root) = timed(|| state.root());
    Ok([recover, execute, receipts, apply, root])
}

/// What `work` returns, and the milliseconds it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64() * 1e3)
}
