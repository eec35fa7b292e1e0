//! A header against its parent.

use super::{
    HeaderError,
    difficulty::expected_difficulty,
    fees::{expected_base_fee, expected_excess_blob_gas},
};
use crate::chain_spec::ChainSpec;
use alloy_consensus::Header;
use alloy_eips::{
    eip1559::{DEFAULT_ELASTICITY_MULTIPLIER, GAS_LIMIT_BOUND_DIVISOR},
    eip4844::DATA_GAS_PER_BLOB,
};
use alloy_hardforks::{EthereumHardfork as Fork, EthereumHardforks, ForkCondition};
use alloy_primitives::{B64, B256, U256};

/// Least gas limit of any block.
const MIN_GAS_LIMIT: u64 = 5000;

/// Greatest gas limit of any block: clients have agreed on 63 bits.
const MAX_GAS_LIMIT: u64 = i64::MAX.unsigned_abs();

/// Most bytes of extra data.
const MAX_EXTRA_DATA: usize = 32;

/// What the first blocks of the DAO fork carry as extra data (EIP-779).
const DAO_EXTRA_DATA: &[u8] = b"dao-hard-fork";

/// How many blocks carry it.
const DAO_EXTRA_DATA_BLOCKS: u64 = 10;

/// Checks everything about `header` that follows from its parent and the
/// chain's rules. Reads no body and no state; costs no hashing.
///
/// `parent` is believed: call this for each header of a chain in turn.
///
/// **Proof of work is not checked.** A seal (nonce and mix hash) takes ethash's
/// epoch data to verify, tens of megabytes per epoch; take such headers from a
/// source that chains by hash to one you trust. The difficulty the seal is
/// made against is checked in full.
///
/// # Errors
///
/// The first rule broken, in this order: parent hash, number, timestamp, extra
/// data, gas, fields the fork has or lacks, base fee, difficulty and seal, blob
/// gas.
pub fn validate_header(
    spec: &ChainSpec,
    header: &Header,
    parent: &Header,
    parent_hash: B256,
) -> Result<(), HeaderError> {
    validate_position(header, parent, parent_hash)?;
    validate_extra_data(spec, header)?;
    validate_gas(spec, header, parent)?;
    validate_fields(spec, header)?;
    let expected = expected_base_fee(spec, header, parent)?;
    if header.base_fee_per_gas != expected {
        return Err(HeaderError::BaseFee { got: header.base_fee_per_gas, expected });
    }
    validate_seal(spec, header, parent)?;
    validate_blob_gas(spec, header, parent)
}

/// Parent hash, number and timestamp.
fn validate_position(
    header: &Header,
    parent: &Header,
    parent_hash: B256,
) -> Result<(), HeaderError> {
    if header.parent_hash != parent_hash {
        return Err(HeaderError::ParentHash { got: header.parent_hash, expected: parent_hash });
    }
    let expected =
        parent.number.checked_add(1).ok_or(HeaderError::ParentOutOfRange { field: "number" })?;
    if header.number != expected {
        return Err(HeaderError::Number { got: header.number, expected });
    }
    if header.timestamp <= parent.timestamp {
        return Err(HeaderError::Timestamp { got: header.timestamp, parent: parent.timestamp });
    }
    Ok(())
}

/// Length of the extra data, and the DAO fork's mark.
fn validate_extra_data(spec: &ChainSpec, header: &Header) -> Result<(), HeaderError> {
    let got = header.extra_data.len();
    if got > MAX_EXTRA_DATA {
        return Err(HeaderError::ExtraDataTooLong { got, max: MAX_EXTRA_DATA });
    }
    if let ForkCondition::Block(dao) = spec.ethereum_fork_activation(Fork::Dao)
        && let Some(since) = header.number.checked_sub(dao)
        && since < DAO_EXTRA_DATA_BLOCKS
        && *header.extra_data != *DAO_EXTRA_DATA
    {
        return Err(HeaderError::DaoExtraData { got: header.extra_data.clone() });
    }
    Ok(())
}

