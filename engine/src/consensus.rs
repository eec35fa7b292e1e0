//! What a block must satisfy besides running.
//!
//! The checks go around execution, cheapest first, and none reads state:
//!
//! 1. [`validate_header`]: the header against its parent.
//! 2. [`validate_body`]: transactions, ommers and withdrawals against the
//!    header.
//! 3. [`validate_ommers`]: ommers against the block's ancestors.
//! 4. The block runs. revm checks each transaction by itself.
//! 5. [`validate_output`]: what came of it against the header.
//! 6. [`validate_state_root`]: the root of the state after it.
//!
//! The one rule nobody here checks is the proof-of-work seal; see
//! [`validate_header`].

mod body;
mod difficulty;
mod error;
mod fees;
mod header;
mod ommers;
mod output;
#[cfg(test)]
mod tests;

pub use body::validate_body;
pub use error::{BodyError, ConsensusError, HeaderError, OmmerError, OutputError};
pub use header::validate_header;
pub use ommers::{Ancestor, validate_ommers};
pub use output::{receipt_bloom, receipts_root_and_bloom, validate_output, validate_state_root};
