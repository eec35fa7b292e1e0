//! What a caller chooses about an engine.

use blockloom_scheduler::Limits;

/// Which path a block takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Parallel where it can pay, sequential for blocks that are too small, or
    /// whose transactions are too cheap.
    #[default]
    Adaptive,
    /// Parallel for every block, however small.
    Parallel,
    /// Stock sequential revm for every block.
    Sequential,
}

/// How an engine runs blocks. None of it changes a result.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Worker threads; 0 for one per available core.
    pub workers: usize,
    /// Which path blocks take.
    pub mode: Mode,
    /// Bounds on speculation.
    pub limits: Limits,
    /// Build a block access list (EIP-7928) also before Amsterdam, where it is
    /// part of every block.
    pub access_list: bool,
}
