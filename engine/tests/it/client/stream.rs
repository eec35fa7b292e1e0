//! Streams of committed transactions.

use super::{
    chain::{Chain, ahead},
    drive::{Caller, Seen, drive},
    recorder::Ledger,
};
use crate::support::{
    block::{Tx, block, header},
    code::Code,
    forks::{Fork, spec},
    world::{World, contract, user},
};
use alloy_evm::{EvmFactory, block::BlockExecutorFactory};
use blockloom_engine::{
    Mode,
    client::{Committed, StreamError, committed_channel},
};
use std::{ops::ControlFlow, sync::Arc, thread};

/// A block of `n` transactions, one of which is forbidden if `is_bad`.
fn chain(n: u64, is_bad: bool) -> Chain {
    let world = World::new().contract(contract(1), &Code::new().count(1).touch_slot(2));
    let transactions = (0..n)
        .map(|n| {
            let tx = Tx::call(user(n % 10), contract(1));
            if is_bad && n == 25 { tx.nonce(99) } else { tx }
        })
        .collect();
    let block = block(header(Fork::Prague), &world, transactions);
    Chain { spec: spec(Fork::Prague), block, base: Arc::new(world.0) }
}

#[test]
fn a_stream_is_what_a_caller_sees_one_by_one() {
    let chain = chain(40, false);
    let expected = drive(&chain.stock(), &chain, Caller::Apart, usize::MAX);
    let factory = chain.wrapped(3, Mode::Parallel);
    let ledger = Ledger::new(&chain.base, usize::MAX);
    let evm = factory.evm_factory().create_evm(ledger.clone(), chain.env());
    let executor = factory.create_executor(evm, chain.ctx());
    let (mut calls, mut receipts) = (Vec::new(), Vec::new());
    let end = executor.execute_streaming(chain.transactions(), |committed| {
        let Committed { index, receipt, gas, result, accessed } = committed;
        assert_eq!(index, receipts.len(), "in block order");
        receipts.push(receipt);
        calls.push(Seen::Result(result, accessed));
        calls.push(Seen::Gas(Some(gas)));
        ControlFlow::Continue(())
    });
    let end = end.expect("the block is valid");
    assert_eq!(calls, expected.calls);
    assert_eq!(receipts, end.receipts);
    assert_eq!(Ok(end), expected.end);
    assert_eq!(ledger.asked(), expected.asked);
}

#[test]
fn a_stream_ends_where_the_block_fails() {
    let chain = chain(40, true);
    let factory = chain.wrapped_by(ahead(2, Mode::Parallel));
    let evm = factory.evm_factory().create_evm(Ledger::new(&chain.base, usize::MAX), chain.env());
    let mut n_seen = 0;
    let end =
        factory.create_executor(evm, chain.ctx()).execute_streaming(chain.transactions(), |_| {
            n_seen += 1;
            ControlFlow::Continue(())
        });
    let Err(StreamError::Execution { committed: 25, source }) = end else {
        panic!("it fails at the forbidden one: {end:?}");
    };
    assert_eq!(n_seen, 25);
    let expected = drive(&chain.stock(), &chain, Caller::OneByOne, usize::MAX);
    assert_eq!(Err(format!("{source:?}")), expected.end);
}

#[test]
fn whoever_listens_sets_the_pace_and_can_leave() {
    const CAPACITY: usize = 3;
    let chain = chain(40, false);
    let factory = chain.wrapped(2, Mode::Parallel);
    for enough in [0, 1, 17, 40, usize::MAX] {
        let (sender, mut stream) = committed_channel(CAPACITY);
        let ledger = Ledger::new(&chain.base, usize::MAX);
        let (seen, end) = thread::scope(|scope| {
            let listener = scope.spawn(move || {
                let mut seen = 0;
                while seen < enough && stream.next().is_some() {
                    seen += 1;
                }
                seen
            });
            let evm = factory.evm_factory().create_evm(ledger, chain.env());
            let executor = factory.create_executor(evm, chain.ctx());
            let end = executor.execute_streaming(chain.transactions(), |tx| sender.send(tx));
            drop(sender);
            (listener.join().expect("it only counts"), end)
        });
        assert_eq!(seen, enough.min(40));
        match end {
            Ok(result) => assert_eq!(result.receipts.len(), 40),
            Err(StreamError::Cancelled { committed }) => {
                // What was taken, what waits, and the one that found nobody.
                assert!((seen..=seen + CAPACITY + 1).contains(&committed), "{committed}");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}
