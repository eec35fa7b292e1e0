//! Accounts that go, and come back.

use crate::support::{
    balance,
    block::Tx,
    changed,
    code::{Code, input},
    forks::{FORKS, Fork, since},
    gate::Key,
    run, run_stale,
    world::{ETHER, World, contract, nobody, user},
};
use alloy_primitives::{Address, U256};
use blockloom_engine::BlockOutput;
use revm::bytecode::opcode as op;

const FACTORY: u64 = 1;

/// On input 0, destroys itself; on input 1, copies slot 1 to slot 5; on input
/// 2, writes slot 1.
fn mortal() -> Code {
    Code::switch([
        Code::new().self_destruct(user(9)),
        Code::new().push(1).op(op::SLOAD).store_top(5).store(6, 1),
        Code::new().store(1, 77),
    ])
}

/// A factory that brings the mortal to life with CREATE2, and where.
fn factory() -> (Code, Address) {
    let init = mortal().init();
    let code = Code::new().push_create2(0, 3, &init).store_top(0);
    (code, init.create2_address(contract(FACTORY), 3))
}

/// The factory, and its child alive already, with something in slot 1.
fn family() -> (World, Address) {
    let (factory, child) = factory();
    let world = World::new()
        .contract(contract(FACTORY), &factory)
        .contract(child, &mortal())
        .slot(child, 1, 9);
    (world, child)
}

/// Runs `transactions`, the first of which destroys `child`; where that takes
/// effect, later ones are stale.
#[track_caller]
fn run_when_mortal(
    fork: Fork,
    world: &World,
    transactions: Vec<Tx>,
    child: Address,
) -> BlockOutput {
    if fork < Fork::Cancun {
        return run_stale(fork, world, transactions, user(0), Key::Account(child));
    }
    // Since then contracts from before the transaction survive.
    run(fork, world, transactions).expect("the block is valid")
}

fn to(child: Address, sender: u64, case: u64) -> Tx {
    Tx::call(user(sender), child).input(input(case))
}

#[test]
fn a_destroyed_contract_is_created_again_at_the_same_address() {
    for fork in since(Fork::Petersburg) {
        let (world, child) = family();
        let transactions =
            vec![to(child, 0, 0).value(1), Tx::call(user(1), contract(FACTORY)), to(child, 2, 2)];
        let output = run_when_mortal(fork, &world, transactions, child);
        let wiped = output.changes.accounts[&child].wiped;
        assert_eq!(wiped, fork < Fork::Cancun, "{fork}");
    }
}

#[test]
fn a_slot_is_zero_after_a_destruction_that_changed_nothing_else() {
    for fork in since(Fork::Petersburg).filter(|fork| *fork < Fork::Cancun) {
        let (world, child) = family();
        // When the third one is judged, nonce, balance and code are those that
        // it saw; the slot is not.
        let transactions =
            vec![to(child, 0, 0), Tx::call(user(1), contract(FACTORY)), to(child, 2, 1)];
        let output = run_stale(fork, &world, transactions, user(0), Key::slot(child, 1));
        assert_eq!(changed(&output, child, 5), None, "{fork}");
        assert_eq!(changed(&output, child, 6), Some(U256::ONE), "{fork}");
    }
}

#[test]
fn a_slot_written_before_a_destruction_is_zero_after_it() {
    for fork in since(Fork::Petersburg).filter(|fork| *fork < Fork::Cancun) {
        let (world, child) = family();
        let transactions = vec![
            to(child, 0, 2),
            to(child, 1, 0),
            Tx::call(user(2), contract(FACTORY)),
            to(child, 3, 1),
            to(child, 4, 2),
            to(child, 5, 0),
            Tx::call(user(6), contract(FACTORY)),
            to(child, 7, 1),
        ];
        let output = run_stale(fork, &world, transactions, user(1), Key::slot(child, 6));
        assert_eq!(changed(&output, child, 5), None, "{fork}");
        assert_eq!(changed(&output, child, 1), None, "{fork}");
    }
}

#[test]
fn the_code_of_a_destroyed_contract_does_not_run() {
    for fork in FORKS {
        let (world, child) = family();
        let transactions = vec![to(child, 0, 0), to(child, 1, 1)];
        let output = run_when_mortal(fork, &world, transactions, child);
        let ran = (fork >= Fork::Cancun).then_some(U256::ONE);
        assert_eq!(changed(&output, child, 6), ran, "{fork}");
    }
}

