//! The two servers: one for everybody, one for the consensus client.

use super::{
    auth::{Authenticated, Secret},
    error::ServeError,
};
use jsonrpsee::{
    RpcModule,
    server::{Server, ServerConfig, ServerHandle},
};
use std::net::{SocketAddr, TcpListener};
use tower::ServiceBuilder;

/// Largest request. Payloads hold up to 8 MiB of RLP (EIP-7934), twice that in
/// hex; as much again for access lists.
const MAX_REQUEST_BYTES: u32 = 32 << 20;

/// Largest answer: traces and logs of a range are long.
const MAX_RESPONSE_BYTES: u32 = 256 << 20;

/// Connections at the same time; a local node has a few.
const MAX_CONNECTIONS: u32 = 256;

/// Binds `address`; gives the listener and where it really listens.
pub(crate) fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn config() -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(MAX_REQUEST_BYTES)
        .max_response_body_size(MAX_RESPONSE_BYTES)
        .max_connections(MAX_CONNECTIONS)
        .build()
}

/// Serves `module` to everybody who can reach `listener`.
pub(crate) fn serve(
    listener: TcpListener,
    module: RpcModule<()>,
) -> Result<ServerHandle, ServeError> {
    let server = Server::builder().set_config(config()).build_from_tcp(listener);
    Ok(server.map_err(ServeError::Start)?.start(module))
}

/// Serves `module` to bearers of tokens made with `secret`.
pub(crate) fn serve_authenticated(
    listener: TcpListener,
    module: RpcModule<()>,
    secret: Secret,
) -> Result<ServerHandle, ServeError> {
    let guard = ServiceBuilder::new().layer(Authenticated(secret));
    let server =
        Server::builder().set_config(config()).set_http_middleware(guard).build_from_tcp(listener);
    Ok(server.map_err(ServeError::Start)?.start(module))
}
