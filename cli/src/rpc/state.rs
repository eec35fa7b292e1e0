//! The state before a block, fetched as execution asks for it.

use super::{Node, RpcError, node::Prestate};
use alloy_eips::{eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256, keccak256};
use blockloom_fixtures::mainnet::DocumentAccount;
use blockloom_state::AccountBasics;
use revm::{
    DatabaseRef,
    context_interface::DBErrorMarker,
    state::{AccountInfo, Bytecode},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The state after a block's parent, read from a node at need.
///
/// Every answer is kept, so after an execution [`read`](Self::read) is exactly
/// what the block looks at, whichever node it came from and whatever tracers
/// the node offers.
#[derive(Debug)]
pub(crate) struct RpcState<'a> {
    node: &'a Node,
    parent: B256,
    known: Mutex<Known>,
}

/// What the node has said, and what of it was asked for.
#[derive(Debug, Default)]
struct Known {
    accounts: BTreeMap<Address, Option<AccountBasics>>,
    slots: BTreeMap<(Address, U256), U256>,
    codes: BTreeMap<B256, Bytes>,
    /// An account that has the code.
    owners: BTreeMap<B256, Address>,
    read: Read,
    failure: Option<RpcError>,
}

/// What execution asked for, with the answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Read {
    /// Accounts that exist.
    pub(crate) accounts: BTreeMap<Address, DocumentAccount>,
    /// Accounts that do not.
    pub(crate) absent: Vec<Address>,
    pub(crate) codes: BTreeMap<B256, Bytes>,
    pub(crate) block_hashes: BTreeMap<u64, B256>,
}

/// The node failed to answer; [`RpcState::into_failure`] says how.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the node failed to answer")]
pub(crate) struct NodeFailed;

impl DBErrorMarker for NodeFailed {}

impl<'a> RpcState<'a> {
    /// The state after the block with hash `parent`, whose number is `number`.
    pub(crate) fn new(node: &'a Node, number: u64, parent: B256) -> Self {
        let mut known = Known::default();
        known.read.block_hashes.insert(number, parent);
        Self { node, parent, known: Mutex::new(known) }
    }

    /// Takes over what a tracer saw before each transaction, in block order.
    /// The first to mention an account or slot saw it as it was before the
    /// block, since tracers mention everything a transaction changes.
    ///
    /// Left out, and so asked for when needed, is what the block changes
    /// before its first transaction (EIP-4788, EIP-2935).
    pub(crate) fn prefill(&self, prestates: Vec<Prestate>) {
        let mut known = self.known();
        let traced = prestates.into_iter().flatten();
        for (address, account) in traced {
            if [BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS].contains(&address) {
                continue;
            }
            for (slot, value) in account.storage {
                known.slots.entry((address, slot)).or_insert(value);
            }
            if known.accounts.contains_key(&address) {
                continue;
            }
            let code_hash = keccak256(&account.code);
            known.codes.insert(code_hash, account.code);
            let basics =
                AccountBasics { balance: account.balance, nonce: account.nonce.into(), code_hash };
            known.accounts.insert(address, (!basics.is_empty()).then_some(basics));
        }
    }

    /// What execution asked for so far.
    pub(crate) fn read(&self) -> Read {
        self.known().read.clone()
    }

