//! Packed blocks.

use super::{chain::Chain, recorder::Ledger};
use crate::support::{
    block::{Tx, block, header},
    code::Code,
    forks::{Fork, spec},
    world::{World, contract, nobody, user},
};
use alloy_consensus::transaction::Recovered;
use alloy_evm::{
    EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
};
use blockloom_engine::{
    Mode, Transaction,
    client::{PackEnd, PackLimits, Skipped, pack},
};
use revm::database::states::bundle_state::BundleRetention;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const BLOB_GAS: u64 = 131_072;

/// 300 candidates: some fit, some are forbidden, some are too big.
fn chain(gas_limit: u64) -> Chain {
    let mut world = World::new();
    for n in 1..9 {
        world = world.contract(contract(n), &Code::new().count(n));
    }
    let transactions = (0..300)
        .map(|n| match n % 10 {
            3 => Tx::call(user(8), contract(1)).nonce(999),
            5 => Tx::send(nobody(n), user(0), 1),
            7 => Tx::call(user(9), contract(2)).tip(1).price(20).blobs(2),
            _ => Tx::call(user(n % 8), contract(1 + n % 8)).gas(100_000),
        })
        .collect();
    let header = alloy_consensus::Header { gas_limit, ..header(Fork::Prague) };
    let block = block(header, &world, transactions);
    Chain { spec: spec(Fork::Prague), block, base: Arc::new(world.0) }
}

fn candidates(chain: &Chain) -> Vec<Recovered<Transaction>> {
    let owned = |tx: Recovered<&Transaction>| tx.cloned();
    chain.transactions().into_iter().map(owned).collect()
}

/// Packs the candidates of `chain`; gives what was left out and why it ended,
/// after comparing with executing what was packed.
#[track_caller]
fn check(chain: &Chain, limits: PackLimits, workers: usize) -> (usize, Vec<Skipped>, PackEnd) {
    let factory = chain.wrapped(workers, Mode::Parallel);
    let ledger = Ledger::new(&chain.base, usize::MAX);
    let evm = factory.evm_factory().create_evm(ledger.clone(), chain.env());
    let executor = factory.create_executor(evm, chain.ctx());
    let packed = pack(executor, candidates(chain), limits).expect("the database answers");

    let stock = chain.stock();
    let expected_ledger = Ledger::new(&chain.base, usize::MAX);
    let evm = stock.evm_factory().create_evm(expected_ledger.clone(), chain.env());
    let again = packed.transactions.iter().map(Recovered::as_recovered_ref);
    let expected = stock.create_executor(evm, chain.ctx()).execute_block(again);
    assert_eq!(packed.result, expected.expect("what is packed is valid"));
    let bundles = [ledger, expected_ledger].map(|ledger| {
        let mut state = ledger.state();
        state.merge_transitions(BundleRetention::Reverts);
        state.take_bundle()
    });
    assert_eq!(bundles[0], bundles[1]);
    let reasons = packed.skipped.into_iter().map(|(_, reason)| reason).collect();
    (packed.transactions.len(), reasons, packed.end)
}

#[test]
fn everything_valid_is_packed() {
    for workers in [1, 2, 4] {
        let (n_packed, skipped, end) = check(&chain(500_000_000), PackLimits::default(), workers);
        assert_eq!((n_packed, skipped.len(), end), (240, 60, PackEnd::OutOfCandidates));
        assert!(skipped.iter().all(|reason| matches!(reason, Skipped::Invalid(_))));
    }
}

#[test]
fn gas_blobs_and_numbers_are_limited() {
    let blob_gas = Some(5 * BLOB_GAS);
    let (_, skipped, end) =
        check(&chain(500_000_000), PackLimits { blob_gas, ..PackLimits::default() }, 2);
    assert_eq!(end, PackEnd::OutOfCandidates);
    let is_blobs = |reason: &&Skipped| {
        matches!(reason, Skipped::BlobGas { blob_gas, available }
            if *blob_gas == 2 * BLOB_GAS && *available == BLOB_GAS)
    };
    assert_eq!(skipped.iter().filter(is_blobs).count(), 28);

    let (_, skipped, _) = check(&chain(2_000_000), PackLimits::default(), 2);
    assert!(skipped.iter().any(|reason| matches!(reason, Skipped::Gas { .. })));

    let transactions = Some(50);
    let (n_packed, _, end) =
        check(&chain(500_000_000), PackLimits { transactions, ..PackLimits::default() }, 2);
    assert_eq!((n_packed, end), (50, PackEnd::Full));
}

#[test]
fn a_deadline_that_has_passed_leaves_an_empty_block() {
    let now = Instant::now();
    let deadline = Some(now.checked_sub(Duration::from_secs(1)).unwrap_or(now));
    let limits = PackLimits { deadline, ..PackLimits::default() };
    let (n_packed, skipped, end) = check(&chain(500_000_000), limits, 2);
    assert_eq!((n_packed, skipped.len(), end), (0, 0, PackEnd::Deadline));
}
