//! Blocks of transactions that need no signature.

use super::{
    forks::{Fork, chain_id},
    number::Word,
    world::{MINER, World},
};
use alloy_consensus::{
    EthereumTxEnvelope, Header, Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
    crypto::secp256k1::sign_message,
};
use alloy_eips::{
    eip2930::AccessList,
    eip4895::{Withdrawal, Withdrawals},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use blockloom_engine::{Block, RecoveredBlock, Transaction};
use std::collections::BTreeMap;

/// Wei per gas that goes to nobody, from London on.
pub(crate) const BASE_FEE: u64 = 7;

/// Wei per gas that transactions offer, unless they say otherwise.
const PRICE: u128 = 10;

/// One transaction under construction.
#[derive(Clone, Debug)]
pub(crate) struct Tx {
    pub(crate) sender: Address,
    pub(crate) to: TxKind,
    pub(crate) value: U256,
    /// The sender's next one if absent.
    pub(crate) nonce: Option<u64>,
    pub(crate) gas: u64,
    pub(crate) price: u128,
    /// Offered on top of the base fee; makes it an EIP-1559 transaction.
    pub(crate) tip: Option<u128>,
    pub(crate) input: Bytes,
    pub(crate) access_list: Option<AccessList>,
    pub(crate) blobs: usize,
    pub(crate) authorizations: Vec<SignedAuthorization>,
}

impl Tx {
    pub(crate) fn new(sender: Address, to: TxKind) -> Self {
        Self {
            sender,
            to,
            value: U256::ZERO,
            nonce: None,
            gas: 2_000_000,
            price: PRICE,
            tip: None,
            input: Bytes::new(),
            access_list: None,
            blobs: 0,
            authorizations: Vec::new(),
        }
    }

    pub(crate) fn call(sender: Address, to: Address) -> Self {
        Self::new(sender, TxKind::Call(to))
    }

    /// A plain transfer, with gas to bring an account into being in Amsterdam.
    pub(crate) fn send(sender: Address, to: Address, value: impl Word) -> Self {
        Self::call(sender, to).value(value).gas(500_000)
    }

    /// A transfer with a byte of data, so that it is left to the EVM.
    pub(crate) fn send_noted(sender: Address, to: Address, value: impl Word) -> Self {
        Self::send(sender, to, value).input(Bytes::from_static(&[1]))
    }

    pub(crate) fn create(sender: Address, init: &super::code::Code) -> Self {
        Self::new(sender, TxKind::Create).input(init.bytes())
    }

    pub(crate) fn value(mut self, value: impl Word) -> Self {
        self.value = value.word();
        self
    }

    pub(crate) fn nonce(mut self, nonce: u64) -> Self {
        self.nonce = Some(nonce);
        self
    }

    pub(crate) fn gas(mut self, gas: u64) -> Self {
        self.gas = gas;
        self
    }

    pub(crate) fn price(mut self, price: u128) -> Self {
        self.price = price;
        self
    }

    pub(crate) fn tip(mut self, tip: u128) -> Self {
        self.tip = Some(tip);
        self
    }

    pub(crate) fn input(mut self, input: Bytes) -> Self {
        self.input = input;
        self
    }

    pub(crate) fn blobs(mut self, blobs: usize) -> Self {
        self.blobs = blobs;
        self
    }

    pub(crate) fn authorize(mut self, authorizations: Vec<SignedAuthorization>) -> Self {
        self.authorizations = authorizations;
        self
    }

    fn envelope(self, nonce: u64, position: usize, chain_id: u64) -> Transaction {
        let Self { to, value, gas: gas_limit, price, input, .. } = self;
        let signature = Signature::new(U256::from(1), U256::from(1), false);
        // Unique, and never recomputed by anybody.
        let hash = keccak256(position.to_be_bytes());
        let callee = to.to().copied().unwrap_or_default();
        let access_list = self.access_list.clone().unwrap_or_default();
        let tip = self.tip.unwrap_or(price);
        if !self.authorizations.is_empty() {
            let tx = TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: tip,
                to: callee,
                value,
                access_list,
                authorization_list: self.authorizations,
                input,
            };
            return EthereumTxEnvelope::Eip7702(Signed::new_unchecked(tx, signature, hash));
        }
        if self.blobs > 0 {
            let mut blob = B256::repeat_byte(0x01);
            blob[1] = 0;
            let tx = TxEip4844 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: tip,
                to: callee,
                value,
                access_list,
                blob_versioned_hashes: vec![blob; self.blobs],
                max_fee_per_blob_gas: 1_000,
                input,
            };
            return EthereumTxEnvelope::Eip4844(Signed::new_unchecked(tx, signature, hash));
        }
        if let Some(tip) = self.tip {
            let tx = TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: tip,
                to,
                value,
                access_list,
                input,
            };
            return EthereumTxEnvelope::Eip1559(Signed::new_unchecked(tx, signature, hash));
        }
        if let Some(access_list) = self.access_list {
            let gas_price = price;
            let tx =
                TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
            return EthereumTxEnvelope::Eip2930(Signed::new_unchecked(tx, signature, hash));
        }
        let tx = TxLegacy { chain_id: None, nonce, gas_price: price, gas_limit, to, value, input };
        EthereumTxEnvelope::Legacy(Signed::new_unchecked(tx, signature, hash))
    }
}

