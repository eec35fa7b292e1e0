//! Blocks in a pipeline: while one is executed, later ones are made ready and
//! earlier ones hashed and persisted.
//!
//! ```text
//!   source -> make ready -> execute -> seal -> settle -> report
//!   1 thread   n threads    1 thread  1 thread 1 thread  the caller
//! ```
//!
//! What a stage does is the caller's; the pipeline keeps blocks in order,
//! bounds what is on the way, and ends everything at the first failure:
//!
//! 1. Every stage gets the blocks in the order of the source, but for making
//!    ready, which looks at no other block.
//! 2. Between two stages there is a queue of fixed length. A stage whose queue
//!    is full waits, so memory is bounded by the number of blocks, and whoever
//!    is behind gets the cores.
//! 3. A failure takes its block's place in the queue, and the stage that had it
//!    does no more. So blocks before it come through all stages, and of several
//!    failures the one of the lowest block is returned, whatever was noticed
//!    first. A block behind it may have been executed; it is never sealed.
//! 4. Stages are plain threads. They wait for each other, but never inside of a
//!    thread pool, so pools that they use are never short of a thread.

mod load;

pub use load::Load;

use load::{Gauge, Over};
use parking_lot::Mutex;
use std::{
    panic::resume_unwind,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

/// Bounds of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipelineConfig {
    /// Threads that make blocks ready; at least one.
    pub threads: usize,
    /// Most blocks between the source and execution.
    pub ahead: usize,
    /// Most blocks that wait between two later stages.
    pub behind: usize,
}

impl PipelineConfig {
    /// Bounds for so many workers: 16 blocks ahead and two more for each
    /// worker, so that a thread that sleeps for a while stops nobody; four
    /// behind each later stage.
    #[must_use]
    pub const fn for_workers(workers: usize) -> Self {
        Self { threads: workers, ahead: 16 + 2 * workers, behind: 4 }
    }
}

/// How a pipeline ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The source had no more blocks.
    AtEnd,
    /// It was asked to stop; every block that was executed has been reported.
    Stopped,
}

/// What to do with each block. `I` is what the source gives, `A` a block that
/// is ready, `X` one that was executed, `R` one that is persisted.
#[derive(Debug)]
pub struct Stages<Ready, Execute, Seal, Settle, Report, Stop> {
    /// `Fn(I) -> A`, for what needs no other block. A failure is part of `A`:
    /// whether it counts may depend on earlier blocks.
    pub make_ready: Ready,
    /// `FnMut(A, Load) -> Result<X, E>`.
    pub execute: Execute,
    /// `FnMut(X) -> Result<R, E>`: checks the state after the block and writes
    /// it.
    pub seal: Seal,
    /// `FnMut(&mut [R]) -> Result<(), E>`: makes what was written durable, for
    /// all blocks that have been sealed meanwhile.
    pub settle: Settle,
    /// `FnMut(R) -> Result<(), E>`, on the calling thread.
    pub report: Report,
    /// `Fn() -> bool`: whether to take no more blocks. Asked before each, and
    /// every tenth of a second while there is none.
    pub stop: Stop,
}

/// How long an idle pipeline takes to notice that it is to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// A block to be made ready, and where to put it then.
type Job<I, A> = (I, SyncSender<A>);

/// A block in the order of the source: ready soon, or a failure to read it.
type Turn<A, E> = Result<Receiver<A>, E>;

