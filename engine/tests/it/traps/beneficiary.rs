//! The account that every transaction pays.

use crate::support::{
    balance,
    block::{BASE_FEE, Signer, Tx, block, header},
    changed, check,
    code::Code,
    forks::{FORKS, Fork, since, spec},
    run,
    world::{ETHER, MINER, World, contract, nobody, user},
};
use alloy_primitives::{Address, U256};
use revm::bytecode::opcode as op;

/// A price that leaves nothing for the beneficiary.
fn free(fork: Fork) -> u128 {
    if fork >= Fork::London { u128::from(BASE_FEE) } else { 0 }
}

/// Checks a block of `transactions` whose beneficiary is `miner`.
#[track_caller]
fn mined_by(
    miner: Address,
    fork: Fork,
    world: &World,
    transactions: Vec<Tx>,
) -> blockloom_engine::BlockOutput {
    let mut header = header(fork);
    header.beneficiary = miner;
    let block = block(header, world, transactions);
    check(&spec(fork), &block, &world.0).0.expect("the block is valid")
}

#[test]
fn the_beneficiary_sends() {
    for fork in FORKS {
        let world = World::new();
        // It has nothing but the rewards.
        let transactions = vec![
            Tx::send(user(0), nobody(1), 1).price(1000),
            Tx::send(MINER, nobody(2), 3),
            Tx::send(user(1), nobody(1), 1),
            Tx::send(MINER, nobody(3), 4),
        ];
        let answer = run(fork, &world, transactions);
        let paid = 21_000 * (1000 - u64::from(fork >= Fork::London) * BASE_FEE);
        let enough = paid >= 500_000 * 10;
        assert_eq!(answer.is_ok(), enough, "{fork}: {answer:?}");
    }
}

#[test]
fn the_beneficiary_receives() {
    for fork in FORKS {
        let transactions = (0..8).map(|n| Tx::send(user(n), MINER, n)).collect();
        run(fork, &World::new(), transactions).expect("the block is valid");
    }
}

#[test]
fn the_beneficiarys_balance_is_looked_at() {
    for fork in FORKS {
        let looker = Code::new().push_address(MINER).op(op::BALANCE).log_top().count(1);
        let world = World::new().contract(contract(1), &looker);
        let transactions = (0..8)
            .map(|n| match n % 2 {
                0 => Tx::send(user(n), nobody(n), 1),
                _ => Tx::call(user(n), contract(1)),
            })
            .collect();
        let output = run(fork, &world, transactions).expect("the block is valid");
        assert_eq!(changed(&output, contract(1), 1), Some(U256::from(4)));
    }
}

#[test]
fn the_beneficiary_is_a_contract_that_pays_and_creates() {
    for fork in FORKS {
        let child = Code::new().op(op::STOP).init();
        let code = Code::new()
            .count(1)
            .call(nobody(1), 7)
            .push_create(1, &child)
            .store_top(2)
            .push_address(MINER)
            .op(op::BALANCE)
            .log_top();
        let world = World::new().rich_contract(MINER, &code, 20);
        let transactions = (0..9)
            .map(|n| match n % 3 {
                0 => Tx::send(user(n), nobody(n), 1),
                1 => Tx::call(user(n), MINER).value(n),
                _ => Tx::call(user(n), MINER),
            })
            .collect();
        let output = run(fork, &world, transactions).expect("the block is valid");
        assert_eq!(changed(&output, MINER, 1), Some(U256::from(6)), "{fork}");
    }
}

#[test]
fn the_beneficiary_destroys_itself() {
    for fork in FORKS {
        for heir in [user(9), MINER] {
            let world = World::new()
                .rich_contract(MINER, &Code::new().self_destruct(heir), ETHER)
                .slot(MINER, 1, 1);
            let transactions = vec![
                Tx::send(user(0), nobody(0), 1),
                Tx::call(user(1), MINER),
                Tx::send(user(2), nobody(1), 1),
                Tx::call(user(3), MINER).value(2),
                Tx::send(user(4), MINER, 1).price(free(fork)),
            ];
            let output = run(fork, &world, transactions).expect("the block is valid");
            assert_eq!(output.changes.accounts[&MINER].wiped, fork < Fork::Cancun, "{fork}");
        }
    }
}