/// Gas limit and gas used.
fn validate_gas(spec: &ChainSpec, header: &Header, parent: &Header) -> Result<(), HeaderError> {
    let got = header.gas_limit;
    if !(MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&got) {
        return Err(HeaderError::GasLimit { got, min: MIN_GAS_LIMIT, max: MAX_GAS_LIMIT });
    }
    let is_london_block = spec.is_london_active_at_block(header.number)
        && !spec.is_london_active_at_block(parent.number);
    // London halves the meaning of the limit, so its first block doubles it.
    let elasticity = if is_london_block { DEFAULT_ELASTICITY_MULTIPLIER } else { 1 };
    let from = parent.gas_limit.saturating_mul(elasticity);
    let bound = from / GAS_LIMIT_BOUND_DIVISOR;
    if got.abs_diff(from) >= bound {
        return Err(HeaderError::GasLimitStep { got, from, bound });
    }
    if header.gas_used > header.gas_limit {
        return Err(HeaderError::GasUsedAboveLimit { got: header.gas_used, limit: got });
    }
    Ok(())
}

/// Fields that came with a fork are there from it on, and not before. The base
/// fee is checked by value.
fn validate_fields(spec: &ChainSpec, header: &Header) -> Result<(), HeaderError> {
    let check = |field, fork, got| validate_field(field, fork, spec.is_active(fork, header), got);
    check("withdrawals root", Fork::Shanghai, header.withdrawals_root.is_some())?;
    check("blob gas used", Fork::Cancun, header.blob_gas_used.is_some())?;
    check("excess blob gas", Fork::Cancun, header.excess_blob_gas.is_some())?;
    check("parent beacon block root", Fork::Cancun, header.parent_beacon_block_root.is_some())?;
    check("requests hash", Fork::Prague, header.requests_hash.is_some())?;
    // A chain may have Amsterdam's lists without the rest of it.
    let lists = spec.has_access_list_at(header.timestamp);
    let got = header.block_access_list_hash.is_some();
    validate_field("block access list hash", Fork::Amsterdam, lists, got)?;
    check("slot number", Fork::Amsterdam, header.slot_number.is_some())
}

/// `field` is there exactly if it is `expected`, `fork` being what brings it.
const fn validate_field(
    field: &'static str,
    fork: Fork,
    expected: bool,
    got: bool,
) -> Result<(), HeaderError> {
    match (expected, got) {
        (true, false) => Err(HeaderError::MissingField { field, fork }),
        (false, true) => Err(HeaderError::UnexpectedField { field, fork }),
        (true, true) | (false, false) => Ok(()),
    }
}

/// Difficulty, and what proof of stake leaves unused (EIP-3675). The mix hash
/// is free in both worlds: part of a seal, then randomness.
fn validate_seal(spec: &ChainSpec, header: &Header, parent: &Header) -> Result<(), HeaderError> {
    let merged = spec.is_paris_active_at_block(header.number);
    let expected = if merged { U256::ZERO } else { expected_difficulty(spec, header, parent) };
    if header.difficulty != expected {
        return Err(HeaderError::Difficulty { got: header.difficulty, expected });
    }
    if merged && header.nonce != B64::ZERO {
        return Err(HeaderError::Nonce { got: header.nonce });
    }
    if merged && !header.ommers_hash_is_empty() {
        return Err(HeaderError::OmmersHash { got: header.ommers_hash });
    }
    Ok(())
}

/// Blob gas used and excess blob gas, where the fork has blobs.
fn validate_blob_gas(
    spec: &ChainSpec,
    header: &Header,
    parent: &Header,
) -> Result<(), HeaderError> {
    let Some(params) = spec.blob_params_at(header.timestamp) else { return Ok(()) };
    let (Some(used), Some(got)) = (header.blob_gas_used, header.excess_blob_gas) else {
        return Ok(());
    };
    if used % DATA_GAS_PER_BLOB != 0 {
        return Err(HeaderError::BlobGasUsedFraction { got: used, unit: DATA_GAS_PER_BLOB });
    }
    let limit = params.max_blob_gas_per_block();
    if used > limit {
        return Err(HeaderError::BlobGasUsedAboveLimit { got: used, limit });
    }
    let expected = expected_excess_blob_gas(params, parent)?;
    if got != expected {
        return Err(HeaderError::ExcessBlobGas { got, expected });
    }
    Ok(())
}
