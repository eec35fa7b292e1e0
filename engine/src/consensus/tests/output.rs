//! Outputs that break one of the header's promises.

use super::samples::{BLOB, amsterdam, spec};
use crate::{
    block::Receipt,
    consensus::{OutputError, receipts_root_and_bloom, validate_output, validate_state_root},
    output::BlockOutput,
};
use alloy_consensus::Header;
use alloy_eip7928::{AccountChanges, compute_block_access_list_hash};
use alloy_eips::eip7685::{EMPTY_REQUESTS_HASH, Requests};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, bytes, keccak256};

/// A header of Amsterdam, and an output that keeps its promises.
fn executed() -> (Header, BlockOutput) {
    let log = Log::new_unchecked(Address::ZERO, vec![keccak256(b"topic")], Bytes::new());
    let output = BlockOutput {
        receipts: vec![Receipt {
            success: true,
            cumulative_gas_used: 30_000,
            logs: vec![log],
            ..Receipt::default()
        }],
        requests: Requests::new(vec![bytes!("00ff")]),
        gas_used: 30_000,
        blob_gas_used: BLOB,
        changes: Default::default(),
        access_list: Some(vec![AccountChanges::new(Address::ZERO)]),
    };
    let (receipts_root, logs_bloom) = receipts_root_and_bloom(&output.receipts);
    let (_, header) = amsterdam();
    let header = Header {
        gas_used: 30_000,
        blob_gas_used: Some(BLOB),
        receipts_root,
        logs_bloom,
        requests_hash: Some(output.requests.requests_hash()),
        block_access_list_hash: output.access_list.as_deref().map(compute_block_access_list_hash),
        ..header
    };
    (header, output)
}

/// How the output disagrees with a header of `network` after `spoil`.
#[track_caller]
fn disagreement(network: &str, spoil: impl FnOnce(&mut Header, &mut BlockOutput)) -> OutputError {
    let (mut header, mut output) = executed();
    assert_eq!(validate_output(&spec(network), &header, &output), Ok(()));
    spoil(&mut header, &mut output);
    validate_output(&spec(network), &header, &output).unwrap_err()
}

#[test]
fn outputs_keep_the_headers_promises() {
    let (promise, output) = executed();
    assert_eq!(
        disagreement("Amsterdam", |_, output| output.gas_used = 1),
        OutputError::GasUsed { got: 1, expected: 30_000 }
    );
    assert_eq!(
        disagreement("Amsterdam", |_, output| output.blob_gas_used = 0),
        OutputError::BlobGasUsed { got: 0, expected: BLOB }
    );
    assert_eq!(
        disagreement("Amsterdam", |header, _| header.logs_bloom = Bloom::ZERO),
        OutputError::LogsBloom {
            got: Box::new(promise.logs_bloom),
            expected: Box::new(Bloom::ZERO)
        }
    );
    assert!(matches!(
        disagreement("Amsterdam", |_, output| output.receipts[0].success = false),
        OutputError::ReceiptsRoot { expected, .. } if expected == promise.receipts_root
    ));
    assert!(matches!(
        disagreement("Amsterdam", |_, output| output.receipts.push(Receipt::default())),
        OutputError::ReceiptsRoot { .. }
    ));
    assert_eq!(
        disagreement("Amsterdam", |_, output| output.requests = Requests::default()),
        OutputError::RequestsHash {
            got: EMPTY_REQUESTS_HASH,
            expected: output.requests.requests_hash()
        }
    );
    assert_eq!(validate_state_root(&promise, promise.state_root), Ok(()));
    assert_eq!(
        validate_state_root(&promise, B256::ZERO),
        Err(OutputError::StateRoot { got: B256::ZERO, expected: promise.state_root })
    );
}

#[test]
fn receipts_before_byzantium_have_no_known_root() {
    let (mut header, output) = executed();
    header.receipts_root = B256::ZERO;
    assert_eq!(validate_output(&spec("EIP158"), &header, &output), Ok(()));
    assert!(matches!(
        validate_output(&spec("Byzantium"), &header, &output),
        Err(OutputError::ReceiptsRoot { .. })
    ));
}

#[test]
fn access_lists_are_the_headers_and_paid_for() {
    let (promise, _) = executed();
    let expected = promise.block_access_list_hash.unwrap();
    assert_eq!(
        disagreement("Amsterdam", |_, output| output.access_list = None),
        OutputError::BlockAccessListHash { got: None, expected }
    );
    assert_eq!(
        disagreement("Amsterdam", |_, output| output.access_list = Some(Vec::new())),
        OutputError::BlockAccessListHash {
            got: Some(compute_block_access_list_hash(&[])),
            expected
        }
    );
    // One item costs 2,000 gas of the limit.
    assert_eq!(
        disagreement("Amsterdam", |header, _| header.gas_limit = 1999),
        OutputError::BlockAccessListTooLong { got: 1, max: 0 }
    );
}
