//! Transactions that may not be where they stand.

use crate::support::{
    Answer,
    block::{Tx, block, header},
    check, check_gated,
    code::Code,
    forks::{FORKS, Fork, since, spec},
    gate::Key,
    run,
    world::{ETHER, World, contract, nobody, user},
};
use alloy_primitives::{Address, U256};
use blockloom_engine::InvalidBlock;
use revm::bytecode::opcode as op;

/// Asserts that `answer` is an error that mentions all of `words`.
#[track_caller]
fn fails(answer: &Answer, words: &[&str]) {
    let error = answer.as_ref().expect_err("the block is invalid");
    for word in words {
        assert!(error.contains(word), "{word} is not in {error}");
    }
}

#[test]
fn a_transaction_that_no_longer_fits_into_the_block() {
    for fork in FORKS {
        let world = World::new();
        let mut header = header(fork);
        // Room for two and a bit; what they ask for, not what they use, must
        // fit.
        header.gas_limit = 500_000 + 2 * 21_000 - 1;
        let transactions = (0..4).map(|n| Tx::send(user(n), user(9), 1)).collect();
        let block = block(header, &world, transactions);
        let (answer, _) = check(&spec(fork), &block, &world.0);
        let available = if fork < Fork::Amsterdam { "available: 499999" } else { "available:" };
        fails(&answer, &["BlockGasExhausted", "gas_limit: 500000", available]);
        if fork < Fork::Amsterdam {
            fails(&answer, &["index: 2"]);
        }
    }
}

#[test]
fn gas_that_is_refunded_makes_room_for_the_next() {
    for fork in FORKS {
        let clear = Code::new().store(1, 0).store(2, 0).store(3, 0);
        let mut world = World::new().contract(contract(1), &clear);
        for slot in 1..4 {
            world = world.slot(contract(1), slot, 9);
        }
        for limit in (60_000..120_000).step_by(5_000) {
            let mut header = header(fork);
            header.gas_limit = limit;
            let transactions = vec![
                Tx::call(user(0), contract(1)).gas(60_000),
                Tx::send(user(1), user(2), 1).gas(21_000),
                Tx::send(user(3), user(4), 1).gas(21_000),
            ];
            let block = block(header, &world, transactions);
            let _ = check(&spec(fork), &block, &world.0);
        }
    }
}

#[test]
fn both_dimensions_of_gas_limit_an_amsterdam_block() {
    // Regular gas for computing, state gas for filling slots (EIP-8037).
    let mut fill = Code::new();
    for slot in 0..6 {
        fill = fill.store(slot, 1);
    }
    let mut spin = Code::new();
    for number in 0..300u64 {
        spin = spin.touch_slot(number);
    }
    let world = World::new().contract(contract(1), &fill).contract(contract(2), &spin);
    for limit in (2_000_000..4_000_000).step_by(100_000) {
        let mut header = header(Fork::Amsterdam);
        header.gas_limit = limit;
        let transactions = (0..6).map(|n| Tx::call(user(n), contract(1 + n % 2))).collect();
        let block = block(header, &world, transactions);
        let _ = check(&spec(Fork::Amsterdam), &block, &world.0);
    }
}

#[test]
fn blobs_cost_and_are_counted() {
    for fork in since(Fork::Cancun) {
        let world = World::new().account(nobody(1), 1_000_000, 0);
        let blob = |sender: Address, blobs| Tx::call(sender, nobody(2)).tip(1).blobs(blobs);
        let transactions = vec![blob(user(0), 1), blob(user(1), 2), blob(user(0), 3)];
        let output = run(fork, &world, transactions).expect("the block is valid");
        assert_eq!(output.blob_gas_used, 6 * 131_072, "{fork}");
        // The first takes what the second needs for its blob.
        let poor =
            vec![Tx::send(user(0), user(1), 1), blob(nobody(1), 1).gas(30_000).price(8).value(1)];
        fails(&run(fork, &world, poor), &["LackOfFundForMaxFee", "index: 1"]);
        fails(&run(fork, &world, vec![blob(user(0), 20)]), &["index: 0", "Blob"]);
    }
}

#[test]
fn invalid_only_because_of_an_earlier_one() {
    for fork in FORKS {
        let world = World::new().contract(contract(1), &Code::new().count(1));
        let rest = || Tx::call(user(3), contract(1));
        // The sender gives everything away first.
        let all = 1000 * ETHER - 500_000 * 10;
        let spent =
            vec![Tx::send(user(0), user(1), all), rest(), Tx::send(user(0), user(1), ETHER)];
        let block = block(header(fork), &world, spent);
        fails(&check(&spec(fork), &block, &world.0).0, &["LackOfFund", "index: 2"]);
        // Its nonce is taken by an earlier one of the same sender.
        let twice =
            vec![rest(), Tx::send(user(0), user(1), 1), Tx::send(user(0), user(1), 1).nonce(0)];
        fails(&run(fork, &world, twice), &["NonceTooLow", "index: 2"]);
    }
}

