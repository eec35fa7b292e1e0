//! A sprint, from its first instruction to its last.

use super::{
    atlas::ATLAS,
    desk::Desk,
    draft::{Rules, Source},
    marks::Marks,
    means::{Means, holds},
    passage::{End, Link, Mark, Op, Passage},
    translation::Translation,
    words::short,
};
use alloy_primitives::U256;
use revm::{
    bytecode::JumpTable,
    context_interface::cfg::GasParams,
    interpreter::{
        Interpreter, STACK_LIMIT, interpreter::EthInterpreter, interpreter_types::Jumps,
    },
};

/// Words that a sprint takes beside what is in use of the stack, if there are so
/// many. Whether they are needed or not, it takes time to make them zero.
const ROOM: usize = 16;
/// The same where that was not enough.
const MORE_ROOM: usize = 64;

/// Runs simple instructions from where `interpreter` is, up to the first one
/// that is not, or that would not succeed.
#[inline(never)]
pub(super) fn sprint(interpreter: &mut Interpreter<EthInterpreter>, params: &GasParams) {
    let mut room = ROOM;
    while sprint_within(room, interpreter, params) == Stopped::ForRoom {
        room = MORE_ROOM;
    }
}

/// Why a sprint has stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// It has come to what is not simple, or would not succeed.
    AtEnd,
    /// There is more stack than it took.
    ForRoom,
}

#[inline(always)]
fn sprint_within(
    room: usize,
    interpreter: &mut Interpreter<EthInterpreter>,
    params: &GasParams,
) -> Stopped {
    let Ok(pc) = u32::try_from(interpreter.bytecode.pc()) else { return Stopped::AtEnd };
    let Interpreter { bytecode, gas, stack, memory, input, return_data, runtime_flag, .. } =
        interpreter;
    let Some(jumps) = bytecode.legacy_jump_table() else { return Stopped::AtEnd };
    let words = stack.data_mut();
    let top = words.len();
    if top + room <= STACK_LIMIT {
        words.resize(top + room, U256::ZERO);
    }
    let mut runner = Runner {
        code: bytecode.bytes_ref(),
        jumps,
        pc,
        left: gas.remaining(),
        top,
        stack: words.as_mut_slice(),
        means: Means { gas, memory, params, input, return_data },
        rules: Rules::of(runtime_flag.spec_id),
    };
    let stopped = if let Some(hash) = bytecode.hash()
        && runner.code.len() < Marks::LIMIT
    {
        ATLAS.with_borrow_mut(|atlas| {
            let (translation, desk) = atlas.of(hash, bytecode, runner.rules);
            runner.follow(translation, desk)
        })
    } else {
        // Code that is run once, by a transaction that creates.
        runner.take_all_steps();
        Stopped::AtEnd
    };
    let Runner { pc, left, top, .. } = runner;
    words.truncate(top);
    gas.set_remaining(left);
    bytecode.absolute_jump(pc as usize);
    stopped
}

/// An interpreter under way, what changes all the time taken out of it.
pub(super) struct Runner<'a> {
    /// With the zeros that revm appends.
    pub(super) code: &'a [u8],
    pub(super) jumps: &'a JumpTable,
    /// Position in the code.
    pub(super) pc: u32,
    /// Gas left.
    pub(super) left: u64,
    /// Words of the stack that are in use.
    pub(super) top: usize,
    pub(super) stack: &'a mut [U256],
    pub(super) means: Means<'a>,
    pub(super) rules: Rules,
}

/// What became of a passage.
enum Went {
    /// It was run, and one of its links leads on.
    By(usize),
    /// It was run, and goes on where a word said, with what is known of there.
    To(u32, Option<Mark>),
    /// Nothing, since it needs more room than there is.
    NeedsRoom,
    /// Nothing, since it would not succeed as a whole, or is not translated.
    Nowhere,
    /// It was run up to an operation that fails.
    UpTo { op: usize, left: u64 },
}

