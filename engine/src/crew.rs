//! The workers of one block.

use crate::{
    engine::EngineError,
    pace::{Pace, Unpaced},
};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Runs the workers of one block: threads of a pool in production, virtual
/// ones that take turns in a [simulation](crate::Simulation).
pub(crate) trait Crew: Sync {
    /// What decides when each of them goes on.
    type Pace: Pace;

    /// Whether a clock tells anything about how fast they are.
    const KEEPS_TIME: bool;

    /// How many there are, the caller included.
    fn size(&self) -> usize;

    /// Runs `lead` on the calling thread and, beside it, `work` for every other
    /// worker, numbered from 1; returns when all of them have come to an end.
    fn run<T>(
        &self,
        work: impl Fn(usize, Self::Pace) + Sync,
        lead: impl FnOnce(Self::Pace) -> T,
    ) -> T;
}

/// Threads for all of `workers` but the caller; none for one worker.
///
/// They are a pool of their own. Of a larger one, a thread that gets nothing
/// looks around for a while whenever another gets something, and takes turns
/// with a worker on its core.
///
/// # Errors
///
/// [`EngineError::Threads`] if they cannot be started.
pub(crate) fn helpers(
    workers: usize,
    name: &'static str,
) -> Result<Option<ThreadPool>, EngineError> {
    let helpers = match workers.saturating_sub(1) {
        0 => return Ok(None),
        count => ThreadPoolBuilder::new().num_threads(count),
    };
    let pool = helpers.thread_name(move |index| format!("{name}-{}", index + 1)).build();
    pool.map(Some).map_err(|source| EngineError::Threads { workers, source })
}

/// The caller and its helpers.
impl Crew for Option<ThreadPool> {
    type Pace = Unpaced;

    const KEEPS_TIME: bool = true;

    fn size(&self) -> usize {
        1 + self.as_ref().map_or(0, ThreadPool::current_num_threads)
    }

    fn run<T>(&self, work: impl Fn(usize, Unpaced) + Sync, lead: impl FnOnce(Unpaced) -> T) -> T {
        let Some(helpers) = self else { return lead(Unpaced) };
        let work = &work;
        helpers.in_place_scope(|scope| {
            for index in 1..self.size() {
                scope.spawn(move |_| work(index, Unpaced));
            }
            lead(Unpaced)
        })
    }
}
