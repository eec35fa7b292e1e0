//! The read part of the Ethereum JSON-RPC.

mod block_id;
mod blocks;
mod call;
mod estimate;
mod failure;
mod fees;
mod logs;
mod raw;
mod receipts;
mod state;
mod strict;
mod trace;
mod transactions;

pub(super) use failure::RpcFailure;

use super::chain::Chain;
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};
use serde::Serialize;
use std::sync::Arc;

/// The methods, over `chain`.
pub(super) fn module(chain: Arc<Chain>) -> Result<RpcModule<Chain>, RegisterMethodError> {
    let mut module = RpcModule::from_arc(chain);
    module.register_method("web3_clientVersion", |_, _, _| {
        concat!("blockloom/v", env!("CARGO_PKG_VERSION"))
    })?;
    module.register_method("net_version", |_, chain, _| chain.spec().chain_id().to_string())?;
    module.register_method("eth_chainId", |_, chain, _| quantity(chain.spec().chain_id()))?;
    module.register_method("eth_blockNumber", |_, chain, _| quantity(chain.tip().0))?;
    // A consensus client says where the head is; there is nothing to catch up
    // with by ourselves.
    module.register_method("eth_syncing", |_, _, _| false)?;
    blocks::register(&mut module)?;
    transactions::register(&mut module)?;
    receipts::register(&mut module)?;
    logs::register(&mut module)?;
    state::register(&mut module)?;
    call::register(&mut module)?;
    estimate::register(&mut module)?;
    fees::register(&mut module)?;
    raw::register(&mut module)?;
    trace::register(&mut module)?;
    Ok(module)
}

/// A number as JSON-RPC has it, for methods that answer at once.
fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

/// Registers a method that reads the store, on a thread where it may take its
/// time.
pub(super) fn answer<R: Serialize + Clone + Send + 'static>(
    module: &mut RpcModule<Chain>,
    name: &'static str,
    method: impl Fn(&Params<'_>, &Chain) -> Result<R, RpcFailure> + Clone + Send + Sync + 'static,
) -> Result<(), RegisterMethodError> {
    let respond = move |params: Params<'_>, chain: Arc<Chain>, _: http::Extensions| {
        method(&params, &chain).map_err(RpcFailure::into_object)
    };
    module.register_blocking_method(name, respond).map(drop)
}
