//! Wall and CPU time of one piece of work.

use cpu_time::ProcessTime;
use std::{
    ops::AddAssign,
    time::{Duration, Instant},
};

/// What something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Time on the wall.
    pub wall: Duration,
    /// Time on all cores together, of every thread of this process.
    pub cpu: Duration,
}

impl Timing {
    /// Runs `work` and times it. What it returns is dropped by the caller,
    /// outside of the timer.
    pub fn of<T>(work: impl FnOnce() -> T) -> (T, Self) {
        // The CPU clock is a system call, so it is outside of the wall clock.
        let cpu = ProcessTime::now();
        let wall = Instant::now();
        let result = work();
        let wall = wall.elapsed();
        (result, Self { wall, cpu: cpu.elapsed() })
    }

    /// The share of one of `n` equal pieces; `n` is not zero.
    #[must_use]
    pub fn divided(self, n: u32) -> Self {
        Self { wall: self.wall / n, cpu: self.cpu / n }
    }
}

impl AddAssign for Timing {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu += other.cpu;
    }
}
