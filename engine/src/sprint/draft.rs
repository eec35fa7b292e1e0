//! From instructions to what they do with words.

use super::{
    GAS,
    constants::Constants,
    kinds::{KINDS, NOT_SIMPLE},
    passage::{End, Kind, Mark, Place},
    words,
};
use alloy_primitives::U256;
use revm::{
    bytecode::{JumpTable, opcode},
    primitives::hardfork::SpecId,
};

/// Words of the stack that a passage may look at.
pub(super) const DEPTH: usize = 40;
/// What one instruction looks at, at most.
const REACH: usize = 17;
/// Words that a passage may add to the stack, but for the last instruction's.
const MAX_PEAK: usize = 16;
/// Bytes of code that a passage is made of.
const MAX_LENGTH: u32 = 512;
/// Operations of a passage.
pub(super) const MAX_OPS: usize = 32;

/// What forks say of simple instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) has_shifts: bool,
    pub(super) has_push0: bool,
    pub(super) has_return_data: bool,
}

impl Rules {
    #[inline(always)]
    pub(super) fn of(spec: SpecId) -> Self {
        Self {
            has_shifts: spec.is_enabled_in(SpecId::PETERSBURG),
            has_push0: spec.is_enabled_in(SpecId::SHANGHAI),
            has_return_data: spec.is_enabled_in(SpecId::BYZANTIUM),
        }
    }

    fn are_simple(self, opcode: u8) -> bool {
        KINDS[usize::from(opcode)] != NOT_SIMPLE
            && match opcode {
                opcode::SHL | opcode::SHR => self.has_shifts,
                opcode::PUSH0 => self.has_push0,
                opcode::RETURNDATASIZE => self.has_return_data,
                _ => true,
            }
    }
}

/// Code to translate, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) code: &'a [u8],
    pub(super) jumps: &'a JumpTable,
    pub(super) rules: Rules,
}

/// A word, by where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Was on the stack, so many words below the top.
    Input(u8),
    Constant(Place),
    /// Came of the operation with that number.
    Result(u8),
}

/// An operation whose words have no place yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct DraftOp {
    pub(super) kind: Kind,
    pub(super) a: Value,
    pub(super) b: Value,
}

/// How things are before something that may fail.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) pc: u32,
    /// Gas paid until then.
    pub(super) gas: u32,
    pub(super) stack: Vec<Value>,
}

/// What some simple instructions in a row do. Made to be used again.
#[derive(Debug)]
pub(super) struct Draft {
    /// The stack, from [`DEPTH`] words below where the top was at the start.
    pub(super) stack: Vec<Value>,
    pub(super) ops: Vec<DraftOp>,
    /// The lowest word of `stack` that was looked at.
    pub(super) lowest: usize,
    /// The most words there were on `stack`.
    pub(super) highest: usize,
    pub(super) gas: u32,
    pub(super) end: End,
    pub(super) next: u32,
    pub(super) after: Mark,
    pub(super) target: u32,
    /// What a branch depends on; where a return goes is the first operand.
    pub(super) test: DraftOp,
    /// Before which operation somebody wants to know how things are.
    asked: Option<usize>,
    pub(super) moment: Option<Moment>,
}

impl Draft {
    const NOTHING: Value = Value::Input(0);
    const NO_TEST: DraftOp = DraftOp { kind: Kind::MOVE, a: Self::NOTHING, b: Self::NOTHING };

    pub(super) const fn new() -> Self {
        Self {
            stack: Vec::new(),
            ops: Vec::new(),
            lowest: 0,
            highest: 0,
            gas: 0,
            end: End::Next,
            next: 0,
            after: Mark::NONE,
            target: 0,
            test: Self::NO_TEST,
            asked: None,
            moment: None,
        }
    }

    /// Draws up what begins at `pc`. `asked` is the number of an operation: how
    /// things are before it is what is wanted.
    pub(super) fn draw(
        &mut self,
        source: Source<'_>,
        constants: &mut Constants,
        pc: u32,
        asked: Option<usize>,
    ) {
        self.stack.clear();
        self.stack.extend(INPUTS);
        self.ops.clear();
        (self.lowest, self.highest, self.gas) = (DEPTH, DEPTH, 0);
        (self.end, self.after, self.target, self.test) = (End::Next, Mark::NONE, 0, Self::NO_TEST);
        (self.asked, self.moment) = (asked, None);
        self.next = pc;
        while self.next - pc < MAX_LENGTH
            && let Some(length) = self.instruction(source, constants)
        {
            self.next += length;
        }
    }

