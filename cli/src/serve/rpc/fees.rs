//! What gas costs.

use super::{RpcFailure, answer, block_id::number_of, blocks};
use crate::serve::chain::{Chain, FullBlock};
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::{BlockNumberOrTag, eip1559::BaseFeeParams};
use alloy_primitives::{U64, U256};
use alloy_rpc_types_eth::FeeHistory;
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};

/// Blocks of one `eth_feeHistory`.
const MAX_BLOCKS: u64 = 1024;

/// Percentiles of one `eth_feeHistory`.
const MAX_PERCENTILES: usize = 100;

/// Blocks whose tips `eth_maxPriorityFeePerGas` looks at.
const SAMPLE_BLOCKS: u64 = 20;

/// The tip suggested where there is nothing to go by, in wei.
const LEAST_TIP: u128 = 1;

pub(super) fn register(module: &mut RpcModule<Chain>) -> Result<(), RegisterMethodError> {
    answer(module, "eth_gasPrice", |_, chain| {
        let base_fee = tip_header(chain)?.base_fee_per_gas.unwrap_or_default();
        Ok(U256::from(suggested_tip(chain)?.saturating_add(u128::from(base_fee))))
    })?;
    answer(module, "eth_maxPriorityFeePerGas", |_, chain| Ok(U256::from(suggested_tip(chain)?)))?;
    answer(module, "eth_baseFee", |_, chain| {
        Ok(next_base_fee(chain, &tip_header(chain)?).map(U64::from))
    })?;
    answer(module, "eth_blobBaseFee", |_, chain| {
        Ok(U256::from(next_blob_fee(chain, &tip_header(chain)?)))
    })?;
    answer(module, "eth_feeHistory", fee_history)
}

fn tip_header(chain: &Chain) -> Result<Header, RpcFailure> {
    let _still = chain.stand_still();
    Ok(chain.canonical_header(chain.tip().0)?.into_inner())
}

/// Base fee of a child of the block; `None` before London.
fn next_base_fee(chain: &Chain, header: &Header) -> Option<u64> {
    use alloy_hardforks::EthereumHardforks;
    if !chain.spec().is_london_active_at_block(header.number.saturating_add(1)) {
        return None;
    }
    let initial = alloy_eips::eip1559::INITIAL_BASE_FEE;
    Some(header.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or(initial))
}

fn next_blob_fee(chain: &Chain, header: &Header) -> u128 {
    let params = chain.spec().blob_params_at(header.timestamp);
    let next = params.and_then(|params| {
        let excess = header.next_block_excess_blob_gas(params)?;
        Some(params.calc_blob_fee(excess))
    });
    next.unwrap_or_default()
}

/// Median of the lowest tips of recent blocks.
fn suggested_tip(chain: &Chain) -> Result<u128, RpcFailure> {
    let tip = chain.tip().0;
    let mut lowest = Vec::new();
    for number in tip.saturating_sub(SAMPLE_BLOCKS - 1)..=tip {
        let Some(block) = blocks::find(chain, number.into())? else { continue };
        lowest.extend(tips(&block).map(|(tip, _)| tip).min());
    }
    lowest.sort_unstable();
    Ok(lowest.get(lowest.len() / 2).copied().unwrap_or(LEAST_TIP).max(LEAST_TIP))
}

/// Each transaction's tip per gas, and the gas it used.
fn tips(block: &FullBlock) -> impl Iterator<Item = (u128, u64)> {
    let base_fee = block.header().base_fee_per_gas.unwrap_or_default();
    block.transactions().iter().enumerate().map(move |(position, transaction)| {
        let tip = transaction.effective_tip_per_gas(base_fee).unwrap_or_default();
        (tip, block.gas_used(position))
    })
}

fn fee_history(params: &Params<'_>, chain: &Chain) -> Result<FeeHistory, RpcFailure> {
    let mut params = params.sequence();
    let count: U64 = params.next()?;
    let newest: BlockNumberOrTag = params.next()?;
    let percentiles: Vec<f64> = params.optional_next()?.unwrap_or_default();
    let is_valid = |p: &f64| (0.0..=100.0).contains(p);
    if percentiles.len() > MAX_PERCENTILES
        || !percentiles.iter().all(is_valid)
        || !percentiles.is_sorted()
    {
        return Err(RpcFailure::invalid_params("percentiles are up to 100, ascending, 0 to 100"));
    }
    let _still = chain.stand_still();
    let newest = number_of(chain, newest.into())?;
    let newest = newest.ok_or_else(|| RpcFailure::server("request beyond head block"))?;
    let count = count.to::<u64>().min(MAX_BLOCKS).min(newest.saturating_add(1));
    let mut history = FeeHistory::default();
    if count == 0 {
        return Ok(history);
    }
    history.oldest_block = newest + 1 - count;
    let mut rewards = Vec::new();
    for number in history.oldest_block..=newest {
        let header = chain.canonical_header(number)?.into_inner();
        history.base_fee_per_gas.push(header.base_fee_per_gas.unwrap_or_default().into());
        history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
        let params = chain.spec().blob_params_at(header.timestamp);
        let blob_fee = params.and_then(|params| header.blob_fee(params));
        history.base_fee_per_blob_gas.push(blob_fee.unwrap_or_default());
        let most = params.map_or(0, |params| params.max_blob_gas_per_block());
        history.blob_gas_used_ratio.push(ratio(header.blob_gas_used.unwrap_or_default(), most));
        if !percentiles.is_empty() {
            rewards.push(rewards_of(&chain.full_block(number)?, &percentiles));
        }
        if number == newest {
            let next = next_base_fee(chain, &header).unwrap_or_default();
            history.base_fee_per_gas.push(next.into());
            history.base_fee_per_blob_gas.push(next_blob_fee(chain, &header));
        }
    }
    history.reward = (!percentiles.is_empty()).then_some(rewards);
    Ok(history)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is for people and fee estimates")]
fn ratio(used: u64, limit: u64) -> f64 {
    if limit == 0 { 0.0 } else { used as f64 / limit as f64 }
}

/// The tip that this share of the block's gas was bought for at most, for each
/// percentile.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentile of gas, within the block's gas"
)]
fn rewards_of(block: &FullBlock, percentiles: &[f64]) -> Vec<u128> {
    let mut tips: Vec<_> = tips(block).collect();
    tips.sort_unstable();
    let total = block.header().gas_used;
    let reward = |percentile: &f64| {
        let threshold = (total as f64 * percentile / 100.0) as u64;
        let mut gas = 0;
        let reached = tips.iter().find(|(_, used)| {
            gas += used;
            gas >= threshold
        });
        reached.or(tips.last()).map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(reward).collect()
}
