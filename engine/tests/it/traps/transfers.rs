//! Plain transfers are computed, not interpreted: whatever is not plain about
//! one must be left to the EVM, and what others make of it must be the same.

use crate::support::{
    balance,
    block::{BASE_FEE, Signer, Tx, block, header},
    check,
    code::Code,
    forks::{FORKS, Fork, since, spec},
    run,
    world::{ETHER, MINER, World, contract, nobody, user},
};
use alloy_primitives::{Address, U256};
use revm::bytecode::opcode as op;

/// Runs `transactions` on every fork; they must be valid there.
#[track_caller]
fn run_everywhere(world: &World, transactions: impl Fn() -> Vec<Tx>) {
    for fork in FORKS {
        let answer = run(fork, world, transactions());
        assert!(answer.is_ok(), "{fork}: {answer:?}");
    }
}

#[test]
fn to_accounts_of_every_kind() {
    let echo = Code::new().op(op::CALLVALUE).store_top(1);
    let world =
        World::new().contract(contract(1), &echo).account(nobody(1), 7, 0).account(nobody(2), 0, 3);
    let precompile = |n: u8| Address::with_last_byte(n);
    run_everywhere(&world, || {
        let targets =
            [contract(1), nobody(1), nobody(2), nobody(3), user(0), precompile(2), precompile(9)];
        let to_all = |sender| targets.into_iter().map(move |to| Tx::send(sender, to, 5));
        to_all(user(0)).chain(to_all(user(1))).collect()
    });
}

#[test]
fn between_what_contracts_look_at() {
    // The contract notes the balance of an account that transfers before and
    // after it change, and pays it.
    let looker = Code::new().store_of(op::BALANCE, nobody(1), 1).call(nobody(1), 3);
    let world = World::new().rich_contract(contract(1), &looker, ETHER);
    run_everywhere(&world, || {
        (0..12)
            .map(|n| match n % 3 {
                0 => Tx::send(user(n % 8), nobody(1), 10 + n),
                1 => Tx::call(user(n % 8), contract(1)),
                _ => Tx::send(user(1), user(n % 8), 2),
            })
            .collect()
    });
}

#[test]
fn the_beneficiary_pays_and_is_paid() {
    for fork in FORKS {
        let world = World::new().account(MINER, ETHER, 0);
        let transactions = vec![
            Tx::send(user(0), MINER, 5),
            Tx::send(MINER, user(0), 6),
            Tx::send(user(1), user(2), 7),
            Tx::send(MINER, nobody(1), 8),
        ];
        let output = run(fork, &world, transactions).expect("the block is valid");
        assert_eq!(balance(&output, nobody(1)), Some(U256::from(8)), "{fork}");
    }
}

#[test]
fn a_beneficiary_that_is_not_there_yet_gets_nothing_or_something() {
    for fork in since(Fork::London) {
        let price = 2 * u128::from(BASE_FEE);
        for tip in [0, 1] {
            let transaction = Tx::send(user(0), user(1), 5).price(price).tip(tip);
            let again = Tx::send(user(2), user(3), 5).price(price).tip(tip);
            let world = World::new();
            run(fork, &world, vec![transaction, again]).expect("the block is valid");
        }
    }
}

#[test]
fn a_transfer_that_cannot_be_paid_is_invalid_where_it_stands() {
    for fork in FORKS {
        for (value, nonce) in [(2_000 * ETHER, None), (1, Some(7)), (1, Some(0))] {
            let mut bad = Tx::send(user(1), user(2), value);
            bad.nonce = nonce;
            let transactions =
                vec![Tx::send(user(1), user(3), 1), Tx::send(user(0), user(1), 1), bad];
            let block = block(header(fork), &World::new(), transactions);
            let (answer, _) = check(&spec(fork), &block, &World::new().0);
            assert!(answer.expect_err("it is invalid").contains("index: 2"), "{fork}");
        }
    }
}

#[test]
fn a_sender_with_code_is_not_plain() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(1).address;
        let world = World::new()
            .contract(contract(1), &Code::new().op(op::STOP))
            .delegated(signer, contract(1));
        let transactions = vec![
            Tx::send(signer, user(1), 5),
            Tx::send(user(1), signer, 5),
            Tx::send(signer, nobody(1), 5),
        ];
        run(fork, &world, transactions).expect("the block is valid");
    }
}

#[test]
fn an_account_delegated_in_the_block_is_not_plain_any_more() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(1);
        let counter = Code::new().count(1);
        let world = World::new().contract(contract(1), &counter);
        let transactions = vec![
            Tx::send(user(0), signer.address, ETHER),
            Tx::call(user(1), nobody(1)).authorize(vec![signer.delegate(contract(1), 0)]),
            Tx::send(user(0), signer.address, 1),
            Tx::send(user(2), signer.address, 1),
        ];
        let output = run(fork, &world, transactions).expect("the block is valid");
        let slots = &output.changes.accounts[&signer.address].slots;
        assert_eq!(slots.get(&U256::from(1)), Some(&U256::from(2)), "{fork}: both ran its code");
    }
}

#[test]
fn a_contract_created_where_a_transfer_went() {
    for fork in since(Fork::SpuriousDragon) {
        let created = user(1).create(0);
        let init = Code::new().op(op::STOP);
        let transactions = vec![
            Tx::send(user(0), created, 5),
            Tx::create(user(1), &init),
            Tx::send(user(0), created, 6),
        ];
        let output = run(fork, &World::new(), transactions).expect("the block is valid");
        assert_eq!(balance(&output, created), Some(U256::from(11)), "{fork}");
    }
}

#[test]
fn nothing_is_sent_to_an_account_that_is_empty() {
    let world = World::new().account(nobody(1), 0, 0);
    run_everywhere(&world, || {
        vec![
            Tx::send(user(0), nobody(1), 0),
            Tx::send(user(0), nobody(2), 0),
            Tx::send(user(1), nobody(1), 1),
        ]
    });
}

#[test]
fn a_balance_at_the_end_of_its_range_stays_the_evms_affair() {
    for fork in FORKS {
        let world = World::new().account(nobody(1), U256::MAX - U256::from(2), 0);
        let transactions = vec![Tx::send(user(0), nobody(1), 2), Tx::send(user(1), nobody(1), 3)];
        let output = run(fork, &world, transactions).expect("the block is valid");
        let succeeded = [0, 1].map(|position: usize| output.receipts[position].success);
        assert_eq!(succeeded, [true, false], "{fork}");
    }
}

/// revm multiplies gas limit and price in 128 bits, and refuses what does not
/// fit there even if the sender could pay it.
#[test]
fn a_price_beyond_all_bounds_is_refused_however_rich_the_sender() {
    for fork in FORKS {
        let world = World::new().account(user(0), U256::MAX, 0);
        let modest = Tx { price: u128::MAX / 2_000_000, ..Tx::send(user(0), nobody(1), 5) };
        let bold = Tx { price: u128::MAX / 2, ..modest.clone() };
        assert!(run(fork, &world, vec![modest.clone()]).is_ok(), "{fork}");
        let error = run(fork, &world, vec![modest, bold]).expect_err("it is too much");
        assert!(error.contains("Invalid"), "{fork}: {error}");
    }
}
