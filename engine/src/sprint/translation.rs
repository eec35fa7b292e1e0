//! What is translated of one code.

use super::{
    constants::Constants,
    desk::Desk,
    draft::{Moment, Source},
    heat::Heat,
    layout::Layout,
    marks::Marks,
    passage::{End, Link, Mark, Op, Passage, Place},
};
use revm::bytecode::Bytecode;

/// A code, and passages of it.
#[derive(Debug)]
pub(super) struct Translation {
    /// Kept, so that no other code is where this one is.
    code: Bytecode,
    /// Where that is.
    address: usize,
    /// Sprints in it until those that follow are counted by where they begin.
    unfamiliar: u8,
    heat: Heat,
    marks: Marks,
    pub(super) passages: Vec<Passage>,
    /// Operations and moves of all passages.
    pub(super) ops: Vec<Op>,
    pub(super) constants: Constants,
}

impl Translation {
    pub(super) fn new(code: &Bytecode, patience: u8) -> Self {
        Self {
            address: address_of(code),
            code: code.clone(),
            unfamiliar: patience,
            heat: Heat::default(),
            marks: Marks::new(),
            passages: Vec::new(),
            ops: Vec::new(),
            constants: Constants::default(),
        }
    }

    /// Whether it is of that very code, not of a copy.
    #[inline(always)]
    pub(super) fn is_of(&self, code: &Bytecode) -> bool {
        self.address == address_of(code)
    }

    /// Whether it is of the same code, or a copy of it.
    pub(super) fn is_same(&self, code: &Bytecode) -> bool {
        self.code.bytes_ref() == code.bytes_ref()
    }

    /// From now on the code is there.
    pub(super) fn is_now_of(&mut self, copy: &Bytecode) {
        (self.code, self.address) = (copy.clone(), address_of(copy));
    }

    /// Whether there were many sprints from `pc`, which is counted. None is as long
    /// as the code is run for one of the first times.
    #[inline(always)]
    pub(super) fn is_warm(&mut self, pc: u32, desk: &Desk) -> bool {
        if self.unfamiliar == 0 {
            return self.heat.visit(pc);
        }
        self.unfamiliar -= 1;
        if self.unfamiliar == 0 && !desk.is_rash {
            self.heat = Heat::of(self.code.bytes_ref().len());
        }
        false
    }

    /// What is at `pc`. Translates it, if that can be [paid](Desk::pay).
    #[inline(always)]
    pub(super) fn at(&mut self, pc: u32, source: Source<'_>, desk: &mut Desk) -> Mark {
        let mark = self.marks.get(pc);
        if mark == Mark::NONE && desk.pay() { self.translate(pc, source, desk) } else { mark }
    }

    #[cold]
    #[inline(never)]
    fn translate(&mut self, pc: u32, source: Source<'_>, desk: &mut Desk) -> Mark {
        let mark = self.drawn(pc, source, desk).unwrap_or(Mark::STOP);
        self.marks.set(pc, mark);
        mark
    }

    fn drawn(&mut self, pc: u32, source: Source<'_>, desk: &mut Desk) -> Option<Mark> {
        let draft = &mut desk.draft;
        draft.draw(source, &mut self.constants, pc, None);
        let is_empty = draft.next == pc;
        if is_empty && draft.after == Mark::STOP {
            return None;
        }
        let mark = Mark::passage(self.passages.len())?;
        desk.n_passages += 1;
        let layout = Layout::of(draft);
        let body = self.ops.len();
        let ops = draft.ops.iter().enumerate().map(|(number, op)| layout.op(number, op));
        self.ops.extend(ops);
        let n_ops = self.ops.len() - body;
        layout.arrange(&draft.stack[draft.lowest..], &mut self.ops);
        let n_moves = self.ops.len() - body - n_ops;
        let none = Place::in_window(0);
        let (a, b) = match draft.end {
            End::Branch => (layout.place(draft.test.a), layout.place(draft.test.b)),
            End::Return => (layout.place(draft.test.a), none),
            End::Next | End::Jump => (none, none),
        };
        let (body, n_ops, n_moves) =
            (u32::try_from(body).ok()?, u8::try_from(n_ops).ok()?, u8::try_from(n_moves).ok()?);
        self.passages.push(Passage {
            gas: draft.gas,
            needs: layout.needs,
            room: layout.spare + 1 - layout.needs,
            leaves: u8::try_from(draft.stack.len() - draft.lowest).unwrap_or(u8::MAX),
            end: draft.end,
            is_stepwise: is_empty || !self.constants.has_room(),
            lands: source.jumps.is_valid(pc as usize),
            test: draft.test.kind,
            n_ops,
            n_moves,
            a,
            b,
            body,
            links: [(draft.next, draft.after), (draft.target, Mark::NONE)]
                .map(|(pc, mark)| Link { pc, mark }),
            n_failed: 0,
        });
        Some(mark)
    }

    /// Operations and moves of a passage.
    #[inline(always)]
    pub(super) fn body_of(&self, passage: &Passage) -> Option<(&[Op], &[Op])> {
        let body = self.ops.get(passage.body as usize..)?;
        let (ops, rest) = body.split_at_checked(passage.n_ops.into())?;
        Some((ops, rest.get(..passage.n_moves.into())?))
    }

    /// What begins at `pc`, if it is a passage, and jumps may go there.
    #[inline(always)]
    pub(super) fn landing(&self, pc: u32) -> Option<Mark> {
        let mark = self.marks.get(pc);
        let passage = self.passages.get(mark.number())?;
        passage.lands.then_some(mark)
    }

    /// How to leave the passage that begins at `pc` in front of operation `op`, or
    /// of the jump at its end if it has no such operation. May add constants,
    /// which no passage has.
    pub(super) fn exit(&mut self, pc: u32, op: usize, source: Source<'_>, desk: &mut Desk) -> Exit {
        let draft = &mut desk.draft;
        draft.draw(source, &mut self.constants, pc, Some(op));
        let layout = Layout::of(draft);
        let Moment { pc, gas, stack } = draft.moment.take().unwrap_or_else(|| draft.last_moment());
        let mut moves = Vec::new();
        layout.arrange(&stack[draft.lowest..], &mut moves);
        Exit { pc, gas, leaves: stack.len() - draft.lowest, moves }
    }
}

/// The way out of the middle of a passage.
#[derive(Debug)]
pub(super) struct Exit {
    /// Where the code goes on.
    pub(super) pc: u32,
    /// Gas that the instructions before it take.
    pub(super) gas: u32,
    /// Words of the window that are left on the stack.
    pub(super) leaves: usize,
    pub(super) moves: Vec<Op>,
}

fn address_of(code: &Bytecode) -> usize {
    code.bytes_ref().as_ptr().addr()
}