/// Takes the blocks of `source` through all stages.
///
/// The source is read on a thread of its own, which may outlive this call if
/// the source blocks; it then ends with the source's next answer.
///
/// # Errors
///
/// The failure of the lowest block, after all blocks before it were reported.
///
/// # Panics
///
/// If a stage or the source panics, with the same payload, after the other
/// stages have ended.
pub fn pipeline<I, A, X, R, E, Source, Ready, Execute, Seal, Settle, Report, Stop>(
    config: &PipelineConfig,
    source: Source,
    stages: Stages<Ready, Execute, Seal, Settle, Report, Stop>,
) -> Result<Ended, E>
where
    I: Send + 'static,
    A: Send + 'static,
    E: Send + 'static,
    X: Send,
    R: Send,
    Source: Iterator<Item = Result<I, E>> + Send + 'static,
    Ready: Fn(I) -> A + Sync,
    Execute: FnMut(A, Load) -> Result<X, E> + Send,
    Seal: FnMut(X) -> Result<R, E> + Send,
    Settle: FnMut(&mut [R]) -> Result<(), E> + Send,
    Report: FnMut(R) -> Result<(), E>,
    Stop: Fn() -> bool + Sync,
{
    let Stages { make_ready, mut execute, mut seal, mut settle, mut report, stop } = stages;
    let (jobs, waiting) = sync_channel::<Job<I, A>>(config.ahead);
    let (turns, in_order) = sync_channel::<Turn<A, E>>(config.ahead);
    let reader = thread::spawn(move || read(source, &jobs, &turns));
    let waiting = Mutex::new(waiting);
    let (gauge, ended, over) = (Gauge::default(), Mutex::new(Ended::AtEnd), Over::default());

    let (executed, to_seal) = sync_channel::<Result<X, E>>(config.behind);
    let (sealed, to_settle) = sync_channel::<Result<R, E>>(config.behind);
    let (settled, to_report) = sync_channel::<Result<R, E>>(config.behind);
    let result = thread::scope(|scope| {
        let (gauge, ended, over, stop) = (&gauge, &ended, &over, &stop);
        let (waiting, make_ready) = (&waiting, &make_ready);
        // If `report` panics, for whoever waits for the source.
        let _over = over.when_dropped();
        let mut threads = Vec::new();
        for _ in 0..config.threads.max(1) {
            threads.push(scope.spawn(move || {
                // Ends with the source, or when nobody waits for its blocks.
                while let Some((item, reply)) = next_job(waiting, over) {
                    let _busy = gauge.ready();
                    if reply.send(make_ready(item)).is_err() {
                        return;
                    }
                }
            }));
        }
        threads.push(scope.spawn(move || {
            let _over = over.when_dropped();
            let mut ready = |load| match next_turn(&in_order, stop, over) {
                Next::Block(block) => Some(block.and_then(|block| execute(block, load))),
                Next::Stopped => {
                    *ended.lock() = Ended::Stopped;
                    None
                }
                Next::End => None,
            };
            while let Some(block) = ready(gauge.load()) {
                let failed = block.is_err();
                gauge.handed_on();
                if executed.send(block).is_err() || failed {
                    return;
                }
            }
        }));
        threads.push(scope.spawn(move || {
            for block in to_seal {
                let block = block.and_then(&mut seal);
                gauge.sealed();
                let failed = block.is_err();
                if sealed.send(block).is_err() || failed {
                    return;
                }
            }
        }));
        threads.push(scope.spawn(move || settle_all(&to_settle, &settled, &mut settle)));
        let result = to_report.into_iter().try_for_each(|block| block.and_then(&mut report));
        // For whoever waits for the source.
        over.set();
        for thread in threads {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
        result
    });
    result?;
    let ended = *ended.lock();
    if ended == Ended::AtEnd
        && let Err(panic) = reader.join()
    {
        resume_unwind(panic);
    }
    Ok(ended)
}

/// Hands blocks out to be made ready, and their places to the next stage.
fn read<I, A, E>(
    source: impl Iterator<Item = Result<I, E>>,
    jobs: &SyncSender<Job<I, A>>,
    turns: &SyncSender<Turn<A, E>>,
) {
    for item in source {
        let (reply, turn) = sync_channel(1);
        let is_last = item.is_err();
        let sent = match item {
            // The place first: it is what bounds how far ahead this goes.
            Ok(item) => turns.send(Ok(turn)).is_ok() && jobs.send((item, reply)).is_ok(),
            Err(error) => turns.send(Err(error)).is_ok(),
        };
        if !sent || is_last {
            return;
        }
    }
}

/// The next block to be made ready. Threads queue at the lock while one of them
/// waits inside.
fn next_job<I, A>(waiting: &Mutex<Receiver<Job<I, A>>>, over: &Over) -> Option<Job<I, A>> {
    let waiting = waiting.lock();
    while !over.is_set() {
        match waiting.recv_timeout(STOP_INTERVAL) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

/// What the execution thread is to do.
enum Next<T> {
    Block(T),
    Stopped,
    End,
}

fn next_turn<A, E>(
    turns: &Receiver<Turn<A, E>>,
    stop: impl Fn() -> bool,
    over: &Over,
) -> Next<Result<A, E>> {
    loop {
        if over.is_set() {
            return Next::End;
        }
        if stop() {
            return Next::Stopped;
        }
        return match turns.recv_timeout(STOP_INTERVAL) {
            Ok(Err(error)) => Next::Block(Err(error)),
            Ok(Ok(turn)) => {
                made_ready(&turn, over).map_or(Next::End, |block| Next::Block(Ok(block)))
            }
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        };
    }
}

/// The block whose turn it is, once it has been made ready; `None` if that will
/// not be: a thread that makes ready panicked, or all of them have gone because
/// there is nothing left to do.
fn made_ready<A>(turn: &Receiver<A>, over: &Over) -> Option<A> {
    loop {
        match turn.recv_timeout(STOP_INTERVAL) {
            Ok(block) => return Some(block),
            Err(RecvTimeoutError::Timeout) if !over.is_set() => {}
            Err(_) => return None,
        }
    }
}

/// Settles whatever has been sealed since the last time, at once.
fn settle_all<R, E>(
    sealed: &Receiver<Result<R, E>>,
    settled: &SyncSender<Result<R, E>>,
    mut settle: impl FnMut(&mut [R]) -> Result<(), E>,
) {
    while let Ok(first) = sealed.recv() {
        let mut failure = None;
        let mut blocks = Vec::new();
        // Bounded: a queue's length, and what comes meanwhile until it is empty.
        for block in std::iter::once(first).chain(sealed.try_iter().take(MAX_SETTLED)) {
            match block {
                Ok(block) => blocks.push(block),
                Err(error) => failure = Some(error),
            }
        }
        if !blocks.is_empty()
            && let Err(error) = settle(&mut blocks)
        {
            let _ = settled.send(Err(error));
            return;
        }
        let blocks = blocks.into_iter().map(Ok).chain(failure.map(Err));
        for block in blocks {
            let failed = block.is_err();
            if settled.send(block).is_err() || failed {
                return;
            }
        }
    }
}

/// Most blocks settled together, beside the first.
const MAX_SETTLED: usize = 31;

#[cfg(test)]
mod tests;
