//! Runs the transactions of a block concurrently and gives what stock
//! sequential revm gives.

mod block;
mod chain_spec;
mod output;

pub use block::{Block, Receipt, RecoveredBlock, Transaction};
pub use chain_spec::{ChainSpec, ChainSpecError};
pub use output::{BlockOutput, Executed, ExecutionStats};
