//! Calls that leave no trace: `eth_call` and `eth_createAccessList`.

use super::{RpcFailure, answer, block_id::state_number};
use crate::serve::chain::Chain;
use alloy_eips::{BlockId, eip2930::AccessListResult};
use alloy_evm::{
    Evm, EvmEnv, EvmFactory,
    eth::EthEvmFactory,
    overrides::{StateOverrideError, apply_block_overrides, apply_state_overrides},
    rpc::TryIntoTxEnv,
};
use alloy_primitives::{Address, Bytes, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use alloy_sol_types::{Panic, Revert, SolError};
use blockloom_state::{StateAt, StoreError};
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};
use revm::{
    DatabaseRef,
    context::TxEnv,
    context_interface::{
        block::BlobExcessGasAndPrice,
        result::{EVMError, ExecutionResult, HaltReason, OutOfGasError},
    },
    database::CacheDB,
};
use revm_inspectors::access_list::AccessListInspector;

/// Gas that a call may use where the block would allow for more: as in geth.
pub(super) const GAS_CAP: u64 = 50_000_000;

/// Rounds of `eth_createAccessList`. A list is complete after two or three,
/// unless the callee's doings depend on what gas is left.
const MAX_ROUNDS: usize = 16;

pub(super) fn register(module: &mut RpcModule<Chain>) -> Result<(), RegisterMethodError> {
    answer(module, "eth_call", call)?;
    answer(module, "eth_createAccessList", create_access_list)
}

/// The state after a block, and what a transaction on top of it would see.
pub(super) struct Simulation<'a> {
    pub(super) db: CacheDB<StateAt<'a>>,
    pub(super) env: EvmEnv,
}

impl<'a> Simulation<'a> {
    /// On top of the block named, or of the tip.
    pub(super) fn new(
        chain: &'a Chain,
        id: Option<BlockId>,
        state: Option<StateOverride>,
        block: Option<Box<BlockOverrides>>,
    ) -> Result<Self, RpcFailure> {
        let (header, base) = {
            let _still = chain.stand_still();
            let number = state_number(chain, id)?;
            (chain.canonical_header(number)?, chain.state_at(number)?)
        };
        let mut db = CacheDB::new(base);
        let mut env = chain.spec().evm_env(&header);
        // A call is nobody's transaction: its nonce is its own business, and it
        // may use more gas than a transaction (EIP-7825).
        env.cfg_env.disable_nonce_check = true;
        env.cfg_env.tx_gas_limit_cap = Some(u64::MAX);
        if let Some(block) = block {
            apply_block_overrides(*block, &mut db, &mut env.block_env);
        }
        if let Some(state) = state {
            apply_state_overrides(state, &mut db).map_err(|error| match error {
                StateOverrideError::Database(error) => RpcFailure::internal(&error),
                error => RpcFailure::invalid_params(error.to_string()),
            })?;
        }
        Ok(Self { db, env })
    }

    /// The transaction that is asked for, with at most `gas_cap`. Where it pays
    /// nothing, gas costs nothing.
    pub(super) fn transaction(
        &mut self,
        mut request: TransactionRequest,
        gas_cap: u64,
    ) -> Result<TxEnv, RpcFailure> {
        let chain_id = self.env.cfg_env.chain_id;
        if let Some(other) = request.chain_id.filter(|id| *id != chain_id) {
            let message = format!("chain id {other} is not this chain's, {chain_id}");
            return Err(RpcFailure::invalid_params(message));
        }
        let gas = request.gas.unwrap_or(u64::MAX);
        request.gas = Some(gas.min(gas_cap).min(self.env.block_env.gas_limit));
        if request.nonce.is_none() {
            let account = self.db.basic_ref(request.from.unwrap_or_default());
            let account = account.map_err(|error| RpcFailure::internal(&error))?;
            request.nonce = Some(account.map_or(0, |account| account.nonce));
        }
        let pays_for_blobs = request.max_fee_per_blob_gas.is_some_and(|fee| fee > 0);
        let transaction = request.try_into_tx_env(&self.env);
        let transaction = transaction.map_err(|error| RpcFailure::server(error.to_string()))?;
        if transaction.gas_price == 0 {
            self.env.block_env.basefee = 0;
        }
        if !pays_for_blobs && let Some(blob) = self.env.block_env.blob_excess_gas_and_price {
            let BlobExcessGasAndPrice { excess_blob_gas, .. } = blob;
            let free = BlobExcessGasAndPrice { excess_blob_gas, blob_gasprice: 0 };
            self.env.block_env.blob_excess_gas_and_price = Some(free);
        }
        Ok(transaction)
    }

