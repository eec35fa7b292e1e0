//! Contracts that come into being, or fail to.

use crate::support::{
    balance,
    block::{Tx, block, header},
    changed, check_gated,
    code::{Code, input},
    forks::{FORKS, Fork, since, spec},
    gate::Key,
    run, run_stale,
    world::{World, contract, nobody, user},
};
use alloy_primitives::{Address, U256};
use revm::bytecode::opcode as op;

fn runtime() -> Code {
    Code::new().count(1)
}

#[test]
fn two_creations_of_one_address_collide() {
    for fork in since(Fork::Petersburg) {
        let init = runtime().init();
        let child = init.create2_address(contract(1), 0);
        let world = World::new().rich_contract(
            contract(1),
            &Code::new().push_create2(1, 0, &init).store_top(0),
            9,
        );
        let transactions = vec![
            Tx::call(user(0), contract(1)),
            Tx::call(user(1), contract(1)),
            Tx::call(user(2), child),
            Tx::call(user(3), contract(1)),
        ];
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(child));
        assert_eq!(balance(&output, child), Some(U256::ONE), "{fork}");
        assert_eq!(changed(&output, contract(1), 0), None, "the last one failed in {fork}");
    }
}

#[test]
fn a_creation_where_something_is_already() {
    for fork in FORKS {
        let child = user(0).create(0);
        let init = runtime().init();
        let with_code = World::new().contract(child, &runtime());
        let with_nonce = World::new().account(child, 0, 1);
        let with_balance = World::new().account(child, 5, 0);
        // EIP-7610: storage without code.
        let with_storage = World::new().slot(child, 1, 7);
        let with_both = World::new().account(child, 5, 0).slot(child, 1, 7);
        for world in [with_code, with_nonce, with_balance, with_storage, with_both] {
            let transactions = vec![
                Tx::create(user(0), &init),
                Tx::call(user(1), child),
                Tx::send(user(2), child, 2),
            ];
            // Where the creation fails, nothing above it is stale.
            let block = block(header(fork), &world, transactions);
            let on = Key::Account(child);
            let (output, _) = check_gated(&spec(fork), &block, &world, user(0), on);
            assert!(output.expect("the block is valid").receipts[1].success, "{fork}");
        }
    }
}

#[test]
fn money_arrives_before_the_contract() {
    for fork in FORKS {
        let child = user(1).create(0);
        let transactions = vec![
            Tx::send(user(0), child, 5),
            Tx::create(user(1), &runtime().init()),
            Tx::call(user(2), child),
        ];
        let output = run_stale(fork, &World::new(), transactions, user(0), Key::Account(child));
        assert_eq!(balance(&output, child), Some(U256::from(5)), "{fork}");
        assert_eq!(changed(&output, child, 1), Some(U256::ONE), "{fork}");
    }
}

#[test]
fn a_reverted_creation_leaves_neither_account_nor_slots() {
    for fork in since(Fork::Byzantium) {
        let init = Code::new().store(1, 5).store(2, 6).revert();
        let factory = Code::switch([
            Code::new().push_create(0, &init).store_top(8),
            Code::new().push_create(0, &runtime().init()).store_top(9),
        ]);
        let first = contract(1).create(1);
        let second = contract(1).create(2);
        let world = World::new().contract(contract(1), &factory);
        let make = |sender, case| Tx::call(user(sender), contract(1)).input(input(case));
        let transactions = vec![
            make(0, 0),
            make(1, 1),
            Tx::call(user(2), first),
            Tx::call(user(3), second),
            Tx::create(user(4), &init),
            Tx::call(user(5), user(4).create(0)),
        ];
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(contract(1)));
        assert_eq!(changed(&output, second, 1), Some(U256::ONE), "{fork}");
        assert!(!output.changes.accounts.contains_key(&first), "{fork}");
    }
}

