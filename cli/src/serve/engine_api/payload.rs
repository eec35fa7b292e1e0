//! Payloads, version by version, down to a block.

use super::{code, status};
use crate::serve::{
    chain::{Chain, InsertError, ReadError},
    rpc::RpcFailure,
};
use alloy_consensus::transaction::Transaction as _;
use alloy_eips::eip7685::Requests;
use alloy_hardforks::{EthereumHardfork as Fork, EthereumHardforks, ForkCondition};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_engine::{
    CancunPayloadFields, ExecutionPayload, ExecutionPayloadInputV2, ExecutionPayloadSidecar,
    ExecutionPayloadV1, ExecutionPayloadV3, ExecutionPayloadV4, PayloadStatus, PayloadStatusEnum,
    PraguePayloadFields,
};
use blockloom_engine::Block;
use jsonrpsee::types::Params;

type Answer = Result<PayloadStatus, RpcFailure>;

pub(super) fn v1(params: &Params<'_>, chain: &Chain) -> Answer {
    let (payload,): (ExecutionPayloadV1,) = params.parse()?;
    judge(chain, payload.into(), &ExecutionPayloadSidecar::none())
}

pub(super) fn v2(params: &Params<'_>, chain: &Chain) -> Answer {
    let (payload,): (ExecutionPayloadInputV2,) = params.parse()?;
    let timestamp = payload.execution_payload.timestamp;
    check_fork(chain, timestamp, None, Some(Fork::Cancun))?;
    if payload.withdrawals.is_some() != is_active(chain, Fork::Shanghai, timestamp) {
        return Err(RpcFailure::invalid_params("withdrawals do not fit the payload's fork"));
    }
    judge(chain, payload.into_payload(), &ExecutionPayloadSidecar::none())
}

pub(super) fn v3(params: &Params<'_>, chain: &Chain) -> Answer {
    let (payload, hashes, root): (ExecutionPayloadV3, Vec<B256>, B256) = params.parse()?;
    let timestamp = payload.payload_inner.payload_inner.timestamp;
    check_fork(chain, timestamp, Some(Fork::Cancun), Some(Fork::Prague))?;
    let cancun = CancunPayloadFields::new(root, hashes);
    judge(chain, payload.into(), &ExecutionPayloadSidecar::v3(cancun))
}

pub(super) fn v4(params: &Params<'_>, chain: &Chain) -> Answer {
    let (payload, hashes, root, requests): (ExecutionPayloadV3, Vec<B256>, B256, Vec<Bytes>) =
        params.parse()?;
    let timestamp = payload.payload_inner.payload_inner.timestamp;
    check_fork(chain, timestamp, Some(Fork::Prague), Some(Fork::Amsterdam))?;
    judge(chain, payload.into(), &prague(hashes, root, requests)?)
}

pub(super) fn v5(params: &Params<'_>, chain: &Chain) -> Answer {
    let (payload, hashes, root, requests): (ExecutionPayloadV4, Vec<B256>, B256, Vec<Bytes>) =
        params.parse()?;
    let payload = ExecutionPayload::V4(payload);
    check_fork(chain, payload.timestamp(), Some(Fork::Amsterdam), None)?;
    judge(chain, payload, &prague(hashes, root, requests)?)
}

fn prague(
    hashes: Vec<B256>,
    root: B256,
    requests: Vec<Bytes>,
) -> Result<ExecutionPayloadSidecar, RpcFailure> {
    // A type and at least a byte each, in ascending order of type (EIP-7685).
    let is_ordered = requests.is_sorted_by(|a, b| a.first() < b.first());
    if !is_ordered || requests.iter().any(|request| request.len() < 2) {
        return Err(RpcFailure::invalid_params("execution requests are empty or out of order"));
    }
    let cancun = CancunPayloadFields::new(root, hashes);
    let prague = PraguePayloadFields::new(Requests::new(requests));
    Ok(ExecutionPayloadSidecar::v4(cancun, prague))
}

fn is_active(chain: &Chain, fork: Fork, timestamp: u64) -> bool {
    let at: ForkCondition = chain.spec().ethereum_fork_activation(fork);
    at.active_at_timestamp(timestamp)
}

/// Checks that a payload is of a fork from `from` on and before `before`.
fn check_fork(
    chain: &Chain,
    timestamp: u64,
    from: Option<Fork>,
    before: Option<Fork>,
) -> Result<(), RpcFailure> {
    let is_early = from.is_some_and(|fork| !is_active(chain, fork, timestamp));
    let is_late = before.is_some_and(|fork| is_active(chain, fork, timestamp));
    match is_early || is_late {
        true => Err(RpcFailure::new(code::UNSUPPORTED_FORK, "unsupported fork")),
        false => Ok(()),
    }
}

/// Turns the payload into a block, and has the chain judge it.
fn judge(chain: &Chain, payload: ExecutionPayload, sidecar: &ExecutionPayloadSidecar) -> Answer {
    let claimed = payload.block_hash();
    let block: Block = match payload.try_into_block_with_sidecar(sidecar) {
        Ok(block) => block,
        Err(error) => return Ok(invalid(error.to_string())),
    };
    let hash = block.header.hash_slow();
    if hash != claimed {
        return Ok(invalid(format!("the block's hash is {hash}, the payload says {claimed}")));
    }
    if let Some(expected) = sidecar.versioned_hashes() {
        let transactions = block.body.transactions.iter();
        let blobs = transactions.filter_map(|tx| tx.blob_versioned_hashes()).flatten();
        if !blobs.eq(expected) {
            return Ok(invalid("blob versioned hashes differ".to_owned()));
        }
    }
    Ok(status(chain.insert(block, hash)?, hash))
}

/// What is no block of any chain has no valid ancestor.
const fn invalid(validation_error: String) -> PayloadStatus {
    PayloadStatus::from_status(PayloadStatusEnum::Invalid { validation_error })
}

impl From<InsertError> for RpcFailure {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::Read(error) => error.into(),
            InsertError::Store(error) => ReadError::Store(error).into(),
            error @ InsertError::Engine(_) => Self::internal(&error),
        }
    }
}
