//! Fees a header must set: base fee and excess blob gas.

use super::HeaderError;
use crate::chain_spec::ChainSpec;
use alloy_consensus::Header;
use alloy_eips::{
    eip1559::{
        DEFAULT_BASE_FEE_MAX_CHANGE_DENOMINATOR, DEFAULT_ELASTICITY_MULTIPLIER, INITIAL_BASE_FEE,
    },
    eip7840::BlobParams,
};
use alloy_hardforks::EthereumHardforks;

/// The base fee `header` must have; `None` before London.
///
/// Source: EIP-1559. **Departure**: where alloy's function would overflow (a
/// parent nobody validated), this one says so.
pub(super) fn expected_base_fee(
    spec: &ChainSpec,
    header: &Header,
    parent: &Header,
) -> Result<Option<u64>, HeaderError> {
    if !spec.is_london_active_at_block(header.number) {
        return Ok(None);
    }
    if !spec.is_london_active_at_block(parent.number) {
        return Ok(Some(INITIAL_BASE_FEE));
    }
    let out_of_range = |field| HeaderError::ParentOutOfRange { field };
    let base_fee = parent.base_fee_per_gas.ok_or(out_of_range("base fee"))?;
    let target = parent.gas_limit / DEFAULT_ELASTICITY_MULTIPLIER;
    let difference = parent.gas_used.abs_diff(target);
    let scale = u128::from(target) * u128::from(DEFAULT_BASE_FEE_MAX_CHANGE_DENOMINATOR);
    // Both factors are below 2^64; scale is zero only below a gas limit of two.
    let change = (u128::from(base_fee) * u128::from(difference))
        .checked_div(scale)
        .and_then(|change| u64::try_from(change).ok())
        .ok_or(out_of_range("gas limit"))?;
    let next = if parent.gas_used > target {
        base_fee.checked_add(change.max(1)).ok_or(out_of_range("base fee"))?
    } else {
        base_fee.saturating_sub(change)
    };
    Ok(Some(next))
}

/// The excess blob gas of a block under `params`: what the parent leaves above
/// target, at a discount where blobs cost less than the execution they take
/// (EIP-4844, EIP-7918). Zero in the first block that has any.
pub(super) fn expected_excess_blob_gas(
    params: BlobParams,
    parent: &Header,
) -> Result<u64, HeaderError> {
    let (Some(excess), Some(used)) = (parent.excess_blob_gas, parent.blob_gas_used) else {
        return Ok(0);
    };
    // alloy computes in u64; a genesis block may hold anything.
    let fits =
        excess.checked_add(used).is_some() && used.checked_mul(params.max_blob_count).is_some();
    if !fits {
        return Err(HeaderError::ParentOutOfRange { field: "blob gas" });
    }
    let base_fee = parent.base_fee_per_gas.unwrap_or_default();
    Ok(params.next_block_excess_blob_gas_osaka(excess, used, base_fee))
}
