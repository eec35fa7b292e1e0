//! Accounts, code, storage and proofs.

use super::{RpcFailure, answer, block_id::state_number, strict::Slot};
use crate::serve::chain::{Chain, ReadError};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof, StorageValuesRequest};
use alloy_trie::EMPTY_ROOT_HASH;
use blockloom_state::StateAt;
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};
use revm::{DatabaseRef, state::AccountInfo};
use std::collections::BTreeMap;

/// Slots of one `eth_getStorageValues` or `eth_getProof`.
const MAX_SLOTS: usize = 1024;

pub(super) fn register(module: &mut RpcModule<Chain>) -> Result<(), RegisterMethodError> {
    answer(module, "eth_getBalance", |params, chain| {
        Ok(account(params, chain)?.map_or(U256::ZERO, |account| account.balance))
    })?;
    answer(module, "eth_getTransactionCount", |params, chain| {
        Ok(account(params, chain)?.map_or(U64::ZERO, |account| U64::from(account.nonce)))
    })?;
    answer(module, "eth_getCode", code)?;
    answer(module, "eth_getStorageAt", storage_at)?;
    answer(module, "eth_getStorageValues", storage_values)?;
    answer(module, "eth_getProof", proof)
}

/// The state after the block that is asked for.
pub(super) fn state(chain: &Chain, id: Option<BlockId>) -> Result<StateAt<'_>, RpcFailure> {
    let _still = chain.stand_still();
    Ok(chain.state_at(state_number(chain, id)?)?)
}

fn account(params: &Params<'_>, chain: &Chain) -> Result<Option<AccountInfo>, RpcFailure> {
    let mut params = params.sequence();
    let address: Address = params.next()?;
    let state = state(chain, params.optional_next()?)?;
    Ok(state.basic_ref(address).map_err(ReadError::from)?)
}

fn code(params: &Params<'_>, chain: &Chain) -> Result<Bytes, RpcFailure> {
    let mut params = params.sequence();
    let address: Address = params.next()?;
    let state = state(chain, params.optional_next()?)?;
    let Some(account) = state.basic_ref(address).map_err(ReadError::from)? else {
        return Ok(Bytes::new());
    };
    let code = state.code_by_hash_ref(account.code_hash).map_err(ReadError::from)?;
    Ok(code.original_bytes())
}

fn storage_at(params: &Params<'_>, chain: &Chain) -> Result<B256, RpcFailure> {
    let mut params = params.sequence();
    let address: Address = params.next()?;
    let Slot(slot) = params.next()?;
    let state = state(chain, params.optional_next()?)?;
    let value = state.storage_ref(address, slot.as_b256().into()).map_err(ReadError::from)?;
    Ok(value.into())
}

/// Values of slots by account. Not alloy's type, which prints them as quantities.
type StorageValues = BTreeMap<Address, Vec<B256>>;

fn storage_values(params: &Params<'_>, chain: &Chain) -> Result<StorageValues, RpcFailure> {
    let mut params = params.sequence();
    let request: StorageValuesRequest = params.next()?;
    if request.total_slots() == 0 {
        return Err(RpcFailure::invalid_params("empty request"));
    }
    check_slots(request.total_slots())?;
    let state = state(chain, params.optional_next()?)?;
    let mut response = StorageValues::new();
    for (address, slots) in request.into_inner() {
        let read = |slot: &B256| state.storage_ref(address, (*slot).into());
        let values = slots.iter().map(read).collect::<Result<Vec<U256>, _>>();
        response.insert(
            address,
            values.map_err(ReadError::from)?.into_iter().map(Into::into).collect(),
        );
    }
    Ok(response)
}

fn check_slots(n_slots: usize) -> Result<(), RpcFailure> {
    match n_slots > MAX_SLOTS {
        true => Err(RpcFailure::invalid_params(format!("more than {MAX_SLOTS} slots"))),
        false => Ok(()),
    }
}

fn proof(params: &Params<'_>, chain: &Chain) -> Result<EIP1186AccountProofResponse, RpcFailure> {
    let mut params = params.sequence();
    let address: Address = params.next()?;
    let keys: Vec<Slot> = params.next()?;
    check_slots(keys.len())?;
    let number = {
        let id: Option<BlockId> = params.optional_next()?;
        state_number(chain, id)?
    };
    let slots: Vec<U256> = keys.iter().map(|Slot(key)| key.as_b256().into()).collect();
    let Some(proof) = chain.proof(number, address, &slots)? else {
        let message = format!("proofs are of the newest block only, not of block {number}");
        return Err(RpcFailure::server(message));
    };
    let storage_proof = keys
        .into_iter()
        .zip(proof.storage_proof)
        .map(|(Slot(key), slot)| EIP1186StorageProof { key, value: slot.value, proof: slot.proof });
    Ok(EIP1186AccountProofResponse {
        address,
        balance: proof.account.map_or(U256::ZERO, |account| account.balance),
        code_hash: proof.account.map_or(KECCAK256_EMPTY, |account| account.code_hash),
        nonce: proof.account.map_or(0, |account| account.nonce),
        storage_hash: proof.account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root),
        account_proof: proof.account_proof,
        storage_proof: storage_proof.collect(),
    })
}
