//! Ways to run a block in parallel, none of which may show in its result.

use blockloom_engine::{Config, Limits, Mode, Sharing, Worth};
use blockloom_fixtures::random::Entropy;
use std::fmt;

/// What the base state does to an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// It answers at once.
    None,
    /// Every location answers late, by as much as this seed says.
    Delays(u64),
    /// The same, and some locations do not answer at all.
    Broken(u64),
    /// One read in so many fails, counted from a start.
    Flaky { one_in: u64, start: u64 },
    /// One read in so many panics, counted from a start.
    Panics { one_in: u64, start: u64 },
}

/// One way to run a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Position of the engine among [`configs`].
    pub(super) engine: usize,
    pub(super) config: Config,
    pub(super) disturbance: Disturbance,
}

impl Schedule {
    /// Any way to run a block on one of the engines `configs`.
    pub(super) fn any(entropy: &mut Entropy<'_>, configs: &[Config]) -> Self {
        let engine = usize::try_from(entropy.below(configs.len() as u64)).unwrap_or_default();
        let disturbance = match entropy.below(16) {
            0..4 => Disturbance::None,
            4..12 => Disturbance::Delays(entropy.below(u64::MAX)),
            12..14 => Disturbance::Broken(entropy.below(u64::MAX)),
            kind => {
                let one_in = entropy.pick(&[3, 20, 100, 400]);
                let start = entropy.below(400);
                match kind {
                    14 => Disturbance::Flaky { one_in, start },
                    _ => Disturbance::Panics { one_in, start },
                }
            }
        };
        Self { engine, config: configs[engine], disturbance }
    }

    /// Seed of the delays, if there are any.
    pub(super) const fn delays(&self) -> Option<u64> {
        match self.disturbance {
            Disturbance::Delays(seed) | Disturbance::Broken(seed) => Some(seed),
            Disturbance::None | Disturbance::Flaky { .. } | Disturbance::Panics { .. } => None,
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { workers, mode, sharing, limits, access_list, .. } = self.config;
        write!(f, "{workers} workers, mode {mode:?}, sharing {sharing:?}, ")?;
        write!(f, "{} attempts, window {}", limits.attempts, limits.window)?;
        write!(f, "{}", if access_list { ", with access list, " } else { ", " })?;
        match self.disturbance {
            Disturbance::None => write!(f, "undisturbed"),
            Disturbance::Delays(seed) => write!(f, "delays of seed {seed}"),
            Disturbance::Broken(seed) => write!(f, "broken locations, delays of seed {seed}"),
            Disturbance::Flaky { one_in, start } => {
                write!(f, "one read in {one_in} fails from {start} on")
            }
            Disturbance::Panics { one_in, start } => {
                write!(f, "one read in {one_in} panics from {start} on")
            }
        }
    }
}

/// Every way to set an engine of these worker counts up.
pub(super) fn configs(workers: &[usize]) -> Vec<Config> {
    let each = |workers: &usize| {
        let forced = Config {
            workers: *workers,
            mode: Mode::Parallel,
            worth: Worth::NOTHING,
            ..Config::default()
        };
        let eager = Config { mode: Mode::Adaptive, ..forced };
        let tight = Limits { attempts: 1, window: 1, fixed_window: true };
        let loose = Limits { attempts: 8, window: 1_000, fixed_window: true };
        [
            Config { sharing: Sharing::News, ..forced },
            Config { sharing: Sharing::Memory, ..forced },
            Config { sharing: Sharing::News, access_list: true, ..forced },
            Config { sharing: Sharing::Memory, access_list: true, ..forced },
            Config { sharing: Sharing::Memory, limits: tight, ..forced },
            Config { sharing: Sharing::Memory, limits: loose, ..forced },
            eager,
            Config { sharing: Sharing::Memory, ..eager },
            Config { worth: Worth::default(), ..eager },
        ]
    };
    workers.iter().flat_map(each).collect()
}
