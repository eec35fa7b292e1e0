//! Blocks, receipts and transactions as bytes.

use super::{RpcFailure, answer, blocks, strict::Hash, transactions};
use crate::serve::chain::{Chain, FullBlock};
use alloy_eips::{BlockId, Encodable2718};
use alloy_primitives::Bytes;
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};

pub(super) fn register(module: &mut RpcModule<Chain>) -> Result<(), RegisterMethodError> {
    answer(module, "debug_getRawHeader", |params, chain| {
        Ok(Bytes::from(alloy_rlp::encode(block(params, chain)?.header())))
    })?;
    answer(module, "debug_getRawBlock", |params, chain| {
        Ok(Bytes::from(alloy_rlp::encode(&block(params, chain)?.block)))
    })?;
    answer(module, "debug_getRawReceipts", |params, chain| {
        let receipts = block(params, chain)?.receipts;
        Ok(receipts.iter().map(|receipt| receipt.encoded_2718().into()).collect::<Vec<Bytes>>())
    })?;
    answer(module, "debug_getRawTransaction", |params, chain| {
        let (Hash(hash),): (Hash,) = params.parse()?;
        let found = transactions::find(chain, &hash)?;
        let transaction = found.and_then(|(block, position)| {
            block.transactions().get(position).map(|tx| tx.encoded_2718().into())
        });
        Ok(transaction.unwrap_or_else(Bytes::new))
    })
}

fn block(params: &Params<'_>, chain: &Chain) -> Result<FullBlock, RpcFailure> {
    let (id,): (BlockId,) = params.parse()?;
    blocks::find(chain, id)?.ok_or_else(|| RpcFailure::server("block not found"))
}
