//! Runs the transactions of a block concurrently and gives what stock
//! sequential revm gives.

mod block;
mod chain_spec;
mod consensus;
mod output;

pub use block::{Block, Receipt, RecoveredBlock, Transaction};
pub use chain_spec::{ChainSpec, ChainSpecError};
pub use consensus::{
    Ancestor, validate_body, validate_header, validate_ommers, validate_output, validate_state_root,
};
pub use consensus::{BodyError, ConsensusError, HeaderError, OmmerError, OutputError};
pub use consensus::{receipt_bloom, receipts_root_and_bloom};
pub use output::{BlockOutput, Executed, ExecutionStats};
