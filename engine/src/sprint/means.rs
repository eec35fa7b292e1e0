//! What instructions work on besides the stack.

use super::{
    hashes,
    passage::{Kind, Op},
    words::{self, short},
};
use alloy_primitives::U256;
use revm::{
    context_interface::cfg::GasParams,
    interpreter::{
        CallInput, Gas, InputsImpl, SharedMemory,
        instructions::i256::i256_cmp,
        interpreter::{ReturnDataImpl, resize_memory},
    },
};

/// Bytes of a word.
pub(super) const WORD: usize = 32;

/// Parts of an interpreter.
pub(super) struct Means<'a> {
    /// What there was at the start. What is left is somebody else's.
    pub(super) gas: &'a mut Gas,
    pub(super) memory: &'a mut SharedMemory,
    pub(super) params: &'a GasParams,
    pub(super) input: &'a InputsImpl,
    pub(super) return_data: &'a ReturnDataImpl,
}

impl Means<'_> {
    /// MLOAD, of memory that is there.
    #[inline(always)]
    pub(super) fn load(&self, offset: &U256) -> Option<U256> {
        let offset = short(offset)?;
        let memory = self.memory.context_memory();
        Some(U256::from_be_bytes::<WORD>(*memory.get(offset..)?.first_chunk()?))
    }

    /// MSTORE, for which memory grows as revm lets it, paid out of `left`.
    #[inline(always)]
    pub(super) fn store(&mut self, offset: &U256, word: &U256, left: &mut u64) -> Option<()> {
        let offset = short(offset)?;
        if offset.saturating_add(WORD) > self.memory.len() {
            *left = grow(self.gas, self.memory, self.params, (*left, offset))?;
        }
        self.memory.set(offset, &word.to_be_bytes::<WORD>());
        Some(())
    }

    /// KECCAK256, of memory that is there. What depends on the length is paid out
    /// of `left`.
    #[inline(always)]
    pub(super) fn hash(&self, offset: &U256, length: &U256, left: &mut u64) -> Option<U256> {
        let length = short(length).filter(|length| *length > 0)?;
        let offset = short(offset)?;
        let memory = self.memory.context_memory();
        let input = memory.get(offset..offset.checked_add(length)?)?;
        *left = left.checked_sub(self.params.keccak256_cost(length))?;
        Some(hashes::hash(input).into())
    }

    /// CALLDATALOAD.
    #[inline(always)]
    pub(super) fn input_at(&self, offset: &U256) -> U256 {
        // Nothing is behind what a `usize` counts.
        let offset = short(offset).unwrap_or(usize::MAX);
        match &self.input.input {
            CallInput::Bytes(bytes) => word_at(bytes, offset),
            CallInput::SharedBuffer(range) if offset < range.len() => {
                word_at(&self.memory.global_slice_range(range.clone()), offset)
            }
            // An empty range may be anywhere, even where there is no memory.
            CallInput::SharedBuffer(_) => U256::ZERO,
        }
    }

    /// Does what `op` says. `left` is the gas that is left when all is paid for that
    /// the passage surely takes, `gas`.
    #[inline(always)]
    pub(super) fn operate(
        &mut self,
        op: &Op,
        window: &mut [U256],
        constants: &[U256],
        (left, gas): (&mut u64, u32),
    ) -> Option<()> {
        let a = op.a.word(window, constants)?;
        let b = op.b.word(window, constants)?;
        let kind = op.kind;
        let word = if kind.has(Kind::A) {
            if !kind.has(Kind::B) {
                return self.store(a, b, left);
            }
            if kind.has(Kind::C) { words::subtract(a, b) } else { words::add(a, b) }
        } else if kind.has(Kind::B) {
            if kind.has(Kind::C) { words::and(a, b) } else { self.load(a)? }
        } else if kind.has(Kind::C) {
            U256::from(holds(kind, a, b))
        } else {
            match kind {
                Kind::HASH => self.hash(a, b, left)?,
                // What was paid until then is known, and so is what was not.
                Kind::GAS => U256::from(*left + u64::from(gas) - a.as_limbs()[0]),
                _ => self.seldom(kind, a, b)?,
            }
        };
        *window.get_mut(usize::from(op.to))? = word;
        Some(())
    }

    #[inline(always)]
    fn seldom(&self, kind: Kind, a: &U256, b: &U256) -> Option<U256> {
        Some(match kind {
            Kind::OR => a | b,
            Kind::XOR => a ^ b,
            Kind::MULTIPLY => words::multiply(a, b),
            Kind::DIVIDE => a.checked_div(*b).unwrap_or(*b),
            Kind::SHIFT_LEFT => words::shift_left(a, b),
            Kind::SHIFT_RIGHT => words::shift_right(a, b),
            Kind::SIGNED_LESS => U256::from(i256_cmp(a, b).is_lt()),
            Kind::INPUT => self.input_at(a),
            Kind::INPUT_SIZE => U256::from(self.input.input.len()),
            Kind::ADDRESS => self.input.target_address.into_word().into(),
            Kind::CALLER => self.input.caller_address.into_word().into(),
            Kind::VALUE => self.input.call_value,
            Kind::RETURN_SIZE => U256::from(self.return_data.0.len()),
            _ => return None,
        })
    }
}

/// Whether a comparison of `a` with `b` holds.
#[inline(always)]
pub(super) fn holds(test: Kind, a: &U256, b: &U256) -> bool {
    let holds = if test.has(Kind::LESS_NOT_EQUAL) { a < b } else { a == b };
    holds != test.has(Kind::NEGATED)
}

/// Makes memory long enough for a word at `offset`, paid out of `left`, and gives
/// what is left then. Knows nothing of who asks: that would have to be in memory.
#[cold]
#[inline(never)]
fn grow(
    gas: &mut Gas,
    memory: &mut SharedMemory,
    params: &GasParams,
    (left, offset): (u64, usize),
) -> Option<u64> {
    let before = *gas;
    gas.set_remaining(left);
    if resize_memory(gas, memory, params, offset, WORD).is_err() {
        *gas = before;
        return None;
    }
    Some(gas.remaining())
}

/// The word at `offset`, zeros behind the end.
fn word_at(bytes: &[u8], offset: usize) -> U256 {
    let rest = bytes.get(offset..).unwrap_or_default();
    if let Some(word) = rest.first_chunk::<WORD>() {
        return U256::from_be_bytes(*word);
    }
    let mut word = [0; WORD];
    word[..rest.len()].copy_from_slice(rest);
    U256::from_be_bytes(word)
}
