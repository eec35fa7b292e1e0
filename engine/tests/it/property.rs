//! Random blocks over few accounts: any two transactions are likely to meet.
//!
//! A failure prints the seed (`cc ...`) and the smallest block that fails; to
//! repeat it, run `cargo nextest run -p blockloom-engine property`, which tries
//! the seeds in `proptest-regressions` first.

mod blocks;
mod schedules;

use crate::support::{
    block::withdraw, check, faulty::Faulty, forks::spec, gate::Key, jitter::Jitter,
};
use blocks::{RandomBlock, any_account, any_block};
use proptest::prelude::*;

/// Blocks of each property, unless `PROPTEST_CASES` asks for more.
const BLOCKS: u32 = 2_000;

/// Blocks with faults: each is run to its first failure only.
const FAULTY_BLOCKS: u32 = 1_000;

fn config(cases: u32) -> ProptestConfig {
    let more = ProptestConfig::default().cases;
    ProptestConfig { cases: cases.max(more), max_shrink_iters: 4_000, ..ProptestConfig::default() }
}

fn any_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        any_account().prop_map(Key::Account),
        (any_account(), 0u64..4).prop_map(|(account, slot)| Key::slot(account, slot)),
    ]
}

proptest! {
    #![proptest_config(config(BLOCKS))]

    #[test]
    fn random_blocks_are_the_same_in_parallel(random in any_block(), seed: u64) {
        let RandomBlock { fork, world, mut block, withdrawals } = random.build();
        withdraw(&mut block, &withdrawals);
        let base = Jitter::new(&world.0, seed, block.senders.first().copied());
        let _ = check(&spec(fork), &block, &base);
    }
}

proptest! {
    #![proptest_config(config(FAULTY_BLOCKS))]

    #[test]
    fn random_faults_are_the_same_in_parallel(
        random in any_block(),
        broken in prop::collection::vec(any_key(), 1..3),
        seed: u64,
    ) {
        let RandomBlock { fork, world, block, .. } = random.build();
        let faulty = Faulty::new(&world.0, broken);
        let base = Jitter::new(&faulty, seed, block.senders.first().copied());
        let _ = check(&spec(fork), &block, &base);
    }
}

#[test]
fn random_blocks_are_mostly_valid_and_full_of_conflicts() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut valid, mut aborts, mut ran, mut worked) = (0, 0, 0, 0);
    for seed in 0..200 {
        let random = any_block().new_tree(&mut runner).expect("blocks can be made").current();
        let RandomBlock { fork, world, block, .. } = random.build();
        let base = Jitter::new(&world.0, seed, block.senders.first().copied());
        let (answer, stats) = check(&spec(fork), &block, &base);
        aborts += stats.aborts + stats.blocked;
        if let Ok(output) = answer {
            valid += 1;
            ran += output.receipts.len();
            worked += output.receipts.iter().filter(|receipt| receipt.success).count();
        }
    }
    println!("{valid} of 200 blocks valid, {worked} of {ran} transactions, {aborts} conflicts");
    assert!(valid > 100, "too few blocks are valid: {valid}");
    assert!(worked * 2 > ran, "too few transactions succeed: {worked} of {ran}");
    assert!(aborts > 200, "too few conflicts: {aborts}");
}