#[test]
fn a_contract_drains_a_sender_that_was_rich_when_speculation_looked() {
    for fork in since(Fork::Prague) {
        // A delegated account loses its funds to whoever calls it.
        let sender = crate::support::block::Signer::new(1).address;
        let drain = Code::new().op(op::SELFBALANCE).store_top(1).call(nobody(1), 999 * ETHER);
        let world = World::new().contract(contract(1), &drain).delegated(sender, contract(1));
        let transactions =
            vec![Tx::call(user(0), sender), Tx::send_noted(sender, user(1), 500 * ETHER)];
        let block = block(header(fork), &world, transactions);
        let on = Key::Account(sender);
        let (answer, _) = check_gated(&spec(fork), &block, &world, user(0), on);
        fails(&answer, &["LackOfFund", "index: 1"]);
    }
}

#[test]
fn gaps_in_a_senders_nonces() {
    for fork in FORKS {
        let world = World::new();
        let send = |nonce| Tx::send(user(0), user(1), 1).nonce(nonce);
        let other = || Tx::send(user(2), user(3), 1);
        let cases = [
            (vec![other(), send(1)], "NonceTooHigh", 1),
            (vec![send(0), other(), send(2)], "NonceTooHigh", 2),
            (vec![send(0), send(1), other(), send(1)], "NonceTooLow", 3),
            (vec![send(1), send(0), send(2)], "NonceTooHigh", 0),
        ];
        for (transactions, kind, index) in cases {
            let answer = run(fork, &world, transactions);
            fails(&answer, &[kind, &format!("index: {index}")]);
        }
    }
}

#[test]
fn an_invalid_transaction_in_the_middle_names_itself() {
    for fork in FORKS {
        let world = World::new().contract(contract(1), &Code::new().count(1)).account(
            nobody(1),
            5,
            u64::MAX,
        );
        let bad = [
            Tx::send(nobody(7), user(1), 1),
            Tx::send(user(5), user(1), 1).gas(20_999),
            Tx::call(nobody(1), user(1)).price(0).nonce(u64::MAX),
            Tx::call(contract(1), user(1)),
            Tx::send(user(5), user(1), U256::MAX),
            Tx::call(user(5), user(1)).price(u128::MAX),
            Tx::call(user(5), user(1)).gas(u64::MAX),
        ];
        for bad in bad {
            let mut transactions: Vec<_> =
                (0..10).map(|n| Tx::call(user(n % 5), contract(1))).collect();
            transactions.insert(6, bad);
            transactions.push(Tx::send(nobody(8), user(1), 1));
            fails(&run(fork, &world, transactions), &["index: 6"]);
        }
    }
}

#[test]
fn the_first_of_several_invalid_transactions_counts() {
    for fork in FORKS {
        let world = World::new();
        let transactions = (0..12)
            .map(|n| {
                let tx = Tx::send(user(n % 10), user(1), 1);
                if n >= 7 { tx.nonce(50 + n) } else { tx }
            })
            .collect();
        for engine in crate::support::engines() {
            let block = block(header(fork), &world, Vec::clone(&transactions));
            let error = engine.execute(&spec(fork), &block, &world.0).expect_err("it is invalid");
            let Some(InvalidBlock::Transaction { index, .. }) = error.as_invalid() else {
                panic!("{error:?}");
            };
            assert_eq!(*index, 7);
        }
        run(fork, &world, transactions).expect_err("it is invalid");
    }
}

#[test]
fn types_of_transactions_before_their_fork() {
    for fork in FORKS {
        let world = World::new();
        let blob = Tx::call(user(1), user(2)).tip(1).blobs(1);
        let tip = Tx::call(user(1), user(2)).tip(1);
        for (first, tx) in [(Fork::London, tip), (Fork::Cancun, blob)] {
            let answer = run(fork, &world, vec![Tx::send(user(0), user(1), 1), tx]);
            assert_eq!(answer.is_ok(), fork >= first, "{fork}: {answer:?}");
        }
    }
}

#[test]
fn blocks_of_no_and_one_transaction() {
    for fork in FORKS {
        run(fork, &World::new(), Vec::new()).expect("the block is valid");
        run(fork, &World::new(), vec![Tx::send(user(0), user(1), 1)]).expect("the block is valid");
        run(fork, &World::new(), vec![Tx::send(user(0), user(1), 1).nonce(3)])
            .expect_err("the block is invalid");
    }
}
