//! An execution client as a source of blocks, over JSON-RPC.
//!
//! [`client`] makes one call and makes it again where that may help; [`node`]
//! knows the methods that are used; [`state`] is the state before a block, read
//! from the node as execution asks for it and remembered; [`error`] says what
//! went wrong. Everything here blocks: the runtime is the client's own business.

mod client;
mod error;
mod node;
mod state;

pub(crate) use client::Client;
pub use error::RpcError;
pub(crate) use node::{BlockHead, Node, Receipt};
pub(crate) use state::{Read, RpcState};
