//! What official fixtures call the rules that a block may break.

use crate::consensus::{BodyError, ConsensusError, HeaderError, OmmerError};

/// Why a block of a fixture is refused before it runs.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is no RLP block.
    Undecodable,
    /// Its parent is not there.
    UnknownParent,
    /// It breaks a rule of this module.
    Invalid(ConsensusError),
}

impl<E: Into<ConsensusError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Invalid(error.into())
    }
}

/// Whether `refusal` is what a fixture means by one of `exceptions`, which are
/// separated by bars.
pub(super) fn means(exceptions: &str, refusal: &Refusal) -> bool {
    exceptions.split('|').any(|exception| matches(exception, refusal) == Some(true))
}

/// Whether one of `exceptions` is about something only execution can tell.
pub(super) fn needs_execution(exceptions: &str, network: &str) -> bool {
    // In Amsterdam the format is that of the access list, which travels apart
    // from the block.
    if network == "Amsterdam" && exceptions == "BlockException.INCORRECT_BLOCK_FORMAT" {
        return true;
    }
    exceptions.split('|').any(|exception| matches(exception, &Refusal::Undecodable).is_none())
}

/// Whether `refusal` is what a fixture means by `exception`; `None` if no
/// refusal is.
fn matches(exception: &str, refusal: &Refusal) -> Option<bool> {
    let (mut header, mut body, mut ommers) = (None, None, None);
    match refusal {
        Refusal::Invalid(ConsensusError::Header(error)) => header = Some(error),
        Refusal::Invalid(ConsensusError::Body(error)) => body = Some(error),
        // An ommer's header breaks the same rules as a block's.
        Refusal::Invalid(ConsensusError::Ommers(OmmerError::Header { source, .. })) => {
            header = Some(source);
        }
        Refusal::Invalid(ConsensusError::Ommers(error)) => ommers = Some(error),
        _ => {}
    }
    let exception = exception.trim_start_matches("BlockException.");
    let exception = exception.trim_start_matches("TransactionException.");
    let undecodable = matches!(refusal, Refusal::Undecodable);
    match exception {
        "INCORRECT_BLOCK_FORMAT" => {
            Some(undecodable || matches!(header, Some(HeaderError::UnexpectedField { .. })))
        }
        "RLP_STRUCTURES_ENCODING"
        | "TYPE_4_TX_CONTRACT_CREATION"
        | "INPUT_UNMARSHAL_ERROR"
        | "GASLIMIT_PRICE_PRODUCT_OVERFLOW" => Some(undecodable),
        "UnknownParent" | "UnknownParent2" => Some(matches!(refusal, Refusal::UnknownParent)),
        _ => by_header(exception, header)
            .or_else(|| by_body(exception, body))
            .or_else(|| by_ommers(exception, ommers)),
    }
}

fn by_header(exception: &str, error: Option<&HeaderError>) -> Option<bool> {
    use HeaderError as E;
    Some(match exception {
        "INCORRECT_EXCESS_BLOB_GAS" => matches!(error, Some(E::ExcessBlobGas { .. })),
        "BLOB_GAS_USED_ABOVE_LIMIT" => {
            matches!(error, Some(E::BlobGasUsedAboveLimit { .. } | E::BlobGasUsedFraction { .. }))
        }
        "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED" => {
            matches!(error, Some(E::BlobGasUsedAboveLimit { .. }))
        }
        // The legacy blocks carry an ommer from before the gas limit doubled.
        "INVALID_BASEFEE_PER_GAS"
        | "1559BlockImportImpossible_BaseFeeWrong"
        | "LegacyBlockImportImpossible2" => {
            matches!(error, Some(E::BaseFee { .. } | E::GasLimitStep { .. }))
        }
        "ExtraDataIncorrectDAO" => matches!(error, Some(E::DaoExtraData { .. })),
        "ExtraDataTooBig" => matches!(error, Some(E::ExtraDataTooLong { .. })),
        "InvalidDifficulty"
        | "PostParisDifficultyIsNot0"
        | "3675PoSBlockRejected"
        | "3675PoWBlockRejected" => matches!(error, Some(E::Difficulty { .. })),
        "3675PreParis1559BlockRejected" | "PostParisUncleHashIsNotEmpty" => {
            matches!(error, Some(E::Difficulty { .. } | E::OmmersHash { .. }))
        }
        "InvalidGasLimit" | "InvalidGasLimit2" => {
            matches!(error, Some(E::GasLimit { .. } | E::GasLimitStep { .. }))
        }
        // One of these blocks has a gas limit of zero besides.
        "TooMuchGasUsed" => {
            matches!(error, Some(E::GasUsedAboveLimit { .. } | E::GasLimit { .. }))
        }
        "InvalidNumber" => matches!(error, Some(E::Number { .. })),
        "InvalidTimestamp" | "InvalidTimestampOlderParent" => {
            matches!(error, Some(E::Timestamp { .. }))
        }
        _ => return None,
    })
}

fn by_body(exception: &str, error: Option<&BodyError>) -> Option<bool> {
    use BodyError as E;
    Some(match exception {
        "INCORRECT_BLOB_GAS_USED" => matches!(error, Some(E::BlobGasUsed { .. })),
        "TYPE_1_TX_PRE_FORK" | "TYPE_2_TX_PRE_FORK" | "TYPE_3_TX_PRE_FORK"
        | "TYPE_4_TX_PRE_FORK" => matches!(error, Some(E::TransactionType { .. })),
        "InvalidTransactionsRoot" => matches!(error, Some(E::TransactionsRoot { .. })),
        "InvalidWithdrawals" | "RLP_ExpectedAsList" => {
            matches!(error, Some(E::WithdrawalsRoot { .. }))
        }
        // The makers of these blocks left the bad transaction out of the
        // header's root, so the root is what gives it away.
        legacy if legacy.starts_with("TR_") => matches!(error, Some(E::TransactionsRoot { .. })),
        _ => return None,
    })
}

fn by_ommers(exception: &str, error: Option<&OmmerError>) -> Option<bool> {
    use OmmerError as E;
    Some(match exception {
        "InvalidUncleParentHash" => {
            matches!(error, Some(E::IsAncestor { .. } | E::UnknownParent { .. }))
        }
        "TooManyUncles" => matches!(error, Some(E::TooMany { .. })),
        "UncleInChain" | "UncleIsAncestor" | "UncleIsBrother" => matches!(
            error,
            Some(E::AlreadyIncluded { .. } | E::Duplicate { .. } | E::IsAncestor { .. })
        ),
        "UncleParentIsNotAncestor" | "UncleTooOld" => {
            matches!(error, Some(E::UnknownParent { .. }))
        }
        _ => return None,
    })
}
