//! Errors as JSON-RPC has them.

use crate::serve::chain::ReadError;
use alloy_primitives::Bytes;
use alloy_rpc_types_eth::error::EthRpcErrorCode;
use blockloom_state::StoreError;
use jsonrpsee::types::{
    ErrorObjectOwned,
    error::{INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE},
};

/// Why a method has no result.
#[derive(Clone, Debug)]
pub(crate) struct RpcFailure {
    code: i32,
    message: String,
    /// What a call reverted with.
    data: Option<Bytes>,
}

impl RpcFailure {
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS_CODE, message)
    }

    /// The request makes no sense on this chain.
    pub(crate) fn server(message: impl Into<String>) -> Self {
        Self::new(EthRpcErrorCode::InvalidInput.code(), message)
    }

    /// A call reverted with `data`.
    pub(crate) fn reverted(message: impl Into<String>, data: Bytes) -> Self {
        let code = EthRpcErrorCode::ExecutionError.code();
        Self { code, message: message.into(), data: Some(data) }
    }

    /// Something of ours failed. The caller learns what, the log as well.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        let message = crate::chain_of_causes(error);
        tracing::error!("{message}");
        Self::new(INTERNAL_ERROR_CODE, message)
    }

    pub(crate) fn into_object(self) -> ErrorObjectOwned {
        ErrorObjectOwned::owned(self.code, self.message, self.data)
    }
}

impl From<ErrorObjectOwned> for RpcFailure {
    /// Of parameters that cannot be parsed.
    fn from(error: ErrorObjectOwned) -> Self {
        let detail = error.data().map(|data| data.get().trim_matches('"').to_owned());
        Self::new(error.code(), detail.unwrap_or_else(|| error.message().to_owned()))
    }
}

impl From<ReadError> for RpcFailure {
    fn from(error: ReadError) -> Self {
        let pruned = EthRpcErrorCode::PrunedHistory.code();
        match error {
            ReadError::NoBlock(_) => Self::server("header not found"),
            ReadError::NotKept(_) => Self::new(pruned, error.to_string()),
            ReadError::Store(StoreError::NoUndo { number, oldest }) => Self::new(
                pruned,
                format!("state of block {number} is not kept: it reaches back to block {oldest}"),
            ),
            error => Self::internal(&error),
        }
    }
}