    /// The next instruction, and how long it is, unless the passage ends before
    /// or with it.
    fn instruction(&mut self, source: Source<'_>, constants: &mut Constants) -> Option<u32> {
        let rest = source.code.get(self.next as usize..).unwrap_or_default();
        let Some(&opcode) = rest.first().filter(|opcode| source.rules.are_simple(**opcode)) else {
            self.after = Mark::STOP;
            return None;
        };
        if self.ops.len() == MAX_OPS
            || self.highest >= DEPTH + MAX_PEAK
            || self.stack.len() <= REACH
        {
            return None;
        }
        match opcode {
            opcode::JUMP => return self.jump(source, constants),
            opcode::JUMPI => return self.jump_if(source, constants),
            opcode::PUSH0..=opcode::PUSH32 => {
                let length = usize::from(opcode - opcode::PUSH0);
                // Code ends with zeros that revm appends.
                let word = U256::try_from_be_slice(rest.get(1..=length)?)?;
                self.push(Value::Constant(constants.place_of(word)));
                self.gas += cost(opcode);
                return Some(u32::from(opcode - opcode::PUSH0) + 1);
            }
            opcode::DUP1..=opcode::DUP16 => {
                let word = self.reach(usize::from(opcode - opcode::DUP1) + 1);
                self.push(word);
            }
            opcode::SWAP1..=opcode::SWAP16 => {
                let depth = usize::from(opcode - opcode::SWAP1) + 2;
                self.reach(depth);
                let length = self.stack.len();
                self.stack.swap(length - 1, length - depth);
            }
            opcode::POP => {
                self.pop();
            }
            opcode::JUMPDEST => {}
            _ => self.compute(opcode, constants)?,
        }
        self.gas += cost(opcode);
        Some(1)
    }

    fn compute(&mut self, opcode: u8, constants: &mut Constants) -> Option<()> {
        match opcode {
            opcode::ADD => self.binary(Kind::ADD, constants),
            opcode::SUB => self.binary(Kind::SUBTRACT, constants),
            opcode::MUL => self.binary(Kind::MULTIPLY, constants),
            opcode::DIV => self.binary(Kind::DIVIDE, constants),
            opcode::AND => self.binary(Kind::AND, constants),
            opcode::OR => self.binary(Kind::OR, constants),
            opcode::XOR => self.binary(Kind::XOR, constants),
            opcode::SHL => self.binary(Kind::SHIFT_LEFT, constants),
            opcode::SHR => self.binary(Kind::SHIFT_RIGHT, constants),
            opcode::EQ => self.binary(Kind::EQUAL, constants),
            opcode::LT => self.binary(Kind::LESS, constants),
            opcode::SLT => self.binary(Kind::SIGNED_LESS, constants),
            opcode::GT | opcode::SGT => {
                let length = self.stack.len();
                self.reach(2);
                self.stack.swap(length - 1, length - 2);
                let is_signed = opcode == opcode::SGT;
                self.binary(if is_signed { Kind::SIGNED_LESS } else { Kind::LESS }, constants);
            }
            opcode::ISZERO => self.is_zero(constants),
            opcode::NOT => {
                let word = self.pop();
                let all = Value::Constant(constants.place_of(U256::MAX));
                self.operate(Kind::XOR, word, all, constants);
            }
            opcode::MLOAD => {
                self.may_fail();
                let offset = self.pop();
                self.result(Kind::LOAD, offset, offset);
            }
            opcode::MSTORE => {
                self.may_fail();
                let (offset, word) = (self.pop(), self.pop());
                self.ops.push(DraftOp { kind: Kind::STORE, a: offset, b: word });
            }
            opcode::KECCAK256 => {
                self.may_fail();
                let (offset, length) = (self.pop(), self.pop());
                self.result(Kind::HASH, offset, length);
            }
            opcode::CALLDATALOAD => {
                let offset = self.pop();
                self.result(Kind::INPUT, offset, offset);
            }
            opcode::PC => {
                let pc = constants.place_of(U256::from(self.next));
                self.push(Value::Constant(pc));
            }
            opcode::GAS => {
                let paid = U256::from(self.gas + cost(opcode::GAS));
                let paid = Value::Constant(constants.place_of(paid));
                self.result(Kind::GAS, paid, paid);
            }
            _ => {
                let kind = match opcode {
                    opcode::ADDRESS => Kind::ADDRESS,
                    opcode::CALLER => Kind::CALLER,
                    opcode::CALLVALUE => Kind::VALUE,
                    opcode::CALLDATASIZE => Kind::INPUT_SIZE,
                    opcode::RETURNDATASIZE => Kind::RETURN_SIZE,
                    _ => return None,
                };
                let zero = Value::Constant(constants.place_of(U256::ZERO));
                self.result(kind, zero, zero);
            }
        }
        Some(())
    }

