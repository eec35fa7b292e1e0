//! alloy-evm's traits, for clients that build on them.

mod board;
mod builder;
mod bulletin;
mod errands;
mod evm;
mod executor;
mod frontier;
mod plan;
mod reads;
mod runtime;
mod scout;
mod snapshots;
mod strategy;
mod stream;
mod view;

pub use crate::stock::PlainReceipts;
pub use builder::{PackEnd, PackLimits, Packed, Skipped, pack};
pub use evm::{AheadEvm, AheadEvmFactory, RunsAhead};
pub use executor::{ParallelBlockExecutor, ParallelBlockExecutorFactory};
pub use frontier::AheadStats;
pub use plan::BlockPlan;
pub use runtime::{Ahead, AheadConfig};
pub use snapshots::SnapshotFactory;
pub use strategy::{
    AnyEvm, AnySpeculator, Ethereum, EthereumSpeculator, FrameWatch, PlanFactory, Speculate,
    Speculation, Strategy,
};
pub use stream::{
    Committed, CommittedBy, CommittedSender, CommittedStream, StreamError, committed_channel,
    execute_streaming,
};
pub use view::AheadView;
