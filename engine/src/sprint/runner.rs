//! The loop of a sprint.

use super::{
    GAS, hashes,
    kinds::{A, B, C, D, E, F, G, KINDS, NOT_SIMPLE},
    words,
};
use alloy_primitives::U256;
use revm::{
    bytecode::{JumpTable, opcode},
    context_interface::cfg::GasParams,
    interpreter::{
        CallInput, Gas, InputsImpl, Interpreter, STACK_LIMIT, SharedMemory,
        instructions::i256::i256_cmp,
        interpreter::{EthInterpreter, ReturnDataImpl, resize_memory},
        interpreter_types::Jumps,
    },
    primitives::hardfork::SpecId,
};

/// Stack that a sprint takes beside what is in use, if there is so much. One that
/// needs more ends, and the next one has it; but whether it is needed or not, it
/// takes time to make it zero.
const ROOM: [U256; 8] = [U256::ZERO; 8];

/// Bytes of a word.
const WORD: usize = 32;

/// Runs simple instructions from where `interpreter` is, up to the first one
/// that is not, or that would not succeed.
#[inline(never)]
pub(super) fn sprint(interpreter: &mut Interpreter<EthInterpreter>, params: &GasParams) {
    let Ok(pc) = u32::try_from(interpreter.bytecode.pc()) else { return };
    let Interpreter { bytecode, gas, stack, memory, input, return_data, runtime_flag, .. } =
        interpreter;
    let Some(jumps) = bytecode.legacy_jump_table() else { return };
    let words = stack.data_mut();
    let top = words.len();
    if top + ROOM.len() <= STACK_LIMIT {
        words.extend_from_slice(&ROOM);
    }
    let mut runner = Runner {
        code: bytecode.bytes_ref(),
        jumps,
        pc,
        left: gas.remaining(),
        top,
        stack: words.as_mut_slice(),
        gas,
        memory,
        params,
        input,
        return_data,
        spec: runtime_flag.spec_id,
    };
    while runner.step().is_some() {}
    let Runner { pc, left, top, .. } = runner;
    words.truncate(top);
    gas.set_remaining(left);
    bytecode.absolute_jump(pc as usize);
}

