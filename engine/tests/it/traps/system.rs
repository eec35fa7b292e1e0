//! What blocks do beside running transactions.

use crate::support::{
    balance,
    block::{Tx, block, header, withdraw},
    changed, check, check_gated,
    code::Code,
    forks::{FORKS, Fork, network, since, spec},
    gate::Key,
    world::{ETHER, MINER, World, contract, nobody, user},
};
use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
};
use alloy_evm::eth::dao_fork::{DAO_HARDFORK_ACCOUNTS, DAO_HARDFORK_BENEFICIARY};
use alloy_primitives::U256;
use revm::bytecode::opcode as op;

#[test]
fn the_dao_fork_moves_balances_after_the_transactions() {
    let spec = network("HomesteadToDaoAt5");
    let dao = DAO_HARDFORK_ACCOUNTS[3];
    for number in [4, 5, 6] {
        let look = Code::new().store_of(op::BALANCE, DAO_HARDFORK_BENEFICIARY, 1).store_of(
            op::BALANCE,
            dao,
            2,
        );
        let world = World::new().contract(contract(1), &look).account(dao, ETHER, 0);
        let mut header = header(Fork::Homestead);
        header.number = number;
        let transactions = vec![
            Tx::send(user(0), dao, 5),
            Tx::call(user(1), contract(1)),
            Tx::send(user(2), DAO_HARDFORK_BENEFICIARY, 7),
        ];
        let block = block(header, &world, transactions);
        let (output, _) = check_gated(&spec, &block, &world, user(0), Key::Account(dao));
        let output = output.expect("the block is valid");
        let expected = if number == 5 { ETHER + 12 } else { 7 };
        assert_eq!(balance(&output, DAO_HARDFORK_BENEFICIARY), Some(U256::from(expected)));
    }
}

#[test]
fn blockhash_reaches_back_256_blocks_and_no_further() {
    for fork in FORKS {
        let mut code = Code::new();
        for (slot, number) in [0, 43, 44, 45, 298, 299, 300, 301].into_iter().enumerate() {
            code = code.push(number).op(op::BLOCKHASH).store_top(slot as u64);
        }
        let world = World::new().contract(contract(1), &code);
        let transactions = (0..4).map(|n| Tx::call(user(n), contract(1))).collect();
        let block = block(header(fork), &world, transactions);
        let output = check(&spec(fork), &block, &world.0).0.expect("the block is valid");
        let known = output.changes.accounts[&contract(1)].slots.keys().copied();
        let expected = [2u64, 3, 4, 5].map(U256::from);
        assert_eq!(known.collect::<Vec<_>>(), expected, "{fork}");
    }
}

#[test]
fn a_hash_the_base_state_does_not_know_is_an_error_only_if_asked_for() {
    for fork in FORKS {
        let code = Code::new().push(350).op(op::BLOCKHASH).store_top(1);
        let world = World::new().contract(contract(1), &code);
        let mut header = header(fork);
        header.number = 400;
        let transactions = vec![Tx::send(user(0), user(1), 1), Tx::call(user(1), contract(1))];
        let block = block(header, &world, transactions);
        let error = check(&spec(fork), &block, &world.0).0.expect_err("the hash is missing");
        assert!(error.contains("transaction: Some(1)"), "{fork}: {error}");
    }
}

#[test]
fn system_calls_begin_with_their_fork() {
    for name in [
        "ParisToShanghaiAtTime15k",
        "ShanghaiToCancunAtTime15k",
        "CancunToPragueAtTime15k",
        "PragueToOsakaAtTime15k",
    ] {
        let spec = network(name);
        let [from, to] = match name {
            "ParisToShanghaiAtTime15k" => [Fork::Paris, Fork::Shanghai],
            "ShanghaiToCancunAtTime15k" => [Fork::Shanghai, Fork::Cancun],
            "CancunToPragueAtTime15k" => [Fork::Cancun, Fork::Prague],
            _ => [Fork::Prague, Fork::Osaka],
        };
        for (fork, timestamp) in [(from, 14_999), (to, 15_000)] {
            let world = World::new().contract(contract(1), &Code::new().count(1));
            let mut header = header(fork);
            header.timestamp = timestamp;
            let transactions = (0..4).map(|n| Tx::call(user(n), contract(1))).collect();
            let block = block(header, &world, transactions);
            let output = check(&spec, &block, &world.0).0.expect("the block is valid");
            let called = changed(&output, HISTORY_STORAGE_ADDRESS, 7).is_some();
            assert_eq!(called, fork >= Fork::Prague, "{name} at {timestamp}");
        }
    }
}

#[test]
fn a_missing_system_contract_is_the_same_error() {
    for fork in since(Fork::Prague) {
        let mut world = World::new();
        world = world.contract(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, &Code::new().revert());
        let block = block(header(fork), &world, vec![Tx::send(user(0), user(1), 1)]);
        let error = check(&spec(fork), &block, &world.0).0.expect_err("the call fails");
        assert!(error.contains("after the transactions"), "{fork}: {error}");
    }
}

#[test]
fn withdrawals_come_after_the_transactions() {
    for fork in since(Fork::Shanghai) {
        let look = Code::new().store_of(op::BALANCE, nobody(1), 1).self_destruct(nobody(1));
        let world = World::new().rich_contract(contract(1), &look, 3).account(nobody(4), 0, 0);
        let transactions = vec![
            Tx::send(user(0), nobody(1), 5),
            Tx::call(user(1), contract(1)),
            Tx::send(user(2), nobody(2), 1),
        ];
        let mut block = block(header(fork), &world, transactions);
        let paid = [(nobody(1), 1), (nobody(2), 0), (nobody(3), 0), (MINER, 2), (nobody(4), 0)];
        withdraw(&mut block, &paid);
        let on = Key::Account(nobody(1));
        let (output, _) = check_gated(&spec(fork), &block, &world, user(0), on);
        let output = output.expect("the block is valid");
        assert_eq!(balance(&output, nobody(1)), Some(U256::from(1_000_000_008u64)), "{fork}");
        assert_eq!(changed(&output, contract(1), 1).or(Some(U256::from(5))), Some(U256::from(5)));
    }
}

#[test]
fn transactions_see_what_system_calls_wrote() {
    for fork in since(Fork::Cancun) {
        let roots = BEACON_ROOTS_ADDRESS;
        // A recorder that counts its calls in slot 7, the system's included,
        // and tells.
        let count = Code::new().count(7).push(7).op(op::SLOAD).log_top().touch_slot(9);
        let world = World::new().contract(roots, &count).slot(roots, 7, 40);
        let transactions = vec![Tx::send(user(0), nobody(1), 1), Tx::call(user(1), roots)];
        let block = block(header(fork), &world, transactions);
        // The first one is held at the frontier until the second one has
        // started, so that it is speculation that must know of the system call.
        let on = Key::Account(user(1));
        let (output, _) = check_gated(&spec(fork), &block, &world, user(0), on);
        let told = &output.expect("the block is valid").receipts[1].logs[0].data.data;
        assert_eq!(U256::from_be_slice(told), U256::from(42), "{fork}");
    }
}
