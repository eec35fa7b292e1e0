//! A base state that answers with delays, so that executions interleave.

use alloy_primitives::{Address, B256, U256};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::thread;

/// How often a read may let other threads go first.
const YIELDS: u64 = 6;

/// The same for the account that the block's first transaction starts with:
/// the frontier stands there while others speculate.
const FIRST_YIELDS: u64 = 60;

/// A base state whose reads let other threads run, each location as often as
/// `seed` says.
#[derive(Debug)]
pub(crate) struct Jitter<'a, D> {
    base: &'a D,
    seed: u64,
    first: Option<Address>,
}

impl<'a, D> Jitter<'a, D> {
    /// `first` is the sender of the block's first transaction.
    pub(crate) const fn new(base: &'a D, seed: u64, first: Option<Address>) -> Self {
        Self { base, seed, first }
    }

    fn delay(&self, address: Address, slot: U256) {
        let mixed = address.iter().chain(slot.as_le_slice()).fold(self.seed, |mixed, byte| {
            (mixed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let bound = if Some(address) == self.first { FIRST_YIELDS } else { YIELDS };
        for _ in 0..(mixed >> 40) % bound {
            thread::yield_now();
        }
    }
}

impl<D: DatabaseRef> DatabaseRef for Jitter<'_, D> {
    type Error = D::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, D::Error> {
        self.delay(address, U256::MAX);
        self.base.basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, D::Error> {
        self.base.code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, D::Error> {
        self.delay(address, slot);
        self.base.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, D::Error> {
        self.base.block_hash_ref(number)
    }
}
