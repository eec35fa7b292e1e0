//! `blockloom serve`: a small execution client without network and pool.
//!
//! 1. [`chain`](mod@chain) keeps the canonical chain in a store, and executed
//!    blocks around its tip in memory;
//! 2. a consensus client tells it of blocks and of the head, over the Engine API
//!    ([`engine_api`]), authenticated by a shared secret ([`auth`]);
//! 3. everybody else reads over the Ethereum JSON-RPC ([`rpc`]).
//!
//! Every method that reads the store runs on a thread where it may take its
//! time, on a view that does not change while it does.

mod args;
mod auth;
mod chain;
mod engine_api;
mod error;
mod http;
mod rpc;

pub use args::ServeArgs;
pub use error::ServeError;

use crate::{CliError, Console, replay::Interrupt};
use alloy_primitives::B256;
use auth::Secret;
use blockloom_engine::{ChainSpec, client::AheadConfig};
use blockloom_fixtures::{ChainReader, GenesisBlock};
use chain::{Chain, Verdict};
use jsonrpsee::{RpcModule, server::ServerHandle};
use serde::Serialize;
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::runtime::{Builder, Runtime};

/// How often the servers look whether the end has been asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long requests that are under way are waited for at the end.
const GRACE: Duration = Duration::from_secs(10);

/// Where what is served.
#[derive(Debug, Serialize)]
struct Listening {
    http: Option<SocketAddr>,
    engine: Option<SocketAddr>,
    tip: u64,
    hash: B256,
}

/// Serves the chain in a store until SIGINT or SIGTERM, and says on `console`
/// where.
///
/// # Errors
///
/// [`CliError`] if the store is in use or of another chain, if blocks to import
/// are invalid, or if the servers cannot start.
pub fn serve(args: &ServeArgs, console: &mut Console<'_>) -> Result<(), CliError> {
    let secret = match (args.engine, &args.jwt) {
        (None, _) if args.http.is_none() => return Err(ServeError::NothingToServe.into()),
        (Some(_), None) => return Err(ServeError::SecretNeeded.into()),
        (Some(_), Some(path)) => Some(Secret::load(path)?),
        (None, _) => None,
    };
    let interrupt =
        Interrupt::listen().map_err(|source| CliError::read(Path::new("signals"), source))?;
    let genesis = GenesisBlock::load(&args.genesis)?;
    let spec = ChainSpec::from_genesis(&genesis.config)
        .map_err(|source| CliError::ChainSpec { path: args.genesis.clone(), source })?;
    let ahead = AheadConfig { workers: args.workers, ..AheadConfig::default() };
    let chain = Arc::new(Chain::open(&args.db, &genesis, spec, ahead, args.undo_depth)?);
    if let Some(path) = &args.import {
        import(&chain, path, &interrupt)?;
    }
    // Of one thread: methods run on others, which come as they are needed.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(ServeError::Start)?;
    let servers = start(args, secret, &chain, &runtime, console)?;
    runtime.block_on(async {
        while !interrupt.is_requested() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        for server in &servers {
            // Fails only if it has stopped already.
            let _ = server.stop();
        }
    });
    // What moves the head is under way for a moment only; it is waited for here,
    // and a commit that has begun is whole in any case.
    runtime.shutdown_timeout(GRACE);
    Ok(())
}

/// Starts the servers that are asked for, and says where they are.
fn start(
    args: &ServeArgs,
    secret: Option<Secret>,
    chain: &Arc<Chain>,
    runtime: &Runtime,
    console: &mut Console<'_>,
) -> Result<Vec<ServerHandle>, CliError> {
    let _entered = runtime.enter();
    let mut servers = Vec::new();
    let mut public = None;
    let mut engine = None;
    let everybody = rpc::module(Arc::clone(chain)).map_err(ServeError::from)?.remove_context();
    if let Some(address) = args.http {
        let (listener, bound) = http::bind(address)?;
        public = Some(bound);
        servers.push(http::serve(listener, everybody.clone())?);
    }
    if let (Some(address), Some(secret)) = (args.engine, secret) {
        let (listener, bound) = http::bind(address)?;
        engine = Some(bound);
        // A consensus client reads over the same port as well.
        let mut module: RpcModule<()> = everybody;
        let moving = engine_api::module(Arc::clone(chain)).map_err(ServeError::from)?;
        module.merge(moving).map_err(ServeError::from)?;
        servers.push(http::serve_authenticated(listener, module, secret)?);
    }
    let (tip, hash) = chain.tip();
    console.record(&Listening { http: public, engine, tip, hash })?;
    console.line(&format!("block {tip} ({hash})"))?;
    for (what, address) in [("JSON-RPC", public), ("Engine API", engine)] {
        if let Some(address) = address {
            console.line(&format!("{what} on http://{address}"))?;
        }
    }
    Ok(servers)
}

/// Brings in the blocks of a chain export that the store does not hold yet, each
/// as if it had come from a consensus client. It is the only way for blocks of
/// proof of work, which no payload can carry.
fn import(chain: &Chain, path: &Path, interrupt: &Interrupt) -> Result<(), CliError> {
    for block in ChainReader::open(path)? {
        if interrupt.is_requested() {
            return Err(CliError::Interrupted { tip: chain.tip().0 });
        }
        let block = block?;
        let (number, hash) = (block.header.number, block.header.hash_slow());
        if number == 0 {
            continue;
        }
        let internal = |source: Box<dyn std::error::Error + Send + Sync>| CliError::Internal {
            number,
            source,
        };
        let verdict = chain.insert(block, hash).map_err(|error| internal(Box::new(error)))?;
        match verdict {
            Verdict::Valid => {}
            Verdict::Invalid { reason, .. } => {
                return Err(CliError::InvalidBlock { number, hash, source: reason.into() });
            }
            Verdict::UnknownParent => {
                return Err(CliError::Gap { expected: chain.tip().0 + 1, got: number });
            }
        }
        let head = alloy_rpc_types_engine::ForkchoiceState {
            head_block_hash: hash,
            safe_block_hash: B256::ZERO,
            finalized_block_hash: B256::ZERO,
        };
        chain.choose(&head).map_err(|error| internal(Box::new(error)))?;
    }
    Ok(())
}