#[test]
fn a_destroyed_account_is_funded_again() {
    for fork in FORKS {
        let (world, child) = family();
        let looks = [op::BALANCE, op::EXTCODESIZE, op::EXTCODEHASH];
        let known = if fork >= Fork::Petersburg { 3 } else { 2 };
        let mut looker = Code::new();
        for (slot, look) in looks.into_iter().take(known).enumerate() {
            looker = looker.store_of(look, child, slot as u64);
        }
        let world = world.contract(contract(2), &looker).account(user(9), 1, 0);
        let transactions = vec![
            to(child, 3, 2).value(5),
            to(child, 0, 0).value(6),
            Tx::send(user(1), child, 7),
            Tx::call(user(2), contract(2)),
        ];
        let output = run_stale(fork, &world, transactions, user(3), Key::Account(child));
        // A survivor is destroyed once more by whoever funds it.
        let (left, heir) = if fork < Fork::Cancun { (7, 12) } else { (0, 19) };
        assert_eq!(balance(&output, child), Some(U256::from(left)), "{fork}");
        assert_eq!(balance(&output, user(9)), Some(U256::from(heir)), "{fork}");
        let size = changed(&output, contract(2), 1);
        assert_eq!(size.is_some(), fork >= Fork::Cancun, "{fork}");
    }
}

#[test]
fn a_look_at_an_account_that_is_created_or_destroyed_below() {
    for fork in since(Fork::Petersburg) {
        for look in [op::EXTCODESIZE, op::EXTCODEHASH, op::BALANCE] {
            let (factory, child) = factory();
            let code = Code::new().store_of(look, child, 1).store(2, 1);
            let unborn =
                World::new().contract(contract(FACTORY), &factory).contract(contract(2), &code);
            let alive = unborn.clone().contract(child, &mortal());
            let looker = || Tx::call(user(1), contract(2));
            let create = Tx::call(user(0), contract(FACTORY));
            run_stale(fork, &unborn, vec![create, looker()], user(0), Key::Account(child));
            let destroy = vec![to(child, 0, 0), looker()];
            run_when_mortal(fork, &alive, destroy, child);
        }
    }
}

#[test]
fn created_and_destroyed_in_one_transaction_then_created_again() {
    for fork in since(Fork::Petersburg) {
        let child_code = mortal().init();
        let child = child_code.create2_address(contract(FACTORY), 3);
        let create = Code::new().push_create2(4, 3, &child_code).op(op::POP);
        let kill = Code::new().push_call_with(op::CALL, child, 0, Some(0)).op(op::POP);
        let both = create.clone().then(&kill);
        let world = World::new()
            .rich_contract(contract(FACTORY), &Code::switch([both, create]), 100)
            .account(child, 11, 0);
        let make = |sender, case| Tx::call(user(sender), contract(FACTORY)).input(input(case));
        let transactions =
            vec![make(0, 0), make(1, 0), make(2, 1), to(child, 3, 1), to(child, 4, 2)];
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(child));
        assert_eq!(balance(&output, child), Some(U256::from(4)), "{fork}");
        assert_eq!(changed(&output, child, 1), Some(U256::from(77)), "{fork}");
    }
}

#[test]
fn everybody_destroys_and_credits_the_same_few() {
    for fork in FORKS {
        let mut world = World::new();
        for n in 0..4 {
            let heir = contract((n + 1) % 4);
            world = world.rich_contract(contract(n), &Code::new().self_destruct(heir), ETHER);
        }
        let transactions = (0..32)
            .map(|n| {
                if n % 3 == 0 {
                    Tx::send(user(n % 10), contract(n % 4), 3)
                } else {
                    Tx::call(user(n % 10), contract((n / 2) % 4)).value(n % 2)
                }
            })
            .collect();
        run(fork, &world, transactions).expect("the block is valid");
    }
}

#[test]
fn a_contract_that_leaves_everything_to_itself() {
    for fork in FORKS {
        let world =
            World::new().rich_contract(contract(1), &Code::new().self_destruct(contract(1)), 50);
        let transactions = vec![
            Tx::send_noted(user(0), contract(1), 1),
            Tx::send_noted(user(1), contract(1), 2),
            Tx::send(user(2), contract(1), 4),
        ];
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(contract(1)));
        assert!(output.receipts.iter().all(|receipt| receipt.success), "{fork}");
    }
}

#[test]
fn a_destruction_that_is_reverted_destroys_nothing() {
    for fork in since(Fork::Byzantium) {
        let (world, child) = family();
        let kill = Code::new().push_call_with(op::CALL, child, 1, Some(0)).op(op::POP).revert();
        let world = world
            .rich_contract(contract(2), &kill, 10)
            .contract(contract(3), &Code::new().push_call(contract(2), 0).store_top(1));
        let transactions = vec![
            Tx::call(user(0), contract(3)),
            to(child, 1, 1),
            Tx::call(user(2), contract(3)),
            Tx::send(user(3), nobody(1), 1),
        ];
        let output = run(fork, &world, transactions).expect("the block is valid");
        assert_eq!(changed(&output, child, 5), Some(U256::from(9)), "{fork}");
    }
}
