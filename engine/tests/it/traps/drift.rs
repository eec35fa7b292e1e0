//! Balances and nonces that move while nobody looks.

use crate::support::{
    balance,
    block::{Tx, block, header},
    changed, check_gated,
    code::Code,
    forks::{FORKS, Fork, since, spec},
    gate::Key,
    run, run_stale,
    world::{ETHER, World, contract, nobody, user},
};
use alloy_primitives::{U256, keccak256};
use blockloom_engine::Sharing;
use revm::bytecode::opcode as op;

#[test]
fn credits_to_one_account_order_nobody() {
    // In Amsterdam everything that is read counts.
    for fork in FORKS.into_iter().filter(|fork| *fork < Fork::Amsterdam) {
        let world = World::new().rich_contract(contract(1), &Code::new().op(op::STOP), 5);
        let transactions = (0..6).map(|n| Tx::send_noted(user(n), contract(1), n + 1)).collect();
        let block = block(header(fork), &world, transactions);
        // The lowest waits until the highest has read; were credits ordered,
        // all but the lowest would be stale.
        let on = Key::Account(user(5));
        let (output, runs) = check_gated(&spec(fork), &block, &world, user(0), on);
        let output = output.expect("the block is valid");
        assert_eq!(balance(&output, contract(1)), Some(U256::from(26)));
        for (_, run) in runs {
            assert_eq!((run.aborts, run.blocked), (0, 0), "{fork}, {} workers", run.workers);
        }
    }
}

#[test]
fn a_balance_somebody_looks_at_is_current() {
    for fork in FORKS {
        let looker = Code::new().store_of(op::BALANCE, nobody(1), 1);
        let world = World::new().contract(contract(1), &looker).account(nobody(1), 1, 0);
        let transactions = vec![Tx::send(user(0), nobody(1), 41), Tx::call(user(1), contract(1))];
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(nobody(1)));
        assert_eq!(changed(&output, contract(1), 1), Some(U256::from(42)));
    }
}

#[test]
fn a_contract_sees_what_a_plain_transfer_gave_it() {
    for fork in since(Fork::Istanbul) {
        let looker = Code::new().op(op::SELFBALANCE).store_top(1);
        let proxy = Code::new().call(contract(1), 0);
        let world =
            World::new().rich_contract(contract(1), &looker, 1).contract(contract(2), &proxy);
        // The credit runs no code: only its first byte of gas would.
        let credit = Tx::call(user(0), contract(1)).value(41);
        let transactions = vec![credit, Tx::call(user(1), contract(2))];
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(contract(1)));
        assert_eq!(changed(&output, contract(1), 1), Some(U256::from(42)));
    }
}

#[test]
fn an_inner_payment_succeeds_or_fails_by_an_earlier_credit() {
    for fork in FORKS {
        for kind in [op::CALL, op::CALLCODE] {
            let pay = |value| Code::new().push_call_with(kind, nobody(1), value, None).store_top(1);
            let world = World::new().rich_contract(contract(1), &pay(10), 9);
            // Fails before it gets there, so that nothing but the value comes.
            let fund = Tx::call(user(0), contract(2)).value(1);
            let giver = Code::new().self_destruct(contract(1));
            let world = world.contract(contract(2), &giver);
            let transactions = vec![fund, Tx::call(user(1), contract(1))];
            let output = run_stale(fork, &world, transactions, user(0), Key::Account(contract(1)));
            assert_eq!(changed(&output, contract(1), 1), Some(U256::ONE), "{fork} {kind:x}");
        }
    }
}

/// A contract that pays `payments` to somebody each time it is called.
fn payer(payments: &[u64]) -> Code {
    payments.iter().fold(Code::new(), |code, value| code.call(nobody(1), *value))
}

