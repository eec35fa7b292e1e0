//! EIP-7702: accounts that borrow code.

use crate::support::{
    block::{Signer, Tx},
    changed,
    code::Code,
    forks::{Fork, since},
    gate::Key,
    run, run_stale,
    world::{ETHER, World, contract, nobody, user},
};
use alloy_primitives::{Address, U256};
use revm::bytecode::opcode as op;

fn world(signer: &Signer) -> World {
    World::new()
        .account(signer.address, ETHER, 0)
        .contract(contract(1), &Code::new().count(1))
        .contract(contract(2), &Code::new().count(2))
}

fn nonce(output: &blockloom_engine::BlockOutput, address: Address) -> Option<u64> {
    Some(output.changes.accounts.get(&address)?.after?.nonce)
}

#[test]
fn set_changed_and_cleared_within_one_block() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(1);
        let set = |sender, target, nonce| {
            Tx::call(user(sender), nobody(0)).authorize(vec![signer.delegate(target, nonce)])
        };
        let call = |sender| Tx::call(user(sender), signer.address);
        let transactions = vec![
            set(0, contract(1), 0),
            call(1),
            set(2, contract(2), 1),
            call(3),
            set(4, Address::ZERO, 2),
            call(5),
            set(6, contract(1), 3),
            call(7),
        ];
        let on = Key::Account(signer.address);
        let output = run_stale(fork, &world(&signer), transactions, user(0), on);
        assert_eq!(changed(&output, signer.address, 1), Some(U256::from(2)), "{fork}");
        assert_eq!(changed(&output, signer.address, 2), Some(U256::ONE), "{fork}");
        assert_eq!(nonce(&output, signer.address), Some(4), "{fork}");
    }
}

#[test]
fn one_authority_many_times_with_right_and_wrong_nonces() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(1);
        let list = |nonces: &[u64]| {
            nonces.iter().map(|nonce| signer.delegate(contract(1 + nonce % 2), *nonce)).collect()
        };
        let transactions = vec![
            Tx::call(user(0), signer.address).authorize(list(&[0, 1, 1])),
            Tx::call(user(1), signer.address).authorize(list(&[1])),
            Tx::call(user(2), signer.address).authorize(list(&[2, 4])),
            Tx::call(user(3), signer.address).authorize(list(&[3, 4])),
        ];
        let on = Key::Account(signer.address);
        let output = run_stale(fork, &world(&signer), transactions, user(0), on);
        assert_eq!(nonce(&output, signer.address), Some(5), "{fork}");
    }
}

#[test]
fn a_delegated_account_that_creates_counts_up_its_own_nonce() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(1);
        let child = Code::new().op(op::STOP).init();
        let creator = Code::new().push_create(0, &child).store_top(1);
        let world =
            World::new().contract(contract(1), &creator).delegated(signer.address, contract(1));
        let own = |nonce| Tx::send(signer.address, nobody(1), 1).nonce(nonce);
        let create = Tx::call(user(0), signer.address);
        let on = Key::Account(signer.address);
        // The creation takes nonce 1, so the account's own transaction is 2.
        let transactions = vec![create.clone(), own(2), Tx::call(user(1), signer.address)];
        let output = run_stale(fork, &world, transactions, user(0), on);
        assert_eq!(nonce(&output, signer.address), Some(4), "{fork}");
        let answer = run(fork, &world, vec![create, own(1)]);
        assert!(answer.expect_err("the nonce is taken").contains("NonceTooLow"), "{fork}");
    }
}

#[test]
fn a_delegate_that_destroys_itself() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(1);
        let world = World::new()
            .contract(contract(1), &Code::new().self_destruct(user(9)))
            .delegated(signer.address, contract(1));
        let transactions = vec![
            Tx::call(user(0), signer.address),
            Tx::send(user(1), signer.address, 5),
            Tx::call(user(2), signer.address),
            Tx::call(user(3), contract(1)),
        ];
        let on = Key::Account(signer.address);
        let output = run_stale(fork, &world, transactions, user(0), on);
        assert!(output.changes.accounts[&signer.address].after.is_some(), "{fork}");
    }
}

#[test]
fn a_sender_that_authorises_itself() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(1);
        // The sender's own nonce counts up first.
        let own = Tx::call(signer.address, signer.address)
            .authorize(vec![signer.delegate(contract(1), 1)]);
        let transactions = vec![
            own,
            Tx::call(user(1), signer.address),
            Tx::call(signer.address, contract(2)).nonce(2),
            Tx::call(signer.address, nobody(1))
                .nonce(3)
                .authorize(vec![signer.delegate(Address::ZERO, 4)]),
            Tx::call(user(2), signer.address),
        ];
        let output = run(fork, &world(&signer), transactions).expect("the block is valid");
        assert_eq!(nonce(&output, signer.address), Some(5), "{fork}");
        assert_eq!(changed(&output, signer.address, 1), Some(U256::from(2)), "{fork}");
    }
}

#[test]
fn code_and_code_hash_of_an_account_that_is_delegated_below() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(1);
        let looker = Code::new()
            .store_of(op::EXTCODEHASH, signer.address, 1)
            .store_of(op::EXTCODESIZE, signer.address, 2)
            .push_call(signer.address, 0)
            .store_top(3);
        let world = world(&signer).contract(contract(3), &looker);
        let transactions = vec![
            Tx::call(user(0), nobody(0)).authorize(vec![signer.delegate(contract(1), 0)]),
            Tx::call(user(1), contract(3)),
        ];
        let on = Key::Account(signer.address);
        let output = run_stale(fork, &world, transactions, user(0), on);
        assert_eq!(changed(&output, contract(3), 2), Some(U256::from(23)), "{fork}");
        assert_eq!(changed(&output, signer.address, 1), Some(U256::ONE), "{fork}");
    }
}

#[test]
fn chains_and_odd_targets_of_delegation() {
    for fork in since(Fork::Prague) {
        let [one, two] = [Signer::new(1), Signer::new(2)];
        let precompile = Address::with_last_byte(4);
        let world = world(&one).account(two.address, ETHER, 0);
        let set = |sender, list| Tx::call(user(sender), one.address).authorize(list);
        let transactions = vec![
            // To each other: only one step is followed.
            set(0, vec![one.delegate(two.address, 0), two.delegate(one.address, 0)]),
            Tx::call(user(1), two.address),
            set(2, vec![one.delegate(precompile, 1)]),
            Tx::call(user(3), one.address),
            set(4, vec![one.delegate(one.address, 2)]),
            Tx::call(user(5), one.address).value(1),
            set(6, vec![one.delegate(contract(1), 3)]),
            Tx::call(user(7), two.address).value(1),
        ];
        let on = Key::Account(one.address);
        run_stale(fork, &world, transactions, user(0), on);
    }
}

#[test]
fn the_delegate_is_destroyed_and_created_below_its_use() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(1);
        let runtime = Code::new().count(1);
        let init = runtime.init();
        let target = init.create2_address(contract(5), 1);
        let factory = Code::new().push_create2(0, 1, &init).op(op::POP);
        let world = World::new().contract(contract(5), &factory).delegated(signer.address, target);
        let transactions = vec![
            Tx::call(user(0), contract(5)),
            Tx::call(user(1), signer.address),
            Tx::call(signer.address, signer.address),
        ];
        let output = run_stale(fork, &world, transactions, user(0), Key::Account(target));
        assert_eq!(changed(&output, signer.address, 1), Some(U256::from(2)), "{fork}");
    }
}
