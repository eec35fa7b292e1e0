//! Difficulty of proof-of-work blocks, Frontier to Gray Glacier.

use crate::chain_spec::ChainSpec;
use alloy_consensus::Header;
use alloy_hardforks::EthereumHardfork as Fork;
use alloy_primitives::U256;

/// No block is easier than this.
const MIN_DIFFICULTY: U256 = U256::from_limbs([0x2_0000, 0, 0, 0]);

/// One step of adjustment is the parent's difficulty over this.
const BOUND_DIVISOR: U256 = U256::from_limbs([2048, 0, 0, 0]);

/// Most steps down in one block (from Homestead).
const MAX_STEPS_DOWN: u64 = 99;

/// Blocks until the bomb doubles.
const BOMB_PERIOD: u64 = 100_000;

/// How many blocks younger the bomb believes the chain to be, by the youngest
/// fork that delayed it: EIP-649, 1234, 2384, 3554, 4345 and 5133.
const BOMB_DELAYS: [(Fork, u64); 6] = [
    (Fork::GrayGlacier, 11_400_000),
    (Fork::ArrowGlacier, 10_700_000),
    (Fork::London, 9_700_000),
    (Fork::MuirGlacier, 9_000_000),
    (Fork::Constantinople, 5_000_000),
    (Fork::Byzantium, 3_000_000),
];

/// The difficulty of the proof-of-work block `header`, from its number and
/// timestamp and from its parent.
///
/// Source: EIP-2, EIP-100, and the bomb delays above.
pub(super) fn expected_difficulty(spec: &ChainSpec, header: &Header, parent: &Header) -> U256 {
    let elapsed = header.timestamp.saturating_sub(parent.timestamp);
    let (up, down) = if spec.is_active(Fork::Byzantium, header) {
        // EIP-100 counts the parent's ommers as blocks of their own.
        let uncled = if parent.ommers_hash_is_empty() { 1 } else { 2 };
        steps(uncled, elapsed / 9)
    } else if spec.is_active(Fork::Homestead, header) {
        steps(1, elapsed / 10)
    } else if elapsed < 13 {
        (1, 0)
    } else {
        (0, 1)
    };
    let step = parent.difficulty / BOUND_DIVISOR;
    let adjusted = parent
        .difficulty
        .saturating_add(step.saturating_mul(U256::from(up)))
        .saturating_sub(step.saturating_mul(U256::from(down)))
        .max(MIN_DIFFICULTY);
    adjusted.saturating_add(bomb(spec, header))
}

/// Steps up and steps down for a block that is `late` intervals old where
/// `on_time` would keep the difficulty; one of the two is zero.
fn steps(on_time: u64, late: u64) -> (u64, u64) {
    (on_time.saturating_sub(late), late.saturating_sub(on_time).min(MAX_STEPS_DOWN))
}

/// What the difficulty bomb adds to the difficulty of `header`.
fn bomb(spec: &ChainSpec, header: &Header) -> U256 {
    let delay = BOMB_DELAYS
        .iter()
        .find(|(fork, _)| spec.is_active(*fork, header))
        .map_or(0, |(_, delay)| *delay);
    let period = header.number.saturating_sub(delay) / BOMB_PERIOD;
    match period.checked_sub(2) {
        None => U256::ZERO,
        Some(exponent) if exponent < 256 => U256::ONE << exponent,
        Some(_) => U256::MAX,
    }
}