    /// A jump ends the passage. One to where it must not go ends it before.
    fn jump(&mut self, source: Source<'_>, constants: &Constants) -> Option<u32> {
        let to = self.reach(1);
        match known(to, constants) {
            None => {
                self.end = End::Return;
                self.test.a = to;
            }
            Some(word) => {
                self.target = destination(word, source.jumps)?;
                self.end = End::Jump;
            }
        }
        self.pop();
        self.gas += cost(opcode::JUMP);
        self.next += 1;
        None
    }

    fn jump_if(&mut self, source: Source<'_>, constants: &mut Constants) -> Option<u32> {
        let target = known(self.reach(1), constants)?;
        self.target = destination(target, source.jumps)?;
        self.pop();
        let condition = self.pop();
        self.end = End::Branch;
        self.gas += cost(opcode::JUMPI);
        self.next += 1;
        let comparison = self.last_comparison(condition).then(|| self.ops.pop()).flatten();
        self.test = comparison.unwrap_or_else(|| {
            let zero = Value::Constant(constants.place_of(U256::ZERO));
            DraftOp { kind: Kind::EQUAL.negated(), a: condition, b: zero }
        });
        None
    }

    /// How things are before the jump to a word that ends it.
    pub(super) fn last_moment(&self) -> Moment {
        let mut stack = self.stack.clone();
        stack.push(self.test.a);
        Moment { pc: self.next - 1, gas: self.gas - cost(opcode::JUMP), stack }
    }

    /// The word so far from the top, the topmost being the first.
    fn reach(&mut self, depth: usize) -> Value {
        let at = self.stack.len() - depth;
        self.lowest = self.lowest.min(at);
        self.stack[at]
    }

    fn pop(&mut self) -> Value {
        let word = self.reach(1);
        self.stack.pop();
        word
    }

    fn push(&mut self, word: Value) {
        self.stack.push(word);
        self.highest = self.highest.max(self.stack.len());
    }

    /// An operation whose result goes on top.
    fn result(&mut self, kind: Kind, a: Value, b: Value) {
        let number = u8::try_from(self.ops.len()).unwrap_or(u8::MAX);
        self.ops.push(DraftOp { kind, a, b });
        self.push(Value::Result(number));
    }

    fn binary(&mut self, kind: Kind, constants: &mut Constants) {
        let (a, b) = (self.pop(), self.pop());
        self.operate(kind, a, b, constants);
    }

    /// The same at once, if both words are known.
    fn operate(&mut self, kind: Kind, a: Value, b: Value, constants: &mut Constants) {
        let words = known(a, constants).zip(known(b, constants));
        match words.and_then(|(a, b)| evaluate(kind, &a, &b)) {
            Some(word) => self.push(Value::Constant(constants.place_of(word))),
            None => self.result(kind, a, b),
        }
    }

    fn is_zero(&mut self, constants: &mut Constants) {
        let word = self.pop();
        if self.last_comparison(word)
            && let Some(last) = self.ops.last_mut()
        {
            last.kind = last.kind.negated();
            self.push(word);
        } else {
            let zero = Value::Constant(constants.place_of(U256::ZERO));
            self.operate(Kind::EQUAL, word, zero, constants);
        }
    }

    /// Whether `word` came of the last operation, a comparison, and is nowhere
    /// else.
    fn last_comparison(&self, word: Value) -> bool {
        self.ops.last().is_some_and(|last| {
            last.kind.is_comparison()
                && word == Value::Result(u8::try_from(self.ops.len() - 1).unwrap_or(u8::MAX))
                && !self.stack[self.lowest..].contains(&word)
        })
    }

    fn may_fail(&mut self) {
        if self.asked == Some(self.ops.len()) {
            self.moment = Some(Moment { pc: self.next, gas: self.gas, stack: self.stack.clone() });
        }
    }
}

/// The stack at the start.
const INPUTS: [Value; DEPTH] = {
    let mut inputs = [Value::Input(0); DEPTH];
    let mut depth = 0;
    while depth < DEPTH {
        #[expect(clippy::cast_possible_truncation, reason = "a stack is not so deep")]
        let input = Value::Input(depth as u8);
        inputs[DEPTH - 1 - depth] = input;
        depth += 1;
    }
    inputs
};

