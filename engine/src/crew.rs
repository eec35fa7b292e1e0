//! The workers of one block.

use crate::pace::{Pace, Unpaced};

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

impl Crew for rayon::ThreadPool {
    type Pace = Unpaced;

    const KEEPS_TIME: bool = true;

    fn size(&self) -> usize {
        self.current_num_threads()
    }

    fn run<T>(&self, work: impl Fn(usize, Unpaced) + Sync, lead: impl FnOnce(Unpaced) -> T) -> T {
        let work = &work;
        self.in_place_scope(|scope| {
            for index in 1..self.size() {
                scope.spawn(move |_| work(index, Unpaced));
            }
            lead(Unpaced)
        })
    }
}
