//! Runs the transactions of a block concurrently and gives what stock
//! sequential revm gives.

mod block;
mod output;

pub use block::{Block, Receipt, RecoveredBlock, Transaction};
pub use output::{BlockOutput, Executed, ExecutionStats};
