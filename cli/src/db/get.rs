//! `blockloom db get`.

use super::{failed, open};
use crate::{CliError, CodeOf, Console, GetCommand, StoreArgs};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use blockloom_state::{AccountProof, SlotProof};
use revm::DatabaseRef;
use serde::Serialize;
use std::io::Write;

pub(super) fn get(what: &GetCommand, results: &mut dyn Write) -> Result<(), CliError> {
    match what {
        GetCommand::Account { address, store } => account(*address, store, results),
        GetCommand::Slot { address, slot, store } => one_slot(*address, *slot, store, results),
        GetCommand::Code { of, store } => code(*of, store, results),
        GetCommand::Proof { address, slots, store } => proof(*address, slots, store, results),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountRecord {
    address: Address,
    balance: U256,
    nonce: U64,
    code_hash: B256,
    storage_hash: B256,
}

fn account(address: Address, args: &StoreArgs, results: &mut dyn Write) -> Result<(), CliError> {
    let store = open(&args.db)?;
    let found = store.proof(address, &[]).map_err(failed(&args.db))?.account;
    let account = found.ok_or_else(|| no(args, format!("account {address}")))?;
    let record = AccountRecord {
        address,
        balance: account.balance,
        nonce: U64::from(account.nonce),
        code_hash: account.code_hash,
        storage_hash: account.storage_root,
    };
    let mut console = Console::new(results, args.json, true);
    console.record(&record)?;
    console.line(&format!("balance       {} wei", record.balance))?;
    console.line(&format!("nonce         {}", account.nonce))?;
    console.line(&format!("code hash     {}", record.code_hash))?;
    console.line(&format!("storage root  {}", record.storage_hash))
}

#[derive(Debug, Serialize)]
struct SlotRecord {
    address: Address,
    slot: U256,
    value: U256,
}

fn one_slot(
    address: Address,
    slot: U256,
    args: &StoreArgs,
    results: &mut dyn Write,
) -> Result<(), CliError> {
    let store = open(&args.db)?;
    let value = store.storage_ref(address, slot).map_err(failed(&args.db))?;
    let mut console = Console::new(results, args.json, true);
    console.record(&SlotRecord { address, slot, value })?;
    console.line(&format!("{value:#066x}"))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CodeRecord {
    code_hash: B256,
    code: Bytes,
}

fn code(of: CodeOf, args: &StoreArgs, results: &mut dyn Write) -> Result<(), CliError> {
    let store = open(&args.db)?;
    let code_hash = match of {
        CodeOf::Hash(hash) => hash,
        CodeOf::Address(address) => {
            let account = store.basic_ref(address).map_err(failed(&args.db))?;
            account.ok_or_else(|| no(args, format!("account {address}")))?.code_hash
        }
    };
    let code = store.code_by_hash_ref(code_hash).map_err(failed(&args.db))?.original_bytes();
    let mut console = Console::new(results, args.json, true);
    let line = code.to_string();
    console.record(&CodeRecord { code_hash, code })?;
    console.line(&line)
}

/// The result of `eth_getProof`, EIP-1186.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProofRecord {
    address: Address,
    account_proof: Vec<Bytes>,
    balance: U256,
    code_hash: B256,
    nonce: U64,
    storage_hash: B256,
    storage_proof: Vec<SlotProofRecord>,
}

#[derive(Debug, Serialize)]
struct SlotProofRecord {
    key: U256,
    value: U256,
    proof: Vec<Bytes>,
}

impl From<AccountProof> for ProofRecord {
    fn from(proof: AccountProof) -> Self {
        let slot = |SlotProof { slot, value, proof }| SlotProofRecord { key: slot, value, proof };
        let account = proof.account;
        Self {
            address: proof.address,
            account_proof: proof.account_proof,
            balance: account.map(|account| account.balance).unwrap_or_default(),
            code_hash: account.map_or(KECCAK256_EMPTY, |account| account.code_hash),
            nonce: U64::from(account.map_or(0, |account| account.nonce)),
            storage_hash: account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root),
            storage_proof: proof.storage_proof.into_iter().map(slot).collect(),
        }
    }
}

fn proof(
    address: Address,
    slots: &[U256],
    args: &StoreArgs,
    results: &mut dyn Write,
) -> Result<(), CliError> {
    let store = open(&args.db)?;
    let proof = store.proof(address, slots).map_err(failed(&args.db))?;
    // A proof is for programs either way.
    Console::new(results, true, true).record(&ProofRecord::from(proof))
}

fn no(args: &StoreArgs, what: String) -> CliError {
    CliError::NotInStore { path: args.db.clone(), what }
}
