//! revm's instructions, with less between them.
//!
//! revm runs a contract by looking each instruction up in a table and calling
//! it; where it is in the code, what gas is left and how long the stack is lies
//! in memory in between. A quarter to half of the time of a mainnet block goes
//! there. Most instructions are simple: they look at the stack, at memory that is
//! there, at the input. A *sprint* runs as many of those as follow each other in
//! one loop that holds all three in registers.
//!
//! ```text
//! revm's loop     PUSH1 ............ SLOAD ................. CALL
//!                    \              ^     \                  ^
//! sprint              PUSH1 MSTORE -'      SWAP2 POP JUMPI .-'
//! ```
//!
//! # Parts
//!
//! 1. [`set_up`] puts an entry into the table for each simple instruction, and
//!    for others that go on with the next one: it calls revm's own, and then
//!    sprints;
//! 2. [`runner`] is a sprint. Code that is run often it takes in passages, other
//!    code in steps;
//! 3. [`steps`] takes one instruction after another. Which one is next, it asks
//!    bit by bit ([`kinds`]);
//! 4. a [`passage`] is what simple instructions up to the next jump come to: two
//!    of three only move words around, and those are gone. [`draft`] finds out
//!    what they do, [`layout`] where the words go, and a [`translation`] keeps
//!    both for one code. An [`atlas`] has those of all codes, from block to block;
//! 5. [`heat`] and [`desk`] decide what is worth to be translated;
//! 6. [`hashes`] remembers where mappings keep their values, within a block.
//!
//! # Invariants
//!
//! - A sprint takes a step completely or not at all: what is not simple, lacks
//!   gas, stack or memory, or jumps to where it must not, is left to revm, which
//!   finds the interpreter as if it had come there itself. So errors, their order,
//!   and the gas they leave are revm's own.
//! - A passage is run if there is gas and stack for all of it. Where one of its
//!   operations fails after all, everything is made what it was in front of it.
//! - Prices are those of revm's table, and a table with other prices gets no
//!   entries. An instruction that somebody replaced may be sprinted over: this
//!   is for Ethereum's own.
//! - What an instruction asks the state, and everything that calls, creates,
//!   logs or ends is revm's. Inspectors see every instruction: they have tables
//!   of their own.
//! - Code is recognised by where it is or by all its bytes, never by a hash alone.

mod atlas;
mod constants;
mod desk;
mod draft;
mod hashes;
mod heat;
mod kinds;
mod layout;
mod marks;
mod means;
mod passage;
mod runner;
mod steps;
#[cfg(test)]
mod tests;
mod translation;
mod words;

pub use desk::translate_at_once;

use alloy_evm::{
    Database, EvmEnv, EvmFactory,
    eth::{EthEvm, EthEvmFactory},
    precompiles::PrecompilesMap,
};
use revm::{
    bytecode::opcode,
    handler::instructions::EthInstructions,
    inspector::NoOpInspector,
    interpreter::{
        GasTable, Host, Instruction, InstructionContext, InstructionExecResult, gas_table,
        instruction_table, interpreter::EthInterpreter,
    },
};

/// What an instruction takes in every fork; of the simple ones that is all.
const GAS: GasTable = gas_table();

/// Calls a macro with the opcodes of all simple instructions.
macro_rules! with_simple {
    ($then:ident) => {
        $then!(
            ADD MUL SUB DIV LT GT SLT SGT EQ ISZERO AND OR XOR NOT SHL SHR KECCAK256
            ADDRESS CALLER CALLVALUE CALLDATALOAD CALLDATASIZE RETURNDATASIZE
            POP MLOAD MSTORE JUMP JUMPI PC GAS JUMPDEST
            PUSH0 PUSH1 PUSH2 PUSH3 PUSH4 PUSH5 PUSH6 PUSH7 PUSH8 PUSH9 PUSH10 PUSH11 PUSH12
            PUSH13 PUSH14 PUSH15 PUSH16 PUSH17 PUSH18 PUSH19 PUSH20 PUSH21 PUSH22 PUSH23 PUSH24
            PUSH25 PUSH26 PUSH27 PUSH28 PUSH29 PUSH30 PUSH31 PUSH32
            DUP1 DUP2 DUP3 DUP4 DUP5 DUP6 DUP7 DUP8 DUP9 DUP10 DUP11 DUP12 DUP13 DUP14 DUP15 DUP16
            SWAP1 SWAP2 SWAP3 SWAP4 SWAP5 SWAP6 SWAP7 SWAP8 SWAP9 SWAP10 SWAP11 SWAP12 SWAP13
            SWAP14 SWAP15 SWAP16
        )
    };
}

/// Calls a macro with the opcodes of instructions that are not simple, and leave
/// the interpreter at the next one: of all but those that call, create, jump or
/// end.
macro_rules! with_others {
    ($then:ident) => {
        $then!(
            SDIV MOD SMOD ADDMOD MULMOD EXP SIGNEXTEND BYTE SAR CLZ MSTORE8 MSIZE MCOPY
            ORIGIN GASPRICE CALLDATACOPY CODESIZE CODECOPY RETURNDATACOPY
            BALANCE EXTCODESIZE EXTCODECOPY EXTCODEHASH SELFBALANCE
            BLOCKHASH COINBASE TIMESTAMP NUMBER DIFFICULTY GASLIMIT CHAINID BASEFEE BLOBHASH BLOBBASEFEE
            SLOAD SSTORE TLOAD TSTORE LOG0 LOG1 LOG2 LOG3 LOG4
        )
    };
}

macro_rules! list {
    ($($name:ident)*) => { [$(opcode::$name),*] };
}

/// Opcodes of the instructions that a sprint goes on with.
const SIMPLE: [u8; 96] = with_simple!(list);

/// Opcodes of others, behind which a sprint begins as well.
#[cfg(test)]
const OTHERS: [u8; 43] = with_others!(list);

/// Lets Ethereum's instructions sprint, for one block.
pub(crate) fn set_up<H: Host>(instructions: &mut EthInstructions<EthInterpreter, H>) {
    let prices = instructions.gas_table();
    if SIMPLE.iter().any(|opcode| prices[usize::from(*opcode)] != GAS[usize::from(*opcode)]) {
        return;
    }
    let table = instructions.instruction_table_mut();
    macro_rules! enter {
        ($($name:ident)*) => {
            $(table[usize::from(opcode::$name)] = Instruction::new(run_on::<{ opcode::$name }, H>);)*
        };
    }
    with_simple!(enter);
    with_others!(enter);
    hashes::forget();
}

/// alloy-evm's EVM of Ethereum, with instructions that sprint.
pub(crate) fn evm<DB: Database>(db: DB, env: EvmEnv) -> EthEvm<DB, NoOpInspector, PrecompilesMap> {
    let mut evm = EthEvmFactory::default().create_evm(db, env).into_inner();
    set_up(&mut evm.instruction);
    EthEvm::new(evm, false)
}

/// Runs revm's instruction, and then as many simple ones as follow.
fn run_on<const OPCODE: u8, H: Host>(
    ctx: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = ctx;
    let first = const { instruction_table::<EthInterpreter, H>()[OPCODE as usize] };
    first.execute(InstructionContext { interpreter: &mut *interpreter, host: &mut *host })?;
    runner::sprint(interpreter, host.gas_params());
    Ok(())
}
