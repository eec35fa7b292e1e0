//! What workers do beside running transactions, measured on this machine and
//! with this very block.
//!
//! Steps are timed where they are taken: on virtual workers that take turns, so
//! that the time between two steps is one worker's own. They work in shifts:
//! one runs a few transactions ahead, and then the worker at the frontier judges
//! what it found. With longer ones no memory would come back in time to be used
//! again, with shorter ones each step would pay for the change of threads.

use super::{
    Order, Simulation,
    costs::{Costs, Shared, Times, median, nanos, paired},
    scene::Scene,
    turns::{Profile, Step, Turns, VirtualCrew},
};
use crate::{
    config::{Config, Mode, Sharing},
    crew::Crew,
    error::BlockError,
    idle::Idle,
    pace::{Pace, Point},
};
use blockloom_scheduler::TxIdx;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Times that steps are taken, at most, to time them; the median counts.
const ROUNDS: usize = 15;

/// Transactions that a worker has to itself while steps are timed.
const SHIFT: usize = 16;

/// Times that two virtual workers are compared with two real ones, and what
/// working on two cores adds is corrected.
const FITS: usize = 4;

/// Bounds on what that may come to, in thousandths.
const LEAST_CROWDING: u64 = 500;
const MOST_CROWDING: u64 = 4_000;

/// Rounds of real workers that do not count.
const WARM_UPS: usize = 2;

/// Looks at the clock, of which the median is taken.
const LOOKS: usize = 1_000;

/// Rounds of waiting until each takes as long as the one before: all of the
/// spinning and yielding, and a nap.
const WAITS: usize = 25;

/// What workers do beside running transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calibration {
    /// Until a thread that was asleep works.
    pub waking: Duration,
    /// Thousandths of what a step takes alone that it takes while another core is
    /// at work on the same block.
    pub crowding: u64,
    /// Rounds of waiting; later ones take as long as the last.
    pub waits: Vec<Duration>,
    /// Steps of workers that tell each other what is final.
    pub news: StepCosts,
    /// Steps of workers that share a multi-version memory.
    pub memory: StepCosts,
}

/// What the steps of workers take, with one way of sharing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepCosts {
    /// Until the caller, and each of the others once it is awake, takes its
    /// first step.
    pub start: [Duration; 2],
    /// Running each transaction ahead of its turn; `None` where nobody did.
    pub ahead: Vec<Option<Ahead>>,
    /// Thousandths of what running takes at the frontier that it takes ahead.
    pub ahead_permille: u64,
    /// Judging a result, and making it final if it stands.
    pub judge: StepCost,
    /// Checking one that is not due yet.
    pub check: StepCost,
    /// Publishing it.
    pub publish: StepCost,
    /// Reporting it, and finding something else to do.
    pub report: StepCost,
    /// Going on to the next transaction.
    pub commit: StepCost,
    /// Taking back what was published.
    pub abort: StepCost,
}

/// One transaction, run ahead of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// From its start to its result.
    pub time: Duration,
    /// Reads on the way.
    pub n_reads: u64,
}

/// What one kind of step takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCost {
    /// Picoseconds for the step itself.
    fixed: u64,
    /// Picoseconds for each location that the transaction reads.
    each: u64,
}

impl StepCost {
    /// Nanoseconds for a transaction that reads so many locations.
    pub(super) const fn of(self, n_reads: usize) -> u64 {
        (self.fixed + self.each * n_reads as u64) / 1_000
    }

    /// What this kind of step takes for a transaction of so many reads.
    #[must_use]
    pub const fn time(self, n_reads: usize) -> Duration {
        Duration::from_nanos(self.of(n_reads))
    }

