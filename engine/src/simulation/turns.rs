//! One turn, and who has it.

use super::{
    Simulation,
    costs::{Crew as Doing, Shared},
    order::Chooser,
};
use crate::{
    crew::Crew,
    idle::Idle,
    pace::{Mistake, Pace, Point},
};
use blockloom_scheduler::TxIdx;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::{
    hint,
    num::NonZero,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// Rounds in which everybody waits until it is clear that nobody will ever get
/// on: far more than there are reasons to wait.
const HOPELESS: usize = 1_000;

/// What tests have go wrong in a simulation.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "only tests make trouble"))]
pub(crate) enum Trouble {
    /// Workers make this mistake, so many times.
    Mistake(Mistake, u32),
    /// Who takes this step, counted from 0, panics instead.
    PanicAt(usize),
}

/// The message of [`Trouble::PanicAt`].
pub(crate) const PLANNED: &str = "a test has this step panic";

/// What one worker did next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Which one, from 0; that is the caller.
    pub worker: usize,
    /// What it was about to do.
    pub point: Point,
    /// For this transaction; the first where it waits.
    pub tx: TxIdx,
}

/// A virtual worker.
#[derive(Clone, Debug)]
pub(super) struct Virtual {
    pub(super) clock: u64,
    /// What it does when it gets the turn.
    pub(super) pending: Point,
    pub(super) tx: TxIdx,
    /// Whether it has come to a first step. Until then it is about to get on,
    /// as far as anybody knows.
    pub(super) has_begun: bool,
    /// How often it has waited in a row.
    pub(super) waited: u32,
    /// Whether it does nothing else while it waits.
    pub(super) spins: bool,
    /// Transactions of which it has heard what became of them.
    pub(super) heard: usize,
    /// When it got the turn, where steps are timed.
    resumed: Option<Instant>,
    /// The step that it then took; none before the first.
    step: Option<usize>,
    pub(super) is_gone: bool,
}

impl Virtual {
    /// Whether it had nothing to do when it was last there.
    pub(super) fn waits(&self) -> bool {
        self.has_begun && self.pending == Point::Wait
    }
}

#[derive(Debug)]
struct State {
    workers: Vec<Virtual>,
    turn: usize,
    chooser: Chooser,
    steps: Vec<Step>,
    /// Waits in a row, of all.
    waits: usize,
    trouble: Option<Trouble>,
    /// Clock of the last step that was not waiting.
    time: u64,
    doing: Doing,
    timing: Option<Timing>,
}

/// How long steps took.
#[derive(Debug, Default)]
struct Timing {
    steps: Vec<Duration>,
    start: [Option<Duration>; 2],
}

/// Every step of a run with the time it took.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) steps: Vec<(Step, Duration)>,
    /// Time until the caller took its first step, and until the first other.
    pub(super) start: [Duration; 2],
}

/// Hands one turn from worker to worker.
#[derive(Debug)]
pub(super) struct Turns {
    state: Mutex<State>,
    /// One for each worker: it has the turn.
    bells: Vec<Condvar>,
    /// Whose turn it is, where workers look for it instead of sleeping.
    shown: Option<AtomicUsize>,
}

impl Turns {
    pub(super) fn new(simulation: &Simulation, sharing: Shared, trouble: Option<Trouble>) -> Self {
        let n_workers = simulation.workers.max(1);
        let chooser = Chooser::new(simulation.order.clone(), simulation.seed, n_workers);
        let idle = Virtual {
            clock: 0,
            pending: Point::Wait,
            tx: TxIdx::default(),
            has_begun: false,
            waited: 0,
            spins: false,
            heard: 0,
            resumed: None,
            step: None,
            is_gone: false,
        };
        let mut workers = vec![idle; n_workers];
        for (index, worker) in workers.iter_mut().enumerate() {
            worker.clock = chooser.start(index, sharing);
        }
        let state = State {
            workers,
            turn: 0,
            chooser,
            steps: Vec::new(),
            waits: 0,
            trouble,
            time: 0,
            doing: Doing { sharing, committed: 0 },
            timing: None,
        };
        let bells = (0..n_workers).map(|_| Condvar::new()).collect();
        Self { state: Mutex::new(state), bells, shown: None }
    }

    /// Turns in which every step is timed.
    ///
    /// Workers stay awake while others have the turn. So each is on a core of
    /// its own, if there are enough, and what one finds that another has left
    /// has to travel, as it has where both are at work.
    pub(super) fn timing(simulation: &Simulation) -> Self {
        // The clock is not looked at, so neither is the way of sharing.
        let mut turns = Self::new(simulation, Shared::News, None);
        turns.state.get_mut().timing = Some(Timing::default());
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        turns.shown = (cores >= simulation.workers).then(|| AtomicUsize::new(0));
        turns
    }

    pub(super) fn into_profile(self) -> Profile {
        let State { steps, timing, .. } = self.state.into_inner();
        let Timing { steps: times, start } = timing.unwrap_or_default();
        let steps = steps.into_iter().zip(times).collect();
        Profile { steps, start: start.map(Option::unwrap_or_default) }
    }

    pub(super) fn into_parts(self) -> (Vec<Step>, Duration) {
        let State { steps, time, .. } = self.state.into_inner();
        (steps, Duration::from_nanos(time))
    }

    /// Waits until `worker` has the turn.
    fn wait_for(&self, worker: usize, state: &mut MutexGuard<'_, State>) {
        while state.turn != worker {
            match &self.shown {
                Some(shown) => MutexGuard::unlocked(state, || {
                    while shown.load(Relaxed) != worker {
                        hint::spin_loop();
                    }
                }),
                None => self.bells[worker].wait(state),
            }
        }
    }

