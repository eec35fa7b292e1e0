//! Blocks and base states that targets are about.

use super::{Scope, TARGETS};
use blockloom_engine::Mode;

/// Which blocks, on which base state, a target is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// Generated blocks of 30 Mgas.
    Ordinary,
    /// Generated blocks of 1 Ggas.
    Huge,
    /// Mainnet blocks.
    Mainnet,
    /// Generated blocks of 30 Mgas where each read of the state waits 100 µs.
    SlowReads,
    /// Generated blocks of 30 Mgas on the parallel path, whatever the engine
    /// would choose: alone, one worker takes the sequential path, and its
    /// ratio says nothing about bookkeeping.
    Forced,
}

impl Setting {
    /// All of them, in the order in which they are measured: waiting precisely
    /// changes the timer of the thread that asks for it, so it comes last.
    pub const ALL: [Self; 5] =
        [Self::Ordinary, Self::Huge, Self::Mainnet, Self::Forced, Self::SlowReads];

    /// A title for tables and plots.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ordinary => "Generated blocks, 30 Mgas",
            Self::Huge => "Generated blocks, 1 Ggas",
            Self::Mainnet => "Mainnet blocks",
            Self::SlowReads => "Generated blocks, 30 Mgas, 100 µs per read",
            Self::Forced => "Generated blocks, 30 Mgas, parallel path forced",
        }
    }

    /// Gas that generated blocks are made for; `None` for real ones.
    #[must_use]
    pub const fn gas(self) -> Option<u64> {
        match self {
            Self::Ordinary | Self::SlowReads | Self::Forced => Some(30_000_000),
            Self::Huge => Some(1_000_000_000),
            Self::Mainnet => None,
        }
    }

    /// Wait of each read, in microseconds.
    #[must_use]
    pub const fn latency_us(self) -> Option<u64> {
        match self {
            Self::SlowReads => Some(100),
            Self::Ordinary | Self::Huge | Self::Mainnet | Self::Forced => None,
        }
    }

    /// Worker counts that its targets name. More workers than cores are for
    /// reads that wait.
    #[must_use]
    pub const fn workers(self) -> &'static [usize] {
        match self {
            Self::SlowReads => &[64],
            Self::Forced => &[1],
            Self::Ordinary | Self::Huge | Self::Mainnet => &[1, 2],
        }
    }

    /// How engines choose their path.
    #[must_use]
    pub const fn mode(self) -> Mode {
        match self {
            Self::Forced => Mode::Parallel,
            Self::Ordinary | Self::Huge | Self::Mainnet | Self::SlowReads => Mode::Adaptive,
        }
    }

    /// Whether its targets are about every workload there is.
    #[must_use]
    pub const fn takes_all(self) -> bool {
        matches!(self, Self::Ordinary | Self::Mainnet | Self::Forced)
    }

    /// Whether a target of this setting names `workload`.
    #[must_use]
    pub fn names(self, workload: &str) -> bool {
        TARGETS.iter().any(|target| {
            target.setting == self && matches!(target.scope, Scope::Named(name) if name == workload)
        })
    }
}