#[test]
fn payments_out_of_one_balance_order_nobody_while_it_lasts() {
    for fork in FORKS.into_iter().filter(|fork| *fork < Fork::Amsterdam) {
        // What comes in first may go out again.
        for (payments, value, balance_before) in [(&[2, 3][..], 0, 30), (&[7], 9, 0)] {
            let world = World::new().account(nobody(1), 1, 0).rich_contract(
                contract(1),
                &payer(payments),
                balance_before,
            );
            // With a byte of data, so that it does not look like a transfer.
            let call = |n| Tx::send_noted(user(n), contract(1), value);
            let block = block(header(fork), &world, (0..6).map(call).collect());
            let on = Key::Account(user(5));
            let (output, runs) = check_gated(&spec(fork), &block, &world, user(0), on);
            let output = output.expect("the block is valid");
            let paid = 6 * payments.iter().sum::<u64>();
            assert_eq!(balance(&output, nobody(1)), Some(U256::from(1 + paid)));
            for (sharing, run) in runs {
                // The multi-version memory orders them.
                assert!(run.aborts == 0 || sharing == Sharing::Memory, "{fork}: {run:?}");
            }
        }
    }
}

#[test]
fn a_payment_fails_once_earlier_ones_have_taken_what_there_was() {
    for fork in FORKS {
        let pay = Code::new().push_call(nobody(1), 10).store_top(1);
        // Enough for the first; each alone would be paid.
        let world = World::new().account(nobody(1), 1, 0).rich_contract(contract(1), &pay, 19);
        let transactions = (0..2).map(|n| Tx::call(user(n), contract(1))).collect();
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(contract(1)));
        assert_eq!(balance(&output, nobody(1)), Some(U256::from(11)), "{fork}");
        assert_eq!(balance(&output, contract(1)), Some(U256::from(9)), "{fork}");
    }
}

#[test]
fn a_payment_that_was_looked_at_as_well_is_ordered() {
    for fork in since(Fork::Istanbul) {
        let pay = payer(&[10]).op(op::SELFBALANCE).store_top(1);
        let world = World::new().account(nobody(1), 1, 0).rich_contract(contract(1), &pay, 100);
        let transactions = (0..3).map(|n| Tx::call(user(n), contract(1))).collect();
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(contract(1)));
        assert_eq!(changed(&output, contract(1), 1), Some(U256::from(70)), "{fork}");
    }
}

#[test]
fn code_run_by_delegatecall_spends_the_callers_balance() {
    for fork in since(Fork::Tangerine) {
        let pay = Code::new().push_call(nobody(1), 10).store_top(1);
        let proxy = Code::new().push_call_with(op::DELEGATECALL, contract(3), 0, None).op(op::POP);
        let world = World::new()
            .account(nobody(1), 1, 0)
            .contract(contract(3), &pay)
            .contract(contract(2), &Code::new().self_destruct(contract(1)))
            .rich_contract(contract(1), &proxy, 9);
        let fund = Tx::call(user(0), contract(2)).value(1);
        let transactions = vec![fund, Tx::call(user(1), contract(1))];
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(contract(1)));
        assert_eq!(changed(&output, contract(1), 1), Some(U256::ONE), "{fork}");
    }
}

#[test]
fn a_sender_can_spend_what_an_earlier_transaction_gave_it() {
    for fork in FORKS {
        let world = World::new();
        let transactions = vec![
            Tx::send_noted(user(0), nobody(1), ETHER),
            Tx::send_noted(nobody(1), nobody(2), ETHER / 2),
            Tx::send_noted(nobody(2), nobody(3), ETHER / 4),
        ];
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(nobody(1)));
        assert_eq!(balance(&output, nobody(3)), Some(U256::from(ETHER / 4)), "{fork}");
    }
}

#[test]
fn one_sender_many_times() {
    for fork in FORKS {
        let counter = Code::new().count(1);
        let world = World::new().contract(contract(1), &counter);
        let transactions = (0..40)
            .map(|n| match n % 3 {
                0 => Tx::send(user(1), nobody(n), 1),
                1 => Tx::call(user(1), contract(1)),
                _ => Tx::call(user(2), contract(1)),
            })
            .collect();
        let output = run(fork, &world, transactions).expect("the block is valid");
        assert_eq!(changed(&output, contract(1), 1), Some(U256::from(26)), "{fork}");
    }
}