fn cost(opcode: u8) -> u32 {
    GAS[usize::from(opcode)].into()
}

fn destination(target: U256, jumps: &JumpTable) -> Option<u32> {
    u32::try_from(target).ok().filter(|target| jumps.is_valid(*target as usize))
}

fn known(word: Value, constants: &Constants) -> Option<U256> {
    match word {
        Value::Constant(place) => place.word(&[], constants.as_slice()).copied(),
        Value::Input(_) | Value::Result(_) => None,
    }
}

/// What comes of two words that are known.
fn evaluate(kind: Kind, a: &U256, b: &U256) -> Option<U256> {
    Some(match kind {
        Kind::ADD => words::add(a, b),
        Kind::SUBTRACT => words::subtract(a, b),
        Kind::MULTIPLY => words::multiply(a, b),
        Kind::AND => a & b,
        Kind::OR => a | b,
        Kind::XOR => a ^ b,
        Kind::EQUAL => U256::from(a == b),
        Kind::SHIFT_LEFT => words::shift_left(a, b),
        Kind::SHIFT_RIGHT => words::shift_right(a, b),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use revm::{bytecode::Bytecode, bytecode::opcode::*};

    fn draft_of(code: &[u8]) -> (Draft, Constants) {
        let code = Bytecode::new_legacy(code.to_vec().into());
        let jumps = code.legacy_jump_table().expect("legacy code");
        let source = Source { code: code.bytes_ref(), jumps, rules: Rules::of(SpecId::OSAKA) };
        let (mut draft, mut constants) = (Draft::new(), Constants::default());
        draft.draw(source, &mut constants, 0, None);
        (draft, constants)
    }

    fn kinds(draft: &Draft) -> Vec<Kind> {
        draft.ops.iter().map(|op| op.kind).collect()
    }

    #[test]
    fn what_moves_words_is_no_operation() {
        let (draft, _) = draft_of(&[JUMPDEST, DUP2, SWAP1, PUSH1, 7, SWAP2, POP, SSTORE]);
        assert!(draft.ops.is_empty());
        assert_eq!((draft.lowest, draft.highest, draft.gas), (DEPTH - 2, DEPTH + 2, 1 + 4 * 3 + 2));
        let [.., a, b, c] = draft.stack[..] else { panic!("three words at least") };
        assert_eq!((a, c), (Value::Input(1), Value::Input(0)));
        assert!(matches!(b, Value::Constant(_)));
        assert_eq!((draft.end, draft.next, draft.after), (End::Next, 7, Mark::STOP));
    }

    #[test]
    fn what_is_known_is_computed_at_once() {
        // As Solidity cleans an address.
        let code = [PUSH1, 1, PUSH1, 1, PUSH1, 160, SHL, SUB, AND, STOP];
        let (draft, constants) = draft_of(&code);
        assert_eq!(kinds(&draft), [Kind::AND]);
        let mask = known(draft.ops[0].a, &constants);
        assert_eq!(mask, Some((U256::from(1) << 160) - U256::from(1)));
        assert_eq!(draft.ops[0].b, Value::Input(0));
    }

    #[test]
    fn a_jump_takes_the_comparison_it_depends_on() {
        let target = [JUMPDEST, STOP];
        for (opposites, test) in [(0, Kind::LESS), (1, Kind::LESS.negated()), (2, Kind::LESS)] {
            let mut code = vec![LT];
            code.extend([ISZERO].repeat(opposites));
            let to = u8::try_from(code.len() + 4).expect("short code");
            code.extend([PUSH1, to, JUMPI, STOP]);
            code.extend(target);
            let (draft, _) = draft_of(&code);
            assert_eq!((kinds(&draft), draft.end), (vec![], End::Branch));
            assert_eq!((draft.test.kind, draft.target), (test, to.into()));
            assert_eq!((draft.test.a, draft.test.b), (Value::Input(0), Value::Input(1)));
        }
    }

    #[test]
    fn what_a_jump_depends_on_stays_if_it_is_wanted() {
        let (draft, _) = draft_of(&[LT, DUP1, PUSH1, 5, JUMPI, JUMPDEST, STOP]);
        assert_eq!(kinds(&draft), [Kind::LESS]);
        assert_eq!(draft.test.a, Value::Result(0));
        assert_eq!(draft.stack.last(), Some(&Value::Result(0)));
    }
}
