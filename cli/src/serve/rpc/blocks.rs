//! Blocks by number and hash.

use super::{RpcFailure, answer, block_id::number_of, strict::Hash, transactions};
use crate::serve::chain::{Chain, FullBlock};
use alloy_consensus::Sealed;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{U64, U256};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Transaction};
use blockloom_engine::Transaction as Signed;
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};

type RpcBlock = Block<Transaction<Signed>>;

pub(super) fn register(module: &mut RpcModule<Chain>) -> Result<(), RegisterMethodError> {
    answer(module, "eth_getBlockByNumber", by_number)?;
    answer(module, "eth_getBlockByHash", by_hash)?;
    answer(module, "eth_getBlockTransactionCountByNumber", |params, chain| {
        let (number,): (BlockNumberOrTag,) = params.parse()?;
        count(chain, number.into())
    })?;
    answer(module, "eth_getBlockTransactionCountByHash", |params, chain| {
        let (Hash(hash),): (Hash,) = params.parse()?;
        count(chain, hash.into())
    })?;
    answer(module, "eth_getUncleCountByBlockNumber", |params, chain| {
        let (number,): (BlockNumberOrTag,) = params.parse()?;
        n_ommers(chain, number.into())
    })?;
    answer(module, "eth_getUncleCountByBlockHash", |params, chain| {
        let (Hash(hash),): (Hash,) = params.parse()?;
        n_ommers(chain, hash.into())
    })
}

/// A block with its receipts; `None` if there is no such canonical block.
pub(super) fn find(chain: &Chain, id: BlockId) -> Result<Option<FullBlock>, RpcFailure> {
    let _still = chain.stand_still();
    let number = number_of(chain, id)?;
    Ok(number.map(|number| chain.full_block(number)).transpose()?)
}

fn by_number(params: &Params<'_>, chain: &Chain) -> Result<Option<RpcBlock>, RpcFailure> {
    let (number, full): (BlockNumberOrTag, bool) = params.parse()?;
    find(chain, number.into())?.map(|block| rpc_block(&block, full)).transpose()
}

fn by_hash(params: &Params<'_>, chain: &Chain) -> Result<Option<RpcBlock>, RpcFailure> {
    let (Hash(hash), full): (Hash, bool) = params.parse()?;
    find(chain, hash.into())?.map(|block| rpc_block(&block, full)).transpose()
}

fn count(chain: &Chain, id: BlockId) -> Result<Option<U64>, RpcFailure> {
    Ok(find(chain, id)?.map(|block| U64::from(block.transactions().len())))
}

fn n_ommers(chain: &Chain, id: BlockId) -> Result<Option<U64>, RpcFailure> {
    Ok(find(chain, id)?.map(|block| U64::from(block.block.body.ommers.len())))
}

/// The block with all its transactions, or with their hashes.
fn rpc_block(block: &FullBlock, full: bool) -> Result<RpcBlock, RpcFailure> {
    let transactions = if full {
        let n_transactions = block.transactions().len();
        let transactions =
            (0..n_transactions).map(|position| transactions::rpc_transaction(block, position));
        BlockTransactions::Full(transactions.collect::<Result<_, _>>()?)
    } else {
        BlockTransactions::Hashes(block.transactions().iter().map(|tx| *tx.tx_hash()).collect())
    };
    let size = U256::from(block.block.length());
    let header = Sealed::new_unchecked(block.header().clone(), block.hash);
    Ok(Block {
        header: Header::from_consensus(header, None, Some(size)),
        uncles: block.block.body.ommers.iter().map(|ommer| ommer.hash_slow()).collect(),
        transactions,
        withdrawals: block.block.body.withdrawals.clone(),
    })
}
