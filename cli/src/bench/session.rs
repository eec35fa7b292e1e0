//! Engines and protocol of one run.

use super::{
    memory, protocol,
    selection::{Job, Loader},
};
use crate::{BenchArgs, CliError};
use blockloom_benches::{
    Engines, Latency, MeasureError, Measurement, Protocol, SlowState, Workload, measure,
};
use blockloom_engine::{Engine, Mode};
use blockloom_fixtures::workload::Parameters;
use indicatif::ProgressBar;

/// Engines that stay from block to block, and how they are made to run.
#[derive(Debug)]
pub(crate) struct Session {
    engines: Engines,
    protocol: Protocol,
    latency: Option<Latency>,
    mode: Mode,
    measures_memory: bool,
    loader: Loader,
}

impl Session {
    /// Starts engines with these worker counts and in this mode, on a base
    /// state with this latency. `latency` has been calibrated before, for the sake of the
    /// threads started here.
    pub(crate) fn start(
        args: &BenchArgs,
        workers: &[usize],
        mode: Mode,
        latency: Option<Latency>,
    ) -> Result<Self, CliError> {
        Ok(Self {
            engines: Engines::new(workers, mode)?,
            protocol: protocol(args),
            latency,
            mode,
            measures_memory: !args.no_memory,
            loader: Loader::default(),
        })
    }

    /// The engine with the worker count named last, or the sequential one.
    pub(crate) fn engine(&self) -> &Engine {
        self.engines.parallel().last().unwrap_or(self.engines.sequential())
    }

    /// Rounds that measuring one block takes.
    pub(crate) const fn rounds_per_job(&self) -> usize {
        self.protocol.warm_ups + self.protocol.samples
    }

    /// Measures a block; gives it back with one measurement per worker count.
    pub(crate) fn measure(
        &mut self,
        job: &Job,
        parameters: &Parameters,
        bar: &ProgressBar,
    ) -> Result<(Workload, Vec<Measurement>), CliError> {
        let (workload, mut measurements) = self.measure_time(job, parameters, bar)?;
        if self.measures_memory {
            let peak = |workers| memory::peak(job, parameters, self.mode, workers);
            let sequential = peak(0)?;
            for one in &mut measurements {
                one.sequential_peak_bytes = sequential;
                one.peak_bytes = peak(one.workers)?;
            }
        }
        Ok((workload, measurements))
    }

    /// [`measure`](Self::measure) without memory.
    pub(crate) fn measure_time(
        &mut self,
        job: &Job,
        parameters: &Parameters,
        bar: &ProgressBar,
    ) -> Result<(Workload, Vec<Measurement>), CliError> {
        let workload = workload(job, parameters, &self.engines, &mut self.loader)?;
        bar.set_message(workload.name.clone());
        let base = &workload.base;
        let after_round = || bar.inc(1);
        let rounds = match self.latency {
            None => measure(&workload, base, &self.engines, &self.protocol, after_round),
            Some(latency) => {
                let slow = SlowState::new(base, latency);
                measure(&workload, &slow, &self.engines, &self.protocol, after_round)
            }
        };
        let mut measurements = Measurement::of(&workload, &rounds.map_err(failed)?);
        for one in &mut measurements {
            one.latency_us = self.latency.map(|latency| latency.measured.as_secs_f64() * 1e6);
        }
        Ok((workload, measurements))
    }
}

/// The block that `job` names.
pub(crate) fn workload(
    job: &Job,
    parameters: &Parameters,
    engines: &Engines,
    loader: &mut Loader,
) -> Result<Workload, CliError> {
    match job {
        Job::Generated(recipe) => {
            Ok(Workload::generated(recipe, parameters, engines.sequential())?)
        }
        Job::File(path) => Ok(Workload::mainnet(loader.load(path)?)),
    }
}

/// A measurement's error, with the difference spelled out if it is one.
pub(crate) fn failed(error: MeasureError) -> CliError {
    match error {
        MeasureError::Disagreement { workload, workers, got, expected } => {
            let differences = crate::verify::between_outputs(&got, &expected);
            let difference = differences.first().map(ToString::to_string).unwrap_or_default();
            CliError::Unequal { workload, workers, difference }
        }
        other => other.into(),
    }
}
