//! One turn, and who has it.

use super::{Simulation, order::Chooser};
use crate::{
    crew::Crew,
    idle::Idle,
    pace::{Mistake, Pace, Point},
};
use blockloom_scheduler::TxIdx;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::{thread, time::Duration};

/// Rounds in which everybody waits until it is clear that nobody will ever get
/// on: far more than there are reasons to wait.
const HOPELESS: usize = 1_000;

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
    /// How often it has waited in a row.
    pub(super) waited: u32,
    pub(super) is_gone: bool,
}

#[derive(Debug)]
struct State {
    workers: Vec<Virtual>,
    turn: usize,
    chooser: Chooser,
    steps: Vec<Step>,
    /// Waits in a row, of all.
    waits: usize,
    mistake: Option<(Mistake, u32)>,
    /// Clock of the last step that was not waiting.
    time: u64,
}

/// Hands one turn from worker to worker.
#[derive(Debug)]
pub(super) struct Turns {
    state: Mutex<State>,
    /// One for each worker: it has the turn.
    bells: Vec<Condvar>,
}

impl Turns {
    pub(super) fn new(simulation: &Simulation, mistake: Option<(Mistake, u32)>) -> Self {
        let n_workers = simulation.workers.max(1);
        let chooser = Chooser::new(simulation.order.clone(), simulation.seed, n_workers);
        let idle = Virtual {
            clock: 0,
            pending: Point::Wait,
            tx: TxIdx::default(),
            waited: 0,
            is_gone: false,
        };
        let mut workers = vec![idle; n_workers];
        for worker in &mut workers[1..] {
            worker.clock = chooser.waking();
        }
        let state =
            State { workers, turn: 0, chooser, steps: Vec::new(), waits: 0, mistake, time: 0 };
        let bells = (0..n_workers).map(|_| Condvar::new()).collect();
        Self { state: Mutex::new(state), bells }
    }

    pub(super) fn into_parts(self) -> (Vec<Step>, Duration) {
        let State { steps, time, .. } = self.state.into_inner();
        (steps, Duration::from_nanos(time))
    }

    /// Waits until `worker` has the turn.
    fn wait_for(&self, worker: usize, state: &mut MutexGuard<'_, State>) {
        while state.turn != worker {
            self.bells[worker].wait(state);
        }
    }

    /// `worker` is about to do something: others may come first.
    fn arrive(&self, worker: usize, point: Point, tx: TxIdx) {
        let mut state = self.state.lock();
        if state.workers[worker].is_gone {
            // Its end has come, and it cleans up.
            return;
        }
        state.note(worker, point, tx);
        let hopeless = HOPELESS * self.bells.len();
        if state.waits > hopeless {
            state.waits = 0;
            drop(state);
            panic!("nobody gets on");
        }
        self.pass_on(worker, &mut state);
        self.wait_for(worker, &mut state);
    }

    fn pass_on(&self, worker: usize, state: &mut MutexGuard<'_, State>) {
        let State { workers, chooser, .. } = &mut **state;
        if let Some(next) = chooser.choose(workers, worker) {
            state.turn = next;
            self.bells[next].notify_one();
        }
    }

    fn leave(&self, worker: usize) {
        let mut state = self.state.lock();
        state.settle(worker);
        state.workers[worker].is_gone = true;
        self.pass_on(worker, &mut state);
    }
}

impl State {
    /// The clock after what `worker` has just done.
    fn settle(&mut self, worker: usize) {
        let cost = self.chooser.cost(&self.workers[worker]);
        let worker = &mut self.workers[worker];
        worker.clock += cost;
        if worker.pending != Point::Wait {
            self.time = self.time.max(worker.clock);
        }
    }

    fn note(&mut self, worker: usize, point: Point, tx: TxIdx) {
        self.settle(worker);
        self.steps.push(Step { worker, point, tx });
        let waits = point == Point::Wait;
        self.waits = if waits { self.waits + 1 } else { 0 };
        let worker = &mut self.workers[worker];
        worker.waited = if waits { worker.waited + 1 } else { 0 };
        (worker.pending, worker.tx) = (point, tx);
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
                    turns.wait_for(worker, &mut turns.state.lock());
                    work(worker, Paced { turns, worker });
                };
                // With fewer threads than asked for there are fewer workers.
                if thread::Builder::new().spawn_scoped(scope, virtual_worker).is_err() {
                    turns.state.lock().workers[worker].is_gone = true;
                }
            }
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
        self.turns.arrive(self.worker, point, tx);
    }

    fn wait(self, _idle: &mut Idle) {
        self.turns.arrive(self.worker, Point::Wait, TxIdx::default());
    }

    fn spin(self) {
        self.turns.arrive(self.worker, Point::Wait, TxIdx::default());
    }

    fn makes(self, mistake: Mistake) -> bool {
        let mut state = self.turns.state.lock();
        let Some((made, times)) = &mut state.mistake else { return false };
        let makes = *made == mistake && *times > 0;
        if makes {
            *times -= 1;
        }
        makes
    }
}