    /// `worker` is about to do something: others may come first.
    fn arrive(&self, worker: usize, point: Point, tx: TxIdx, spins: bool) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if state.workers[worker].is_gone {
            // Its end has come, and it cleans up.
            return;
        }
        let step = state.steps.len();
        state.took(worker, now);
        state.workers[worker].spins = spins;
        state.note(worker, point, tx);
        let hopeless = HOPELESS * self.bells.len();
        if state.waits > hopeless {
            state.waits = 0;
            drop(state);
            panic!("nobody gets on");
        }
        self.pass_on(worker, &mut state);
        self.wait_for(worker, &mut state);
        if matches!(state.trouble, Some(Trouble::PanicAt(at)) if at == step) {
            drop(state);
            // Past the hook, which would print each of them.
            resume_unwind(Box::new(PLANNED));
        }
        state.goes_on(worker, step);
    }

    fn pass_on(&self, worker: usize, state: &mut MutexGuard<'_, State>) {
        let State { workers, chooser, .. } = &mut **state;
        if let Some(next) = chooser.choose(workers, worker) {
            state.turn = next;
            match &self.shown {
                Some(shown) => shown.store(next, Relaxed),
                None => _ = self.bells[next].notify_one(),
            }
        }
    }

    fn leave(&self, worker: usize) {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.took(worker, now);
        state.settle(worker);
        state.workers[worker].is_gone = true;
        self.pass_on(worker, &mut state);
    }
}

impl State {
    /// What `worker` did since it got the turn has come to an end `now`.
    fn took(&mut self, worker: usize, now: Instant) {
        let Virtual { resumed, step, .. } = &mut self.workers[worker];
        let (Some(timing), Some(resumed)) = (&mut self.timing, resumed.take()) else { return };
        let took = now - resumed;
        match *step {
            Some(step) => timing.steps[step] = took,
            None => {
                timing.start[worker.min(1)].get_or_insert(took);
            }
        }
    }

    /// `worker` takes this `step` now, or whatever it does before its first.
    fn goes_on(&mut self, worker: usize, step: impl Into<Option<usize>>) {
        if self.timing.is_some() {
            let worker = &mut self.workers[worker];
            (worker.step, worker.resumed) = (step.into(), Some(Instant::now()));
        }
    }

    /// The clock after what `worker` has just done.
    fn settle(&mut self, worker: usize) {
        if !self.workers[worker].has_begun {
            return;
        }
        let cost = self.chooser.cost(&self.workers, worker, &self.doing);
        let worker = &mut self.workers[worker];
        worker.clock += cost;
        match worker.pending {
            Point::Wait | Point::Report => worker.heard = self.doing.committed,
            Point::Commit => self.doing.committed = worker.tx.position() + 1,
            _ => {}
        }
        if worker.pending != Point::Wait {
            self.time = self.time.max(worker.clock);
        }
    }

    fn note(&mut self, worker: usize, point: Point, tx: TxIdx) {
        self.settle(worker);
        self.steps.push(Step { worker, point, tx });
        if let Some(timing) = &mut self.timing {
            timing.steps.push(Duration::ZERO);
        }
        let waits = point == Point::Wait;
        self.waits = if waits { self.waits + 1 } else { 0 };
        let worker = &mut self.workers[worker];
        worker.waited = if waits { worker.waited + 1 } else { 0 };
        (worker.pending, worker.tx, worker.has_begun) = (point, tx, true);
    }
}

/// Workers that take turns.
#[derive(Debug)]
pub(super) struct VirtualCrew<'t>(pub(super) &'t Turns);

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paced<'t> {
    turns: &'t Turns,
    worker: usize,
}

impl<'t> Crew for VirtualCrew<'t> {
    const KEEPS_TIME: bool = false;

    type Pace = Paced<'t>;

    fn size(&self) -> usize {
        self.0.bells.len()
    }

    fn run<T>(
        &self,
        work: impl Fn(usize, Paced<'t>) + Sync,
        lead: impl FnOnce(Paced<'t>) -> T,
    ) -> T {
        let (turns, work) = (self.0, &work);
        thread::scope(|scope| {
            let _leaves = Leaves { turns, worker: 0 };
            for worker in 1..self.size() {
                let virtual_worker = move || {
                    let _leaves = Leaves { turns, worker };
                    {
                        let mut state = turns.state.lock();
                        turns.wait_for(worker, &mut state);
                        state.goes_on(worker, None);
                    }
                    work(worker, Paced { turns, worker });
                };
                // With fewer threads than asked for there are fewer workers.
                if thread::Builder::new().spawn_scoped(scope, virtual_worker).is_err() {
                    turns.state.lock().workers[worker].is_gone = true;
                }
            }
            turns.state.lock().goes_on(0, None);
            lead(Paced { turns, worker: 0 })
        })
    }
}

/// Passes the turn on for good when it is dropped.
struct Leaves<'t> {
    turns: &'t Turns,
    worker: usize,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.turns.leave(self.worker);
    }
}

impl Pace for Paced<'_> {
    fn at(self, point: Point, tx: TxIdx) {
        self.turns.arrive(self.worker, point, tx, false);
    }

    fn wait(self, _idle: &mut Idle) {
        self.turns.arrive(self.worker, Point::Wait, TxIdx::default(), false);
    }

    fn spin(self) {
        self.turns.arrive(self.worker, Point::Wait, TxIdx::default(), true);
    }

    fn makes(self, mistake: Mistake) -> bool {
        let mut state = self.turns.state.lock();
        let Some(Trouble::Mistake(made, times)) = &mut state.trouble else { return false };
        let makes = *made == mistake && *times > 0;
        if makes {
            *times -= 1;
        }
        makes
    }
}