    /// The line closest to what was seen, of reads and nanoseconds, that does
    /// not fall and begins at nothing or above; `None` if nothing was.
    fn fit(seen: &[(usize, u64)]) -> Option<Self> {
        let n = seen.len() as u64;
        let (reads, time) =
            seen.iter().fold((0, 0), |(reads, time), (r, t)| (reads + *r as u64, time + t));
        let mean = (time * 1_000).checked_div(n)?;
        let mean_reads = reads as f64 / n as f64;
        let deviation = |r: usize| r as f64 - mean_reads;
        let (xx, xy) = seen.iter().fold((0.0, 0.0), |(xx, xy), (r, t)| {
            let x = deviation(*r);
            (x.mul_add(x, xx), x.mul_add((*t * 1_000) as f64 - mean as f64, xy))
        });
        let most = if mean_reads > 0.0 { mean as f64 / mean_reads } else { 0.0 };
        let slope = if xx > 0.0 { (xy / xx).clamp(0.0, most) } else { 0.0 };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to the mean of what was seen"
        )]
        let (each, part) = (slope as u64, (slope * mean_reads) as u64);
        Some(Self { fixed: mean.saturating_sub(part), each })
    }
}

impl Calibration {
    pub(super) const fn of(&self, sharing: Shared) -> &StepCosts {
        match sharing {
            Shared::News => &self.news,
            Shared::Memory => &self.memory,
        }
    }

    /// Completes `costs`, while nothing else is at work, as far as that is up to
    /// the caller.
    pub(super) fn measure(
        scene: &Scene<'_>,
        mut costs: Costs,
        rounds: usize,
    ) -> Result<Arc<Costs>, BlockError> {
        let looking = looking();
        let steps = |sharing| {
            let engine = scene.engine(|config| Config {
                workers: 1,
                mode: Mode::Parallel,
                sharing,
                ..config
            })?;
            let scene = Scene { engine: &engine, ..*scene };
            let mut profiles = Profiles::default();
            // Whoever runs first finds caches cold.
            scene.in_order()?;
            for _ in 0..rounds.clamp(1, ROUNDS) {
                let beside = scene.in_order()?;
                let usual =
                    |time: Duration| paired(time.saturating_sub(looking), beside, costs.sequential);
                profiles.add(&profile(&scene)?, usual);
            }
            Ok(profiles.into_costs(&costs))
        };
        let (news, memory) = (steps(Sharing::News)?, steps(Sharing::Memory)?);
        let waking = waking(scene, rounds)?;
        costs.calibration = Self { waking, crowding: 1_000, waits: waits(rounds), news, memory };
        crowded(scene, costs, rounds)
    }
}

/// How long a thread takes to wake up that has slept for as long as a sequential
/// run takes.
fn waking(scene: &Scene<'_>, rounds: usize) -> Result<Duration, BlockError> {
    let pool = scene.started(rayon::ThreadPoolBuilder::new().num_threads(1).build())?;
    let mut all = Vec::new();
    for _ in 0..rounds.max(1) {
        scene.in_order()?;
        let awake = Mutex::new(None);
        let asleep = Instant::now();
        pool.in_place_scope(|scope| {
            scope.spawn(|_| *awake.lock() = Some(Instant::now()));
        });
        all.extend(awake.into_inner().map(|awake| awake - asleep));
    }
    Ok(median(all))
}

/// Completes `costs` by what working on two cores adds to every step, such that
/// two virtual workers come to what two real ones do, which run in turns with
/// the sequential path.
///
/// Steps are timed while nobody else is at work. Beside somebody who is, each
/// waits for lines that the other core has, and shares the cache and the memory
/// behind it; how much is nothing that one thread could find out.
fn crowded(scene: &Scene<'_>, costs: Costs, rounds: usize) -> Result<Arc<Costs>, BlockError> {
    let mut costs = Arc::new(costs);
    let Some(real) = speedup_of_two(scene, &costs, rounds)? else { return Ok(costs) };
    let rounds = rounds.clamp(1, ROUNDS);
    for _ in 0..FITS {
        let simulated = scene.predict(&costs, 2, rounds)?;
        let Calibration { crowding, .. } = &mut Arc::make_mut(&mut costs).calibration;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the bounds"
        )]
        let fitted = (*crowding as f64 * simulated / real) as u64;
        *crowding = fitted.clamp(LEAST_CROWDING, MOST_CROWDING);
    }
    Ok(costs)
}

