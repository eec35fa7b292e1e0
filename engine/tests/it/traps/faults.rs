//! Base states that fail.

use crate::support::{
    WORKERS,
    block::{Tx, block, header},
    check,
    code::{Code, input},
    engine, engines,
    faulty::{Faulty, Flaky, ON_FIRE},
    forks::{FORKS, Fork, spec},
    gate::{Gate, Key},
    waiting_alone,
    world::{MINER, World, contract, nobody, user},
};
use blockloom_engine::{BlockError, InternalError};
use revm::bytecode::opcode as op;

#[test]
fn a_failure_that_only_stale_speculation_meets_is_no_failure() {
    for fork in FORKS {
        // The pointer's slot is set by the first transaction; who reads it
        // before goes astray, to a slot that cannot be read.
        let pointer = Code::new().push(1).op(op::SLOAD).op(op::SLOAD).store_top(2);
        let switch = Code::switch([Code::new().store(1, 40), pointer]);
        let world = World::new().contract(contract(1), &switch).slot(contract(1), 1, 666).slot(
            contract(1),
            40,
            7,
        );
        let call = |sender, case| Tx::call(user(sender), contract(1)).input(input(case));
        let block = block(header(fork), &world, vec![call(0, 0), call(1, 1), call(2, 1)]);
        let astray = Key::slot(contract(1), 666);
        let broken = Faulty::new(&world.0, vec![astray]);
        let (answer, _) = check(&spec(fork), &block, &broken);
        let expected = answer.expect("nobody really goes there");
        let _alone = waiting_alone();
        for engine in engines() {
            let held = (engine.workers() > 1).then_some(Key::Account(user(0)));
            let gate = Gate::new(&broken, held, astray);
            let executed = engine.execute(&spec(fork), &block, &gate).expect("no failure");
            assert_eq!(executed.output, expected, "{fork}, {} workers", engine.workers());
            assert!(engine.workers() == 1 || (gate.worked() && executed.stats.aborts > 0));
        }
    }
}

#[test]
fn a_real_failure_names_the_transaction_that_met_it() {
    for fork in FORKS {
        let world = World::new().contract(contract(1), &Code::new().count(1));
        let places = [
            (Key::slot(contract(1), 1), 3),
            (Key::Account(contract(1)), 3),
            (Key::Account(user(5)), 5),
            (Key::Account(nobody(2)), 2),
        ];
        for (at, index) in places {
            let transactions = (0..6)
                .map(|n| match n {
                    0..3 => Tx::send(user(n), nobody(n), 1),
                    _ => Tx::call(user(n), contract(1)),
                })
                .collect();
            let block = block(header(fork), &world, transactions);
            let broken = Faulty::new(&world.0, vec![at]);
            let (answer, _) = check(&spec(fork), &block, &broken);
            let error = answer.expect_err("the base state fails");
            assert!(error.contains(&format!("transaction: Some({index})")), "{fork}: {error}");
        }
    }
}

#[test]
fn a_failure_in_paying_the_beneficiary_is_the_transactions() {
    for fork in FORKS {
        let world = World::new();
        let transactions = (0..4).map(|n| Tx::send(user(n), user(9), 1)).collect();
        let block = block(header(fork), &world, transactions);
        let at = Key::Account(MINER);
        let broken = Faulty::new(&world.0, vec![at]);
        let error = check(&spec(fork), &block, &broken).0.expect_err("it cannot be paid");
        assert!(error.contains("transaction: Some(0)"), "{fork}: {error}");
    }
}

/// revm judges a transaction before it reads whom that would pay, so what is
/// computed must not be the first to meet a failure there.
#[test]
fn a_transfer_that_is_invalid_is_so_whoever_cannot_be_read() {
    for fork in FORKS {
        let world = World::new();
        let bad = [Tx::send(user(0), user(9), 1).nonce(7), Tx::send(nobody(1), user(9), 1)];
        for bad in bad {
            for broken in [MINER, user(9)] {
                for n_good in [0, 3] {
                    let good = (1..=n_good).map(|n| Tx::send(user(n), user(8), 1));
                    let good = good.filter(|_| broken != MINER);
                    let block = block(header(fork), &world, good.chain([bad.clone()]).collect());
                    let faulty = Faulty::new(&world.0, vec![Key::Account(broken)]);
                    let error = check(&spec(fork), &block, &faulty).0.expect_err("it is invalid");
                    assert!(error.contains("Invalid"), "{fork}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_panic_in_the_base_state_is_an_error_and_the_engine_lives_on() {
    for fork in [Fork::Frontier, Fork::Prague, Fork::Amsterdam] {
        let world = World::new().contract(contract(1), &Code::new().count(1));
        let transactions: Vec<_> = (0..8).map(|n| Tx::call(user(n), contract(1))).collect();
        let block = block(header(fork), &world, transactions);
        for at in [Key::slot(contract(1), 1), Key::Account(user(0)), Key::Account(user(7))] {
            let broken = Faulty::panicking(&world.0, at);
            for workers in WORKERS {
                let engine = engine(workers);
                let error = engine.execute(&spec(fork), &block, &broken).expect_err("it panics");
                let BlockError::Internal { reason: InternalError::Panic { message }, .. } = error
                else {
                    panic!("{error:?}");
                };
                assert_eq!(message, ON_FIRE);
                let again = engine.execute(&spec(fork), &block, &world.0).expect("it is whole");
                let expected = engine.execute_sequential(&spec(fork), &block, &world.0);
                assert_eq!(again.output, expected.expect("it is whole").output);
            }
        }
    }
}

/// revm goes on to pay the beneficiary after an instruction met a failure of
/// the base state, and reports the failure of that payment instead.
#[test]
fn the_first_of_two_failures_in_one_transaction_is_named() {
    let world = World::new().contract(contract(1), &Code::new().count(1));
    let block = block(header(Fork::Prague), &world, vec![Tx::call(user(0), contract(1))]);
    let broken = vec![Key::slot(contract(1), 1), Key::Account(MINER)];
    let faulty = Faulty::new(&world.0, broken);
    let error = check(&spec(Fork::Prague), &block, &faulty).0.expect_err("both fail");
    assert!(error.contains("Slot"), "{error}");
}

/// A disk that fails once and answers the next time: the block fails with what
/// the disk said, or comes out right because only speculation was hit.
#[test]
fn failures_now_and_then_are_reported_or_have_no_effect() {
    for fork in [Fork::Frontier, Fork::London, Fork::Prague] {
        let world = World::new().contract(contract(1), &Code::new().count(1).count(2));
        let calls = (0..12).map(|n| Tx::call(user(n % 8), contract(1))).collect();
        let block = block(header(fork), &world, calls);
        for engine in engines() {
            let expected = engine.execute_sequential(&spec(fork), &block, &world.0);
            let expected = expected.expect("the base state is whole").output;
            let (mut failed, mut right) = (0, 0);
            for one_in in 1..60 {
                let flaky = Flaky::new(&world.0, one_in, one_in * 7);
                match engine.execute(&spec(fork), &block, &flaky) {
                    Ok(executed) => {
                        assert_eq!(executed.output, expected, "{fork}, one in {one_in}");
                        right += 1;
                    }
                    Err(BlockError::Internal {
                        reason: InternalError::BaseState { .. }, ..
                    }) => failed += 1,
                    Err(error) => panic!("{fork}, one in {one_in}: {error:?}"),
                }
            }
            assert!(failed > 0 && right > 0, "{failed} failed, {right} right");
            let again = engine.execute(&spec(fork), &block, &world.0).expect("it is whole");
            assert_eq!(again.output, expected);
        }
    }
}
