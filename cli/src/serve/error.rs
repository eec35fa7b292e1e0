//! Why `serve` cannot start.

use std::{io, net::SocketAddr};

/// Why the servers cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// There is nothing to serve.
    #[error("nothing to serve: give --http, --engine, or both")]
    NothingToServe,
    /// The Engine API moves the chain, so it needs a secret.
    #[error("--engine needs --jwt FILE")]
    SecretNeeded,
    /// The address is taken, or not ours.
    #[error("listening on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system refuses threads or sockets.
    #[error("starting the servers")]
    Start(#[source] io::Error),
    /// Two methods have one name.
    #[error("registering the methods")]
    Methods(#[from] jsonrpsee::core::RegisterMethodError),
}
