//! One instruction after another.

use super::{
    GAS,
    draft::Rules,
    kinds::{A, B, C, D, E, F, G, KINDS, NOT_SIMPLE},
    means::{Means, WORD},
    runner::Runner,
    words,
};
use alloy_primitives::U256;
use revm::{
    bytecode::{JumpTable, opcode},
    interpreter::instructions::i256::i256_cmp,
};

/// What comes of a step: `None` if it cannot be taken, and then nothing has
/// changed; else whether it was one with a jump.
type Step = Option<bool>;

/// Pays for an instruction and puts what comes of its operands in their place.
macro_rules! compute {
    ($runner:ident, $name:ident: $operands:pat => $result:expr) => {{
        let $operands = $runner.take::<{ opcode::$name }, _>()?;
        $runner.give($result)
    }};
}

/// The same of a comparison, on which a jump may depend.
macro_rules! compare {
    ($runner:ident, $name:ident: $operands:pat => $holds:expr) => {{
        let $operands = $runner.words()?;
        let holds = $holds;
        $runner.decide::<{ opcode::$name }>(holds)
    }};
}

impl Runner<'_> {
    /// Takes steps up to one with a jump, made or not. `None` says that one cannot
    /// be taken.
    #[inline(never)]
    pub(super) fn take_steps(&mut self) -> Option<()> {
        self.step_until(|has_jumped| has_jumped)
    }

    /// Takes all steps that can be taken.
    #[inline(never)]
    pub(super) fn take_all_steps(&mut self) {
        self.step_until(|_| false);
    }

    /// Takes steps until one cannot be taken, or was the last.
    #[inline(always)]
    fn step_until(&mut self, is_last: impl Fn(bool) -> bool) -> Option<()> {
        let Means { gas, memory, params, input, return_data } = &mut self.means;
        // What only this function knows of can be in registers.
        let mut steps = Steps {
            code: self.code,
            jumps: self.jumps,
            pc: self.pc,
            left: self.left,
            top: self.top,
            stack: self.stack,
            means: Means { gas, memory, params, input, return_data },
            rules: self.rules,
        };
        let stopped = loop {
            match steps.step() {
                Some(has_jumped) if is_last(has_jumped) => break Some(()),
                Some(_) => {}
                None => break None,
            }
        };
        let Steps { pc, left, top, .. } = steps;
        (self.pc, self.left, self.top) = (pc, left, top);
        stopped
    }
}

/// A runner that takes steps.
struct Steps<'a> {
    code: &'a [u8],
    jumps: &'a JumpTable,
    /// Not as wide as `top`: the compiler keeps the two in one vector register
    /// otherwise, and every step takes twice as long.
    pc: u32,
    left: u64,
    top: usize,
    stack: &'a mut [U256],
    means: Means<'a>,
    rules: Rules,
}

