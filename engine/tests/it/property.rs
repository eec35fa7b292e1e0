//! Random blocks over few accounts: any two transactions are likely to meet.
//!
//! A failure prints the seed (`cc ...`) and the smallest block that fails, as
//! the number of a draft and the transactions it keeps; to repeat it, run
//! `cargo nextest run -p blockloom-engine property`, which tries the seeds in
//! `proptest-regressions` first. `blockloom fuzz` does the same for as long as
//! one likes.

mod schedules;

use crate::support::{
    check, engine,
    faulty::{Faulty, Recording},
    forks::spec,
    jitter::Jitter,
};
use alloy_primitives::B256;
use blockloom_engine::{ChainSpec, Engine, RecoveredBlock};
use blockloom_fixtures::{
    handmade::Key,
    random::{Draft, RandomBlock},
};
use blockloom_state::MemoryState;
use proptest::prelude::*;
use std::{fmt, sync::LazyLock};

/// Blocks of each property, unless `PROPTEST_CASES` asks for more.
const BLOCKS: u32 = 2_000;

/// Blocks with faults: each is run to its first failure only.
const FAULTY_BLOCKS: u32 = 1_000;

/// More transactions than a block of its own accord has.
const MOST_TXS: usize = 40;

fn config(cases: u32) -> ProptestConfig {
    let more = ProptestConfig::default().cases;
    ProptestConfig { cases: cases.max(more), max_shrink_iters: 4_000, ..ProptestConfig::default() }
}

/// The draft of this number, of which some transactions are left out.
#[derive(Clone)]
struct Chosen {
    number: u64,
    keeps: Vec<bool>,
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "draft {} = {:#?}", self.number, self.draft())
    }
}

impl Chosen {
    fn draft(&self) -> Draft {
        Draft::numbered(self.number, 0, None).keeping(|position| self.keeps[position])
    }

    fn build(&self) -> Built {
        let RandomBlock { fork, state, block, senders, broken } = self.draft().build();
        let block = RecoveredBlock { hash: B256::repeat_byte(0xb1), block, senders };
        Built { spec: spec(fork), state, block, broken }
    }
}

/// A block as the engine takes it.
struct Built {
    spec: ChainSpec,
    state: MemoryState,
    block: RecoveredBlock,
    broken: Vec<Key>,
}

/// Any draft. Nearly all transactions are kept, until shrinking leaves them out.
fn any_block() -> impl Strategy<Value = Chosen> {
    let keeps = prop::collection::vec(prop::bool::weighted(0.999), MOST_TXS);
    (any::<u64>().no_shrink(), keeps).prop_map(|(number, keeps)| Chosen { number, keeps })
}

proptest! {
    #![proptest_config(config(BLOCKS))]

    #[test]
    fn random_blocks_are_the_same_in_parallel(random in any_block(), seed: u64) {
        let Built { spec, state, block, .. } = random.build();
        let base = Jitter::new(&state, seed, block.senders.first().copied());
        let _ = check(&spec, &block, &base);
    }
}

proptest! {
    #![proptest_config(config(FAULTY_BLOCKS))]

    #[test]
    fn random_faults_are_the_same_in_parallel(random in any_block(), seed: u64) {
        let Built { spec, state, block, broken } = random.build();
        let faulty = Faulty::new(&state, broken);
        let base = Jitter::new(&faulty, seed, block.senders.first().copied());
        let _ = check(&spec, &block, &base);
    }
}

proptest! {
    #![proptest_config(config(FAULTY_BLOCKS))]

    /// Only speculation goes where the block does not, so nobody hears of what
    /// it meets there.
    #[test]
    fn random_faults_off_the_path_are_not_seen(random in any_block(), seed: u64) {
        let Built { spec, state, block, .. } = random.build();
        let recording = Recording::new(&state);
        let expected = ENGINE.execute_sequential(&spec, &block, &recording);
        let expected = expected.map(|executed| executed.output).map_err(|e| format!("{e:?}"));
        let confined = recording.confined();
        let base = Jitter::new(&confined, seed, block.senders.first().copied());
        prop_assert_eq!(check(&spec, &block, &base).0, expected);
    }
}

/// It builds access lists, as those it is compared with do.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| engine(1));

#[test]
fn random_blocks_are_mostly_valid_and_full_of_conflicts() {
    let (mut valid, mut aborts, mut ran, mut worked) = (0, 0, 0, 0);
    for number in 0..200 {
        let Built { spec, state, block, .. } =
            Chosen { number, keeps: vec![true; MOST_TXS] }.build();
        let base = Jitter::new(&state, number, block.senders.first().copied());
        let (answer, stats) = check(&spec, &block, &base);
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
