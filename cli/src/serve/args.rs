//! Arguments of `blockloom serve`. The doc comments are the help texts.

use clap::Args;
use std::{net::SocketAddr, path::PathBuf};

/// Arguments of `blockloom serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Store to serve, or to create from the genesis. No other process may use it meanwhile.
    #[arg(long, value_name = "DIR")]
    pub db: PathBuf,
    /// Genesis JSON of the chain.
    #[arg(long, value_name = "FILE")]
    pub genesis: PathBuf,
    /// Serve the Ethereum JSON-RPC here, to everybody who can reach it [default port: any free one].
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    pub http: Option<SocketAddr>,
    /// Serve the Engine API here, and the JSON-RPC beside it, to bearers of the secret.
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:0",
          requires = "jwt")]
    pub engine: Option<SocketAddr>,
    /// File with the secret shared with the consensus client: 32 bytes in hex.
    #[arg(long, value_name = "FILE", requires = "engine")]
    pub jwt: Option<PathBuf>,
    /// Chain export to bring in first (RLP, plain or gzip). It is the only way for blocks of proof
    /// of work, which the Engine API cannot carry; `replay` keeps no bodies and receipts.
    #[arg(long, value_name = "FILE")]
    pub import: Option<PathBuf>,
    /// Blocks below the tip whose state can be read, and that a reorganisation can go back.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub undo_depth: u64,
    /// Worker threads; 0 uses every core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub workers: usize,
    /// Print JSON: the addresses and the tip, once they are served.
    #[arg(long)]
    pub json: bool,
}
