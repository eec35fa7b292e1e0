//! Nonces that move while nobody looks.
//!
//! An execution that reads an account, changes its balance and does not care
//! for its nonce must not pass on a nonce from before.

use crate::support::{
    block::{Signer, Tx, block, header},
    check_gated,
    code::{Code, input},
    forks::{Fork, since, spec},
    gate::Key,
    world::{World, contract, nobody, user},
};
use revm::bytecode::opcode as op;

/// nonce for whoever comes after.
#[test]
fn a_payment_does_not_hide_an_earlier_nonce_from_later_creations() {
    for fork in since(Fork::Byzantium) {
        let child = Code::new().op(op::STOP).init();
        // Counts the nonce up and leaves nothing else behind.
        let fail = Code::new().push_create(0, &Code::new().revert()).op(op::POP);
        let pay = Code::new().call(nobody(1), 5);
        let create = Code::new().push_create(0, &child).store_top(3).touch_slot(9);
        let factory = Code::switch([fail, pay, create]);
        let world = World::new()
            .rich_contract(contract(1), &factory, 100)
            .account(nobody(1), 1, 0)
            .slot(contract(1), 9, 1);
        let run = |sender, case| Tx::call(user(sender), contract(1)).input(input(case));
        let transactions = vec![run(0, 0), run(1, 1), run(2, 2)];
        let block = block(header(fork), &world, transactions);
        // The failed creation waits until the last one has run, on top of a
        // payment that read the nonce from before.
        let on = Key::slot(contract(1), 9);
        let (output, _) = check_gated(&spec(fork), &block, &world, user(0), on);
        let output = output.expect("the block is valid");
        let after = output.changes.accounts[&contract(1)].after;
        assert_eq!(after.map(|basics| basics.nonce), Some(3), "{fork}");
    }
}

/// authorization above the payment that needs the new one.
#[test]
fn a_payment_does_not_hide_an_earlier_nonce_from_later_authorizations() {
    for fork in since(Fork::Prague) {
        let signer = Signer::new(1);
        let pay = Code::new().call(nobody(1), 5);
        let world = World::new()
            .contract(contract(1), &pay)
            .contract(contract(2), &Code::new().touch_slot(9))
            .account(nobody(1), 1, 0)
            .delegated(signer.address, contract(1));
        let transactions = vec![
            Tx::call(user(0), nobody(1)).authorize(vec![signer.delegate(contract(1), 1)]),
            Tx::call(user(1), signer.address),
            Tx::call(user(2), contract(2)).authorize(vec![signer.delegate(contract(2), 2)]),
        ];
        let block = block(header(fork), &world, transactions);
        let on = Key::slot(contract(2), 9);
        let (output, _) = check_gated(&spec(fork), &block, &world, user(0), on);
        let output = output.expect("the block is valid");
        let after = output.changes.accounts[&signer.address].after;
        assert_eq!(after.map(|basics| basics.nonce), Some(3), "{fork}");
    }
}