    /// The failure behind a [`NodeFailed`], if there was one.
    pub(crate) fn into_failure(self) -> Option<RpcError> {
        self.known.into_inner().unwrap_or_else(PoisonError::into_inner).failure
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the first failure: what follows is only its consequence.
    fn failed(&self, error: RpcError) -> NodeFailed {
        self.known().failure.get_or_insert(error);
        NodeFailed
    }

    /// The account in one call where the node gives proofs, else in three.
    fn fetch_account(&self, address: Address) -> Result<Option<AccountBasics>, RpcError> {
        let basics = match self.node.proof(address, &[], self.parent) {
            Ok(proof) => {
                // Clients disagree on the code hash of an absent account.
                let code_hash =
                    if proof.code_hash.is_zero() { KECCAK256_EMPTY } else { proof.code_hash };
                AccountBasics { balance: proof.balance, nonce: proof.nonce.to(), code_hash }
            }
            Err(RpcError::Unsupported { .. } | RpcError::Node { .. }) => {
                let balance = self.node.balance(address, self.parent)?;
                let nonce = self.node.nonce(address, self.parent)?;
                let code = self.node.code(address, self.parent)?;
                let code_hash = keccak256(&code);
                self.known().codes.insert(code_hash, code);
                AccountBasics { balance, nonce, code_hash }
            }
            Err(error) => return Err(error),
        };
        // Over JSON-RPC an empty account looks like an absent one; from
        // EIP-161 on there is none.
        Ok((!basics.is_empty()).then_some(basics))
    }

    fn account(&self, address: Address) -> Result<Option<AccountBasics>, RpcError> {
        let known = self.known().accounts.get(&address).copied();
        let basics = match known {
            Some(basics) => basics,
            None => self.fetch_account(address)?,
        };
        let mut known = self.known();
        known.accounts.insert(address, basics);
        if let Some(basics) = basics {
            known.owners.insert(basics.code_hash, address);
            known.read.accounts.entry(address).or_insert_with(|| DocumentAccount {
                balance: basics.balance,
                nonce: U64::from(basics.nonce),
                code_hash: (basics.code_hash != KECCAK256_EMPTY).then_some(basics.code_hash),
                storage: BTreeMap::new(),
            });
        } else if !known.read.absent.contains(&address) {
            known.read.absent.push(address);
        }
        Ok(basics)
    }

    fn code(&self, code_hash: B256) -> Result<Bytes, RpcError> {
        let (known, owner) = {
            let known = self.known();
            (known.codes.get(&code_hash).cloned(), known.owners.get(&code_hash).copied())
        };
        let code = match (known, owner) {
            (Some(code), _) => code,
            (None, owner) => self.node.code(owner.unwrap_or_default(), self.parent)?,
        };
        if keccak256(&code) != code_hash {
            let problem = format!("code that does not hash to {code_hash}");
            return Err(RpcError::Malformed { method: "eth_getCode", problem });
        }
        self.known().read.codes.insert(code_hash, code.clone());
        Ok(code)
    }

    fn slot(&self, address: Address, slot: U256) -> Result<U256, RpcError> {
        let known = self.known().slots.get(&(address, slot)).copied();
        let value = match known {
            Some(value) => value,
            None => self.node.slot(address, slot, self.parent)?,
        };
        let mut known = self.known();
        known.slots.insert((address, slot), value);
        if let Some(account) = known.read.accounts.get_mut(&address) {
            account.storage.insert(slot, value);
        }
        Ok(value)
    }

    fn block_hash(&self, number: u64) -> Result<B256, RpcError> {
        if let Some(hash) = self.known().read.block_hashes.get(&number) {
            return Ok(*hash);
        }
        let hash = self.node.block_hash(number)?;
        self.known().read.block_hashes.insert(number, hash);
        Ok(hash)
    }
}

impl DatabaseRef for RpcState<'_> {
    type Error = NodeFailed;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, NodeFailed> {
        let basics = self.account(address).map_err(|error| self.failed(error))?;
        Ok(basics.map(|basics| AccountInfo {
            balance: basics.balance,
            nonce: basics.nonce,
            code_hash: basics.code_hash,
            account_id: None,
            code: None,
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, NodeFailed> {
        if code_hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        let code = self.code(code_hash).map_err(|error| self.failed(error))?;
        // Odd code from before EIP-3541 runs as what it was deployed as.
        Ok(Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code)))
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, NodeFailed> {
        self.slot(address, index).map_err(|error| self.failed(error))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, NodeFailed> {
        self.block_hash(number).map_err(|error| self.failed(error))
    }
}