/// Speedup of two real workers; `None` if there are not that many cores, or the
/// engine leaves the block to one.
fn speedup_of_two(
    scene: &Scene<'_>,
    costs: &Costs,
    rounds: usize,
) -> Result<Option<f64>, BlockError> {
    if thread::available_parallelism().map_or(1, NonZero::get) < 2 {
        return Ok(None);
    }
    let engine = scene.engine(|config| Config { workers: 2, ..config })?;
    let Scene { spec, block, base, .. } = *scene;
    let (mut times, mut shared) = (Vec::new(), 0);
    for _ in 0..rounds.max(1) + WARM_UPS {
        let alone = scene.in_order()?;
        let stats = engine.execute_on(spec, block, base, &engine.crew)?.stats;
        shared += usize::from(stats.workers > 1);
        times.push(paired(stats.elapsed, alone, costs.sequential));
    }
    let is_shared = 2 * shared > times.len();
    let usual = median(times.split_off(WARM_UPS));
    Ok(is_shared.then(|| costs.sequential.as_secs_f64() / usual.as_secs_f64()))
}

/// Rounds of waiting, the best of several times.
fn waits(rounds: usize) -> Vec<Duration> {
    let mut best = vec![Duration::MAX; WAITS];
    for _ in 0..rounds.max(1) {
        let mut idle = Idle::default();
        for best in &mut best {
            let started = Instant::now();
            idle.wait();
            *best = started.elapsed().min(*best);
        }
    }
    best
}

/// Runs the block on two virtual workers, and times every step.
fn profile(scene: &Scene<'_>) -> Result<Profile, BlockError> {
    let Scene { engine, spec, block, base } = *scene;
    let turns = Turns::timing(&Simulation { workers: 2, order: Order::Shifts(SHIFT), seed: 0 });
    engine.execute_on(spec, block, base, &VirtualCrew(&turns))?;
    Ok(turns.into_profile())
}

/// What is measured of a step in which nothing is done: looking at the clock.
fn looking() -> Duration {
    let turns = Turns::timing(&Simulation { workers: 1, order: Order::Circle, seed: 0 });
    VirtualCrew(&turns).run(
        |_, _| {},
        |pace| (0..LOOKS).for_each(|position| pace.at(Point::Judge, TxIdx::new(position))),
    );
    median(turns.into_profile().steps.into_iter().map(|(_, time)| time).collect())
}

/// The times of each step, of several runs.
#[derive(Debug, Default)]
struct Profiles {
    start: [Vec<Duration>; 2],
    ahead: Times,
    /// Reads of each that ran ahead.
    n_reads: BTreeMap<usize, u64>,
    steps: BTreeMap<PointKey, Times>,
}

/// A kind of step that is not running a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PointKey {
    Judge,
    Check,
    Publish,
    Report,
    Commit,
    Abort,
}

impl PointKey {
    const fn of(point: Point) -> Option<Self> {
        Some(match point {
            Point::Judge => Self::Judge,
            Point::Check => Self::Check,
            Point::Publish => Self::Publish,
            Point::Report => Self::Report,
            Point::Commit => Self::Commit,
            Point::Abort => Self::Abort,
            Point::Run | Point::Read | Point::RunHere | Point::Wait => return None,
        })
    }
}

