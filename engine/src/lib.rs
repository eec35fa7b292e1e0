//! Executes Ethereum blocks concurrently, and gives exactly what stock
//! sequential revm gives.
//!
//! [`Engine::execute`] takes a block, its senders, and the state after its
//! parent; it returns receipts, requests, gas, state changes and, where asked
//! for, the block access list. It changes nothing outside: committing is the
//! caller's, for instance with `blockloom_state::Store`.
//!
//! # The way of a block
//!
//! 1. **Plan.** One look at the transactions: which are plain transfers, which
//!    follow one of the same sender or call the same contract, which may take
//!    long, how much there is to share.
//! 2. **Open.** System calls (EIP-4788, EIP-2935), by alloy-evm's own executor,
//!    and the first few transactions one after another. What those are like
//!    tells whether to go on in parallel pays; if not, the rest runs the same
//!    way.
//! 3. **Run ahead.** Workers run transactions before their turn, on a state that
//!    may lack what lower ones will write. A run leaves what it read, a result,
//!    and what it wrote.
//! 4. **Commit.** At the frontier, where all lower transactions are final, what
//!    was read is compared once more, in block order. A valid result is final;
//!    a stale one is run again right there, by revm on what is final, where it
//!    cannot fail. Where running ahead turns out to be mostly in vain,
//!    or transactions become final no faster than before (`gain`), the rest of
//!    the block runs one after another, and so does the next one about the same
//!    contract (`habits`).
//! 5. **Close.** Requests, withdrawals, rewards and the DAO fork follow, again
//!    by alloy-evm's executor.
//!
//! The sequential path, [`Engine::execute_sequential`], is alloy-evm's executor
//! from end to end. It is the oracle of all tests.
//!
//! # Two ways to share
//!
//! What differs is how workers learn of each other's writes ([`Sharing`]).
//!
//! - **News**, with up to eight workers: the calling thread is the *leader*. It
//!   runs the block in order on a plain block state, as the sequential path
//!   does; the others are *scouts*, each with a state of its own, and hear what
//!   became final. Nothing is shared while a transaction runs, not even code,
//!   whose references are counted; so the leader pays for scouts only where they
//!   helped. Where transactions are quick, it has run some before the first
//!   scout is awake.
//! - **Memory**, with more, or where reading the base state takes longer than
//!   running what was read (a few reads are timed): Block-STM's multi-version
//!   memory, in which a location is read once for all. Workers take
//!   transactions from the [scheduler](blockloom_scheduler) and see what any
//!   lower one has published, final or not; what was committed stays in the
//!   memory, which the block state takes over at the end.
//!
//! # Plain transfers
//!
//! A transfer between two accounts without code is arithmetic, and outside of
//! that path it is computed, not interpreted. Whatever is unusual about one
//! (data, an access list, a fee too low, a nonce that does not fit, a
//! precompile, the beneficiary as a party, a value of zero, forks before
//! EIP-161 and from EIP-7708 on) leaves it to revm, so the arithmetic knows no
//! errors.
//!
//! # Instructions
//!
//! Outside of the sequential path, instructions that only look at the stack, at
//! memory and at the input run one after another in a loop of our own (`sprint`);
//! whatever is not sure to succeed, and all others, are revm's. Code that is run
//! often is translated to less than it says. Each thread that runs transactions
//! keeps what it has translated, from block to block and from engine to engine, up
//! to some 40 MB.
//!
//! # Why the results are the same
//!
//! 1. An execution is a function of its transaction, its block and the answers
//!    of the state. Every answer is in the read set; an execution is committed
//!    only if each would be the same on the committed state.
//! 2. What speculation leaves out is completed from the committed state: the
//!    beneficiary's rewards are added up at the frontier, and balances that
//!    changed meanwhile, in accounts whose balance the execution did not look
//!    at, are credited on top of what they are then. Which those are,
//!    note-takers in front of the few instructions that look at or spend a
//!    balance tell. Where somebody wants to see each transaction's result (an
//!    access list is built), it is completed account by account, so that hooks
//!    see revm's own.
//! 3. Errors of speculation are rumours. Only the frontier's own run, by the
//!    sequential path's code, makes one real; so errors agree as well.
//! 4. Gas admission is checked at the frontier, against what was really used.
//! 5. The clock and the number of threads decide who runs what and when, never
//!    what comes of it.
//!
//! # Neighbouring blocks
//!
//! [`pipeline`](pipeline()) takes a chain through stages that overlap: later
//! blocks are made ready and earlier ones sealed while one is executed, over
//! `blockloom_state::Overlay`. It keeps the order, bounds what is on the way and
//! returns the failure of the lowest block; what the stages do is its caller's.
//!
//! # Virtual workers
//!
//! [`Engine::simulate`] runs a block on any number of workers of which one at a
//! time has the turn: it passes on wherever another one could come first (before
//! each read that is written down, between running, publishing and reporting,
//! around each commit), and who gets it follows from an [`Order`] and a seed. The
//! workers are those of production, whose pace is otherwise nobody's business.
//! So a test can hold up everybody at every step, starve one of them or let
//! results come in late, and repeat that to the last step; and a virtual clock
//! tells what more workers than there are cores would come to.
//!
//! # Clients of alloy-evm
//!
//! [`client`] is the engine behind alloy-evm's traits: a block executor around
//! any other one, whose transactions run ahead; streams of committed
//! transactions, and packing of blocks. It has an essay of its own.
//!
//! # Watching
//!
//! Each block is a `tracing` span. Once per block, when it is done, what was
//! counted goes to whatever recorder of the `metrics` crate is installed
//! ([`describe_metrics`] lists the names); without one that costs nothing.
//!
//! # Failures
//!
//! An invalid block is [`BlockError::Invalid`], whatever the path; a base state
//! that fails, or a panic in a worker, is [`BlockError::Internal`]. After
//! either, the engine can be used again.
//!
//! # Example
//!
//! ```
//! use blockloom_engine::{Block, ChainSpec, Config, Engine};
//! use blockloom_state::MemoryState;
//!
//! let engine = Engine::new(Config::default())?;
//! let mut block = Block::default();
//! block.header.number = 1;
//! block.header.gas_limit = 30_000_000;
//! let block = engine.recover(block)?;
//! let executed = engine.execute(&ChainSpec::mainnet(), &block, &MemoryState::new())?;
//! assert_eq!(executed.output.receipts.len(), 0);
//! // Five ether for whoever mined it.
//! assert_eq!(executed.output.changes.accounts.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod engine;