#[test]
fn a_creation_that_runs_out_of_gas() {
    for fork in FORKS {
        let transactions = (0..9)
            .map(|n| Tx::create(user(n), &runtime().init()).gas(53_000 + 2_000 * n).value(n))
            .chain((0..9).map(|n| Tx::call(user(9), user(n).create(0)).value(1)))
            .collect();
        // Frontier keeps such a contract without its code.
        let _ = run(fork, &World::new(), transactions);
    }
}

#[test]
fn precompiles_hold_balance_and_are_credited() {
    for fork in FORKS {
        let precompiles = (1..=4).map(Address::with_last_byte);
        let mut looker = Code::new();
        let mut world = World::new();
        for (slot, precompile) in precompiles.clone().enumerate() {
            looker = looker.store_of(op::BALANCE, precompile, slot as u64);
            looker = looker.call(precompile, 1).call(precompile, 0);
        }
        world = world
            .rich_contract(contract(1), &looker, 100)
            .account(Address::with_last_byte(2), 7, 0)
            .account(Address::with_last_byte(3), 0, 0);
        let transactions = vec![
            Tx::send(user(0), Address::with_last_byte(4), 3),
            Tx::call(user(1), Address::with_last_byte(3)),
            Tx::call(user(2), contract(1)),
            Tx::call(user(3), contract(1)),
            Tx::send(user(4), Address::with_last_byte(1), 3),
        ];
        let on = Key::Account(Address::with_last_byte(4));
        let output = run_stale(fork, &world, transactions, user(0), on);
        assert_eq!(balance(&output, Address::with_last_byte(2)), Some(U256::from(9)), "{fork}");
    }
}

#[test]
fn touching_an_empty_account_removes_it_from_spurious_dragon_on() {
    for fork in FORKS {
        let caller = Code::new().call(nobody(1), 0).call(nobody(2), 0).self_destruct(nobody(3));
        let world = World::new()
            .contract(contract(1), &caller)
            .account(nobody(1), 0, 0)
            .account(nobody(3), 0, 0)
            .account(nobody(4), 0, 0);
        let transactions = vec![
            Tx::send(user(0), nobody(1), 0),
            Tx::call(user(1), contract(1)),
            Tx::send(user(2), nobody(2), 0),
            Tx::send(user(3), nobody(3), 5),
            Tx::send(user(4), nobody(4), 0),
            Tx::send(user(5), nobody(4), 6),
            Tx::send(user(6), nobody(4), 0),
        ];
        let output = run(fork, &world, transactions).expect("the block is valid");
        let gone = output.changes.accounts.get(&nobody(1)).is_some_and(|now| now.after.is_none());
        assert_eq!(gone, fork >= Fork::SpuriousDragon, "{fork}");
        assert_eq!(balance(&output, nobody(4)), Some(U256::from(6)), "{fork}");
    }
}

#[test]
fn an_account_that_stops_being_empty_costs_less_to_call() {
    for fork in FORKS {
        // CALL with value and SELFDESTRUCT charge for bringing life.
        let caller = Code::new().call(nobody(1), 1).self_destruct(nobody(2));
        let world = World::new().rich_contract(contract(1), &caller, 9).account(nobody(2), 0, 0);
        let transactions = vec![
            Tx::send(user(0), nobody(1), 1),
            Tx::send(user(1), nobody(2), 1),
            Tx::call(user(2), contract(1)),
        ];
        run_stale(fork, &world, transactions, user(0), Key::Account(nobody(1)));
    }
}

#[test]
fn refunds_depend_on_slots_that_lower_transactions_wrote() {
    for fork in FORKS {
        let code = Code::switch([
            Code::new().store(1, 0).store(2, 5),
            Code::new().store(1, 7).store(1, 0).store(2, 0).store(2, 5),
            Code::new().count(1).store(2, 0),
        ]);
        let world = World::new().contract(contract(1), &code).slot(contract(1), 1, 3).slot(
            contract(1),
            2,
            4,
        );
        let transactions =
            (0..9).map(|n| Tx::call(user(n), contract(1)).input(input((n * 2) % 3))).collect();
        run_stale(fork, &world, transactions, user(0), Key::slot(contract(1), 1));
    }
}
