//! Payloads as a consensus client sends them.

use alloy_consensus::Transaction as _;
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_engine::ExecutionPayload;
use blockloom_engine::Block;
use serde_json::{Value, json};

/// The method for a block of its fork, and the parameters.
pub(super) fn of(block: &Block, requests: &[Bytes]) -> (&'static str, Value) {
    let (payload, _) = ExecutionPayload::from_block_slow(block);
    let hashes: Vec<B256> = block
        .body
        .transactions
        .iter()
        .filter_map(|tx| tx.blob_versioned_hashes())
        .flatten()
        .copied()
        .collect();
    let root = block.header.parent_beacon_block_root;
    match payload {
        ExecutionPayload::V1(payload) => ("engine_newPayloadV1", json!([payload])),
        ExecutionPayload::V2(payload) => ("engine_newPayloadV2", json!([payload])),
        ExecutionPayload::V3(payload) if block.header.requests_hash.is_none() => {
            ("engine_newPayloadV3", json!([payload, hashes, root]))
        }
        ExecutionPayload::V3(payload) => {
            ("engine_newPayloadV4", json!([payload, hashes, root, requests]))
        }
        ExecutionPayload::V4(payload) => {
            ("engine_newPayloadV5", json!([payload, hashes, root, requests]))
        }
    }
}
