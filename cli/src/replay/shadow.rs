//! Shadow mode: a share of the blocks runs sequentially, too, beside the
//! parallel run.
//!
//! Which blocks, their hashes decide, so every run over a chain shadows the
//! same ones. What both runs read is noted; where they differ in anything, the
//! block goes on file with it, and `blockloom verify` runs it again.

use super::executor::refused;
use crate::{
    CliError, OnDivergence, ShadowArgs, chain_of_causes,
    recorded::{AnyBase, RecordedCase, Recorder, Settings, Told},
    verify::{Difference, between_results},
};
use alloy_primitives::B256;
use blockloom_engine::{BlockError, ChainSpec, Engine, Executed, RecoveredBlock};
use blockloom_state::{ErasedReader, MemoryState};
use revm::DatabaseRef;
use serde::Serialize;
use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// What shadowing a block came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shadowed {
    /// Both runs gave the same.
    Same,
    /// They did not; the sequential result was taken.
    Diverged,
}

/// Which blocks are shadowed, and what happens if that finds something.
#[derive(Clone, Debug)]
pub(crate) struct Shadow {
    share: f64,
    on_divergence: OnDivergence,
    out: PathBuf,
}

/// A result, or the error, of an execution.
type Answer = Result<Executed, BlockError>;

/// A shadowed block's result, and how it was come by.
pub(crate) struct ShadowedRun {
    pub(crate) executed: Executed,
    /// Wall time of the parallel run.
    pub(crate) time: Duration,
    pub(crate) outcome: Shadowed,
}

impl Shadow {
    /// What the command line asks for, if it does.
    pub(crate) fn of(args: &ShadowArgs) -> Option<Self> {
        let ShadowArgs { shadow, on_divergence, divergences } = args;
        let share = (*shadow)?;
        Some(Self { share, on_divergence: *on_divergence, out: divergences.clone() })
    }

    /// Whether the block with this hash is shadowed.
    pub(crate) fn is_due(&self, hash: B256) -> bool {
        let [a, b, c, d, ..] = hash.0;
        let place = f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0);
        place < self.share
    }

    /// Runs `block` on `engine` and beside it sequentially.
    ///
    /// # Errors
    ///
    /// As an execution without shadow; [`CliError::Disagreement`] where the two
    /// differ, if that is to stop the replay.
    pub(crate) fn run(
        &self,
        engine: &Engine,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &(impl DatabaseRef + Sync),
    ) -> Result<ShadowedRun, CliError> {
        let base = ErasedReader(base);
        self.run_on(engine, spec, block, &base, &base)
    }

    /// [`run`](Self::run) on a base state for each of the two, which are one
    /// and the same except in tests.
    fn run_on(
        &self,
        engine: &Engine,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: AnyBase<'_>,
        sequential_base: AnyBase<'_>,
    ) -> Result<ShadowedRun, CliError> {
        let (noted, noted_beside) = (Recorder::new(base), Recorder::new(sequential_base));
        let (base, base_beside): (AnyBase<'_>, AnyBase<'_>) = (&noted, &noted_beside);
        let ((parallel, time), sequential) = thread::scope(|scope| {
            let beside = scope.spawn(|| engine.execute_sequential(spec, block, &base_beside));
            let start = Instant::now();
            let parallel = engine.execute(spec, block, &base);
            let time = start.elapsed();
            let sequential = beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ((parallel, time), sequential)
        });
        let settled = |answer: Answer, outcome| match answer {
            Ok(executed) => Ok(ShadowedRun { executed, time, outcome }),
            Err(error) => Err(refused(block.header().number, block.hash, error)),
        };
        let Some(difference) = first_difference(&parallel, &sequential) else {
            return settled(parallel, Shadowed::Same);
        };
        let [told_beside, told] = noted_beside.into_states(noted);
        let place = Place { engine, spec, block };
        self.report(place, &told, &told_beside, &difference)?;
        settled(sequential, Shadowed::Diverged)
    }

    /// Puts a divergence on file, and stops or says so.
    fn report(
        &self,
        place: Place<'_>,
        told: &MemoryState,
        told_beside: &MemoryState,
        difference: &Difference,
    ) -> Result<(), CliError> {
        let Place { engine, spec, block } = place;
        let (number, hash) = (block.header().number, block.hash);
        let origin = format!("blockloom replay --shadow, block {number} ({hash})");
        let settings = Settings::of(*engine.config(), engine.workers(), None);
        let parallel = (told != told_beside).then_some(told);
        let told = Told { sequential: told_beside, parallel, broken: &[] };
        let case = RecordedCase::new(origin, settings, spec, block, told, difference);
        let file = case.save(&self.out, &format!("shadow-{number}-{}", &hash.to_string()[2..10]));
        let difference = match &file {
            Ok(path) => format!("{difference}; on file at {}", path.display()),
            // The divergence is the worse news of the two.
            Err(error) => format!("{difference}; not on file: {}", chain_of_causes(error)),
        };
        match self.on_divergence {
            OnDivergence::Stop => Err(CliError::Disagreement { number, hash, difference }),
            OnDivergence::Log => {
                tracing::error!("block {number} ({hash}) differs in parallel: {difference}");
                Ok(())
            }
        }
    }
}

/// What ran where.
#[derive(Clone, Copy)]
struct Place<'a> {
    engine: &'a Engine,
    spec: &'a ChainSpec,
    block: &'a RecoveredBlock,
}

/// Where a parallel answer first differs from the sequential one.
pub(super) fn first_difference(parallel: &Answer, sequential: &Answer) -> Option<Difference> {
    let differences = between_results(
        &parallel.as_ref().map(|executed| &executed.output),
        &sequential.as_ref().map(|executed| &executed.output),
    );
    differences.into_iter().next()
}

#[cfg(test)]
mod tests;
