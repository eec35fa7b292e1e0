//! What the engine is meant to reach, as a table, and whether it does.

mod setting;
mod table;

pub use setting::Setting;
pub use table::TARGETS;

use crate::{
    figure::{some_ratio, spread},
    measurement::Measurement,
    statistics::geometric_mean,
};

/// Gas above which a mainnet block has enough to overlap to be held to a
/// speedup.
pub const LARGE_BLOCK_GAS: u64 = 5_000_000;

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
    /// What the cores gave in the same rounds, see [`Measurement::at_once`]; of
    /// a mean, the mean.
    pub at_once: Option<f64>,
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

    /// Titles of a table of verdicts: those of the [`cells`](Self::cells), with
    /// what became of the target before the last.
    pub const TITLES: [&str; 9] = [
        "blocks",
        "workload",
        "workers",
        "target",
        "measured",
        "10th–90th",
        "at once",
        "",
        "measured on",
    ];

    /// The cells of a table about it: blocks, workload, workers, target,
    /// measured, spread, what the cores gave, and on which workload.
    #[must_use]
    pub fn cells(&self) -> [String; 8] {
        let Target { what, setting, workers, bound, .. } = self.target;
        let bound = match bound {
            Bound::Ratio(least) | Bound::MeanRatio(least) => format!("≥ {least}"),
            Bound::CpuRatio(most) => format!("≤ {most} CPU"),
        };
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
            some_ratio(self.measured),
            self.spread.map_or_else(String::new, |(low, high)| spread(low, high)),
            some_ratio(self.at_once),
            on,
        ]
    }
}

impl Target {
    /// Holds `measurements`, which are of the target's setting, against it.
    #[must_use]
    pub fn judge(&self, measurements: &[Measurement]) -> Verdict {
        let concerned: Vec<_> = measurements.iter().filter(|one| self.concerns(one)).collect();
        let nothing = Verdict {
            target: *self,
            measured: None,
            spread: None,
            at_once: None,
            workload: None,
            met: (0, 0),
        };
        let (least, value): (f64, fn(&Measurement) -> f64) = match self.bound {
            Bound::MeanRatio(_) if concerned.is_empty() => return nothing,
            Bound::MeanRatio(least) => {
                let mean = geometric_mean(concerned.iter().map(|one| one.ratio));
                let met = (usize::from(mean >= least), 1);
                let cores: Option<Vec<_>> = concerned.iter().map(|one| one.at_once).collect();
                let at_once = cores.map(geometric_mean);
                return Verdict { measured: Some(mean), at_once, met, ..nothing };
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
            at_once: worst.at_once.filter(|_| is_wall),
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

#[cfg(test)]
mod tests;
