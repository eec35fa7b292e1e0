//! Why a block has no result.

use crate::consensus::ConsensusError;
use alloy_evm::block::{BlockExecutionError, BlockValidationError};
use alloy_primitives::B256;
use blockloom_state::BaseStateError;
use revm::context_interface::result::{EVMError, InvalidTransaction};

/// Why a block has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The protocol forbids the block; it stays forbidden however often it is
    /// tried.
    #[error("block {number} is invalid: {reason}")]
    Invalid {
        /// The block's number.
        number: u64,
        /// What is wrong with it.
        #[source]
        reason: Box<InvalidBlock>,
    },
    /// The block could not be judged.
    #[error("block {number} could not be executed: {reason}")]
    Internal {
        /// The block's number.
        number: u64,
        /// What got in the way.
        #[source]
        reason: InternalError,
    },
}

impl BlockError {
    /// The base state failed, for `transaction` or outside of any.
    pub(crate) const fn base_state(
        number: u64,
        transaction: Option<usize>,
        source: BaseStateError,
    ) -> Self {
        Self::Internal { number, reason: InternalError::BaseState { transaction, source } }
    }

    /// The error of an invalid block.
    pub(crate) fn invalid(number: u64, reason: InvalidBlock) -> Self {
        Self::Invalid { number, reason: Box::new(reason) }
    }

    /// An error of an alloy-evm executor as [`Engine`](crate::Engine) reports it,
    /// which says at what in block `number` it came up.
    ///
    /// `failure` is what the base state reported meanwhile. It goes first: the
    /// system calls turn a failed read into a failed validation.
    #[must_use]
    pub fn from_executor(
        number: u64,
        place: Place,
        error: BlockExecutionError,
        failure: Option<BaseStateError>,
    ) -> Self {
        let transaction = match place {
            Place::Transaction(index, _) => Some(index),
            Place::Before | Place::After => None,
        };
        if let Some(source) = failure {
            return Self::base_state(number, transaction, source);
        }
        match error {
            BlockExecutionError::Validation(error) => Self::invalid(number, invalid(place, &error)),
            BlockExecutionError::Internal(error) => {
                let reason = InternalError::Evm { transaction, message: error.to_string() };
                Self::Internal { number, reason }
            }
        }
    }

    /// The reason, if the block itself is at fault.
    #[must_use]
    pub const fn as_invalid(&self) -> Option<&InvalidBlock> {
        match self {
            Self::Invalid { reason, .. } => Some(reason),
            Self::Internal { .. } => None,
        }
    }
}

/// What the protocol forbids about a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBlock {
    /// Header, body or result break a rule of consensus.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// No sender can be recovered from a transaction's signature.
    #[error("transaction {index} ({hash}) has an invalid signature")]
    Signature {
        /// Position in the block, from 0.
        index: usize,
        /// The transaction's hash.
        hash: B256,
    },
    /// A transaction may not be executed where it stands.
    #[error("transaction {index} ({hash}): {reason}")]
    Transaction {
        /// Position in the block, from 0.
        index: usize,
        /// The transaction's hash.
        hash: B256,
        /// revm's verdict.
        reason: InvalidTransaction,
    },
    /// A transaction asks for more gas than the block has left.
    #[error("transaction {index} ({hash}) asks for {gas_limit} gas, {available} is left")]
    BlockGasExhausted {
        /// Position in the block, from 0.
        index: usize,
        /// The transaction's hash.
        hash: B256,
        /// The transaction's gas limit.
        gas_limit: u64,
        /// Gas not yet used in the block, in the dimension that ran short.
        available: u64,
    },
    /// A system call or another step outside of transactions failed.
    #[error("{step}: {message}")]
    System {
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        message: String,
    },
}

/// What kept the engine from judging a block.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InternalError {
    /// The base state failed to answer.
    #[error("reading base state{}: {source}", at(*.transaction))]
    BaseState {
        /// The transaction that asked; `None` for a system call.
        transaction: Option<usize>,
        /// Its failure.
        source: BaseStateError,
    },
    /// revm gave up for a reason that is neither the block's nor the state's.
    #[error("revm failed{}: {message}", at(*.transaction))]
    Evm {
        /// The transaction it ran; `None` for a system call.
        transaction: Option<usize>,
        /// Its words.
        message: String,
    },
    /// A worker panicked. The engine stays usable.
    #[error("a worker panicked: {message}")]
    Panic {
        /// The panic's message.
        message: String,
    },
}

fn at(transaction: Option<usize>) -> String {
    transaction.map_or_else(String::new, |index| format!(" for transaction {index}"))
}

/// Where in a block an executor failed.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// System calls before the first transaction.
    Before,
    /// The transaction at this position, with this hash.
    Transaction(usize, B256),
    /// Requests, withdrawals and rewards.
    After,
}

/// Gives revm's own error for the transaction at `index` its type here, the
/// same that [`BlockError::from_executor`] gives it on the sequential path.
/// `failure` is the first that the base state reported: revm goes on for a while
/// after one, and may report a later one.
pub(crate) fn from_evm(
    number: u64,
    index: usize,
    hash: B256,
    error: EVMError<BaseStateError>,
    failure: Option<BaseStateError>,
) -> BlockError {
    let place = Place::Transaction(index, hash);
    BlockError::from_executor(number, place, BlockExecutionError::evm(error, hash), failure)
}

fn invalid(place: Place, error: &BlockValidationError) -> InvalidBlock {
    let step = match place {
        Place::Before => "before the transactions",
        Place::After => "after the transactions",
        Place::Transaction(index, hash) => match error {
            BlockValidationError::InvalidTx { error: reason, .. } => {
                if let Some(reason) = reason.as_invalid_tx_err() {
                    return InvalidBlock::Transaction { index, hash, reason: reason.clone() };
                }
                "in a transaction"
            }
            BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                transaction_gas_limit,
                block_available_gas,
            } => {
                return InvalidBlock::BlockGasExhausted {
                    index,
                    hash,
                    gas_limit: *transaction_gas_limit,
                    available: *block_available_gas,
                };
            }
            _ => "in a transaction",
        },
    };
    InvalidBlock::System { step, message: error.to_string() }
}
