//! Measuring parallel against sequential execution: what criterion targets and
//! `blockloom bench` share, so that both run the same code.
//!
//! # What is inside the timer
//!
//! From a block with recovered senders and a base state to the complete
//! [`BlockOutput`](blockloom_engine::BlockOutput): receipts with their logs,
//! requests, gas, and the changes of the whole block in canonical form. That is
//! one call of [`Engine::execute`](blockloom_engine::Engine::execute) or
//! [`Engine::execute_sequential`](blockloom_engine::Engine::execute_sequential),
//! and the preparation of transactions, system calls and withdrawals are part of
//! both. Outside are decoding, sender recovery, building the base state,
//! comparing and dropping the result, receipts root, state root and storage.
//!
//! # The baseline
//!
//! 1. It gives the *same output*, compared as a whole value after every single
//!    run, not only in the first. The first one is held against the workload's
//!    known answer as well.
//! 2. It is stock revm under alloy-evm's block executor, on one thread: one EVM
//!    for the whole block, over a flat map of what the block has read and
//!    written so far. No multi-version memory, no read sets, no locks.
//! 3. Allocator and base state are those of the parallel engine. Every engine
//!    keeps its threads and what it knows of code from run to run, as a client's
//!    would from block to block: which jumps it has, and what the parallel engine
//!    has translated of it. To know code that blocks use often takes an engine
//!    some blocks, so there are runs to warm up; [`Protocol::is_cold`] measures
//!    the first run of an engine instead.
//! 4. Nothing is added to it. The parallel path at one worker against it is
//!    what our bookkeeping costs; left to itself an engine with one worker takes
//!    the sequential path, so that is measured with the path forced.
//!
//! # How a ratio comes about
//!
//! 1. All engines live in one process and take turns on the same block:
//!    in each round every engine gives one sample, and who begins moves on by
//!    one from round to round ([`measure`]).
//! 2. A sample is one run, or for blocks of less than a millisecond the mean of
//!    as many runs as fill one.
//! 3. The samples of one round make a pair. A ratio is sequential by parallel
//!    time of a pair; reported is the median over the rounds, and as its spread
//!    the 10th and the 90th percentile. Whatever slows the machine for a while
//!    slows both halves of a pair.
//! 4. *At once* is what the cores give where there is nothing to share: after
//!    each round as many sequential engines as there are workers run the block
//!    at the same time, each for itself. Two cores that share nothing give 2;
//!    where caches and memory are shared it is less, by how much depends on the
//!    block and on who else is on the machine.
//! 5. CPU time is that of all threads of the process between the same two
//!    points.
//! 6. Memory is measured apart from time, in a process of its own, see
//!    [`PeakMeter`].
//!
//! # A slow base state
//!
//! [`SlowState`] lets each read of an account, slot or code wait, for both
//! sides alike. The waiting thread sleeps; [`Latency`] measures what that
//! really takes. Engines cache code, so only its first read waits.
//!
//! # Example
//!
//! ```
//! use blockloom_benches::{Engines, Measurement, Protocol, Workload, measure};
//! use blockloom_engine::Mode;
//! use blockloom_fixtures::workload::{Parameters, find};
//!
//! let engines = Engines::new(&[1, 2], Mode::Parallel)?;
//! let recipe = find("independent_transfers").expect("it is in the catalogue");
//! let parameters = Parameters { txs: Some(20), ..Parameters::default() };
//! let workload = Workload::generated(recipe, &parameters, engines.sequential())?;
//! let protocol = Protocol { samples: 3, ..Protocol::default() };
//! let rounds = measure(&workload, &workload.base, &engines, &protocol, || ())?;
//! let [one, two] = &Measurement::of(&workload, &rounds)[..] else { unreachable!() };
//! assert_eq!((one.workers, two.workers), (1, 2));
//! assert!(two.ratio > 0.0 && two.ratio_low <= two.ratio_high);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod workload;

mod clock;
mod cores;
mod latency;
mod pairing;
mod peak;
mod stages;
mod statistics;

mod measurement;
mod targets;

pub mod figure;
mod findings;
mod machine;
pub mod report;
pub mod results;

pub use clock::Timing;
pub use cores::stay_on_core;
pub use findings::{Findings, Group, MemoryPoint, Sweep, SweepPoint, memory_growth};
pub use latency::{Latency, SlowState};
pub use machine::Provenance;
pub use measurement::{EngineStages, Measurement};
pub use pairing::{Contestant, Engines, MeasureError, Protocol, Rounds, measure};
pub use peak::{ENVIRONMENT, PeakMeter, resident_bytes};
pub use stages::{STAGES, StageTimes};
pub use statistics::{Line, geometric_mean, median, quantile};
pub use targets::{Bound, LARGE_BLOCK_GAS, Scope, Setting, Standing, TARGETS, Target, Verdict};
pub use workload::{Workload, WorkloadError, WrongAnswer};
