//! Runs the transactions of a block concurrently and gives what stock
//! sequential revm gives.

mod base;
mod block;
mod chain_spec;
mod committed;
mod config;
mod consensus;
mod engine;
mod error;
mod idle;
mod output;
mod parallel;
mod prepared;
mod senders;
mod speculative;
mod stock;
mod view;
mod worker;
mod writes;

pub use block::{Block, Receipt, RecoveredBlock, Transaction};
pub use blockloom_scheduler::Limits;
pub use chain_spec::{ChainSpec, ChainSpecError};
pub use config::{Config, Mode};
pub use consensus::{
    Ancestor, validate_body, validate_header, validate_ommers, validate_output, validate_state_root,
};
pub use consensus::{BodyError, ConsensusError, HeaderError, OmmerError, OutputError};
pub use consensus::{receipt_bloom, receipts_root_and_bloom};
pub use engine::{Engine, EngineError};
pub use error::{BlockError, InternalError, InvalidBlock};
pub use output::{BlockOutput, Executed, ExecutionStats};
