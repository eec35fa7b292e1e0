//! The methods of an execution client that are used here.

use super::{Client, RpcError};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, U64, U256};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An execution client.
#[derive(Debug)]
pub(crate) struct Node {
    client: Client,
}

/// What is used of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    pub(crate) block_hash: B256,
    pub(crate) status: Option<U64>,
    pub(crate) cumulative_gas_used: U64,
    pub(crate) logs: Vec<Log>,
}

/// What is used of a header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockHead {
    pub(crate) hash: B256,
    pub(crate) parent_hash: B256,
    pub(crate) number: U64,
    pub(crate) gas_used: U64,
    pub(crate) receipts_root: B256,
    pub(crate) logs_bloom: Bloom,
    pub(crate) transactions: Vec<Value>,
}

/// An account as `eth_getProof` gives it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Proof {
    pub(crate) balance: U256,
    pub(crate) nonce: U64,
    pub(crate) code_hash: B256,
    pub(crate) account_proof: Vec<Bytes>,
    pub(crate) storage_proof: Vec<SlotProof>,
}

/// The proof of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct SlotProof {
    pub(crate) proof: Vec<Bytes>,
}

/// An account before a transaction, by the prestate tracer: what is left out
/// is zero or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct TracedAccount {
    #[serde(default)]
    pub(crate) balance: U256,
    #[serde(default)]
    pub(crate) nonce: Nonce,
    #[serde(default)]
    pub(crate) code: Bytes,
    #[serde(default)]
    pub(crate) storage: BTreeMap<U256, U256>,
}

/// A nonce: geth's tracer gives a number, the rest of JSON-RPC hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Nonce {
    Number(u64),
    Hex(U64),
}

impl Default for Nonce {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl From<Nonce> for u64 {
    fn from(nonce: Nonce) -> Self {
        match nonce {
            Nonce::Number(number) => number,
            Nonce::Hex(number) => number.to(),
        }
    }
}

/// The accounts one transaction touches, before it.
pub(crate) type Prestate = BTreeMap<Address, TracedAccount>;

#[derive(Deserialize)]
struct Traced {
    result: Prestate,
}

impl Node {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) fn chain_id(&self) -> Result<u64, RpcError> {
        self.client.call::<U64>("eth_chainId", &json!([])).map(|id| id.to())
    }

    /// Block `number`: what is used of it, and all as the node gave it.
    pub(crate) fn block(&self, number: u64) -> Result<(BlockHead, Value), RpcError> {
        let method = "eth_getBlockByNumber";
        let block: Value = self.client.call(method, &json!([U64::from(number), true]))?;
        if block.is_null() {
            return Err(RpcError::NoBlock { number });
        }
        let malformed = |problem| RpcError::Malformed { method, problem };
        let head = BlockHead::deserialize(&block).map_err(|error| malformed(error.to_string()))?;
        if head.number.to::<u64>() != number {
            return Err(malformed(format!("block {} instead of {number}", head.number)));
        }
        Ok((head, block))
    }

    /// Hash of block `number`.
    pub(crate) fn block_hash(&self, number: u64) -> Result<B256, RpcError> {
        #[derive(Deserialize)]
        struct Head {
            hash: B256,
        }
        let params = json!([U64::from(number), false]);
        let head: Option<Head> = self.client.call("eth_getBlockByNumber", &params)?;
        head.map(|head| head.hash).ok_or(RpcError::NoBlock { number })
    }

