//! The engines of one case thread, and the comparison between them.

use super::difference::{Difference, between_outputs};
use crate::CliError;
use blockloom_engine::{
    BlockError, BlockOutput, ChainSpec, Config, Engine, Mode, RecoveredBlock, Worth,
};
use blockloom_state::Snapshot;
use std::borrow::Borrow;

/// One parallel engine per worker count; the first also runs sequentially.
#[derive(Debug)]
pub(crate) struct Engines {
    /// In the order the command line gives; never empty.
    parallel: Vec<(usize, Engine)>,
}

/// What running a block everywhere gave.
pub(crate) struct Runs {
    /// The sequential result, the oracle.
    pub sequential: Result<BlockOutput, BlockError>,
    /// Where a parallel result departs from it, with the worker count.
    pub departures: Vec<(usize, Difference)>,
}

impl Engines {
    /// Engines with these worker counts.
    ///
    /// The parallel mode is forced: left to itself, an engine would run small
    /// blocks sequentially, and the comparison would be with itself. One engine
    /// of two workers and more is left to itself, but told that every block is
    /// worth it: it computes transfers, begins one after another, and gives
    /// speculation up where it is in vain.
    pub(crate) fn new(workers: &[usize], access_list: bool) -> Result<Self, CliError> {
        let start = |workers, mode| {
            let config =
                Config { workers, mode, access_list, worth: Worth::NOTHING, ..Config::default() };
            Engine::new(config).map(|engine| (workers, engine))
        };
        let counts = if workers.is_empty() { &[1] } else { workers };
        let most = counts.iter().copied().max().filter(|most| *most > 1);
        let forced = counts.iter().map(|count| start(*count, Mode::Parallel));
        let adaptive = most.into_iter().map(|count| start(count, Mode::Adaptive));
        let parallel = forced.chain(adaptive).collect::<Result<_, _>>()?;
        Ok(Self { parallel })
    }

    /// The engine for everything but execution.
    pub(crate) fn any(&self) -> &Engine {
        &self.parallel[0].1
    }

    /// Runs `block` on `base` sequentially and at each worker count.
    pub(crate) fn run(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        base: &impl Snapshot,
    ) -> Runs {
        let sequential =
            self.any().execute_sequential(spec, block, base).map(|executed| executed.output);
        let mut departures = Vec::new();
        for (workers, engine) in &self.parallel {
            let parallel = engine.execute(spec, block, base).map(|executed| executed.output);
            let differences = between_results(&parallel, &sequential);
            departures.extend(differences.into_iter().map(|difference| (*workers, difference)));
        }
        Runs { sequential, departures }
    }
}

/// Compares outcomes: outputs as whole values, errors by kind, transaction
/// and content.
pub(crate) fn between_results<O, E>(got: &Result<O, E>, expected: &Result<O, E>) -> Vec<Difference>
where
    O: Borrow<BlockOutput>,
    E: Borrow<BlockError>,
{
    let describe = |result: &Result<O, E>| match result {
        Ok(output) => format!("a result with {} receipts", output.borrow().receipts.len()),
        Err(error) => format!("{:?}", error.borrow()),
    };
    let same_error = match (got, expected) {
        (Ok(got), Ok(expected)) => return between_outputs(got.borrow(), expected.borrow()),
        // Debug shows every field; internal errors have no equality.
        (Err(_), Err(_)) => describe(got) == describe(expected),
        _ => false,
    };
    if same_error {
        return Vec::new();
    }
    vec![Difference {
        transaction: None,
        location: "execution".to_owned(),
        got: describe(got),
        expected: describe(expected),
    }]
}
