//! Arithmetic on words, made to be part of the loop it is used in.
//!
//! `ruint` has all of it. But whether the compiler calls its functions there or
//! makes them part of the loop changes with whatever else is in the crate; and
//! where it calls them, operands and results go through memory, written in
//! halves and read back whole, for which the processor waits: a loop of
//! additions and multiplications takes twice as long.

use alloy_primitives::U256;

/// `a + b`, modulo 2²⁵⁶.
#[inline(always)]
pub(super) fn add(a: &U256, b: &U256) -> U256 {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (*a.as_limbs(), *b.as_limbs());
    let (r0, carry) = a0.overflowing_add(b0);
    let (r1, carry) = a1.carrying_add(b1, carry);
    let (r2, carry) = a2.carrying_add(b2, carry);
    let (r3, _) = a3.carrying_add(b3, carry);
    U256::from_limbs([r0, r1, r2, r3])
}

/// `a - b`, modulo 2²⁵⁶.
#[inline(always)]
pub(super) fn subtract(a: &U256, b: &U256) -> U256 {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (*a.as_limbs(), *b.as_limbs());
    let (r0, borrow) = a0.overflowing_sub(b0);
    let (r1, borrow) = a1.borrowing_sub(b1, borrow);
    let (r2, borrow) = a2.borrowing_sub(b2, borrow);
    let (r3, _) = a3.borrowing_sub(b3, borrow);
    U256::from_limbs([r0, r1, r2, r3])
}

/// `a & b`.
#[inline(always)]
pub(super) fn and(a: &U256, b: &U256) -> U256 {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (*a.as_limbs(), *b.as_limbs());
    U256::from_limbs([a0 & b0, a1 & b1, a2 & b2, a3 & b3])
}

/// `word` with its bits moved `by` places to the left; zero if there are fewer.
#[inline(always)]
pub(super) fn shift_left(by: &U256, word: &U256) -> U256 {
    *word << short(by).unwrap_or(U256::BITS)
}

/// The same to the right.
#[inline(always)]
pub(super) fn shift_right(by: &U256, word: &U256) -> U256 {
    *word >> short(by).unwrap_or(U256::BITS)
}

/// A word that fits into a `usize`.
#[inline(always)]
pub(super) fn short(word: &U256) -> Option<usize> {
    let [low, rest @ ..] = *word.as_limbs();
    if rest == [0; 3] { usize::try_from(low).ok() } else { None }
}

/// `a * b`, modulo 2²⁵⁶: `a` times each limb of `b`, one below the other.
#[inline(always)]
pub(super) fn multiply(a: &U256, b: &U256) -> U256 {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (*a.as_limbs(), *b.as_limbs());
    let (r0, carry) = a0.carrying_mul(b0, 0);
    let (r1, carry) = a1.carrying_mul(b0, carry);
    let (r2, carry) = a2.carrying_mul(b0, carry);
    let r3 = a3.wrapping_mul(b0).wrapping_add(carry);

    let (r1, carry) = a0.carrying_mul_add(b1, r1, 0);
    let (r2, carry) = a1.carrying_mul_add(b1, r2, carry);
    let r3 = a2.wrapping_mul(b1).wrapping_add(carry).wrapping_add(r3);

    let (r2, carry) = a0.carrying_mul_add(b2, r2, 0);
    let r3 = a1.wrapping_mul(b2).wrapping_add(carry).wrapping_add(r3);

    U256::from_limbs([r0, r1, r2, a0.wrapping_mul(b3).wrapping_add(r3)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Words with limbs at which carries come and go.
    fn words() -> impl Strategy<Value = U256> {
        let limb = prop_oneof![any::<u64>(), Just(0), Just(1), Just(u64::MAX), Just(1 << 63)];
        prop::array::uniform4(limb).prop_map(U256::from_limbs)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        #[test]
        fn results_are_those_of_ruint(a in words(), b in words()) {
            prop_assert_eq!(add(&a, &b), a.wrapping_add(b));
            prop_assert_eq!(subtract(&a, &b), a.wrapping_sub(b));
            prop_assert_eq!(multiply(&a, &b), a.wrapping_mul(b));
        }
    }
}