impl<'a> Runner<'a> {
    const fn source(&self) -> Source<'a> {
        Source { code: self.code, jumps: self.jumps, rules: self.rules }
    }

    /// Goes from passage to passage where the code is run often, else step by
    /// step.
    fn follow(&mut self, translation: &mut Translation, desk: &mut Desk) -> Stopped {
        desk.earn();
        if !translation.is_warm(self.pc, desk) {
            self.take_all_steps();
            return Stopped::AtEnd;
        }
        let mut mark = translation.at(self.pc, self.source(), desk);
        while let Some(passage) = translation.passages.get(mark.number()) {
            mark = match self.pass(passage, translation) {
                Went::By(way) => {
                    let Link { pc, mark: known } = passage.links[way];
                    self.pc = pc;
                    if known == Mark::NONE {
                        let found = translation.at(pc, self.source(), desk);
                        translation.passages[mark.number()].links[way].mark = found;
                        found
                    } else {
                        known
                    }
                }
                Went::To(pc, known) => {
                    self.pc = pc;
                    known.unwrap_or_else(|| translation.at(pc, self.source(), desk))
                }
                Went::NeedsRoom => return Stopped::ForRoom,
                Went::Nowhere => self.walk(translation, desk),
                Went::UpTo { op, left } => {
                    self.leave(mark.number(), (op, left), translation, desk);
                    self.walk(translation, desk)
                }
            };
        }
        if mark == Mark::NONE {
            self.take_all_steps();
        }
        Stopped::AtEnd
    }

    /// Takes steps up to the next jump, and gives what is there.
    #[inline(always)]
    fn walk(&mut self, translation: &mut Translation, desk: &mut Desk) -> Mark {
        match self.take_steps() {
            Some(()) => translation.at(self.pc, self.source(), desk),
            None => Mark::STOP,
        }
    }

    /// Runs a passage, if it has all that it needs.
    #[inline(always)]
    fn pass(&mut self, passage: &Passage, translation: &Translation) -> Went {
        if passage.is_stepwise {
            return Went::Nowhere;
        }
        let Some(mut left) = self.left.checked_sub(passage.gas.into()) else {
            return Went::Nowhere;
        };
        let Some(base) = self.top.checked_sub(passage.needs.into()) else { return Went::Nowhere };
        let highest = self.top + usize::from(passage.room);
        let Some(window) = self.stack.get_mut(base..highest) else {
            let has_taken_all = self.top + MORE_ROOM > STACK_LIMIT;
            return if has_taken_all { Went::Nowhere } else { Went::NeedsRoom };
        };
        let constants = translation.constants.as_slice();
        let Some((ops, moves)) = translation.body_of(passage) else { return Went::Nowhere };
        for (number, op) in ops.iter().enumerate() {
            if self.means.operate(op, window, constants, (&mut left, passage.gas)).is_none() {
                return Went::UpTo { op: number, left };
            }
        }
        let (Some(a), Some(b)) =
            (passage.a.word(window, constants), passage.b.word(window, constants))
        else {
            return Went::Nowhere;
        };
        let went = match passage.end {
            End::Next => Went::By(Passage::ON),
            End::Jump => Went::By(Passage::JUMP),
            End::Branch => {
                Went::By(if holds(passage.test, a, b) { Passage::JUMP } else { Passage::ON })
            }
            End::Return => {
                let target =
                    short(a).and_then(|target| u32::try_from(target).ok()).unwrap_or(u32::MAX);
                let landing = translation.landing(target);
                if landing.is_none() && !self.jumps.is_valid(target as usize) {
                    return Went::UpTo { op: ops.len(), left };
                }
                Went::To(target, landing)
            }
        };
        relocate(moves, window, constants);
        self.left = left;
        self.top = base + usize::from(passage.leaves);
        went
    }

    /// Leaves a passage in front of an operation that fails, or of its jump.
    #[cold]
    #[inline(never)]
    fn leave(
        &mut self,
        number: usize,
        (op, left): (usize, u64),
        translation: &mut Translation,
        desk: &mut Desk,
    ) {
        let n_constants = translation.constants.len();
        let exit = translation.exit(self.pc, op, self.source(), desk);
        let passage = &mut translation.passages[number];
        passage.fail();
        let base = self.top - usize::from(passage.needs);
        let window = &mut self.stack[base..self.top + usize::from(passage.room)];
        relocate(&exit.moves, window, translation.constants.as_slice());
        self.left = left + u64::from(passage.gas - exit.gas);
        self.top = base + exit.leaves;
        self.pc = exit.pc;
        translation.constants.truncate(n_constants);
    }
}

/// Puts words where moves say, one after another.
#[inline(always)]
fn relocate(moves: &[Op], window: &mut [U256], constants: &[U256]) {
    for one in moves {
        if let Some(word) = one.a.word(window, constants).copied()
            && let Some(to) = window.get_mut(usize::from(one.to))
        {
            *to = word;
        }
    }
}