/// An interpreter under way, what changes at each step taken out of it.
///
/// Every step first makes sure that it succeeds, and then changes anything.
/// `None` says that it does not.
struct Runner<'a> {
    /// With the zeros that revm appends.
    code: &'a [u8],
    jumps: &'a JumpTable,
    /// Position in the code. Not as wide as `top`: the compiler keeps the two in
    /// one vector register otherwise, and every step takes twice as long.
    pc: u32,
    /// Gas left; that in `gas` is what there was at the start.
    left: u64,
    /// Words of the stack that are in use.
    top: usize,
    stack: &'a mut [U256],
    gas: &'a mut Gas,
    memory: &'a mut SharedMemory,
    params: &'a GasParams,
    input: &'a InputsImpl,
    return_data: &'a ReturnDataImpl,
    spec: SpecId,
}

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
    /// Takes the next step. Which one that is, is asked [bit by bit](super::kinds).
    #[inline(always)]
    fn step(&mut self) -> Option<()> {
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
    fn move_words(&mut self, kind: u8, opcode: u8) -> Option<()> {
        if kind & B != 0 {
            let depth = usize::from(opcode & 0x0f) + 1;
            if kind & C != 0 { self.duplicate(depth) } else { self.swap(depth) }
        } else if kind & C != 0 {
            self.push_short((opcode - opcode::PUSH0).into())
        } else if kind & D != 0 {
            self.take::<{ opcode::POP }, 1>().map(|_| ())
        } else if kind & E != 0 {
            self.push_target()
        } else if kind & F != 0 {
            self.push_zero()
        } else {
            self.push_long((opcode - opcode::PUSH0).into())
        }
    }

    #[inline(always)]
    fn usual(&mut self, kind: u8) -> Option<()> {
        if kind & C != 0 {
            return match (kind & D != 0, kind & E != 0) {
                (true, true) => compute!(self, ADD: [b, a] => words::add(a, b)),
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
            (true, true, _) => self.take::<{ opcode::JUMPDEST }, 0>().map(|_| ()),
            (true, false, _) => compare!(self, EQ: [b, a] => a == b),
            (false, true, true) => compute!(self, SUB: [b, a] => words::subtract(a, b)),
            (false, true, false) => compare!(self, LT: [b, a] => a < b),
            (false, false, _) => compare!(self, GT: [b, a] => a > b),
        }
    }

    #[inline(always)]
    fn less_usual(&mut self, kind: u8, opcode: u8) -> Option<()> {
        match (kind & C != 0, kind & D != 0, kind & E != 0) {
            (true, true, true) => compute!(self, MUL: [b, a] => words::multiply(a, b)),
            (true, true, false) => self.load_input(),
            (true, false, true) => self.shift_left(),
            (true, false, false) => compute!(self, DIV: [b, a] => a.checked_div(b).unwrap_or(b)),
            (false, true, true) => self.keccak256(),
            (false, true, false) => self.shift_right(),
            (false, false, _) => self.seldom(opcode),
        }
    }

    #[inline(always)]
    fn seldom(&mut self, opcode: u8) -> Option<()> {
        match opcode {
            opcode::SLT => compare!(self, SLT: [b, a] => i256_cmp(a, b).is_lt()),
            opcode::SGT => compare!(self, SGT: [b, a] => i256_cmp(a, b).is_gt()),
            opcode::OR => compute!(self, OR: [b, a] => a | b),
            opcode::XOR => compute!(self, XOR: [b, a] => a ^ b),
            opcode::NOT => compute!(self, NOT: [a] => !a),
            opcode::ADDRESS => {
                self.push::<{ opcode::ADDRESS }>(self.input.target_address.into_word().into())
            }
            opcode::CALLER => {
                self.push::<{ opcode::CALLER }>(self.input.caller_address.into_word().into())
            }
            opcode::CALLVALUE => self.push::<{ opcode::CALLVALUE }>(self.input.call_value),
            opcode::CALLDATASIZE => {
                self.push::<{ opcode::CALLDATASIZE }>(U256::from(self.input.input.len()))
            }
            opcode::RETURNDATASIZE if self.spec.is_enabled_in(SpecId::BYZANTIUM) => {
                self.push::<{ opcode::RETURNDATASIZE }>(U256::from(self.return_data.0.len()))
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
    fn give(&mut self, word: U256) -> Option<()> {
        *self.stack.get_mut(self.top)? = word;
        self.top += 1;
        Some(())
    }

    /// What a comparison of as many words as `OPCODE` takes came to. Mostly a
    /// jump depends on it, or on its opposite: then nobody needs it as a word.
    #[inline(always)]
    fn decide<const OPCODE: u8>(&mut self, mut holds: bool) -> Option<()> {
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
                return Some(());
            }
        }
        self.pay(gas)?;
        self.top = below;
        self.pc = pc;
        self.give(U256::from(holds))
    }

    /// A word goes on top.
    #[inline(always)]
    fn push<const OPCODE: u8>(&mut self, word: U256) -> Option<()> {
        self.put(cost(OPCODE), word)?;
        self.pc += 1;
        Some(())
    }

    /// The same without moving on.
    #[inline(always)]
    fn put(&mut self, gas: u64, word: U256) -> Option<()> {
        let place = self.stack.get_mut(self.top)?;
        self.left = self.left.checked_sub(gas)?;
        *place = word;
        self.top += 1;
        Some(())
    }

    /// PUSH1 to PUSH8.
    #[inline(always)]
    fn push_short(&mut self, n_bytes: u32) -> Option<()> {
        let bytes = self.code.get(self.pc as usize + 1..)?.first_chunk()?;
        let word = u64::from_be_bytes(*bytes) >> (u64::BITS - 8 * n_bytes);
        self.put(cost(opcode::PUSH1), U256::from(word))?;
        self.pc += 1 + n_bytes;
        Some(())
    }

    /// PUSH9 to PUSH32.
    #[inline(always)]
    fn push_long(&mut self, n_bytes: u32) -> Option<()> {
        let bytes = self.code.get(self.pc as usize + 1..)?.first_chunk()?;
        let word = U256::from_be_bytes::<WORD>(*bytes) >> (256 - 8 * n_bytes);
        self.put(cost(opcode::PUSH1), word)?;
        self.pc += 1 + n_bytes;
        Some(())
    }

    /// PUSH2, and the jump that mostly follows, which then needs no stack.
    #[inline(always)]
    fn push_target(&mut self) -> Option<()> {
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
                Some(())
            }
            _ => self.push_short(2),
        }
    }

    #[inline(always)]
    fn duplicate(&mut self, depth: usize) -> Option<()> {
        let word = *self.stack.get(self.top.checked_sub(depth)?)?;
        self.put(cost(opcode::DUP1), word)?;
        self.pc += 1;
        Some(())
    }

    #[inline(always)]
    fn swap(&mut self, depth: usize) -> Option<()> {
        let (last, rest) = self.stack.get_mut(..self.top)?.split_last_mut()?;
        let other = rest.get_mut(rest.len().checked_sub(depth)?)?;
        self.left = self.left.checked_sub(cost(opcode::SWAP1))?;
        (*last, *other) = (*other, *last);
        self.pc += 1;
        Some(())
    }

    #[inline(always)]
    fn push_zero(&mut self) -> Option<()> {
        if !self.spec.is_enabled_in(SpecId::SHANGHAI) {
            return None;
        }
        self.push::<{ opcode::PUSH0 }>(U256::ZERO)
    }

    #[inline(always)]
    fn shift_left(&mut self) -> Option<()> {
        if !self.spec.is_enabled_in(SpecId::PETERSBURG) {
            return None;
        }
        compute!(self, SHL: [a, by] => a << bits(by))
    }

    #[inline(always)]
    fn shift_right(&mut self) -> Option<()> {
        if !self.spec.is_enabled_in(SpecId::PETERSBURG) {
            return None;
        }
        compute!(self, SHR: [a, by] => a >> bits(by))
    }

    /// Pays `gas` for getting to `target`, where a jump may go, and for the
    /// JUMPDEST there.
    #[inline(always)]
    fn land(&mut self, gas: u64, target: u32) -> Option<()> {
        self.pay(gas + cost(opcode::JUMPDEST))?;
        self.pc = target + 1;
        Some(())
    }

    #[inline(always)]
    fn jump(&mut self) -> Option<()> {
        let [target] = *self.words()?;
        let target = self.destination(target)?;
        self.land(cost(opcode::JUMP), target)?;
        self.top -= 1;
        Some(())
    }

    #[inline(always)]
    fn jump_if(&mut self) -> Option<()> {
        let [condition, target] = *self.words()?;
        let next = if condition.is_zero() { self.pc + 1 } else { self.destination(target)? };
        self.take::<{ opcode::JUMPI }, 2>()?;
        self.pc = next;
        Some(())
    }

    /// Where a jump to `target` leads, if one may.
    #[inline(always)]
    fn destination(&self, target: U256) -> Option<u32> {
        let target = u32::try_from(target).ok()?;
        self.jumps.is_valid(target as usize).then_some(target)
    }

    /// MLOAD, of memory that is there.
    #[inline(always)]
    fn load(&mut self) -> Option<()> {
        let [offset] = *self.words()?;
        let offset = usize::try_from(offset).ok()?;
        let word = {
            let memory = self.memory.context_memory();
            U256::from_be_bytes::<WORD>(*memory.get(offset..)?.first_chunk()?)
        };
        self.take::<{ opcode::MLOAD }, 1>()?;
        self.give(word)
    }

    /// MSTORE, for which memory grows as revm lets it.
    #[inline(always)]
    fn store(&mut self) -> Option<()> {
        let [word, offset] = *self.words()?;
        let offset = usize::try_from(offset).ok()?;
        let left = self.left.checked_sub(cost(opcode::MSTORE))?;
        let is_there = offset.saturating_add(WORD) <= self.memory.len();
        self.left =
            if is_there { left } else { grow(self.gas, self.memory, self.params, (left, offset))? };
        self.memory.set(offset, &word.to_be_bytes::<WORD>());
        self.top -= 2;
        self.pc += 1;
        Some(())
    }

    /// KECCAK256, of memory that is there.
    #[inline(always)]
    fn keccak256(&mut self) -> Option<()> {
        let [length, offset] = *self.words()?;
        let length = usize::try_from(length).ok().filter(|length| *length > 0)?;
        let offset = usize::try_from(offset).ok()?;
        let hash = {
            let memory = self.memory.context_memory();
            let input = memory.get(offset..offset.checked_add(length)?)?;
            let gas = cost(opcode::KECCAK256) + self.params.keccak256_cost(length);
            self.left = self.left.checked_sub(gas)?;
            hashes::hash(input)
        };
        self.top -= 2;
        self.pc += 1;
        self.give(hash.into())
    }

    #[inline(always)]
    fn load_input(&mut self) -> Option<()> {
        let [offset] = self.take::<{ opcode::CALLDATALOAD }, 1>()?;
        // Nothing is behind what a `usize` counts.
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let word = match &self.input.input {
            CallInput::Bytes(bytes) => word_at(bytes, offset),
            CallInput::SharedBuffer(range) if offset < range.len() => {
                word_at(&self.memory.global_slice_range(range.clone()), offset)
            }
            // An empty range may be anywhere, even where there is no memory.
            CallInput::SharedBuffer(_) => U256::ZERO,
        };
        self.give(word)
    }
}

/// Makes memory long enough for a word at `offset`, paid out of `left`, and gives
/// what is left then. Knows nothing of a runner: that would have to be in memory.
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

/// What a simple instruction takes, in every fork.
const fn cost(opcode: u8) -> u64 {
    GAS[opcode as usize] as u64
}

/// Bits of a shift; all there are for more.
fn bits(by: U256) -> usize {
    usize::try_from(by).unwrap_or(U256::BITS)
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
