//! Whether a block was rejected for the reason its test gives.
//!
//! Two generations of tests name reasons differently; several names joined by
//! `|` mean that any of them will do. The table below lists, for every name
//! that occurs in the published suites, the rejections that carry it out. A
//! name that is not in the table matches nothing, so that a new name is
//! noticed, and an internal error never matches.
//!
//! Where one name admits several of our errors, it is because the fault can be
//! noticed at several places: a blob too many shows in the transaction, in the
//! sum over the body and in the header; clients differ in which they look at
//! first.

use crate::rejection::Rejection;
use blockloom_engine::{
    BlockError, BodyError as Body, ConsensusError, HeaderError as Header, InvalidBlock,
    OmmerError as Ommer, OutputError as Output,
};
use revm::context::result::InvalidTransaction as Tx;

/// The rule a rejected block breaks.
enum Broken<'a> {
    Rlp,
    UnknownParent,
    Header(&'a Header),
    Body(&'a Body),
    Ommer(&'a Ommer),
    Output(&'a Output),
    Tx(&'a Tx),
    Signature,
    BlockGas,
    System(&'a str),
}

/// Whether `rejection` is what a test means that expects `expected`.
///
/// Some legacy tests mark a block as invalid without saying why; then any rule
/// will do.
pub(crate) fn is_expected(expected: Option<&str>, rejection: &Rejection) -> bool {
    let Some(broken) = broken(rejection) else { return false };
    expected.is_none_or(|names| {
        names.split('|').any(|name| {
            let name = name.trim();
            match name.split_once("Exception.") {
                Some((_, name)) => names_spec(name, &broken),
                None => names_legacy(name, &broken),
            }
        })
    })
}

/// The rule behind `rejection`; `None` if the block was never judged.
fn broken(rejection: &Rejection) -> Option<Broken<'_>> {
    Some(match rejection {
        Rejection::Rlp(_) => Broken::Rlp,
        Rejection::UnknownParent { .. } => Broken::UnknownParent,
        Rejection::Consensus(error) => return consensus(error),
        Rejection::Execution(BlockError::Invalid { reason, .. }) => match &**reason {
            InvalidBlock::Consensus(error) => return consensus(error),
            InvalidBlock::Transaction { reason, .. } => Broken::Tx(reason),
            InvalidBlock::BlockGasExhausted { .. } => Broken::BlockGas,
            InvalidBlock::Signature { .. } => Broken::Signature,
            InvalidBlock::System { message, .. } => Broken::System(message),
            _ => return None,
        },
        Rejection::Execution(_) => return None,
    })
}

const fn consensus(error: &ConsensusError) -> Option<Broken<'_>> {
    Some(match error {
        ConsensusError::Header(error) => Broken::Header(error),
        ConsensusError::Body(error) => Broken::Body(error),
        ConsensusError::Ommers(error) => Broken::Ommer(error),
        ConsensusError::Output(error) => Broken::Output(error),
        _ => return None,
    })
}

/// The table for execution-spec tests (`BlockException.X`,
/// `TransactionException.X`).
fn names_spec(name: &str, broken: &Broken<'_>) -> bool {
    match name {
        // Headers.
        "BLOB_GAS_USED_ABOVE_LIMIT" => {
            is_header(broken, |error| matches!(error, Header::BlobGasUsedAboveLimit { .. }))
        }
        "INCORRECT_BLOB_GAS_USED" => is_blob_gas_used(broken),
        "INCORRECT_BLOCK_FORMAT" => is_field_set(broken) || is_access_list(broken),
        "INCORRECT_EXCESS_BLOB_GAS" => {
            is_header(broken, |error| matches!(error, Header::ExcessBlobGas { .. }))
        }
        "INVALID_BASEFEE_PER_GAS" => {
            is_header(broken, |error| matches!(error, Header::BaseFee { .. }))
        }
        // Results.
        "BLOCK_ACCESS_LIST_GAS_LIMIT_EXCEEDED" => {
            matches!(broken, Broken::Output(Output::BlockAccessListTooLong { .. }))
        }
        "INVALID_BAL_HASH" | "INVALID_BAL_MISSING_ACCOUNT" | "INVALID_BLOCK_ACCESS_LIST" => {
            is_access_list(broken)
        }
        // alloy-evm decodes deposits leniently, so a log of odd length is
        // noticed by what it does to the requests.
        "INVALID_DEPOSIT_EVENT_LAYOUT" => {
            matches!(broken, Broken::System(message) if message.contains("deposit requests"))
                || matches!(broken, Broken::Output(Output::RequestsHash { .. }))
        }
        "INVALID_REQUESTS" => matches!(broken, Broken::Output(Output::RequestsHash { .. })),
        // Blob and set-code transactions always have a recipient in our
        // types, and none of them has room for blobs, so such a transaction
        // fails to decode.
        "RLP_STRUCTURES_ENCODING" | "TYPE_3_TX_WITH_FULL_BLOBS" | "TYPE_4_TX_CONTRACT_CREATION" => {
            matches!(broken, Broken::Rlp)
        }
        _ => names_spec_transaction(name, broken),
    }
}

/// The part of the table for execution-spec tests that is about transactions.
fn names_spec_transaction(name: &str, broken: &Broken<'_>) -> bool {
    match name {
        "GAS_ALLOWANCE_EXCEEDED" => is_block_gas(broken),
        "GAS_LIMIT_EXCEEDS_MAXIMUM" => {
            matches!(broken, Broken::Tx(Tx::TxGasLimitGreaterThanCap { .. }))
        }
        "INITCODE_SIZE_EXCEEDED" => matches!(broken, Broken::Tx(Tx::CreateInitCodeSizeLimit)),
        "INSUFFICIENT_ACCOUNT_FUNDS" => is_funds(broken),
        // Prices have 128 bits in our types; a larger one does not decode.
        "GASLIMIT_PRICE_PRODUCT_OVERFLOW" => {
            matches!(broken, Broken::Rlp | Broken::Tx(Tx::OverflowPaymentInTransaction))
        }
        "INTRINSIC_GAS_TOO_LOW" => is_intrinsic_gas(broken),
        "INSUFFICIENT_MAX_FEE_PER_GAS" => matches!(broken, Broken::Tx(Tx::GasPriceLessThanBasefee)),
        "NONCE_IS_MAX" => matches!(broken, Broken::Tx(Tx::NonceOverflowInTransaction)),
        "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS" => {
            matches!(broken, Broken::Tx(Tx::PriorityFeeGreaterThanMaxFee))
        }
        "SENDER_NOT_EOA" => matches!(broken, Broken::Tx(Tx::RejectCallerWithCode)),
        "TYPE_1_TX_PRE_FORK" => is_early_type(broken, 1),
        "TYPE_2_TX_PRE_FORK" => is_early_type(broken, 2),
        "TYPE_3_TX_PRE_FORK" => is_early_type(broken, 3),
        "TYPE_4_TX_PRE_FORK" => is_early_type(broken, 4),
        "TYPE_3_TX_BLOB_COUNT_EXCEEDED" | "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED" => {
            matches!(broken, Broken::Tx(Tx::TooManyBlobs { .. })) || is_blob_gas_used(broken)
        }
        "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH" => {
            matches!(broken, Broken::Tx(Tx::BlobVersionNotSupported))
        }
        "TYPE_3_TX_ZERO_BLOBS" => matches!(broken, Broken::Tx(Tx::EmptyBlobs)),
        "TYPE_4_EMPTY_AUTHORIZATION_LIST" => {
            matches!(broken, Broken::Tx(Tx::EmptyAuthorizationList))
        }
        _ => false,
    }
}

/// The table for legacy tests.
fn names_legacy(name: &str, broken: &Broken<'_>) -> bool {
    match name {
        // Headers, the block's own or an ommer's.
        "1559BlockImportImpossible_BaseFeeWrong" | "LegacyBlockImportImpossible2" => {
            is_header(broken, |error| matches!(error, Header::BaseFee { .. }))
        }
        "3675PoSBlockRejected"
        | "3675PoWBlockRejected"
        | "3675PreParis1559BlockRejected"
        | "PostParisDifficultyIsNot0"
        | "PostParisUncleHashIsNotEmpty" => is_merge_rule(broken),
        "ExtraDataIncorrectDAO" => {
            is_header(broken, |error| matches!(error, Header::DaoExtraData { .. }))
        }
        "ExtraDataTooBig" => {
            is_header(broken, |error| matches!(error, Header::ExtraDataTooLong { .. }))
        }
        "InvalidDifficulty" => {
            is_header(broken, |error| matches!(error, Header::Difficulty { .. }))
        }
        "InvalidGasLimit" | "InvalidGasLimit2" => is_header(broken, |error| {
            matches!(error, Header::GasLimit { .. } | Header::GasLimitStep { .. })
        }),
        "InvalidNumber" => is_header(broken, |error| matches!(error, Header::Number { .. })),
        "InvalidTimestamp" | "InvalidTimestampOlderParent" => {
            is_header(broken, |error| matches!(error, Header::Timestamp { .. }))
        }
        // One of these blocks has gas limit zero, which is refused first.
        "TooMuchGasUsed" => is_header(broken, |error| {
            matches!(error, Header::GasUsedAboveLimit { .. } | Header::GasLimit { got: 0, .. })
        }),
        "UnknownParent" | "UnknownParent2" => matches!(broken, Broken::UnknownParent),
        // Bodies.
        "InvalidTransactionsRoot" => {
            matches!(broken, Broken::Body(Body::TransactionsRoot { .. }))
        }
        "InvalidWithdrawals" => matches!(broken, Broken::Body(Body::WithdrawalsRoot { .. })),
        "INPUT_UNMARSHAL_ERROR" => matches!(broken, Broken::Rlp),
        // A block of three parts is well-formed, only not after Shanghai.
        "RLP_ExpectedAsList" => {
            matches!(broken, Broken::Rlp | Broken::Body(Body::WithdrawalsRoot { got: None, .. }))
        }
        // Ommers.
        // An ancestor offered as ommer, too, has a parent that no ommer may
        // have.
        "InvalidUncleParentHash" | "UncleParentIsNotAncestor" | "UncleTooOld" => {
            matches!(broken, Broken::Ommer(Ommer::UnknownParent { .. } | Ommer::IsAncestor { .. }))
        }
        "TooManyUncles" => matches!(broken, Broken::Ommer(Ommer::TooMany { .. })),
        "UncleInChain" | "UncleIsAncestor" | "UncleIsBrother" => matches!(
            broken,
            Broken::Ommer(
                Ommer::AlreadyIncluded { .. }
                    | Ommer::Duplicate { .. }
                    | Ommer::IsAncestor { .. }
                    | Ommer::Sibling { .. }
            )
        ),
        _ => names_legacy_result(name, broken),
    }
}

/// The part of the legacy table about transactions and results.
fn names_legacy_result(name: &str, broken: &Broken<'_>) -> bool {
    match name {
        "InvalidGasUsed" => matches!(broken, Broken::Output(Output::GasUsed { .. })),
        "InvalidStateRoot" | "InvalidReceiptsStateRoot" => {
            matches!(broken, Broken::Output(Output::StateRoot { .. } | Output::ReceiptsRoot { .. }))
        }
        "BlockGasLimitReached" | "TR_GasLimitReached" => is_block_gas(broken),
        "IntrinsicGas" | "TR_IntrinsicGas" => is_intrinsic_gas(broken),
        "TR_FeeCapLessThanBlocks" => matches!(broken, Broken::Tx(Tx::GasPriceLessThanBasefee)),
        "TR_FeeCapLessThanBlocksORGasLimitReached" => {
            matches!(broken, Broken::Tx(Tx::GasPriceLessThanBasefee)) || is_block_gas(broken)
        }
        "TR_FeeCapLessThanBlocksORNoFunds" => {
            matches!(broken, Broken::Tx(Tx::GasPriceLessThanBasefee)) || is_funds(broken)
        }
        "TR_NoFunds" => is_funds(broken),
        "TR_NonceTooHigh" => matches!(broken, Broken::Tx(Tx::NonceTooHigh { .. })),
        "TR_TipGtFeeCap" => matches!(broken, Broken::Tx(Tx::PriorityFeeGreaterThanMaxFee)),
        "TR_TypeNotSupported" => (1..=4).any(|wanted| is_early_type(broken, wanted)),
        _ => false,
    }
}

/// A header error, of the block or of one of its ommers.
fn is_header(broken: &Broken<'_>, wanted: impl Fn(&Header) -> bool) -> bool {
    match broken {
        Broken::Header(error) => wanted(error),
        Broken::Ommer(Ommer::Header { source, .. }) => wanted(source),
        _ => false,
    }
}

const fn is_blob_gas_used(broken: &Broken<'_>) -> bool {
    matches!(
        broken,
        Broken::Header(Header::BlobGasUsedFraction { .. } | Header::BlobGasUsedAboveLimit { .. })
            | Broken::Body(Body::BlobGasUsed { .. })
            | Broken::Output(Output::BlobGasUsed { .. })
    )
}

const fn is_field_set(broken: &Broken<'_>) -> bool {
    matches!(
        broken,
        Broken::Rlp | Broken::Header(Header::MissingField { .. } | Header::UnexpectedField { .. })
    )
}

/// A wrong list shows as a wrong hash: the list itself is not in the block.
const fn is_access_list(broken: &Broken<'_>) -> bool {
    matches!(broken, Broken::Output(Output::BlockAccessListHash { .. }))
}

const fn is_block_gas(broken: &Broken<'_>) -> bool {
    matches!(broken, Broken::BlockGas | Broken::Tx(Tx::CallerGasLimitMoreThanBlock))
}

const fn is_funds(broken: &Broken<'_>) -> bool {
    matches!(broken, Broken::Tx(Tx::LackOfFundForMaxFee { .. }))
}

const fn is_intrinsic_gas(broken: &Broken<'_>) -> bool {
    matches!(
        broken,
        Broken::Tx(Tx::CallGasCostMoreThanGasLimit { .. } | Tx::GasFloorMoreThanGasLimit { .. })
    )
}

/// A transaction of type `wanted` before its fork, as the body check or revm
/// puts it.
const fn is_early_type(broken: &Broken<'_>, wanted: u8) -> bool {
    match broken {
        Broken::Body(Body::TransactionType { ty, .. }) => *ty == wanted,
        Broken::Tx(Tx::Eip2930NotSupported) => wanted == 1,
        Broken::Tx(Tx::Eip1559NotSupported) => wanted == 2,
        Broken::Tx(Tx::Eip4844NotSupported) => wanted == 3,
        Broken::Tx(Tx::Eip7702NotSupported) => wanted == 4,
        _ => false,
    }
}

/// A proof-of-work block where the chain is proof of stake, or the reverse.
const fn is_merge_rule(broken: &Broken<'_>) -> bool {
    matches!(
        broken,
        Broken::Header(
            Header::Difficulty { .. } | Header::Nonce { .. } | Header::OmmersHash { .. }
        ) | Broken::Ommer(Ommer::AfterMerge { .. })
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{B256, U256};
    use blockloom_engine::InternalError;

    fn rejected(error: impl Into<ConsensusError>) -> Rejection {
        Rejection::Consensus(error.into())
    }

    fn invalid(reason: InvalidBlock) -> Rejection {
        Rejection::Execution(BlockError::Invalid { number: 1, reason: Box::new(reason) })
    }

    fn wrong_gas() -> Rejection {
        rejected(Output::GasUsed { got: 1, expected: 2 })
    }

    #[test]
    fn a_reason_matches_its_own_rule_only() {
        assert!(is_expected(Some("InvalidGasUsed"), &wrong_gas()));
        for other in ["InvalidStateRoot", "BlockException.INVALID_REQUESTS", "Nonsense", ""] {
            assert!(!is_expected(Some(other), &wrong_gas()), "{other:?}");
        }
        let early = invalid(InvalidBlock::Transaction {
            index: 0,
            hash: B256::ZERO,
            reason: Tx::Eip1559NotSupported,
        });
        assert!(is_expected(Some("TransactionException.TYPE_2_TX_PRE_FORK"), &early));
        assert!(!is_expected(Some("TransactionException.TYPE_1_TX_PRE_FORK"), &early));
    }

    #[test]
    fn any_of_several_reasons_will_do() {
        let names =
            "BlockException.RLP_STRUCTURES_ENCODING|TransactionException.TYPE_3_TX_PRE_FORK";
        assert!(is_expected(Some(names), &Rejection::Rlp(alloy_rlp::Error::InputTooShort)));
        assert!(!is_expected(Some(names), &wrong_gas()));
    }

    #[test]
    fn a_fault_of_an_ommer_is_a_fault_of_its_header() {
        let source = Header::Difficulty { got: U256::ZERO, expected: U256::from(1) };
        let ommer = rejected(Ommer::Header { hash: B256::ZERO, source });
        assert!(is_expected(Some("InvalidDifficulty"), &ommer));
        assert!(!is_expected(Some("InvalidNumber"), &ommer));
    }

    #[test]
    fn without_a_reason_any_rule_will_do_but_no_internal_error() {
        assert!(is_expected(None, &wrong_gas()));
        let internal = BlockError::Internal {
            number: 1,
            reason: InternalError::Panic { message: "boom".to_owned() },
        };
        assert!(!is_expected(None, &Rejection::Execution(internal)));
    }
}
