//! Which instruction it is, as a path of yes and no.
//!
//! A jump through a table, to one of a hundred places, is guessed from where it
//! went lately. A contract is gone through once or twice in a transaction, and a
//! processor remembers that of some hundred jumps: nearly each is guessed wrong,
//! which costs several times what the instruction does. Of branches that are taken
//! or not it remembers tens of thousands, and a wrong guess costs half.
//!
//! ```text
//!                          moves words?
//!                    yes /              \ no
//!             DUP or SWAP?              one of the usual?
//!              /       \                 /           \
//!          DUP?   PUSH1, 3 .. 8?       ...           ...
//! ```
//!
//! The more usual an instruction is in mainnet blocks, the shorter its path.

use super::SIMPLE;
use revm::bytecode::opcode;

/// The first question.
pub(super) const A: u8 = 1 << 0;
/// The second, which depends on the first answer; and so on.
pub(super) const B: u8 = 1 << 1;
pub(super) const C: u8 = 1 << 2;
pub(super) const D: u8 = 1 << 3;
pub(super) const E: u8 = 1 << 4;
pub(super) const F: u8 = 1 << 5;
pub(super) const G: u8 = 1 << 6;

/// The path of each simple instruction: one bit per question, set for yes. The
/// loop's `step` asks them. Others have [`NOT_SIMPLE`].
pub(super) const KINDS: [u8; 256] = kinds();

/// No to everything.
pub(super) const NOT_SIMPLE: u8 = 0;

/// What has no path of its own, and is told apart by a table.
const SELDOM: u8 = E;

const fn kinds() -> [u8; 256] {
    let mut kinds = [NOT_SIMPLE; 256];
    let mut i = 0;
    while i < SIMPLE.len() {
        kinds[SIMPLE[i] as usize] = match SIMPLE[i] {
            opcode::DUP1..=opcode::DUP16 => A | B | C,
            opcode::SWAP1..=opcode::SWAP16 => A | B,
            opcode::PUSH0 => A | F,
            opcode::PUSH2 => A | E,
            opcode::PUSH1..=opcode::PUSH8 => A | C,
            opcode::PUSH9..=opcode::PUSH32 => A,
            opcode::POP => A | D,
            opcode::ADD => B | C | D | E,
            opcode::MSTORE => B | C | D,
            opcode::AND => B | C | E,
            opcode::MLOAD => B | C,
            opcode::JUMP => B | D | E,
            opcode::ISZERO => B | D,
            opcode::JUMPDEST => B | E | F,
            opcode::EQ => B | E,
            opcode::SUB => B | F | G,
            opcode::LT => B | F,
            opcode::GT => B,
            opcode::MUL => C | D | E,
            opcode::CALLDATALOAD => C | D,
            opcode::SHL => C | E,
            opcode::DIV => C,
            opcode::KECCAK256 => D | E,
            opcode::SHR => D,
            _ => SELDOM,
        };
        i += 1;
    }
    kinds
}