impl Profiles {
    /// Adds one run; `usual` says what its times come to usually.
    fn add(&mut self, profile: &Profile, usual: impl Fn(Duration) -> Duration) {
        for (all, now) in self.start.iter_mut().zip(profile.start) {
            all.push(usual(now));
        }
        let mut runs: BTreeMap<usize, Ahead> = BTreeMap::new();
        let mut again = Vec::new();
        let mut steps: BTreeMap<PointKey, Vec<_>> = BTreeMap::new();
        for (Step { point, tx, .. }, time) in profile.steps.iter().copied() {
            let (position, time) = (tx.position(), usual(time));
            match point {
                Point::Run => {
                    let begun = Ahead { time, n_reads: 0 };
                    if runs.insert(position, begun).is_some() {
                        again.push(position);
                    }
                }
                Point::Read => {
                    if let Some(run) = runs.get_mut(&position) {
                        run.time += time;
                        run.n_reads += 1;
                    }
                }
                _ => {}
            }
            if let Some(key) = PointKey::of(point) {
                steps.entry(key).or_default().push((position, time));
            }
        }
        for (key, times) in steps {
            self.steps.entry(key).or_default().add(times);
        }
        // What was given up half-way tells nothing.
        runs.retain(|position, _| !again.contains(position));
        self.n_reads.extend(runs.iter().map(|(position, run)| (*position, run.n_reads)));
        self.ahead.add(runs.into_iter().map(|(position, run)| (position, run.time)));
    }

    fn into_costs(self, costs: &Costs) -> StepCosts {
        let Costs { transactions, .. } = costs;
        let Self { start, ahead, n_reads, steps } = self;
        let ahead = ahead.usual().into_iter();
        let ahead = ahead.map(|(position, time)| {
            let n_reads = n_reads.get(&position).copied().unwrap_or_default();
            (position, Ahead { time, n_reads })
        });
        let ahead: BTreeMap<_, _> = ahead.collect();
        let steps: BTreeMap<_, _> =
            steps.into_iter().map(|(key, times)| (key, times.usual())).collect();
        let all = |key: PointKey| {
            let seen = steps.get(&key).into_iter().flatten().filter(|(position, _)| {
                // Where a transfer comes next it is computed in the same step.
                let next = transactions.get(*position + 1);
                let is_mixed = key == PointKey::Commit && next.is_some_and(|next| next.is_transfer);
                !is_mixed
            });
            let seen = seen.filter_map(|(position, time)| {
                Some((transactions.get(*position)?.n_reads, nanos(*time)))
            });
            StepCost::fit(&seen.collect::<Vec<_>>())
        };
        let judge = all(PointKey::Judge).unwrap_or_default();
        let report = all(PointKey::Report).unwrap_or_default();
        let both = ahead.iter().filter_map(|(position, ahead)| {
            Some((nanos(transactions.get(*position)?.run), nanos(ahead.time)))
        });
        let (here, there) = both.fold((0, 0), |(here, there), (h, t)| (here + h, there + t));
        StepCosts {
            start: start.map(median),
            ahead_permille: (there * 1_000).checked_div(here).unwrap_or(1_000),
            ahead: (0..transactions.len()).map(|at| ahead.get(&at).copied()).collect(),
            judge,
            // Nothing is doubted or stale while these are taken.
            check: all(PointKey::Check).unwrap_or(judge),
            publish: all(PointKey::Publish).unwrap_or_default(),
            report,
            commit: all(PointKey::Commit).unwrap_or_default(),
            abort: all(PointKey::Abort).unwrap_or(report),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_fitted_by_its_reads() {
        let line: Vec<_> = (1..20).map(|reads| (reads, 100 + 7 * reads as u64)).collect();
        let fitted = StepCost::fit(&line).unwrap();
        assert!((99..=101).contains(&fitted.of(0)), "{fitted:?}");
        assert!((239..=241).contains(&fitted.of(20)), "{fitted:?}");
    }

    #[test]
    fn what_is_fitted_neither_falls_nor_begins_below_nothing() {
        assert_eq!(StepCost::fit(&[]), None);
        assert_eq!(StepCost::fit(&[(3, 50)]), Some(StepCost { fixed: 50_000, each: 0 }));
        let falling = StepCost::fit(&[(1, 90), (2, 60), (3, 30)]).unwrap();
        assert_eq!((falling.of(0), falling.of(9)), (60, 60));
        let steep = StepCost::fit(&[(10, 10), (20, 90)]).unwrap();
        assert_eq!((steep.of(0), steep.of(15)), (0, 49));
    }
}