    /// State root of block `number`, which must still have this hash.
    pub(crate) fn state_root(&self, number: u64, hash: B256) -> Result<B256, RpcError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            hash: B256,
            state_root: B256,
        }
        let params = json!([U64::from(number), false]);
        let head: Option<Head> = self.client.call("eth_getBlockByNumber", &params)?;
        let head = head.ok_or(RpcError::NoBlock { number })?;
        if head.hash != hash {
            return Err(RpcError::Reorganised { number, first: hash, then: head.hash });
        }
        Ok(head.state_root)
    }

    /// Receipts of a block, in block order; one by one where the node cannot
    /// give them together.
    ///
    /// # Errors
    ///
    /// [`RpcError::Reorganised`] if they are of another block by now.
    pub(crate) fn receipts(&self, head: &BlockHead) -> Result<Vec<Receipt>, RpcError> {
        let number = head.number.to();
        let together =
            self.client.call::<Option<Vec<Receipt>>>("eth_getBlockReceipts", &json!([head.number]));
        let receipts = match together {
            Ok(receipts) => receipts.ok_or(RpcError::NoBlock { number })?,
            Err(error) if error.is_unsupported() => self.receipts_one_by_one(head)?,
            Err(error) => return Err(error),
        };
        if let Some(other) = receipts.iter().find(|receipt| receipt.block_hash != head.hash) {
            return Err(RpcError::Reorganised { number, first: head.hash, then: other.block_hash });
        }
        Ok(receipts)
    }

    fn receipts_one_by_one(&self, head: &BlockHead) -> Result<Vec<Receipt>, RpcError> {
        let number = head.number.to();
        let receipt = |tx: &Value| {
            let receipt: Option<Receipt> =
                self.client.call("eth_getTransactionReceipt", &json!([tx["hash"]]))?;
            receipt.ok_or(RpcError::NoBlock { number })
        };
        head.transactions.iter().map(receipt).collect()
    }

    /// The accounts that each transaction touches, before it: from a trace of
    /// the block, or of one transaction after the other.
    pub(crate) fn prestates(&self, head: &BlockHead) -> Result<Vec<Prestate>, RpcError> {
        let tracer = json!({ "tracer": "prestateTracer" });
        let traced = self
            .client
            .call::<Vec<Traced>>("debug_traceBlockByNumber", &json!([head.number, tracer]));
        match traced {
            Err(error) if error.is_unsupported() => {
                let trace = |tx: &Value| {
                    self.client.call("debug_traceTransaction", &json!([tx["hash"], tracer]))
                };
                head.transactions.iter().map(trace).collect()
            }
            traced => Ok(traced?.into_iter().map(|traced| traced.result).collect()),
        }
    }

    /// What the node answers to `debug_executionWitness`.
    pub(crate) fn execution_witness(&self, number: u64) -> Result<Value, RpcError> {
        self.client.call("debug_executionWitness", &json!([U64::from(number)]))
    }

    /// An account and slots of it with their proofs, after block `at`.
    pub(crate) fn proof(
        &self,
        address: Address,
        slots: &[U256],
        at: B256,
    ) -> Result<Proof, RpcError> {
        let slots: Vec<B256> = slots.iter().map(|slot| B256::from(*slot)).collect();
        self.client.call("eth_getProof", &json!([address, slots, by_hash(at)]))
    }

    pub(crate) fn balance(&self, address: Address, at: B256) -> Result<U256, RpcError> {
        self.client.call("eth_getBalance", &json!([address, by_hash(at)]))
    }

    pub(crate) fn nonce(&self, address: Address, at: B256) -> Result<u64, RpcError> {
        let params = json!([address, by_hash(at)]);
        self.client.call::<U64>("eth_getTransactionCount", &params).map(|nonce| nonce.to())
    }

    pub(crate) fn code(&self, address: Address, at: B256) -> Result<Bytes, RpcError> {
        self.client.call("eth_getCode", &json!([address, by_hash(at)]))
    }

    pub(crate) fn slot(&self, address: Address, slot: U256, at: B256) -> Result<U256, RpcError> {
        self.client.call("eth_getStorageAt", &json!([address, slot, by_hash(at)]))
    }
}

/// A block by hash (EIP-1898): no reorganisation can change what is meant.
fn by_hash(hash: B256) -> Value {
    json!({ "blockHash": hash })
}
