//! States before a block.

use super::{code::Code, number::Word};
use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
};
use alloy_primitives::{Address, U256, keccak256};
use blockloom_state::{AccountBasics, MemoryState};
use revm::{bytecode::opcode as op, primitives::KECCAK_EMPTY};

/// The miner of every block that does not name another one.
pub(crate) const MINER: Address = Address::repeat_byte(0xee);

/// What a user has: enough for everything, far from any limit.
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// The `n`-th externally owned account.
pub(crate) fn user(n: u64) -> Address {
    address(0xaa, n)
}

/// The `n`-th contract.
pub(crate) fn contract(n: u64) -> Address {
    address(0xcc, n)
}

/// The `n`-th address where nothing is.
pub(crate) fn nobody(n: u64) -> Address {
    address(0x99, n)
}

fn address(kind: u8, n: u64) -> Address {
    let mut address = Address::repeat_byte(kind);
    address[12..].copy_from_slice(&n.to_be_bytes());
    address
}

/// A state under construction.
#[derive(Clone, Debug)]
pub(crate) struct World(pub(crate) MemoryState);

impl World {
    /// Ten users with 1000 ether each, the system contracts of all forks, and
    /// the hashes of the 300 blocks before block 300.
    pub(crate) fn new() -> Self {
        let mut world = Self(MemoryState::new());
        for n in 0..10 {
            world = world.account(user(n), 1000 * ETHER, 0);
        }
        for number in 0..300u64 {
            world.0.set_block_hash(number, keccak256(number.to_be_bytes()));
        }
        // It keeps the parent's hash where it can be looked up: the slot is
        // the time or the hash, which is all that the tests need.
        let recorder = Code::new().push_input().push(7).op(op::SSTORE);
        for system in [BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS] {
            world = world.contract(system, &recorder);
        }
        for system in
            [WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS]
        {
            world = world.contract(system, &Code::new().op(op::STOP));
        }
        world
    }

    pub(crate) fn account(mut self, address: Address, balance: impl Word, nonce: u64) -> Self {
        let balance = balance.word();
        let code_hash = self.basics(address).map_or(KECCAK_EMPTY, |basics| basics.code_hash);
        self.0.insert_account(address, AccountBasics { balance, nonce, code_hash });
        self
    }

    /// A contract with nonce 1 and no balance.
    pub(crate) fn contract(self, address: Address, code: &Code) -> Self {
        self.rich_contract(address, code, 0u64)
    }

    pub(crate) fn rich_contract(
        mut self,
        address: Address,
        code: &Code,
        balance: impl Word,
    ) -> Self {
        let balance = balance.word();
        let code_hash = self.0.insert_code(code.bytes());
        self.0.insert_account(address, AccountBasics { balance, nonce: 1, code_hash });
        self
    }

    /// An account that delegates to `target` (EIP-7702).
    pub(crate) fn delegated(mut self, address: Address, target: Address) -> Self {
        let code = [&[0xef, 0x01, 0x00], target.as_slice()].concat();
        let code_hash = self.0.insert_code(code.into());
        let balance = U256::from(1000 * ETHER);
        self.0.insert_account(address, AccountBasics { balance, nonce: 1, code_hash });
        self
    }

    pub(crate) fn slot(mut self, address: Address, slot: u64, value: u64) -> Self {
        self.0.set_slot(address, U256::from(slot), U256::from(value));
        self
    }

    pub(crate) fn basics(&self, address: Address) -> Option<AccountBasics> {
        self.0.account(&address).map(blockloom_state::MemoryAccount::basics)
    }
}
