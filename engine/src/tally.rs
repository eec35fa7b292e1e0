//! Receipts and gas of the transactions that are final.

use crate::{
    block::Receipt,
    transactions::Transactions,
    transfer::{TRANSFER_GAS, Transfer},
};
use alloy_consensus::{EthereumReceipt, TxType};
use alloy_evm::EvmEnv;
use revm::{
    context_interface::{
        Cfg,
        result::{ExecutionResult, HaltReason},
    },
    primitives::hardfork::SpecId,
};

/// Receipts and gas so far, counted as alloy-evm's executor does.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) gas_used: u64,
    pub(crate) regular_gas: u64,
    pub(crate) state_gas: u64,
    pub(crate) blob_gas: u64,
    /// Most gas the block may use.
    gas_limit: u64,
    /// Regular gas of one transaction at most.
    gas_limit_cap: u64,
    /// Gas has two dimensions (EIP-8037).
    is_two_dimensional: bool,
    /// Blob gas counts from Cancun on.
    counts_blob_gas: bool,
}

impl Tally {
    /// Before the first transaction of the block in `env`.
    pub(crate) fn new(env: &EvmEnv) -> Self {
        let cfg = &env.cfg_env;
        Self {
            receipts: Vec::new(),
            gas_used: 0,
            regular_gas: 0,
            state_gas: 0,
            blob_gas: 0,
            gas_limit: env.block_env.gas_limit,
            gas_limit_cap: cfg.tx_gas_limit_cap(),
            is_two_dimensional: cfg.enable_amsterdam_eip8037,
            counts_blob_gas: cfg.spec.is_enabled_in(SpecId::CANCUN),
        }
    }

    /// Gas left for a transaction with this limit, if that is too little: the
    /// admission of alloy-evm's executor. From Amsterdam gas has two
    /// dimensions (EIP-8037); regular gas is capped per transaction, state gas
    /// is not.
    pub(crate) fn missing_gas(&self, gas_limit: u64) -> Option<u64> {
        let capped = gas_limit.min(self.gas_limit_cap);
        let is_short = |wanted: u64, used: u64| {
            let available = self.gas_limit.saturating_sub(used);
            (wanted > available).then_some(available)
        };
        if self.is_two_dimensional {
            is_short(capped, self.regular_gas).or_else(|| is_short(gas_limit, self.state_gas))
        } else {
            is_short(capped, self.gas_used)
        }
    }

    /// The transaction at `position`, the next one, came to `result`.
    pub(crate) fn add(
        &mut self,
        position: usize,
        transactions: &Transactions<'_>,
        result: ExecutionResult<HaltReason>,
    ) {
        let gas = result.gas();
        self.gas_used += gas.tx_gas_used();
        self.regular_gas += gas.block_regular_gas_used();
        self.state_gas += gas.block_state_gas_used();
        if self.counts_blob_gas {
            self.blob_gas = self.blob_gas.saturating_add(transactions.blob_gas(position));
        }
        self.receipts.push(EthereumReceipt {
            tx_type: transactions.kind(position),
            success: result.is_success(),
            cumulative_gas_used: self.gas_used,
            logs: result.into_logs(),
        });
    }

    /// The next transaction was a plain transfer.
    pub(crate) fn add_transfer(&mut self, kind: TxType) {
        self.gas_used += TRANSFER_GAS;
        self.regular_gas += TRANSFER_GAS;
        self.receipts.push(Transfer::receipt(kind, self.gas_used));
    }
}
