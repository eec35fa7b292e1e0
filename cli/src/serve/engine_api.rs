//! The Engine API: what a consensus client tells an execution client.
//!
//! Served are payloads up to Amsterdam's and choices of the head. No payloads
//! are built: attributes are answered with an error, after the head has moved,
//! as the specification has it for attributes that are refused.

mod payload;

use super::{
    chain::{Chain, ForkchoiceError, FullBlock, ReadError, Verdict},
    rpc::{RpcFailure, answer},
};
use alloy_primitives::{B256, U64};
use alloy_rpc_types_engine::{
    ExecutionPayloadBodyV1, ForkchoiceState, ForkchoiceUpdated, PayloadStatus, PayloadStatusEnum,
};
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};
use serde_json::{Value, json};
use std::sync::Arc;

/// Payload bodies that are given at once, the least the specification asks for.
const MAX_BODIES: u64 = 1024;

/// Error codes of the Engine API.
pub(super) mod code {
    pub(crate) const INVALID_FORKCHOICE: i32 = -38002;
    pub(crate) const INVALID_ATTRIBUTES: i32 = -38003;
    pub(crate) const TOO_LARGE: i32 = -38004;
    pub(crate) const UNSUPPORTED_FORK: i32 = -38005;
    pub(crate) const TOO_DEEP: i32 = -38006;
}

const METHODS: [&str; 11] = [
    "engine_forkchoiceUpdatedV1",
    "engine_forkchoiceUpdatedV2",
    "engine_forkchoiceUpdatedV3",
    "engine_getClientVersionV1",
    "engine_getPayloadBodiesByHashV1",
    "engine_getPayloadBodiesByRangeV1",
    "engine_newPayloadV1",
    "engine_newPayloadV2",
    "engine_newPayloadV3",
    "engine_newPayloadV4",
    "engine_newPayloadV5",
];

/// The methods, over `chain`.
pub(super) fn module(chain: Arc<Chain>) -> Result<RpcModule<Chain>, RegisterMethodError> {
    let mut module = RpcModule::from_arc(chain);
    module.register_method("engine_exchangeCapabilities", |_, _, _| METHODS.to_vec())?;
    module.register_method("engine_getClientVersionV1", |_, _, _| vec![client_version()])?;
    answer(&mut module, "engine_newPayloadV1", payload::v1)?;
    answer(&mut module, "engine_newPayloadV2", payload::v2)?;
    answer(&mut module, "engine_newPayloadV3", payload::v3)?;
    answer(&mut module, "engine_newPayloadV4", payload::v4)?;
    answer(&mut module, "engine_newPayloadV5", payload::v5)?;
    answer(&mut module, "engine_forkchoiceUpdatedV1", forkchoice)?;
    answer(&mut module, "engine_forkchoiceUpdatedV2", forkchoice)?;
    answer(&mut module, "engine_forkchoiceUpdatedV3", forkchoice)?;
    answer(&mut module, "engine_getPayloadBodiesByHashV1", bodies_by_hash)?;
    answer(&mut module, "engine_getPayloadBodiesByRangeV1", bodies_by_range)?;
    Ok(module)
}

/// Not alloy's type: its codes are those of a fixed list of clients.
fn client_version() -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({ "code": "BL", "name": "blockloom", "version": version, "commit": "0x00000000" })
}

/// What the consensus client is told about a block.
fn status(verdict: Verdict, valid: B256) -> PayloadStatus {
    match verdict {
        Verdict::Valid => PayloadStatus::new(PayloadStatusEnum::Valid, Some(valid)),
        Verdict::Invalid { latest_valid, reason: validation_error } => {
            PayloadStatus::new(PayloadStatusEnum::Invalid { validation_error }, Some(latest_valid))
        }
        Verdict::UnknownParent => PayloadStatus::from_status(PayloadStatusEnum::Syncing),
    }
}

impl From<ForkchoiceError> for RpcFailure {
    fn from(error: ForkchoiceError) -> Self {
        let code = match error {
            ForkchoiceError::NotAncestor { .. } | ForkchoiceError::ZeroHead => {
                code::INVALID_FORKCHOICE
            }
            ForkchoiceError::TooDeep { .. } => code::TOO_DEEP,
            ForkchoiceError::Read(error) => return error.into(),
            ForkchoiceError::Store(error) => return ReadError::Store(error).into(),
        };
        Self::new(code, error.to_string())
    }
}

fn forkchoice(params: &Params<'_>, chain: &Chain) -> Result<ForkchoiceUpdated, RpcFailure> {
    let mut params = params.sequence();
    let state: ForkchoiceState = params.next()?;
    let attributes: Option<Value> = params.optional_next()?;
    let verdict = chain.choose(&state)?;
    if attributes.is_some() && verdict == Verdict::Valid {
        return Err(RpcFailure::new(code::INVALID_ATTRIBUTES, "this node builds no payloads"));
    }
    Ok(ForkchoiceUpdated::new(status(verdict, state.head_block_hash)))
}

type Bodies = Vec<Option<ExecutionPayloadBodyV1>>;

fn bodies_by_hash(params: &Params<'_>, chain: &Chain) -> Result<Bodies, RpcFailure> {
    let (hashes,): (Vec<B256>,) = params.parse()?;
    check_count(hashes.len() as u64)?;
    hashes
        .iter()
        .map(|hash| {
            let number = chain.canonical_number(hash)?;
            number.map_or(Ok(None), |number| payload_body(chain, number))
        })
        .collect()
}

fn bodies_by_range(params: &Params<'_>, chain: &Chain) -> Result<Bodies, RpcFailure> {
    let (start, count): (U64, U64) = params.parse()?;
    let (start, count): (u64, u64) = (start.to(), count.to());
    if start == 0 || count == 0 {
        return Err(RpcFailure::invalid_params("start and count are at least 1"));
    }
    check_count(count)?;
    let last = start.saturating_add(count - 1).min(chain.tip().0);
    (start..=last).map(|number| payload_body(chain, number)).collect()
}

fn check_count(count: u64) -> Result<(), RpcFailure> {
    match count > MAX_BODIES {
        true => Err(RpcFailure::new(code::TOO_LARGE, format!("at most {MAX_BODIES} at once"))),
        false => Ok(()),
    }
}

fn payload_body(chain: &Chain, number: u64) -> Result<Option<ExecutionPayloadBodyV1>, RpcFailure> {
    match chain.full_block(number) {
        Ok(FullBlock { block, .. }) => Ok(Some(ExecutionPayloadBodyV1::from_block(block))),
        Err(ReadError::NoBlock(_) | ReadError::NotKept(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
