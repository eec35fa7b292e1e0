//! What the engine is meant to reach, as a table, and whether it does.

use crate::{figure::ratio, measurement::Measurement, statistics::geometric_mean};
use blockloom_engine::Mode;

/// Gas above which a mainnet block has enough to overlap to be held to a
/// speedup.
pub const LARGE_BLOCK_GAS: u64 = 5_000_000;

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

/// Which workloads of a setting a target is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This one.
    Named(&'static str),
    /// All of them.
    All,
    /// Those that use more than [`LARGE_BLOCK_GAS`].
    Large,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// The ratio of each workload is at least this.
    Ratio(f64),
    /// The geometric mean of the ratios is at least this.
    MeanRatio(f64),
    /// The ratio of CPU times, parallel by sequential, is at most this for
    /// each workload.
    CpuRatio(f64),
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// What it is about, in words.
    pub what: &'static str,
    /// Which blocks.
    pub setting: Setting,
    /// Which of them.
    pub scope: Scope,
    /// Worker threads.
    pub workers: usize,
    /// What is to be reached.
    pub bound: Bound,
}

/// What a target came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The target.
    pub target: Target,
    /// The value that the bound is about: of several workloads, the worst.
    /// `None` if nothing was measured that the target is about.
    pub measured: Option<f64>,
    /// The tenth and ninetieth percentile around it; `None` for a mean.
    pub spread: Option<(f64, f64)>,
    /// The workload it was measured on; `None` for a mean.
    pub workload: Option<String>,
    /// How many workloads meet the bound, and out of how many; for a mean, 1
    /// or 0 out of 1.
    pub met: (usize, usize),
}

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is reached.
    Met,
    /// It is not.
    Missed,
    /// Nothing was measured that it is about.
    NotMeasured,
}

impl Verdict {
    /// What became of the target.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self.met {
            (_, 0) => Standing::NotMeasured,
            (met, all) if met == all => Standing::Met,
            _ => Standing::Missed,
        }
    }

    /// Whether the target is reached.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.standing() == Standing::Met
    }

    /// The cells of a table about it: blocks, workload, workers, target,
    /// measured, spread, and on which workload.
    #[must_use]
    pub fn cells(&self) -> [String; 7] {
        let Target { what, setting, workers, bound, .. } = self.target;
        let bound = match bound {
            Bound::Ratio(least) | Bound::MeanRatio(least) => format!("≥ {least}"),
            Bound::CpuRatio(most) => format!("≤ {most} CPU"),
        };
        let spread = |(low, high)| format!("{}–{}", ratio(low), ratio(high));
        let on = match (&self.workload, self.met) {
            (Some(workload), (met, all)) if all > 1 => format!("{met} of {all}, worst {workload}"),
            (Some(workload), _) => workload.clone(),
            (None, _) => String::new(),
        };
        [
            setting.title().to_owned(),
            what.to_owned(),
            workers.to_string(),
            bound,
            self.measured.map_or_else(|| "–".to_owned(), ratio),
            self.spread.map_or_else(String::new, spread),
            on,
        ]
    }
}

impl Target {
    /// Holds `measurements`, which are of the target's setting, against it.
    #[must_use]
    pub fn judge(&self, measurements: &[Measurement]) -> Verdict {
        let concerned: Vec<_> = measurements.iter().filter(|one| self.concerns(one)).collect();
        let nothing =
            Verdict { target: *self, measured: None, spread: None, workload: None, met: (0, 0) };
        let (least, value): (f64, fn(&Measurement) -> f64) = match self.bound {
            Bound::MeanRatio(_) if concerned.is_empty() => return nothing,
            Bound::MeanRatio(least) => {
                let mean = geometric_mean(concerned.iter().map(|one| one.ratio));
                let met = (usize::from(mean >= least), 1);
                return Verdict { measured: Some(mean), met, ..nothing };
            }
            Bound::Ratio(least) => (least, |one| one.ratio),
            // Negated, the largest is the worst here too.
            Bound::CpuRatio(most) => (-most, |one| -one.cpu_ratio),
        };
        let Some(worst) = concerned.iter().min_by(|a, b| value(a).total_cmp(&value(b))) else {
            return nothing;
        };
        let is_wall = matches!(self.bound, Bound::Ratio(_));
        Verdict {
            measured: Some(value(worst).abs()),
            spread: is_wall.then_some((worst.ratio_low, worst.ratio_high)),
            workload: Some(worst.workload.clone()),
            met: (concerned.iter().filter(|one| value(one) >= least).count(), concerned.len()),
            ..nothing
        }
    }

