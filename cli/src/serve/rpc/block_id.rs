//! Which block a request is about.

use super::RpcFailure;
use crate::serve::chain::Chain;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_rpc_types_eth::error::EthRpcErrorCode;

/// Number of the block; `None` if there is no such canonical block.
pub(super) fn number_of(chain: &Chain, id: BlockId) -> Result<Option<u64>, RpcFailure> {
    let tip = chain.tip().0;
    let marked = |hash: Option<_>, which: &str| {
        let hash = hash.ok_or_else(|| {
            let code = EthRpcErrorCode::UnknownBlock.code();
            RpcFailure::new(code, format!("the {which} block is not known"))
        })?;
        Ok(chain.canonical_number(&hash)?)
    };
    let number = match id {
        BlockId::Hash(hash) => return Ok(chain.canonical_number(&hash.block_hash)?),
        BlockId::Number(BlockNumberOrTag::Number(number)) => number,
        BlockId::Number(BlockNumberOrTag::Earliest) => 0,
        BlockId::Number(BlockNumberOrTag::Safe) => return marked(chain.markers().safe, "safe"),
        BlockId::Number(BlockNumberOrTag::Finalized) => {
            return marked(chain.markers().finalized, "finalized");
        }
        // Nothing is built here, so nothing is pending.
        BlockId::Number(BlockNumberOrTag::Latest | BlockNumberOrTag::Pending) => tip,
    };
    Ok((number <= tip).then_some(number))
}

/// Number of the block whose state is asked for; the tip if none is named.
pub(super) fn state_number(chain: &Chain, id: Option<BlockId>) -> Result<u64, RpcFailure> {
    let number = number_of(chain, id.unwrap_or_default())?;
    number.ok_or_else(|| RpcFailure::server("header not found"))
}
