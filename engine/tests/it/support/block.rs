//! Blocks as the engine takes them.

pub(crate) use blockloom_fixtures::handmade::{BASE_FEE, Signer, Tx, header};

use super::world::World;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256};
use blockloom_engine::RecoveredBlock;
use blockloom_fixtures::handmade::{body, withdrawal};

/// A block of `transactions` under `header`, on the state `world`: senders
/// count up from the nonce they have there.
pub(crate) fn block(header: Header, world: &World, transactions: Vec<Tx>) -> RecoveredBlock {
    let (block, senders) = body(header, world, transactions);
    RecoveredBlock { hash: B256::repeat_byte(0xb1), block, senders }
}

/// Pays `gwei` to each of `addresses` at the end of the block, if its fork has
/// withdrawals.
pub(crate) fn withdraw(block: &mut RecoveredBlock, addresses: &[(Address, u64)]) {
    if let Some(withdrawals) = &mut block.block.body.withdrawals {
        withdrawals.extend(addresses.iter().map(|(address, amount)| withdrawal(*address, *amount)));
    }
}
