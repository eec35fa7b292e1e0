//! A recorded case, run again: as it was when it diverged, many times, and by
//! the engines of every other case.

use super::{
    difference::Difference,
    engines::{Engines, between_results},
    verdict::{Finding, Verdict},
};
use crate::{
    CliError,
    recorded::{AnyBase, RecordedCase},
};
use blockloom_engine::{BlockError, BlockOutput, ChainSpec, Engine, RecoveredBlock};
use blockloom_fixtures::handmade::{Faulty, Jitter};
use blockloom_state::{ErasedReader, MemoryState};
use revm::DatabaseRef;

/// How often the parallel run is tried as it was set up: threads need not meet
/// the same way each time.
const TRIES: u64 = 64;

/// Runs `case` again.
///
/// # Errors
///
/// [`CliError::Engine`] if its threads cannot be started.
pub(super) fn verify(case: &RecordedCase, engines: &Engines) -> Result<Verdict, CliError> {
    let (spec, block) = match (case.spec(), case.block()) {
        (Ok(spec), Ok(block)) => (spec, block),
        (Err(reason), _) | (_, Err(reason)) => return Ok(unusable(reason)),
    };
    let engine = Engine::new(case.settings.config())?;
    let (state, told) = case.states();
    let replica = Replica { case, spec: &spec, block: &block, engine: &engine };
    let expected = replica.sequential(&state);
    let mut findings = Vec::new();
    for attempt in 0..TRIES {
        let got = replica.parallel(&told, attempt);
        let workers = Some(case.settings.workers);
        findings.extend(between_results(&got, &expected).into_iter().map(|difference| Finding {
            block: None,
            workers,
            difference,
        }));
        if !findings.is_empty() {
            return Ok(Verdict::Failed(findings));
        }
    }
    let runs = engines.run(&spec, &block, &state);
    Ok(Verdict::of(
        runs.departures
            .into_iter()
            .map(|(workers, difference)| Finding {
                block: None,
                workers: Some(workers),
                difference,
            })
            .collect(),
    ))
}

fn unusable(reason: String) -> Verdict {
    let difference = Difference {
        transaction: None,
        location: "file".to_owned(),
        got: reason,
        expected: "rules and a block".to_owned(),
    };
    Verdict::Failed(vec![Finding { block: None, workers: None, difference }])
}

/// The case, ready to run.
struct Replica<'a> {
    case: &'a RecordedCase,
    spec: &'a ChainSpec,
    block: &'a RecoveredBlock,
    engine: &'a Engine,
}

impl Replica<'_> {
    fn sequential(&self, state: &MemoryState) -> Result<BlockOutput, BlockError> {
        let base = ErasedReader(Faulty::new(state, self.case.broken()));
        let base: AnyBase<'_> = &base;
        let executed = self.engine.execute_sequential(self.spec, self.block, &base);
        executed.map(|executed| executed.output)
    }

    /// The first time as it was recorded, then with other delays.
    fn parallel(&self, told: &MemoryState, attempt: u64) -> Result<BlockOutput, BlockError> {
        let base = Faulty::new(told, self.case.broken());
        match (self.case.settings.delays, attempt) {
            (None, 0) => self.parallel_on(base),
            (delays, attempt) => {
                let seed = delays.unwrap_or_default().wrapping_add(attempt);
                let first = self.block.senders.first().copied();
                self.parallel_on(Jitter::new(&base, seed, first))
            }
        }
    }

    fn parallel_on(&self, base: impl DatabaseRef + Sync) -> Result<BlockOutput, BlockError> {
        let base = ErasedReader(base);
        let base: AnyBase<'_> = &base;
        let executed = self.engine.execute(self.spec, self.block, &base);
        executed.map(|executed| executed.output)
    }
}