#[test]
fn a_contract_leaves_everything_to_the_beneficiary() {
    for fork in FORKS {
        for price in [10, free(fork)] {
            let world = World::new()
                .rich_contract(contract(1), &Code::new().self_destruct(MINER), 5)
                .contract(contract(2), &Code::new().self_destruct(MINER));
            let transactions = vec![
                Tx::call(user(0), contract(2)).price(price),
                Tx::call(user(1), contract(1)).price(price),
                Tx::call(user(2), contract(1)).price(price),
            ];
            let output = run(fork, &world, transactions).expect("the block is valid");
            assert!(balance(&output, MINER).is_some(), "{fork}");
        }
    }
}

#[test]
fn a_reward_of_zero_touches_the_beneficiary() {
    for fork in FORKS {
        let missing = World::new();
        let empty = World::new().account(MINER, 0, 0);
        // Storage that its account does not deserve (EIP-7610).
        let haunted = empty.clone().slot(MINER, 1, 1);
        for world in [&missing, &empty, &haunted, &World::new().account(MINER, 1, 0)] {
            let transactions = vec![
                Tx::send(user(0), nobody(0), 1).price(free(fork)),
                Tx::send(user(1), nobody(1), 1).price(free(fork)),
                Tx::send(user(2), MINER, 0).price(free(fork)),
                Tx::send(user(3), nobody(2), 1).price(10),
                Tx::send(user(4), nobody(3), 1).price(free(fork)),
            ];
            let output = run(fork, world, transactions.clone()).expect("the block is valid");
            assert!(balance(&output, MINER).is_some());
            let nothing = transactions.into_iter().filter(|tx| tx.price != 10).collect();
            run(fork, world, nothing).expect("the block is valid");
        }
    }
}

#[test]
fn the_beneficiary_is_created_within_the_block() {
    for fork in since(Fork::Petersburg) {
        let init = Code::new().count(1).init();
        let miner = init.create2_address(contract(1), 1);
        let factory = Code::new().push_create2(3, 1, &init).store_top(1);
        for before in [None, Some(0), Some(5)] {
            let mut world = World::new().rich_contract(contract(1), &factory, 10);
            if let Some(funds) = before {
                world = world.account(miner, funds, 0);
            }
            for price in [10, free(fork)] {
                let transactions = vec![
                    Tx::send(user(0), nobody(0), 1).price(price),
                    Tx::call(user(1), contract(1)).price(price),
                    Tx::call(user(2), miner).price(price),
                    Tx::call(user(3), contract(1)).price(price),
                    Tx::call(user(4), miner).price(price),
                ];
                let output = mined_by(miner, fork, &world, transactions);
                assert_eq!(changed(&output, miner, 1), Some(U256::from(2)), "{fork}");
            }
        }
    }
}

#[test]
fn the_beneficiary_is_delegated() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(3);
        let look = Code::new().op(op::SELFBALANCE).log_top().count(1);
        let world = World::new()
            .contract(contract(1), &look)
            .contract(contract(2), &Code::new().call(nobody(1), 1));
        let set = |sender, target, nonce| {
            Tx::call(user(sender), signer.address).authorize(vec![signer.delegate(target, nonce)])
        };
        let transactions = vec![
            set(0, contract(1), 0),
            Tx::call(user(1), signer.address),
            set(2, contract(2), 1),
            Tx::call(user(3), signer.address),
            Tx::send(signer.address, nobody(3), 1).nonce(2).gas(30_000).price(8),
            set(4, Address::ZERO, 3),
        ];
        let mut header = header(fork);
        header.beneficiary = signer.address;
        let block = block(header, &world, transactions);
        let _ = check(&spec(fork), &block, &world.0);
    }
}

#[test]
fn a_full_beneficiary_takes_no_more() {
    for fork in FORKS {
        for room in [0u64, 1, 300_000, 2_000_000] {
            let world = World::new().account(MINER, U256::MAX - U256::from(room), 0);
            let transactions = (0..6).map(|n| Tx::send(user(n), nobody(n), 1)).collect();
            run(fork, &world, transactions).expect("the block is valid");
        }
    }
}

#[test]
fn the_beneficiary_is_a_precompile_or_a_system_contract() {
    for fork in FORKS {
        for miner in [Address::ZERO, Address::with_last_byte(1), contract(1)] {
            let world = World::new().contract(contract(1), &Code::new().count(1));
            let transactions = vec![
                Tx::send(user(0), nobody(0), 1),
                Tx::call(user(1), miner).value(1),
                Tx::send(user(2), nobody(0), 1).price(free(fork)),
                Tx::call(user(3), miner).price(free(fork)),
            ];
            mined_by(miner, fork, &world, transactions);
        }
    }
}
