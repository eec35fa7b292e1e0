//! alloy-evm's traits, for clients that build on them.
//!
//! A node that executes blocks through
//! [`BlockExecutorFactory`](alloy_evm::block::BlockExecutorFactory) gets the
//! parallel engine by changing two types: its EVM factory becomes an
//! [`AheadEvmFactory`] around the one it had, or around [`SprintEvmFactory`] where
//! that was Ethereum's, its executor factory a
//! [`ParallelBlockExecutorFactory`] around the one it had. `examples/drop_in.rs`
//! shows all of it.
//!
//! # The way of a transaction
//!
//! 1. **Plan.** Somebody says which transactions are coming: `execute_block`
//!    knows, [`ParallelBlockExecutor::plan`] is told, or
//!    [`announce`](ParallelBlockExecutorFactory::announce) says it of a block
//!    whose executor is out of reach. A plan is a hint ([`BlockPlan`]).
//! 2. **Look.** Where transactions look quick by their gas limits, the caller
//!    runs the first ones alone; what they take, and whether each needs what the
//!    one before did, tells whether scouts set out. Others set out at once.
//! 3. **Run ahead.** Scouts run planned transactions with EVMs of the *inner*
//!    factory ([`Strategy`]), each on a block state of its own, read through a
//!    reader of its own ([`SnapshotFactory`]) or, without, by the caller's
//!    thread. Each run leaves a result and everything it asked, in order.
//! 4. **Arrive.** The caller hands the transaction to its executor. That does
//!    what it always does, and asks its EVM to run it. The EVM puts the
//!    questions of the run ahead to the caller's own database. If each answer is
//!    the same, it gives that result; else it runs the transaction, or computes
//!    it if it is a plain transfer of Ethereum's ([`TransferRules`]).
//! 5. **Complete.** What a run leaves out is completed from that database: the
//!    beneficiary's fee, and balances that changed meanwhile in accounts whose
//!    balance it did not look at.
//! 6. **Commit.** The executor commits as ever. What that did is told to the
//!    scouts.
//!
//! Results enter through the EVM because there is no other door: alloy-evm's
//! executors make the results of transactions themselves, from what their EVM
//! gives. So gas admission, receipts, hooks, requests and errors are not
//! imitated; they are the inner executor's own work on the same input.
//!
//! # Invariants
//!
//! - [`AheadEvm`] gives what the inner EVM gives: result, state diff with its
//!   flags, error, and the questions its database is asked, in their order.
//!   Without snapshots the database is asked more, for the scouts.
//! - Nothing that workers read, and no plan, can change a result. A wrong
//!   snapshot or plan makes runs ahead useless. Only code is taken at its hash's
//!   word.
//! - A caller may leave the plan in any way: other transactions, another order,
//!   commits it refuses, an end half-way. Dropping the executor sends the scouts
//!   home; one that is in the middle of a transaction leaves at its next read.
//! - The caller waits for a scout that gets on with a transaction. One that has
//!   read nothing for about as long as the transaction may take, it leaves
//!   behind, and runs the transaction itself.
//! - Errors and panics of runs ahead are rumours. The transaction is run again
//!   by the caller's EVM, where it fails in earnest or does not.
//!
//! # Inspectors
//!
//! An EVM made with an inspector runs every transaction itself, one after
//! another, and shows the inspector each of them: the results are exact and
//! nothing is run ahead. Turning the inspector off
//! ([`disable_inspector`](alloy_evm::Evm::disable_inspector)) lets later
//! transactions be taken from the plan, turning it on drops the plan.
//!
//! # Streams and builders
//!
//! [`execute_streaming`] hands out each transaction when it is final, to a
//! callback or through a bounded channel ([`committed_channel`]). [`pack`]
//! packs a block from candidates.
//!
//! # What this does not do
//!
//! - Precompiles or other parts that a caller puts into an EVM after it was made
//!   are not in the scouts' EVMs. They must not change what the EVM computes:
//!   a cache around precompiles is fine, another precompile belongs into the
//!   factory.
//! - Scouts share what is final, not what is on the way; there is no
//!   multi-version memory here, whatever the number of workers.
//! - For an EVM other than Ethereum's, fees can be left out of what is compared
//!   only at its word ([`AnyEvm`]).
//!
//! # Example
//!
//! ```
//! use alloy_evm::eth::EthBlockExecutorFactory;
//! use blockloom_engine::{
//!     ChainSpec,
//!     client::{
//!         Ahead, AheadConfig, AheadEvmFactory, Ethereum, ParallelBlockExecutorFactory,
//!         PlainReceipts, SprintEvmFactory,
//!     },
//! };
//! use blockloom_state::{BaseStateError, MemoryState};
//! use std::sync::Arc;
//!
//! let state = Arc::new(MemoryState::new());
//! let snapshots = move |_parent| Ok::<_, BaseStateError>(Arc::clone(&state));
//! let ahead = Ahead::new(AheadConfig::default())?.with_snapshots(snapshots);
//! let evms = AheadEvmFactory::new(ahead, SprintEvmFactory, Ethereum);
//! let inner = EthBlockExecutorFactory::new(PlainReceipts, ChainSpec::mainnet(), evms);
//! // Use it as any `BlockExecutorFactory`.
//! let factory = ParallelBlockExecutorFactory::new(inner).with_parent_of(|ctx| ctx.parent_hash);
//! # let _ = factory;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod board;
mod builder;
mod bulletin;
mod errands;
mod evm;
mod executor;
mod frontier;
mod plan;
mod prospect;
mod reads;
mod runtime;
mod scout;
mod snapshots;
mod sprint;
mod stats;
mod strategy;
mod stream;
mod transfer;
mod troop;
mod view;

pub use crate::{stock::PlainReceipts, transfer::TransferRules};
pub use builder::{PackEnd, PackLimits, Packed, Skipped, pack};
pub use evm::{AheadEvm, AheadEvmFactory, RunsAhead};
pub use executor::{ParallelBlockExecutor, ParallelBlockExecutorFactory};
pub use plan::BlockPlan;
pub use runtime::{Ahead, AheadConfig};
pub use snapshots::SnapshotFactory;
pub use sprint::SprintEvmFactory;
pub use stats::AheadStats;
pub use strategy::{
    AnyEvm, AnySpeculator, Ethereum, EthereumSpeculator, FrameWatch, PlanFactory, Speculate,
    Speculation, Strategy,
};
pub use stream::{
    Committed, CommittedBy, CommittedSender, CommittedStream, StreamError, committed_channel,
    execute_streaming,
};
pub use view::AheadView;
