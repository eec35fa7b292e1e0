//! Why a node gave no answer that is of use.

use alloy_primitives::B256;
use alloy_transport::{RpcError as CallError, TransportError, TransportErrorKind};
use std::time::Duration;

/// Longest piece of a node's answer that a message repeats.
const MAX_QUOTED_CHARS: usize = 200;

/// Why a node gave no answer that is of use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// The endpoint is not a URL.
    #[error("{url:?} is no URL")]
    Url {
        /// What was given.
        url: String,
        /// Why it does not parse.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The client cannot start.
    #[error("starting the JSON-RPC client")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node did not answer in time.
    #[error("{method}: no answer in time")]
    Timeout {
        /// What was asked.
        method: &'static str,
    },
    /// The connection failed.
    #[error("{method}: the connection failed")]
    Connection {
        /// What was asked.
        method: &'static str,
        /// How it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server answered with an HTTP error.
    #[error("{method}: HTTP status {status}: {body}")]
    Http {
        /// What was asked.
        method: &'static str,
        /// The status.
        status: u16,
        /// The beginning of what it said.
        body: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The node does not offer the method.
    #[error("{method}: the node does not offer this method: {message}")]
    Unsupported {
        /// What was asked.
        method: &'static str,
        /// The node's words.
        message: String,
    },
    /// The node answered with an error.
    #[error("{method}: the node says: {message} (code {code})")]
    Node {
        /// What was asked.
        method: &'static str,
        /// Its number for the error.
        code: i64,
        /// Its words.
        message: String,
    },
    /// The answer is no JSON-RPC, or not all of it came.
    #[error("{method}: the answer is no JSON-RPC: {problem}")]
    Garbled {
        /// What was asked.
        method: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The answer is not what the method returns.
    #[error("{method}: the answer makes no sense: {problem}")]
    Malformed {
        /// What was asked.
        method: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such block, or no such block any more.
    #[error("the node has no block {number}")]
    NoBlock {
        /// The block.
        number: u64,
    },
    /// The chain changed while the block was fetched.
    #[error("the chain changed meanwhile: block {number} was {first}, now it is {then}")]
    Reorganised {
        /// The block.
        number: u64,
        /// Its hash at first.
        first: B256,
        /// Its hash later.
        then: B256,
    },
    /// The call failed each time it was made.
    #[error("given up after {attempts} attempts: {source}")]
    GaveUp {
        /// Number of attempts.
        attempts: u32,
        /// The last failure.
        source: Box<Self>,
    },
}

impl RpcError {
    /// Sorts out what the transport says of a call of `method`.
    pub(super) fn of_call(method: &'static str, error: TransportError) -> Self {
        match error {
            CallError::ErrorResp(payload) => {
                let (code, message) = (payload.code, quoted(&payload.message));
                if is_unsupported(code, &message) {
                    Self::Unsupported { method, message }
                } else {
                    Self::Node { method, code, message }
                }
            }
            CallError::DeserError { err, text } => {
                Self::Garbled { method, problem: format!("{err} in {:?}", quoted(&text)) }
            }
            CallError::NullResp => Self::Malformed { method, problem: "it is null".to_owned() },
            CallError::Transport(TransportErrorKind::HttpError(error)) => {
                let (status, body) = (error.status, quoted(&error.body));
                Self::Http { method, status, body, retry_after: None }
            }
            CallError::Transport(TransportErrorKind::HttpErrorWithRetryAfter {
                error,
                retry_after,
            }) => {
                let (status, body) = (error.status, quoted(&error.body));
                Self::Http { method, status, body, retry_after: Some(retry_after) }
            }
            CallError::Transport(TransportErrorKind::Custom(source)) => {
                match source.downcast::<reqwest::Error>() {
                    Ok(error) if error.is_timeout() => Self::Timeout { method },
                    // Many endpoints have a secret in their URL.
                    Ok(error) => Self::Connection { method, source: Box::new(error.without_url()) },
                    Err(source) => Self::Connection { method, source },
                }
            }
            other => Self::Connection { method, source: Box::new(other) },
        }
    }

    /// Whether the same call may succeed a little later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Connection { .. } | Self::Garbled { .. } => true,
            Self::Http { status, .. } => *status == 429 || *status == 408 || *status >= 500,
            // Providers' ways to say "too many requests".
            Self::Node { code, .. } => [-32_005, -32_007, 429].contains(code),
            _ => false,
        }
    }

    /// Whether the node lacks the method, or does not serve it for this block.
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }

    /// Whether the node was heard, and had nothing of use to say.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Unsupported { .. } | Self::Node { .. } | Self::Malformed { .. })
    }
}

/// Whether an error means that the method is not there, for us at least.
/// -32601 is the specified code; many clients and providers use others.
fn is_unsupported(code: i64, message: &str) -> bool {
    let message = message.to_lowercase();
    let says = |words: &str| message.contains(words);
    code == -32_601
        || code == -32_004
        || says("method not found")
        || says("not supported")
        || says("unsupported")
        || says("does not exist/is not available")
        || says("not implemented")
}

fn quoted(text: &str) -> String {
    text.trim().chars().take(MAX_QUOTED_CHARS).collect()
}