    fn concerns(&self, measurement: &Measurement) -> bool {
        measurement.workers == self.workers
            && match self.scope {
                Scope::Named(name) => measurement.workload == name,
                Scope::All => true,
                Scope::Large => measurement.gas > LARGE_BLOCK_GAS,
            }
    }
}

const fn named(
    what: &'static str,
    setting: Setting,
    workload: &'static str,
    bound: Bound,
) -> Target {
    Target { what, setting, scope: Scope::Named(workload), workers: 2, bound }
}

const NEVER_SLOWER: Bound = Bound::Ratio(0.97);
const LITTLE_MORE_CPU: Bound = Bound::CpuRatio(1.15);
const SMALL_TAX: Bound = Bound::Ratio(0.95);

/// The table.
pub const TARGETS: &[Target] = &[
    named("independent ERC-20", Setting::Ordinary, "erc20_independent", Bound::Ratio(1.85)),
    named("independent ERC-20", Setting::Huge, "erc20_independent", Bound::Ratio(1.95)),
    named("swaps, many pools", Setting::Ordinary, "amm_many_pools", Bound::Ratio(1.85)),
    named("swaps, many pools", Setting::Huge, "amm_many_pools", Bound::Ratio(1.95)),
    named("independent transfers", Setting::Ordinary, "independent_transfers", Bound::Ratio(1.8)),
    named("independent transfers", Setting::Huge, "independent_transfers", Bound::Ratio(1.8)),
    named("same recipient", Setting::Ordinary, "same_recipient", Bound::Ratio(1.8)),
    named("same recipient", Setting::Huge, "same_recipient", Bound::Ratio(1.8)),
    named("same sender", Setting::Ordinary, "same_sender", Bound::Ratio(1.8)),
    named("same sender", Setting::Huge, "same_sender", Bound::Ratio(1.8)),
    named("10 accounts", Setting::Ordinary, "ten_accounts", Bound::Ratio(1.8)),
    named("10 accounts", Setting::Huge, "ten_accounts", Bound::Ratio(1.8)),
    named("one long chain", Setting::Ordinary, "transfer_chain", NEVER_SLOWER),
    named("one long chain", Setting::Ordinary, "transfer_chain", LITTLE_MORE_CPU),
    named("one long chain", Setting::Huge, "transfer_chain", NEVER_SLOWER),
    named("one long chain", Setting::Huge, "transfer_chain", LITTLE_MORE_CPU),
    named("one hot slot", Setting::Ordinary, "hot_slot", NEVER_SLOWER),
    named("one hot slot", Setting::Ordinary, "hot_slot", LITTLE_MORE_CPU),
    named("one hot slot", Setting::Huge, "hot_slot", NEVER_SLOWER),
    named("one hot slot", Setting::Huge, "hot_slot", LITTLE_MORE_CPU),
    named("swaps, one pool", Setting::Ordinary, "amm_one_pool", NEVER_SLOWER),
    named("swaps, one pool", Setting::Ordinary, "amm_one_pool", LITTLE_MORE_CPU),
    named("swaps, one pool", Setting::Huge, "amm_one_pool", NEVER_SLOWER),
    named("swaps, one pool", Setting::Huge, "amm_one_pool", LITTLE_MORE_CPU),
    Target {
        what: "above 5 Mgas, geometric mean",
        setting: Setting::Mainnet,
        scope: Scope::Large,
        workers: 2,
        bound: Bound::MeanRatio(1.75),
    },
    Target {
        what: "above 5 Mgas, each",
        setting: Setting::Mainnet,
        scope: Scope::Large,
        workers: 2,
        bound: NEVER_SLOWER,
    },
    named("a small block", Setting::Ordinary, "small", NEVER_SLOWER),
    named("an empty block", Setting::Ordinary, "empty", NEVER_SLOWER),
    Target {
        what: "swaps, many pools, 64 workers",
        setting: Setting::SlowReads,
        scope: Scope::Named("amm_many_pools"),
        workers: 64,
        bound: Bound::Ratio(25.0),
    },
    Target {
        what: "any workload, one worker",
        setting: Setting::Ordinary,
        scope: Scope::All,
        workers: 1,
        bound: SMALL_TAX,
    },
    Target {
        what: "any workload, one worker",
        setting: Setting::Huge,
        scope: Scope::All,
        workers: 1,
        bound: SMALL_TAX,
    },
    Target {
        what: "any workload, one worker",
        setting: Setting::Forced,
        scope: Scope::All,
        workers: 1,
        bound: SMALL_TAX,
    },
    Target {
        what: "any block, one worker",
        setting: Setting::Mainnet,
        scope: Scope::All,
        workers: 1,
        bound: SMALL_TAX,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::example;
    use blockloom_fixtures::workload::find;

    fn target(scope: Scope, bound: Bound) -> Target {
        Target { what: "", setting: Setting::Ordinary, scope, workers: 2, bound }
    }

    #[test]
    fn every_named_workload_exists() {
        for target in TARGETS {
            if let Scope::Named(name) = target.scope {
                assert!(find(name).is_some(), "{name}");
                assert!(target.setting.names(name));
            }
            assert!(target.setting.workers().contains(&target.workers), "{target:?}");
        }
    }

    #[test]
    fn the_worst_workload_decides() {
        let mut measurements = [example("a", 2), example("b", 2), example("c", 1)];
        measurements[0].ratio = 1.2;
        measurements[1].ratio = 0.9;
        measurements[2].ratio = 0.1;
        let verdict = target(Scope::All, Bound::Ratio(1.0)).judge(&measurements);
        assert_eq!((verdict.measured, verdict.met, verdict.is_met()), (Some(0.9), (1, 2), false));
        assert_eq!(verdict.workload.as_deref(), Some("b"));
        let verdict = target(Scope::Named("a"), Bound::Ratio(1.0)).judge(&measurements);
        assert!(verdict.is_met());
        let verdict = target(Scope::Named("z"), Bound::Ratio(1.0)).judge(&measurements);
        assert_eq!((verdict.measured, verdict.is_met()), (None, false));
    }

    #[test]
    fn cpu_time_is_bounded_from_above() {
        let mut measurements = [example("a", 2), example("b", 2)];
        measurements[0].cpu_ratio = 1.1;
        measurements[1].cpu_ratio = 1.3;
        let verdict = target(Scope::All, Bound::CpuRatio(1.15)).judge(&measurements);
        assert_eq!((verdict.measured, verdict.met), (Some(1.3), (1, 2)));
    }

    #[test]
    fn a_mean_is_of_large_blocks_only() {
        let mut measurements = [example("a", 2), example("b", 2), example("c", 2)];
        for (one, (gas, ratio)) in
            measurements.iter_mut().zip([(6_000_000, 2.0), (9_000_000, 0.5), (5_000_000, 0.1)])
        {
            (one.gas, one.ratio) = (gas, ratio);
        }
        let verdict = target(Scope::Large, Bound::MeanRatio(1.0)).judge(&measurements);
        assert!(verdict.measured.is_some_and(|mean| (mean - 1.0).abs() < 1e-12), "{verdict:?}");
        assert_eq!(verdict.workload, None);
    }
}
