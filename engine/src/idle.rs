//! What a worker does while there is nothing to do.

use std::{hint, thread, time::Duration};

/// Rounds of spinning before the core is offered to somebody else; the last
/// one spins 2^6 times, about as long as a plain transfer runs.
const SPINS: u32 = 6;

/// Rounds of yielding after that, before the worker naps.
const YIELDS: u32 = 16;

/// Length of a nap. Long against the cost of waking up (a few microseconds),
/// short against a block.
const NAP: Duration = Duration::from_micros(50);

/// Waits a little longer each time, but never for another worker: every wait
/// ends by itself, so nobody has to wake anybody.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    rounds: u32,
}

impl Idle {
    /// There was something to do.
    pub(crate) const fn reset(&mut self) {
        self.rounds = 0;
    }

    /// Whether there has been nothing to do for so long that waiting means
    /// napping.
    pub(crate) const fn naps(&self) -> bool {
        self.rounds > SPINS + YIELDS
    }

    /// Waits one round.
    pub(crate) fn wait(&mut self) {
        if self.rounds <= SPINS {
            for _ in 0..1u32 << self.rounds {
                hint::spin_loop();
            }
        } else if !self.naps() {
            thread::yield_now();
        } else {
            thread::park_timeout(NAP);
        }
        self.rounds = self.rounds.saturating_add(1);
    }
}
