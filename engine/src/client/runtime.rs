//! Threads and caches that the EVMs of a client share.

use super::snapshots::{AnySnapshots, SnapshotFactory};
use crate::{
    base::Codes,
    config::{Mode, Worth},
    crew::helpers,
    engine::EngineError,
};
use blockloom_state::CodeCache;
use std::{fmt, sync::Arc, thread, time::Duration};

/// Time below which handing a transaction over costs more than it brings, by
/// default.
const QUICK: Duration = Duration::from_micros(5);

/// How transactions are run ahead. None of it changes a result.
#[derive(Clone, Copy, Debug)]
pub struct AheadConfig {
    /// Threads at work, the caller's included; 0 for one per available core.
    pub workers: usize,
    /// Which blocks are run ahead.
    pub mode: Mode,
    /// What makes one worth it in [`Mode::Adaptive`]. Gas that may be used
    /// counts, for what will be used is not known yet. Times count where
    /// transactions look quick: then the first ones are looked at before others
    /// are run ahead.
    pub worth: Worth,
}

impl Default for AheadConfig {
    fn default() -> Self {
        let worth = Worth { time_per_transaction: QUICK, ..Worth::default() };
        Self { workers: 0, mode: Mode::default(), worth }
    }
}

/// Worker threads, a cache of code and a way to read the state: what all EVMs
/// of a client share. Cheap to clone.
#[derive(Clone)]
pub struct Ahead {
    pub(super) config: AheadConfig,
    /// One thread for each worker but the caller's; `None` without any.
    pub(super) pool: Option<Arc<rayon::ThreadPool>>,
    pub(super) snapshots: Option<Arc<dyn AnySnapshots>>,
    pub(super) codes: Arc<Codes>,
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Ahead {
    /// Starts the worker threads. They read through the caller's thread, as
    /// long as there are no [snapshots](Self::with_snapshots).
    ///
    /// # Errors
    ///
    /// [`EngineError::Threads`] if they cannot be started.
    pub fn new(config: AheadConfig) -> Result<Self, EngineError> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let workers = if config.workers == 0 { cores() } else { config.workers };
        let pool = helpers(workers, "blockloom-ahead")?.map(Arc::new);
        Ok(Self { config, pool, snapshots: None, codes: Arc::default() })
    }

    /// Lets workers read the state through readers of their own, where it is
    /// known which block's state that is.
    #[must_use]
    pub fn with_snapshots(self, snapshots: impl SnapshotFactory) -> Self {
        Self { snapshots: Some(Arc::new(snapshots)), ..self }
    }

    /// Code that was met in earlier blocks, analysed. A database that takes code
    /// from here as well saves reading and analysing it twice.
    #[must_use]
    pub fn code(&self) -> &CodeCache {
        self.codes.shared()
    }

    /// Threads that run ahead, beside the caller's.
    pub(super) fn n_scouts(&self) -> usize {
        self.pool.as_ref().map_or(0, |pool| pool.current_num_threads())
    }
}