impl Steps<'_> {
    /// Takes the next step, and says whether it was one with a jump. Which one it
    /// is, is asked [bit by bit](super::kinds).
    #[inline(always)]
    fn step(&mut self) -> Step {
        let opcode = *self.code.get(self.pc as usize)?;
        let kind = KINDS[usize::from(opcode)];
        if kind & A != 0 {
            self.move_words(kind, opcode)
        } else if kind & B != 0 {
            self.usual(kind)
        } else if kind != NOT_SIMPLE {
            self.less_usual(kind, opcode)
        } else {
            None
        }
    }

    #[inline(always)]
    fn move_words(&mut self, kind: u8, opcode: u8) -> Step {
        if kind & B != 0 {
            let depth = usize::from(opcode & 0x0f) + 1;
            if kind & C != 0 { self.duplicate(depth) } else { self.swap(depth) }
        } else if kind & C != 0 {
            self.push_short((opcode - opcode::PUSH0).into())
        } else if kind & D != 0 {
            self.take::<{ opcode::POP }, 1>().map(|_| false)
        } else if kind & E != 0 {
            self.push_target()
        } else if kind & F != 0 {
            self.push_zero()
        } else {
            self.push_long((opcode - opcode::PUSH0).into())
        }
    }

    #[inline(always)]
    fn usual(&mut self, kind: u8) -> Step {
        if kind & C != 0 {
            return match (kind & D != 0, kind & E != 0) {
                (true, true) => compute!(self, ADD: [b, a] => words::add(&a, &b)),
                (true, false) => self.store(),
                (false, true) => compute!(self, AND: [b, a] => a & b),
                (false, false) => self.load(),
            };
        }
        if kind & D != 0 {
            return if kind & E != 0 {
                self.jump()
            } else {
                compare!(self, ISZERO: [a] => a.is_zero())
            };
        }
        match (kind & E != 0, kind & F != 0, kind & G != 0) {
            (true, true, _) => self.take::<{ opcode::JUMPDEST }, 0>().map(|_| false),
            (true, false, _) => compare!(self, EQ: [b, a] => a == b),
            (false, true, true) => compute!(self, SUB: [b, a] => words::subtract(&a, &b)),
            (false, true, false) => compare!(self, LT: [b, a] => a < b),
            (false, false, _) => compare!(self, GT: [b, a] => a > b),
        }
    }

    #[inline(always)]
    fn less_usual(&mut self, kind: u8, opcode: u8) -> Step {
        match (kind & C != 0, kind & D != 0, kind & E != 0) {
            (true, true, true) => compute!(self, MUL: [b, a] => words::multiply(&a, &b)),
            (true, true, false) => self.load_input(),
            (true, false, true) => self.shift_left(),
            (true, false, false) => compute!(self, DIV: [b, a] => a.checked_div(b).unwrap_or(b)),
            (false, true, true) => self.keccak256(),
            (false, true, false) => self.shift_right(),
            (false, false, _) => self.seldom(opcode),
        }
    }

    #[inline(always)]
    fn seldom(&mut self, opcode: u8) -> Step {
        match opcode {
            opcode::SLT => compare!(self, SLT: [b, a] => i256_cmp(a, b).is_lt()),
            opcode::SGT => compare!(self, SGT: [b, a] => i256_cmp(a, b).is_gt()),
            opcode::OR => compute!(self, OR: [b, a] => a | b),
            opcode::XOR => compute!(self, XOR: [b, a] => a ^ b),
            opcode::NOT => compute!(self, NOT: [a] => !a),
            opcode::ADDRESS => {
                self.push::<{ opcode::ADDRESS }>(self.means.input.target_address.into_word().into())
            }
            opcode::CALLER => {
                self.push::<{ opcode::CALLER }>(self.means.input.caller_address.into_word().into())
            }
            opcode::CALLVALUE => self.push::<{ opcode::CALLVALUE }>(self.means.input.call_value),
            opcode::CALLDATASIZE => {
                self.push::<{ opcode::CALLDATASIZE }>(U256::from(self.means.input.input.len()))
            }
            opcode::RETURNDATASIZE if self.rules.has_return_data => {
                self.push::<{ opcode::RETURNDATASIZE }>(U256::from(self.means.return_data.0.len()))
            }
            opcode::JUMPI => self.jump_if(),
            opcode::PC => self.push::<{ opcode::PC }>(U256::from(self.pc)),
            opcode::GAS => {
                let left = self.left.checked_sub(cost(opcode::GAS))?;
                self.push::<{ opcode::GAS }>(U256::from(left))
            }
            _ => None,
        }
    }

    /// Takes `gas` from what is left. The last thing of a step that may fail.
    #[inline(always)]
    fn pay(&mut self, gas: u64) -> Option<()> {
        self.left = self.left.checked_sub(gas)?;
        Some(())
    }

    /// The `N` words at the top of the stack, the topmost last.
    #[inline(always)]
    fn words<const N: usize>(&self) -> Option<&[U256; N]> {
        self.stack.get(self.top.checked_sub(N)?..self.top)?.first_chunk()
    }

    /// Pays for an instruction, takes what it works on from the stack, and moves
    /// on.
    #[inline(always)]
    fn take<const OPCODE: u8, const N: usize>(&mut self) -> Option<[U256; N]> {
        let words = *self.words()?;
        self.pay(cost(OPCODE))?;
        self.top -= N;
        self.pc += 1;
        Some(words)
    }

    /// Puts what an instruction gives where something was taken.
    #[inline(always)]
    fn give(&mut self, word: U256) -> Step {
        *self.stack.get_mut(self.top)? = word;
        self.top += 1;
        Some(false)
    }

    /// What a comparison of as many words as `OPCODE` takes came to. Mostly a
    /// jump depends on it, or on its opposite: then nobody needs it as a word.
    #[inline(always)]
    fn decide<const OPCODE: u8>(&mut self, mut holds: bool) -> Step {
        let below = self.top - if OPCODE == opcode::ISZERO { 1 } else { 2 };
        let mut gas = cost(OPCODE);
        let mut pc = self.pc + 1;
        let mut rest = self.code.get(pc as usize..)?;
        while let [opcode::ISZERO, after @ ..] = rest {
            (holds, gas, pc, rest) = (!holds, gas + cost(opcode::ISZERO), pc + 1, after);
        }
        // revm has both the outcome and the target on its stack.
        if let [opcode::PUSH2, high, low, opcode::JUMPI, ..] = rest
            && below + 1 < self.stack.len()
        {
            let target = u16::from_be_bytes([*high, *low]);
            if !holds || self.jumps.is_valid(target.into()) {
                gas += cost(opcode::PUSH2) + cost(opcode::JUMPI);
                if holds {
                    self.land(gas, target.into())?;
                } else {
                    self.pay(gas)?;
                    self.pc = pc + 4;
                }
                self.top = below;
                return Some(true);
            }
        }
        self.pay(gas)?;
        self.top = below;
        self.pc = pc;
        self.give(U256::from(holds))
    }

    /// A word goes on top.
    #[inline(always)]
    fn push<const OPCODE: u8>(&mut self, word: U256) -> Step {
        self.put(cost(OPCODE), word)?;
        self.pc += 1;
        Some(false)
    }

    /// The same without moving on.
    #[inline(always)]
    fn put(&mut self, gas: u64, word: U256) -> Step {
        let place = self.stack.get_mut(self.top)?;
        self.left = self.left.checked_sub(gas)?;
        *place = word;
        self.top += 1;
        Some(false)
    }

    /// PUSH1 to PUSH8.
    #[inline(always)]
    fn push_short(&mut self, n_bytes: u32) -> Step {
        let bytes = self.code.get(self.pc as usize + 1..)?.first_chunk()?;
        let word = u64::from_be_bytes(*bytes) >> (u64::BITS - 8 * n_bytes);
        self.put(cost(opcode::PUSH1), U256::from(word))?;
        self.pc += 1 + n_bytes;
        Some(false)
    }

    /// PUSH9 to PUSH32.
    #[inline(always)]
    fn push_long(&mut self, n_bytes: u32) -> Step {
        let bytes = self.code.get(self.pc as usize + 1..)?.first_chunk()?;
        let word = U256::from_be_bytes::<WORD>(*bytes) >> (256 - 8 * n_bytes);
        self.put(cost(opcode::PUSH1), word)?;
        self.pc += 1 + n_bytes;
        Some(false)
    }

    /// PUSH2, and the jump that mostly follows, which then needs no stack.
    #[inline(always)]
    fn push_target(&mut self) -> Step {
        let &[high, low, next] = self.code.get(self.pc as usize + 1..)?.first_chunk()?;
        let target = u16::from_be_bytes([high, low]);
        // Where there is no room for the target, revm's stack may be full.
        self.stack.get(self.top)?;
        match next {
            opcode::JUMP if self.jumps.is_valid(target.into()) => {
                self.land(cost(opcode::PUSH2) + cost(opcode::JUMP), target.into())
            }
            opcode::JUMPI => {
                let [condition] = self.words()?;
                let gas = cost(opcode::PUSH2) + cost(opcode::JUMPI);
                if condition.is_zero() {
                    self.pay(gas)?;
                    self.pc += 4;
                } else if self.jumps.is_valid(target.into()) {
                    self.land(gas, target.into())?;
                } else {
                    return None;
                }
                self.top -= 1;
                Some(true)
            }
            _ => self.push_short(2),
        }
    }

    #[inline(always)]
    fn duplicate(&mut self, depth: usize) -> Step {
        let word = *self.stack.get(self.top.checked_sub(depth)?)?;
        self.put(cost(opcode::DUP1), word)?;
        self.pc += 1;
        Some(false)
    }

    #[inline(always)]
    fn swap(&mut self, depth: usize) -> Step {
        let (last, rest) = self.stack.get_mut(..self.top)?.split_last_mut()?;
        let other = rest.get_mut(rest.len().checked_sub(depth)?)?;
        self.left = self.left.checked_sub(cost(opcode::SWAP1))?;
        (*last, *other) = (*other, *last);
        self.pc += 1;
        Some(false)
    }

    #[inline(always)]
    fn push_zero(&mut self) -> Step {
        if !self.rules.has_push0 {
            return None;
        }
        self.push::<{ opcode::PUSH0 }>(U256::ZERO)
    }

    #[inline(always)]
    fn shift_left(&mut self) -> Step {
        if !self.rules.has_shifts {
            return None;
        }
        compute!(self, SHL: [a, by] => words::shift_left(&by, &a))
    }

    #[inline(always)]
    fn shift_right(&mut self) -> Step {
        if !self.rules.has_shifts {
            return None;
        }
        compute!(self, SHR: [a, by] => words::shift_right(&by, &a))
    }

    /// Pays `gas` for getting to `target`, where a jump may go, and for the
    /// JUMPDEST there.
    #[inline(always)]
    fn land(&mut self, gas: u64, target: u32) -> Step {
        self.pay(gas + cost(opcode::JUMPDEST))?;
        self.pc = target + 1;
        Some(true)
    }

    #[inline(always)]
    fn jump(&mut self) -> Step {
        let [target] = *self.words()?;
        let target = self.destination(target)?;
        self.land(cost(opcode::JUMP), target)?;
        self.top -= 1;
        Some(true)
    }

    #[inline(always)]
    fn jump_if(&mut self) -> Step {
        let [condition, target] = *self.words()?;
        let next = if condition.is_zero() { self.pc + 1 } else { self.destination(target)? };
        self.take::<{ opcode::JUMPI }, 2>()?;
        self.pc = next;
        Some(true)
    }

    /// Where a jump to `target` leads, if one may.
    #[inline(always)]
    fn destination(&self, target: U256) -> Option<u32> {
        let target = u32::try_from(target).ok()?;
        self.jumps.is_valid(target as usize).then_some(target)
    }

    #[inline(always)]
    fn load(&mut self) -> Step {
        let [offset] = self.words()?;
        let word = self.means.load(offset)?;
        self.take::<{ opcode::MLOAD }, 1>()?;
        self.give(word)
    }

    #[inline(always)]
    fn store(&mut self) -> Step {
        let [word, offset] = *self.words()?;
        let mut left = self.left.checked_sub(cost(opcode::MSTORE))?;
        self.means.store(&offset, &word, &mut left)?;
        self.left = left;
        self.top -= 2;
        self.pc += 1;
        Some(false)
    }

    #[inline(always)]
    fn keccak256(&mut self) -> Step {
        let [length, offset] = *self.words()?;
        let mut left = self.left.checked_sub(cost(opcode::KECCAK256))?;
        let hash = self.means.hash(&offset, &length, &mut left)?;
        self.left = left;
        self.top -= 2;
        self.pc += 1;
        self.give(hash)
    }

    #[inline(always)]
    fn load_input(&mut self) -> Step {
        let [offset] = self.take::<{ opcode::CALLDATALOAD }, 1>()?;
        self.give(self.means.input_at(&offset))
    }
}

/// What a simple instruction takes, in every fork.
const fn cost(opcode: u8) -> u64 {
    GAS[opcode as usize] as u64
}
