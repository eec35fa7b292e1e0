//! What a piece of code comes to, once it is [translated](super::draft).

use alloy_primitives::U256;

/// Simple instructions that are run one after the other, up to a jump or to one
/// that is not simple.
///
/// What moves words around is gone: a passage is some [operations](Op), whose
/// operands are where the code found them, and some moves that leave the stack
/// as the code does.
///
/// ```text
/// DUP2 PUSH1 4 ADD SWAP1 POP PUSH2 JUMPI       what the code says
///
///      s0 + 4 -> t0                            operation
///      s1 = 0 ?                                what the jump depends on
///      t0 -> s0                                move
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    /// What all of them take, without what depends on operands.
    pub(super) gas: u32,
    /// Words below the top that it looks at.
    pub(super) needs: u8,
    /// Words above the top that it writes to.
    pub(super) room: u8,
    /// Words of the window that are left on the stack.
    pub(super) leaves: u8,
    pub(super) end: End,
    /// It is left to the loop that takes steps.
    pub(super) is_stepwise: bool,
    /// Begins where jumps may go.
    pub(super) lands: bool,
    /// The comparison that a branch depends on, of `a` with `b`.
    pub(super) test: Kind,
    pub(super) n_ops: u8,
    pub(super) n_moves: u8,
    /// Where a jump goes, if it goes to a word.
    pub(super) a: Place,
    pub(super) b: Place,
    /// Number of the first operation. Moves follow on them.
    pub(super) body: u32,
    /// Where it goes [on](Self::ON) and where a [jump](Self::JUMP) goes, if that
    /// is known.
    pub(super) links: [Link; 2],
    /// How often an operation has failed.
    pub(super) n_failed: u8,
}

impl Passage {
    /// The link to the instruction behind it.
    pub(super) const ON: usize = 0;
    /// The link to the target of its jump.
    pub(super) const JUMP: usize = 1;
    /// To leave a passage in the middle takes longer than to take its steps.
    const MAX_FAILED: u8 = 16;

    /// An operation has failed. Happens that often, it is not tried any more.
    pub(super) fn fail(&mut self) {
        self.n_failed = self.n_failed.saturating_add(1);
        if self.n_failed > Self::MAX_FAILED {
            self.is_stepwise = true;
        }
    }
}

const _: () = assert!(size_of::<Passage>() == 40);

/// How a passage ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In front of the next instruction.
    Next,
    /// With a jump to the target.
    Jump,
    /// With a jump to where a word says.
    Return,
    /// With a jump to the target, or with none.
    Branch,
}

/// A position in the code, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) pc: u32,
    pub(super) mark: Mark,
}

/// What is known of a position in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) struct Mark(u16);

impl Mark {
    /// Nothing.
    pub(super) const NONE: Self = Self(u16::MAX);
    /// The instruction there is not simple.
    pub(super) const STOP: Self = Self(u16::MAX - 1);

    /// The passage with that number begins there, if there are not more than some
    /// 65,000 of them.
    pub(super) fn passage(number: usize) -> Option<Self> {
        u16::try_from(number).ok().map(Self).filter(|mark| *mark < Self::STOP)
    }

    /// A number that no passage has if there is none.
    #[inline(always)]
    pub(super) fn number(self) -> usize {
        self.0.into()
    }
}

/// Where a word is.
///
/// Operands and results are in the *window*: the words of the stack that the
/// passage looks at, behind them those that it adds, and behind those what it
/// needs on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u16);

impl Place {
    const CONSTANT: u16 = 1 << 15;

    /// Counted from the lowest word of the window.
    pub(super) fn in_window(index: u8) -> Self {
        Self(index.into())
    }

    /// One of the [constants](super::constants::Constants).
    pub(super) fn constant(index: u16) -> Self {
        Self(index | Self::CONSTANT)
    }

    #[inline(always)]
    pub(super) fn word<'a>(self, window: &'a [U256], constants: &'a [U256]) -> Option<&'a U256> {
        let words = if self.0 & Self::CONSTANT == 0 { window } else { constants };
        words.get(usize::from(self.0 & !Self::CONSTANT))
    }
}

/// One thing to do with words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) kind: Kind,
    /// Where in the window the result goes.
    pub(super) to: u8,
    pub(super) a: Place,
    pub(super) b: Place,
}

/// What an operation does. The more usual it is, the fewer of its bits have to
/// be asked, as with [instructions](super::kinds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    /// The first question, and so on.
    pub(super) const A: u8 = 1 << 0;
    pub(super) const B: u8 = 1 << 1;
    pub(super) const C: u8 = 1 << 2;
    /// Of comparisons: less, not equal.
    pub(super) const LESS_NOT_EQUAL: u8 = 1 << 3;
    /// Of comparisons: the opposite.
    pub(super) const NEGATED: u8 = 1 << 4;

    pub(super) const STORE: Self = Self(Self::A);
    pub(super) const ADD: Self = Self(Self::A | Self::B);
    pub(super) const SUBTRACT: Self = Self(Self::A | Self::B | Self::C);
    pub(super) const LOAD: Self = Self(Self::B);
    pub(super) const AND: Self = Self(Self::B | Self::C);
    pub(super) const EQUAL: Self = Self(Self::C);
    pub(super) const LESS: Self = Self(Self::C | Self::LESS_NOT_EQUAL);

    // The others are told apart by a table.
    pub(super) const MOVE: Self = Self(0);
    pub(super) const OR: Self = Self(1 << 3);
    pub(super) const XOR: Self = Self(2 << 3);
    pub(super) const MULTIPLY: Self = Self(3 << 3);
    pub(super) const DIVIDE: Self = Self(4 << 3);
    pub(super) const SHIFT_LEFT: Self = Self(5 << 3);
    pub(super) const SHIFT_RIGHT: Self = Self(6 << 3);
    pub(super) const SIGNED_LESS: Self = Self(7 << 3);
    pub(super) const HASH: Self = Self(8 << 3);
    pub(super) const INPUT: Self = Self(9 << 3);
    pub(super) const INPUT_SIZE: Self = Self(10 << 3);
    pub(super) const ADDRESS: Self = Self(11 << 3);
    pub(super) const CALLER: Self = Self(12 << 3);
    pub(super) const VALUE: Self = Self(13 << 3);
    pub(super) const RETURN_SIZE: Self = Self(14 << 3);
    pub(super) const GAS: Self = Self(15 << 3);

    #[inline(always)]
    pub(super) const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    pub(super) const fn is_comparison(self) -> bool {
        self.0 & (Self::A | Self::B | Self::C) == Self::C
    }

    /// The opposite of a comparison.
    pub(super) const fn negated(self) -> Self {
        Self(self.0 ^ Self::NEGATED)
    }

    /// Whether operands may not allow it.
    pub(super) const fn may_fail(self) -> bool {
        matches!(self, Self::STORE | Self::LOAD | Self::HASH)
    }
}
