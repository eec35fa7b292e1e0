//! A small assembler for the contracts of the tests.

use super::number::Word;
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::bytecode::opcode as op;

/// Gas handed to inner calls. Fixed, because before EIP-150 asking for more
/// than is left fails.
const CALL_GAS: u64 = 300_000;

/// EVM code under construction. Every method appends, and leaves the stack as
/// it was unless its name says otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Code(Vec<u8>);

impl Code {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Appends one instruction.
    pub(crate) fn op(mut self, opcode: u8) -> Self {
        self.0.push(opcode);
        self
    }

    /// Pushes a constant, in as few bytes as it takes but at least one.
    pub(crate) fn push(mut self, value: impl Word) -> Self {
        let bytes = value.word().to_be_bytes_trimmed_vec();
        let bytes = if bytes.is_empty() { vec![0] } else { bytes };
        let width = u8::try_from(bytes.len()).expect("a word has at most 32 bytes");
        self.0.push(op::PUSH1 + width - 1);
        self.0.extend(bytes);
        self
    }

    pub(crate) fn push_address(self, address: Address) -> Self {
        self.push(U256::from_be_slice(address.as_slice()))
    }

    /// Pushes the first word of the call's input.
    pub(crate) fn push_input(self) -> Self {
        self.push(0).op(op::CALLDATALOAD)
    }

    /// Reads `slot` and drops it.
    pub(crate) fn touch_slot(self, slot: u64) -> Self {
        self.push(slot).op(op::SLOAD).op(op::POP)
    }

    pub(crate) fn store(self, slot: u64, value: u64) -> Self {
        self.push(value).push(slot).op(op::SSTORE)
    }

    /// Stores what is on top of the stack and takes it away.
    pub(crate) fn store_top(self, slot: u64) -> Self {
        self.push(slot).op(op::SSTORE)
    }

    /// Stores what `look`, an instruction that takes an address, says of
    /// `address`.
    pub(crate) fn store_of(self, look: u8, address: Address, slot: u64) -> Self {
        self.push_address(address).op(look).store_top(slot)
    }

    /// Adds one to `slot`.
    pub(crate) fn count(self, slot: u64) -> Self {
        self.push(slot).op(op::SLOAD).push(1).op(op::ADD).store_top(slot)
    }

    /// Calls `to` without input and leaves success on the stack.
    pub(crate) fn push_call(self, to: Address, value: impl Word) -> Self {
        self.push_call_with(op::CALL, to, value, None)
    }

    /// Any of the four calls; success is left on the stack. `input` is one
    /// word.
    pub(crate) fn push_call_with(
        self,
        kind: u8,
        to: Address,
        value: impl Word,
        input: Option<u64>,
    ) -> Self {
        let size = if input.is_some() { 32 } else { 0 };
        let code = match input {
            Some(word) => self.push(word).push(0).op(op::MSTORE),
            None => self,
        };
        let code = code.push(0).push(0).push(size).push(0);
        let code = if matches!(kind, op::CALL | op::CALLCODE) { code.push(value) } else { code };
        code.push_address(to).push(CALL_GAS).op(kind)
    }

    pub(crate) fn call(self, to: Address, value: impl Word) -> Self {
        self.push_call(to, value).op(op::POP)
    }

    /// Puts `bytes` into memory at 0.
    fn memory(mut self, bytes: &[u8]) -> Self {
        for (index, chunk) in bytes.chunks(32).enumerate() {
            let mut word = [0; 32];
            word[..chunk.len()].copy_from_slice(chunk);
            self = self.push(U256::from_be_bytes(word)).push(index * 32).op(op::MSTORE);
        }
        self
    }

    /// CREATE with `init`; leaves the new address, or zero.
    pub(crate) fn push_create(self, value: u64, init: &Self) -> Self {
        self.memory(&init.0).push(init.0.len()).push(0).push(value).op(op::CREATE)
    }

    /// CREATE2 with `init`; leaves the new address, or zero.
    pub(crate) fn push_create2(self, value: u64, salt: u64, init: &Self) -> Self {
        self.memory(&init.0).push(salt).push(init.0.len()).push(0).push(value).op(op::CREATE2)
    }

    pub(crate) fn self_destruct(self, heir: Address) -> Self {
        self.push_address(heir).op(op::SELFDESTRUCT)
    }

    /// Logs the word on top of the stack and takes it away.
    pub(crate) fn log_top(self) -> Self {
        self.push(0).op(op::MSTORE).push(32).push(0).op(op::LOG0)
    }

    pub(crate) fn revert(self) -> Self {
        self.push(0).push(0).op(op::REVERT)
    }

    /// Init code that deploys `self` and does nothing else.
    pub(crate) fn init(&self) -> Self {
        Self::new().deploying(self)
    }

    /// Ends init code by deploying `runtime`.
    pub(crate) fn deploying(self, runtime: &Self) -> Self {
        self.memory(&runtime.0).push(runtime.0.len()).push(0).op(op::RETURN)
    }

    /// Code that does what the case says whose number is the call's input,
    /// and nothing for any other input.
    pub(crate) fn switch<const N: usize>(cases: [Self; N]) -> Self {
        // DUP1, PUSH1 n, EQ, PUSH2 target, JUMPI.
        const ARM: usize = 8;
        const HEAD: usize = 3;
        let mut target = HEAD + N * ARM + 1;
        let mut code = Self::new().push_input();
        for (number, case) in cases.iter().enumerate() {
            let [high, low] = u16::try_from(target).expect("tests are small").to_be_bytes();
            code = code.op(op::DUP1).push(number).op(op::EQ);
            code.0.extend([op::PUSH2, high, low, op::JUMPI]);
            target += 1 + case.0.len() + 1;
        }
        code = code.op(op::STOP);
        for case in cases {
            code = code.op(op::JUMPDEST);
            code.0.extend(case.0);
            code = code.op(op::STOP);
        }
        code
    }

    /// Appends `other`, which must not jump.
    pub(crate) fn then(mut self, other: &Self) -> Self {
        self.0.extend(&other.0);
        self
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.0.clone().into()
    }

    /// Where CREATE2 by `creator` puts the contract of this init code.
    pub(crate) fn create2_address(&self, creator: Address, salt: u64) -> Address {
        creator.create2_from_code(B256::from(U256::from(salt)), &self.0)
    }
}

/// One word of input, for [`Code::switch`].
pub(crate) fn input(number: u64) -> Bytes {
    U256::from(number).to_be_bytes_vec().into()
}
