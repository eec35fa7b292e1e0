//! `eth_getLogs`.

use super::{RpcFailure, answer, block_id::number_of, blocks, receipts};
use crate::serve::chain::Chain;
use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};

/// Logs that are given at once. Who wants more asks for a shorter range.
const MAX_LOGS: usize = 100_000;

pub(super) fn register(module: &mut RpcModule<Chain>) -> Result<(), RegisterMethodError> {
    answer(module, "eth_getLogs", get_logs)
}

fn get_logs(params: &Params<'_>, chain: &Chain) -> Result<Vec<Log>, RpcFailure> {
    let (filter,): (Filter,) = params.parse()?;
    // The head may move on the way through a long range; nobody waits for it.
    let mut logs = Vec::new();
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let number = chain.canonical_number(&hash)?;
            let number = number.ok_or_else(|| RpcFailure::server("unknown block"))?;
            collect(chain, number, &filter, &mut logs)?;
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let first = bound(chain, from_block)?;
            let last = bound(chain, to_block)?;
            if first > last {
                return Err(RpcFailure::invalid_params("invalid block range params"));
            }
            for number in first..=last {
                collect(chain, number, &filter, &mut logs)?;
            }
        }
    }
    Ok(logs)
}

/// An end of a range; the tip if it is left open.
fn bound(chain: &Chain, tag: Option<BlockNumberOrTag>) -> Result<u64, RpcFailure> {
    let number = number_of(chain, tag.unwrap_or_default().into())?;
    number
        .ok_or_else(|| RpcFailure::invalid_params("block range extends beyond current head block"))
}

fn collect(
    chain: &Chain,
    number: u64,
    filter: &Filter,
    logs: &mut Vec<Log>,
) -> Result<(), RpcFailure> {
    if !filter.matches_bloom(chain.canonical_header(number)?.logs_bloom) {
        return Ok(());
    }
    let Some(block) = blocks::find(chain, number.into())? else { return Ok(()) };
    logs.extend(receipts::rpc_logs(&block).filter(|log| filter.matches(&log.inner)));
    if logs.len() > MAX_LOGS {
        let message = format!("more than {MAX_LOGS} logs: ask for a shorter range");
        return Err(RpcFailure::invalid_params(message));
    }
    Ok(())
}