#[test]
fn balances_at_the_end_of_the_range() {
    let near = [
        U256::MAX,
        U256::MAX - U256::from(3),
        U256::from(1) << 255,
        (U256::from(1) << 255) - U256::from(3),
    ];
    for fork in [Fork::Frontier, Fork::Byzantium, Fork::London, Fork::Prague, Fork::Amsterdam] {
        for huge in near {
            let payer = Code::new().push_call(nobody(1), 2).store_top(1);
            let world =
                World::new().account(nobody(1), huge, 1).rich_contract(contract(1), &payer, 100);
            let mut transactions: Vec<_> =
                (0..4).map(|n| Tx::send(user(n), nobody(1), 2)).collect();
            transactions.insert(2, Tx::call(user(5), contract(1)));
            // Valid or not: the same on both paths.
            let _ = run(fork, &world, transactions);
        }
    }
}

#[test]
fn a_huge_credit_meets_a_balance_that_has_grown() {
    for fork in FORKS {
        let almost_all = U256::MAX - U256::from(10);
        let payer = Code::new().push_call(nobody(1), almost_all).store_top(1);
        let world =
            World::new().account(nobody(1), 5, 1).rich_contract(contract(1), &payer, U256::MAX);
        let transactions = vec![Tx::send(user(0), nobody(1), 7), Tx::call(user(1), contract(1))];
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(nobody(1)));
        assert_eq!(changed(&output, contract(1), 1), None, "the payment overflows in {fork}");
    }
}

#[test]
fn a_log_tells_the_order_of_transactions() {
    for fork in FORKS {
        // The root is the same in every order, the logs are not.
        let teller = Code::new().count(1).push(1).op(op::SLOAD).log_top();
        let world = World::new().contract(contract(1), &teller).slot(contract(1), 1, 9);
        let transactions = (0..6).map(|n| Tx::call(user(n), contract(1))).collect();
        let output = run_stale(fork, &world, transactions, user(0), Key::slot(contract(1), 1));
        for (position, receipt) in output.receipts.iter().enumerate() {
            let told = U256::from(10 + position).to_be_bytes_vec();
            let log = receipt.logs.last().expect("there is a log");
            assert_eq!(log.data.data.to_vec(), told, "{fork}");
        }
    }
}

#[test]
fn slots_that_share_half_their_bits_are_told_apart() {
    let [low, high] = [U256::from(7), U256::from(7) | (U256::from(1) << 64)];
    let hashed = U256::from_be_bytes(keccak256([7; 64]).0);
    let far = [low, high, high << 64, hashed, hashed ^ (U256::from(1) << 255)];
    for fork in [Fork::Frontier, Fork::Prague] {
        let mut code = Code::new();
        for (number, slot) in far.into_iter().enumerate() {
            code = code.push(slot).op(op::SLOAD).push(number + 1).op(op::ADD);
            code = code.push(slot).op(op::SSTORE);
        }
        let world = World::new().contract(contract(1), &code);
        let transactions = (0..6).map(|n| Tx::call(user(n), contract(1))).collect();
        let on = Key::Slot(contract(1), low);
        let output = run_stale(fork, &world, transactions, user(0), on);
        let slots = &output.changes.accounts[&contract(1)].slots;
        for (number, slot) in far.into_iter().enumerate() {
            assert_eq!(slots[&slot], U256::from(6 * (number + 1)));
        }
    }
}

#[test]
fn a_huge_credit_that_is_taken_back_meets_a_balance_that_has_grown() {
    for fork in since(Fork::Byzantium) {
        let almost_all = U256::MAX - U256::from(10);
        let payer = Code::new().push_call(contract(3), almost_all).store_top(1);
        // Gives the payment back.
        let payee = Code::new().revert();
        // Costs gas only if it is reached.
        let world = World::new()
            .rich_contract(contract(3), &Code::new().touch_slot(1).then(&payee), 5)
            .contract(contract(2), &Code::new().self_destruct(contract(3)))
            .rich_contract(contract(1), &payer, U256::MAX);
        let transactions =
            vec![Tx::call(user(0), contract(2)).value(7), Tx::call(user(1), contract(1))];
        run_stale(fork, &world, transactions, user(0), Key::Account(contract(3)));
    }
}