/// A secret key, and the account behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer {
    secret: B256,
    pub(crate) address: Address,
}

impl Signer {
    pub(crate) fn new(n: u8) -> Self {
        let secret = B256::with_last_byte(n + 1);
        let sample = keccak256("whose key is this?");
        let signature = sign_message(secret, sample).expect("the key is in range");
        let address = signature.recover_address_from_prehash(&sample).expect("it was just signed");
        Self { secret, address }
    }

    /// Lets `target`'s code run for this account; the zero address takes
    /// that back.
    pub(crate) fn delegate(&self, target: Address, nonce: u64) -> SignedAuthorization {
        let chain_id = U256::from(chain_id());
        let authorization = Authorization { chain_id, address: target, nonce };
        let hash = authorization.signature_hash();
        authorization.into_signed(sign_message(self.secret, hash).expect("the key is in range"))
    }
}

/// A header as `fork` wants it, for block 300.
pub(crate) fn header(fork: Fork) -> Header {
    let since = |other: Fork| fork >= other;
    Header {
        number: 300,
        timestamp: 10_000,
        beneficiary: MINER,
        gas_limit: 500_000_000,
        difficulty: U256::from(if since(Fork::Paris) { 0 } else { 0x2_0000 }),
        parent_hash: keccak256(299u64.to_be_bytes()),
        base_fee_per_gas: since(Fork::London).then_some(BASE_FEE),
        withdrawals_root: since(Fork::Shanghai).then_some(B256::ZERO),
        blob_gas_used: since(Fork::Cancun).then_some(0),
        excess_blob_gas: since(Fork::Cancun).then_some(0),
        parent_beacon_block_root: since(Fork::Cancun).then_some(B256::repeat_byte(0x44)),
        requests_hash: since(Fork::Prague).then_some(B256::ZERO),
        slot_number: since(Fork::Amsterdam).then_some(77),
        ..Header::default()
    }
}

/// A block of `transactions` under `header`, on the state `world`: senders
/// count up from the nonce they have there.
pub(crate) fn block(header: Header, world: &World, transactions: Vec<Tx>) -> RecoveredBlock {
    let mut next = BTreeMap::new();
    let senders = transactions.iter().map(|tx| tx.sender).collect();
    let transactions = transactions.into_iter().enumerate().map(|(position, tx)| {
        let before = world.basics(tx.sender).map_or(0, |basics| basics.nonce);
        let counter: &mut u64 = next.entry(tx.sender).or_insert(before);
        let nonce = tx.nonce.unwrap_or(*counter);
        *counter = nonce.wrapping_add(1);
        tx.envelope(nonce, position, chain_id())
    });
    let mut block = Block::default();
    block.body.transactions = transactions.collect();
    block.body.withdrawals = header.withdrawals_root.map(|_| Withdrawals::default());
    block.header = header;
    RecoveredBlock { hash: B256::repeat_byte(0xb1), block, senders }
}

/// Pays `gwei` to each of `addresses` at the end of the block, if its fork has
/// withdrawals.
pub(crate) fn withdraw(block: &mut RecoveredBlock, addresses: &[(Address, u64)]) {
    if let Some(withdrawals) = &mut block.block.body.withdrawals {
        withdrawals.extend(addresses.iter().map(|(address, amount)| Withdrawal {
            address: *address,
            amount: *amount,
            ..Withdrawal::default()
        }));
    }
}
