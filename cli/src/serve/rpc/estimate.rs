//! `eth_estimateGas`: the least gas limit with which a call succeeds.
//!
//! As geth finds it: by trying limits, half-way each time, since what a callee
//! does may depend on what is left. A run with the most gas tells what is used
//! at least, and a guess from it usually ends the search after two runs.

use super::{
    RpcFailure, answer,
    call::{GAS_CAP, Simulation, output, refusal},
};
use crate::serve::chain::Chain;
use alloy_primitives::{U64, U256};
use alloy_rpc_types_eth::TransactionRequest;
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};
use revm::{
    DatabaseRef,
    context::TxEnv,
    context_interface::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;

/// Gas that a call with value hands on beside what it pays for.
const CALL_STIPEND: u64 = 2_300;

/// The search ends where the limit is right within this many thousandths.
const TOLERANCE_PER_MILLE: u64 = 15;

pub(super) fn register(module: &mut RpcModule<Chain>) -> Result<(), RegisterMethodError> {
    answer(module, "eth_estimateGas", estimate)
}

fn estimate(params: &Params<'_>, chain: &Chain) -> Result<U64, RpcFailure> {
    let mut params = params.sequence();
    let request: TransactionRequest = params.next()?;
    let id = params.optional_next()?;
    let mut simulation =
        Simulation::new(chain, id, params.optional_next()?, params.optional_next()?)?;
    let gas = request.gas.filter(|gas| *gas >= TRANSFER_GAS);
    let transaction = simulation.transaction(TransactionRequest { gas, ..request }, GAS_CAP)?;
    let most = affordable(&simulation, &transaction)?;
    if is_transfer(&simulation, &transaction)?
        && matches!(attempt(&mut simulation, &transaction, TRANSFER_GAS)?, Attempt::Enough(_))
    {
        return Ok(U64::from(TRANSFER_GAS));
    }
    search(&mut simulation, &transaction, most).map(U64::from)
}

/// The gas limit of the transaction, or what its sender can pay for if that is
/// less.
fn affordable(simulation: &Simulation<'_>, transaction: &TxEnv) -> Result<u64, RpcFailure> {
    if transaction.gas_price == 0 {
        return Ok(transaction.gas_limit);
    }
    let balance = simulation.balance(transaction.caller)?;
    let left = balance.checked_sub(transaction.value);
    let left = left.ok_or_else(|| RpcFailure::server("insufficient funds for transfer"))?;
    let gas = left / U256::from(transaction.gas_price);
    Ok(transaction.gas_limit.min(gas.saturating_to()))
}

fn is_transfer(simulation: &Simulation<'_>, transaction: &TxEnv) -> Result<bool, RpcFailure> {
    let Some(to) = transaction.kind.to() else { return Ok(false) };
    let account = simulation.db.basic_ref(*to).map_err(|error| RpcFailure::internal(&error))?;
    let has_code = account.is_some_and(|account| !account.is_empty_code_hash());
    let is_plain = transaction.data.is_empty()
        && transaction.access_list.is_empty()
        && transaction.authorization_list.is_empty();
    Ok(is_plain && !has_code)
}

/// What came of a gas limit.
enum Attempt {
    Enough(ExecutionResult),
    TooLittle,
    /// The call fails for another reason than gas.
    Fails(ExecutionResult),
}

fn attempt(
    simulation: &mut Simulation<'_>,
    transaction: &TxEnv,
    gas_limit: u64,
) -> Result<Attempt, RpcFailure> {
    match simulation.run(TxEnv { gas_limit, ..transaction.clone() }) {
        Ok(result @ ExecutionResult::Success { .. }) => Ok(Attempt::Enough(result)),
        Ok(ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. })
        | Err(EVMError::Transaction(
            InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
            | InvalidTransaction::GasFloorMoreThanGasLimit { .. },
        )) => Ok(Attempt::TooLittle),
        Ok(result) => Ok(Attempt::Fails(result)),
        Err(error) => Err(refusal(error)),
    }
}

fn search(
    simulation: &mut Simulation<'_>,
    transaction: &TxEnv,
    most: u64,
) -> Result<u64, RpcFailure> {
    let result = match attempt(simulation, transaction, most)? {
        Attempt::Enough(result) => result,
        Attempt::Fails(result) => return output(result).map(|_| most),
        Attempt::TooLittle => {
            let message = format!("gas required exceeds allowance ({most})");
            return Err(RpcFailure::server(message));
        }
    };
    let (used, refunded) = (result.tx_gas_used(), result.gas().final_refunded());
    // Too little, and enough.
    let (mut low, mut high) = (used.saturating_sub(1), most);
    let guess = (used + refunded + CALL_STIPEND).saturating_mul(64) / 63;
    if guess < high {
        narrow(simulation, transaction, guess, (&mut low, &mut high))?;
    }
    // Ends: the range is halved each time.
    while low + 1 < high && (high - low) * 1000 >= high * TOLERANCE_PER_MILLE {
        let half = low + (high - low) / 2;
        // Most calls need far less than what they are given.
        let middle = half.min(low.saturating_mul(2)).max(low + 1);
        narrow(simulation, transaction, middle, (&mut low, &mut high))?;
    }
    Ok(high)
}

/// Tries `gas_limit`, which lies between the two, and brings one of them there.
fn narrow(
    simulation: &mut Simulation<'_>,
    transaction: &TxEnv,
    gas_limit: u64,
    (low, high): (&mut u64, &mut u64),
) -> Result<(), RpcFailure> {
    match attempt(simulation, transaction, gas_limit)? {
        Attempt::Enough(_) => *high = gas_limit,
        // A callee may revert because it got too little.
        Attempt::TooLittle | Attempt::Fails(_) => *low = gas_limit,
    }
    Ok(())
}