mod block;
mod chain_spec;
mod config;
mod consensus;
mod error;
mod output;

mod base;
mod senders;
mod stock;
mod transactions;
mod transfer;

mod pipeline;

pub mod client;

mod ahead;
mod committed;
mod crew;
mod due;
mod final_view;
mod gain;
mod habits;
mod idle;
mod listening;
mod memories;
mod pace;
mod parallel;
mod payoff;
mod plan;
mod probe;
mod simulation;
mod speculative;
mod sprint;
mod tally;
mod telemetry;
mod token;
mod view;
mod worker;
mod writes;

pub use block::{Block, Receipt, RecoveredBlock, Transaction};
pub use blockloom_scheduler::Limits;
pub use chain_spec::{ChainSpec, ChainSpecError};
pub use config::{Config, Mode, Sharing, Worth};
pub use consensus::{
    Ancestor, BodyError, ConsensusError, HeaderError, OmmerError, OutputError, receipt_bloom,
    receipts_root_and_bloom, validate_body, validate_header, validate_ommers, validate_output,
    validate_state_root,
};
pub use engine::{Engine, EngineError};
pub use error::{BlockError, InternalError, InvalidBlock, Place};
pub use output::{BlockOutput, Executed, ExecutionStats, Stages};
pub use pace::Point;
pub use pipeline::{Ended, Load, PipelineConfig, Stages as PipelineStages, pipeline};
pub use senders::{recover, recover_in_parallel};
pub use simulation::{
    Ahead, Calibration, Costs, Measured, Order, Simulated, Simulation, Step, StepCost, StepCosts,
};
pub use sprint::translate_at_once;
pub use telemetry::describe_metrics;