    /// Runs `transaction`; the state stays what it was.
    pub(super) fn run(
        &mut self,
        transaction: TxEnv,
    ) -> Result<ExecutionResult, EVMError<StoreError>> {
        let mut evm = EthEvmFactory::default().create_evm(&mut self.db, self.env.clone());
        evm.transact(transaction).map(|ran| ran.result)
    }

    /// What `account` has.
    pub(super) fn balance(&self, account: Address) -> Result<U256, RpcFailure> {
        let account = self.db.basic_ref(account).map_err(|error| RpcFailure::internal(&error))?;
        Ok(account.map_or(U256::ZERO, |account| account.balance))
    }
}

/// Why a transaction cannot be run.
pub(super) fn refusal(error: EVMError<StoreError>) -> RpcFailure {
    match error {
        EVMError::Transaction(invalid) => RpcFailure::server(invalid.to_string()),
        EVMError::Header(invalid) => RpcFailure::server(invalid.to_string()),
        EVMError::Database(error) => RpcFailure::internal(&error),
        EVMError::Custom(message) => RpcFailure::server(message),
        error => RpcFailure::internal(&error),
    }
}

/// What a finished run gave, or why it has nothing to give.
pub(super) fn output(result: ExecutionResult) -> Result<Bytes, RpcFailure> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => {
            Err(RpcFailure::reverted(revert_message(&output), output))
        }
        ExecutionResult::Halt { reason, .. } => Err(RpcFailure::server(halt_message(&reason))),
    }
}

/// The message of a revert, with Solidity's reason if there is one.
pub(super) fn revert_message(output: &Bytes) -> String {
    let reason = Revert::abi_decode(output)
        .map(|revert| revert.reason)
        .or_else(|_| Panic::abi_decode(output).map(|panic| panic.to_string()));
    reason.map_or_else(
        |_| "execution reverted".to_owned(),
        |reason| format!("execution reverted: {reason}"),
    )
}

fn halt_message(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(OutOfGasError::Basic) => "out of gas".to_owned(),
        reason => format!("execution halted: {reason:?}"),
    }
}

fn call(params: &Params<'_>, chain: &Chain) -> Result<Bytes, RpcFailure> {
    let mut params = params.sequence();
    let request: TransactionRequest = params.next()?;
    let id = params.optional_next()?;
    let mut simulation =
        Simulation::new(chain, id, params.optional_next()?, params.optional_next()?)?;
    let transaction = simulation.transaction(request, GAS_CAP)?;
    output(simulation.run(transaction).map_err(refusal)?)
}

fn create_access_list(params: &Params<'_>, chain: &Chain) -> Result<AccessListResult, RpcFailure> {
    let mut params = params.sequence();
    let request: TransactionRequest = params.next()?;
    let mut simulation = Simulation::new(chain, params.optional_next()?, None, None)?;
    let mut access_list = request.access_list.clone().unwrap_or_default();
    for _ in 0..MAX_ROUNDS {
        let request =
            TransactionRequest { access_list: Some(access_list.clone()), ..request.clone() };
        let transaction = simulation.transaction(request, GAS_CAP)?;
        let mut inspector = AccessListInspector::new(access_list.clone());
        let env = simulation.env.clone();
        let mut evm = EthEvmFactory::default().create_evm_with_inspector(
            &mut simulation.db,
            env,
            &mut inspector,
        );
        let result = evm.transact(transaction).map_err(refusal)?.result;
        let found = inspector.into_access_list();
        if found == access_list {
            let gas_used = U256::from(result.tx_gas_used());
            let error = output(result).err().map(|_| "execution reverted".to_owned());
            return Ok(AccessListResult { access_list, gas_used, error });
        }
        access_list = found;
    }
    Err(RpcFailure::server("the access list changes with every run"))
}
