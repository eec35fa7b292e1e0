//! What a caller chooses about an engine.

use blockloom_scheduler::Limits;
use std::time::Duration;

/// Which path a block takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Parallel where it pays: not for blocks that are too small, whose
    /// transactions are too quick, or depend on each other.
    #[default]
    Adaptive,
    /// Parallel for every block, however small.
    Parallel,
    /// Stock sequential revm for every block.
    Sequential,
}

/// How workers of the parallel path learn of each other's writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// By news with few workers, by a multi-version memory with many, or where
    /// reads of the base state are slow.
    #[default]
    Adaptive,
    /// One worker runs at the frontier, and tells the others, who run ahead,
    /// what became final. Costs next to nothing, and the least where blocks
    /// are one chain; but nobody sees what others have not finished.
    News,
    /// Everybody writes to a multi-version memory and reads from it, as in the
    /// Block-STM paper.
    Memory,
}

/// What a block must promise, in [`Mode::Adaptive`], to be run in parallel.
/// Plain transfers, which are computed at once, do not count.
///
/// The defaults were measured on two cores with the state in memory. Where
/// reads of the base state wait for a disk, less is worth it sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    /// Gas the block uses. Less runs in a few times what waking the workers
    /// takes (a tenth of a millisecond).
    pub gas: u64,
    /// Gas of a transaction, on average.
    pub gas_per_transaction: u64,
    /// Time left after the first transactions, at their pace.
    pub time_left: Duration,
    /// Time a transaction takes, on average, at their pace. Speculating on one,
    /// checking and committing it takes a microsecond or two, on each of two
    /// cores.
    pub time_per_transaction: Duration,
}

impl Worth {
    /// Everything is worth it.
    pub const NOTHING: Self = Self {
        gas: 0,
        gas_per_transaction: 0,
        time_left: Duration::ZERO,
        time_per_transaction: Duration::ZERO,
    };
}

impl Default for Worth {
    /// 2.5 Mgas, 25,000 gas, 400 µs, 8 µs.
    fn default() -> Self {
        Self {
            gas: 2_500_000,
            gas_per_transaction: 25_000,
            time_left: Duration::from_micros(400),
            time_per_transaction: Duration::from_micros(8),
        }
    }
}

/// How an engine runs blocks. None of it changes a result.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Workers, the thread that calls the engine included; 0 for one per
    /// available core.
    pub workers: usize,
    /// Which path blocks take.
    pub mode: Mode,
    /// How workers share what they write.
    pub sharing: Sharing,
    /// Bounds on speculation in a multi-version memory.
    pub limits: Limits,
    /// From when on several workers are worth waking, in the adaptive mode.
    pub worth: Worth,
    /// Build a block access list (EIP-7928) also before Amsterdam, where it is
    /// part of every block.
    pub access_list: bool,
}
