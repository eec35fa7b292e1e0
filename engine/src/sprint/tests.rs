//! Sprints beside revm's own loop: whatever a program does, both leave the
//! interpreter in the same state, at every gas limit, stack height and fork.

use super::{OTHERS, SIMPLE, atlas::ATLAS, set_up};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use proptest::prelude::*;
use revm::{
    bytecode::{Bytecode, opcode},
    context_interface::{Host, host::DummyHost},
    handler::instructions::EthInstructions,
    interpreter::{
        CallInput, Gas, InputsImpl, Instruction, Interpreter, InterpreterAction, SharedMemory,
        interpreter::{EthInterpreter, ExtBytecode, ReturnDataImpl},
        interpreter_types::Jumps,
    },
    primitives::hardfork::SpecId,
};

type Instructions = EthInstructions<EthInterpreter, DummyHost>;

/// Forks between which something about a simple instruction changed, and the
/// newest.
const FORKS: [SpecId; 7] = [
    SpecId::FRONTIER,
    SpecId::BYZANTIUM,
    SpecId::PETERSBURG,
    SpecId::MERGE,
    SpecId::SHANGHAI,
    SpecId::OSAKA,
    SpecId::AMSTERDAM,
];

/// More than any program here takes.
const PLENTY: u64 = 1_000_000;

/// A program and what it starts with.
#[derive(Clone, Debug)]
struct Scene {
    spec: SpecId,
    code: Vec<u8>,
    stack: Vec<U256>,
    /// Words of memory in use; paid for.
    memory: usize,
    input: Vec<u8>,
    /// The input lies in the caller's memory.
    input_is_shared: bool,
    gas: u64,
}

impl Scene {
    fn new(spec: SpecId, code: Vec<u8>) -> Self {
        let input = (1..=40).collect();
        Self {
            spec,
            code,
            stack: Vec::new(),
            memory: 0,
            input,
            input_is_shared: false,
            gas: PLENTY,
        }
    }

    /// Everything that can be seen of the interpreter when it is done. Code is
    /// translated where it has a `hash`.
    fn run(
        &self,
        instructions: &Instructions,
        hash: Option<B256>,
    ) -> (InterpreterAction, Vec<U256>, Vec<u8>, Gas, usize) {
        let mut host = DummyHost::new(self.spec);
        let mut memory = SharedMemory::new();
        memory.resize(self.input.len());
        memory.set(0, &self.input);
        let input = if self.input_is_shared {
            // revm says so of an empty input.
            let start = if self.input.is_empty() { usize::MAX } else { 0 };
            CallInput::SharedBuffer(start..start + self.input.len())
        } else {
            CallInput::Bytes(self.input.clone().into())
        };
        let inputs = InputsImpl {
            target_address: Address::repeat_byte(0xaa),
            caller_address: Address::repeat_byte(0xbb),
            call_value: U256::from(77),
            input,
            ..InputsImpl::default()
        };
        let code = Bytecode::new_legacy(self.code.clone().into());
        let code = ExtBytecode::new_with_optional_hash(code, hash);
        let memory = memory.new_child_context();
        let mut interpreter =
            Interpreter::<EthInterpreter>::new(memory, code, inputs, false, self.spec, PLENTY);
        interpreter.resize_memory(host.gas_params(), 0, self.memory * 32).expect("gas is plenty");
        interpreter.gas.set_remaining(self.gas);
        interpreter.return_data = ReturnDataImpl(Bytes::from(vec![5; 5]));
        for word in &self.stack {
            assert!(interpreter.stack.push(*word), "a stack has 1024 words at most");
        }
        let table = (instructions.instruction_table(), instructions.gas_table());
        let action = interpreter.run_plain(table.0, table.1, &mut host);
        let memory = interpreter.memory.context_memory().to_vec();
        let pc = interpreter.bytecode.pc();
        (action, interpreter.stack.data().clone(), memory, interpreter.gas, pc)
    }

    /// The hash of the code, on a thread that translates all code at once.
    fn hash(&self) -> Option<B256> {
        ATLAS.with_borrow_mut(|atlas| (atlas.desk.patience, atlas.desk.is_rash) = (0, true));
        Some(keccak256(&self.code))
    }

    #[track_caller]
    fn check(&self, stock: &Instructions, sprinting: &Instructions) {
        let expected = self.run(stock, None);
        assert_eq!(self.run(sprinting, None), expected, "step by step: {self:?}");
        assert_eq!(self.run(sprinting, self.hash()), expected, "translated: {self:?}");
    }
}

fn stock(spec: SpecId) -> Instructions {
    without_randomness(Instructions::new_mainnet_with_spec(spec))
}

fn sprinting(spec: SpecId) -> Instructions {
    let mut instructions = Instructions::new_mainnet_with_spec(spec);
    set_up(&mut instructions);
    without_randomness(instructions)
}

/// All but one: the host here knows of no randomness.
fn without_randomness(mut instructions: Instructions) -> Instructions {
    let table = instructions.instruction_table_mut();
    table[usize::from(opcode::DIFFICULTY)] = Instruction::unknown();
    instructions
}

/// Where the jump destination of [`around`] is.
const TARGET: u8 = 40;

/// A program in which a sprint comes to `opcode`, with a jump destination.
fn around(opcode: u8) -> Vec<u8> {
    let mut code = vec![opcode::STOP; usize::from(TARGET) + 2];
    code[..2].copy_from_slice(&[opcode::JUMPDEST, opcode]);
    code[usize::from(TARGET)] = opcode::JUMPDEST;
    code
}

fn edges() -> [U256; 14] {
    let small = [0_u64, 1, 2, 31, 32, TARGET.into(), 41, 255, 256, u64::MAX].map(U256::from);
    let [a, b, c, d, e, f, g, h, i, j] = small;
    let high = U256::from(1) << 255;
    [a, b, c, d, e, f, g, h, i, j, U256::from(1) << 64, high, high - U256::from(1), U256::MAX]
}

#[test]
fn every_pair_of_operands() {
    for spec in FORKS {
        let (stock, sprinting) = (stock(spec), sprinting(spec));
        for opcode in SIMPLE {
            for (a, b) in edges().into_iter().flat_map(|a| edges().map(|b| (a, b))) {
                let stack = vec![U256::from(7), a, b];
                let scene = Scene { stack, memory: 3, ..Scene::new(spec, around(opcode)) };
                scene.check(&stock, &sprinting);
            }
        }
    }
}

#[test]
fn every_amount_of_gas() {
    for spec in FORKS {
        let (stock, sprinting) = (stock(spec), sprinting(spec));
        for opcode in SIMPLE.into_iter().chain(OTHERS) {
            for (gas, memory) in (0..80).flat_map(|gas| [0, 1, 3].map(|memory| (gas, memory))) {
                let stack = vec![U256::from(TARGET); 17];
                let scene = Scene { stack, memory, gas, ..Scene::new(spec, around(opcode)) };
                scene.check(&stock, &sprinting);
            }
        }
    }
}

#[test]
fn every_height_of_the_stack() {
    for spec in FORKS {
        let (stock, sprinting) = (stock(spec), sprinting(spec));
        for opcode in SIMPLE.into_iter().chain(OTHERS) {
            for height in (0..=40).chain(1000..=1024) {
                let stack =
                    (0..height).map(|at| U256::from(usize::from(TARGET) + at % 2)).collect();
                let scene = Scene { stack, memory: 3, ..Scene::new(spec, around(opcode)) };
                scene.check(&stock, &sprinting);
            }
        }
    }
}

#[test]
fn input_may_lie_in_the_callers_memory_or_nowhere() {
    let (stock, sprinting) = (stock(SpecId::OSAKA), sprinting(SpecId::OSAKA));
    for (opcode, offset) in
        [opcode::CALLDATALOAD, opcode::CALLDATASIZE].iter().flat_map(|op| edges().map(|o| (op, o)))
    {
        for (length, input_is_shared) in (0..70).flat_map(|n| [false, true].map(|is| (n, is))) {
            let scene = Scene {
                stack: vec![offset],
                input: (1..=length).collect(),
                input_is_shared,
                ..Scene::new(SpecId::OSAKA, around(*opcode))
            };
            scene.check(&stock, &sprinting);
        }
    }
}

#[test]
fn code_may_end_in_the_middle_of_an_instruction() {
    let (stock, sprinting) = (stock(SpecId::OSAKA), sprinting(SpecId::OSAKA));
    for opcode in opcode::PUSH0..=opcode::PUSH32 {
        for length in 0..=usize::from(opcode - opcode::PUSH0) {
            let mut code = vec![opcode::JUMPDEST, opcode];
            code.extend((1..=32).take(length));
            Scene::new(SpecId::OSAKA, code).check(&stock, &sprinting);
        }
    }
}

#[test]
fn what_decides_a_jump_is_decided_the_same() {
    const AFTER: [&[u8]; 6] = [
        &[opcode::PUSH2, 0, TARGET, opcode::JUMPI],
        &[opcode::PUSH2, 0, TARGET, opcode::JUMP],
        &[opcode::PUSH2, 0, TARGET + 1, opcode::JUMPI],
        &[opcode::PUSH2, 0, TARGET + 1, opcode::JUMP],
        &[opcode::PUSH2, 0, TARGET, opcode::POP],
        &[],
    ];
    const COMPARISONS: [u8; 7] = [
        opcode::LT,
        opcode::GT,
        opcode::SLT,
        opcode::SGT,
        opcode::EQ,
        opcode::ISZERO,
        opcode::JUMPDEST,
    ];
    let (stock, sprinting) = (stock(SpecId::OSAKA), sprinting(SpecId::OSAKA));
    for (comparison, after) in COMPARISONS.iter().flat_map(|c| AFTER.map(|after| (*c, after))) {
        for (n_negated, words) in (0..3).flat_map(|n| [[1, 2], [2, 1], [0, 0]].map(|w| (n, w))) {
            let mut code = around(comparison);
            code[2..2 + n_negated].fill(opcode::ISZERO);
            code[2 + n_negated..][..after.len()].copy_from_slice(after);
            for height in [0, 1, 2, 900, 1021, 1022, 1023, 1024] {
                let stack = (0..height).map(|at| U256::from(words[at % 2])).collect();
                let scene = Scene { stack, ..Scene::new(SpecId::OSAKA, code.clone()) };
                for gas in (0..40).chain([PLENTY]) {
                    Scene { gas, ..scene.clone() }.check(&stock, &sprinting);
                }
            }
        }
    }
}

#[test]
fn a_sprint_does_not_go_back_to_the_table() {
    for opcode in SIMPLE {
        let mut sprinting = sprinting(SpecId::OSAKA);
        let scene = Scene {
            stack: vec![U256::from(TARGET); 17],
            memory: 3,
            ..Scene::new(SpecId::OSAKA, around(opcode))
        };
        // The one that the sprint begins with is looked up, no other.
        if opcode != opcode::JUMPDEST {
            sprinting.instruction_table_mut()[usize::from(opcode)] = Instruction::unknown();
        }
        scene.check(&stock(SpecId::OSAKA), &sprinting);
    }
}

#[test]
fn a_sprint_begins_behind_others() {
    for opcode in OTHERS {
        let code = vec![opcode, opcode::PC, opcode::POP];
        let stack = vec![U256::from(TARGET); 17];
        let scene = Scene { stack, memory: 3, ..Scene::new(SpecId::OSAKA, code) };
        let stock = stock(SpecId::OSAKA);
        let mut sprinting = sprinting(SpecId::OSAKA);
        // revm's loop looks these up, a sprint does not.
        for next in [opcode::PC, opcode::POP] {
            sprinting.instruction_table_mut()[usize::from(next)] = Instruction::unknown();
        }
        scene.check(&stock, &sprinting);
    }
}

/// Counts down from five: writes, hashes and calls a function each time.
fn countdown() -> Vec<u8> {
    use opcode::*;
    let mut code = vec![PUSH1, 5, JUMPDEST];
    code.extend([DUP1, PUSH1, 32, MUL, PUSH1, 128, ADD, DUP2, SWAP1, MSTORE]);
    code.extend([PUSH1, 64, PUSH1, 128, KECCAK256, PUSH1, 96, MSTORE]);
    let back = u8::try_from(code.len() + 7).expect("short code");
    let function = back + 16;
    code.extend([PUSH1, back, DUP2, GAS, PUSH1, function, JUMP]);
    code.extend([JUMPDEST, POP, PUSH1, 1, SWAP1, SUB, DUP1, PUSH1, 2, JUMPI]);
    code.extend([PUSH1, 1, MLOAD, PC, LT, STOP]);
    code.extend([JUMPDEST, DUP2, ISZERO, ISZERO, ADD, SWAP1, POP, SWAP1, JUMP]);
    code
}

#[test]
fn a_loop_with_every_amount_of_gas() {
    let (stock, sprinting) = (stock(SpecId::OSAKA), sprinting(SpecId::OSAKA));
    let whole = Scene::new(SpecId::OSAKA, countdown());
    let (_, stack, _, gas, _) = whole.run(&stock, None);
    assert_eq!(stack.len(), 2, "it comes to its end");
    let used = PLENTY - gas.remaining();
    for gas in 0..=used {
        Scene { gas, ..whole.clone() }.check(&stock, &sprinting);
    }
}

#[test]
fn a_loop_at_every_height_of_the_stack() {
    let (stock, sprinting) = (stock(SpecId::OSAKA), sprinting(SpecId::OSAKA));
    for height in (0..=40).chain(940..=1024) {
        let stack = vec![U256::from(3); height];
        let scene = Scene { stack, ..Scene::new(SpecId::OSAKA, countdown()) };
        scene.check(&stock, &sprinting);
    }
}

/// Runs something on a thread that has translated nothing yet.
fn on_a_new_thread(run: impl FnOnce() + Send) {
    std::thread::scope(|scope| scope.spawn(run).join()).expect("it does not panic");
}

fn n_passages() -> usize {
    ATLAS.with_borrow(|atlas| atlas.desk.n_passages)
}

#[test]
fn code_that_is_run_often_is_translated() {
    on_a_new_thread(|| {
        let (stock, sprinting) = (stock(SpecId::OSAKA), sprinting(SpecId::OSAKA));
        let scene = Scene::new(SpecId::OSAKA, countdown());
        let (expected, hash) = (scene.run(&stock, None), Some(keccak256(&scene.code)));
        assert_eq!(scene.run(&sprinting, hash), expected);
        assert_eq!(n_passages(), 0);
        for _ in 0..200 {
            assert_eq!(scene.run(&sprinting, hash), expected);
        }
        let once = n_passages();
        assert!(once > 0, "200 times are often");
        assert_eq!(scene.run(&sprinting, hash), expected);
        assert_eq!(n_passages(), once, "there is no more to translate");
    });
}

#[test]
fn code_is_not_taken_for_other_code_with_its_hash() {
    let (stock, sprinting) = (stock(SpecId::OSAKA), sprinting(SpecId::OSAKA));
    let hash = Scene::new(SpecId::OSAKA, countdown()).hash();
    for n in [5, 6, 5, 7] {
        let mut code = countdown();
        code[1] = n;
        let scene = Scene::new(SpecId::OSAKA, code);
        assert_eq!(scene.run(&sprinting, hash), scene.run(&stock, None));
    }
}

#[test]
fn forks_do_not_take_over_what_others_translated() {
    use opcode::*;
    let code = vec![JUMPDEST, PUSH1, 1, PUSH1, 2, SHL, RETURNDATASIZE, PUSH0, STOP];
    for spec in FORKS.into_iter().chain(FORKS) {
        Scene::new(spec, code.clone()).check(&stock(spec), &sprinting(spec));
    }
}

#[test]
fn code_may_be_too_long_for_passages() {
    let (stock, sprinting) = (stock(SpecId::OSAKA), sprinting(SpecId::OSAKA));
    for length in [65_400, 65_500, 65_533, 65_534, 65_535, 65_536, 70_000] {
        let mut code = countdown();
        code[..].fill(opcode::PC);
        // Through all of it, to the end.
        code.resize(length, opcode::JUMPDEST);
        Scene::new(SpecId::OSAKA, code).check(&stock, &sprinting);
    }
}

#[test]
fn nobody_sprints_at_other_prices() {
    for opcode in SIMPLE {
        let mut expected = stock(SpecId::OSAKA);
        let price = expected.gas_table()[usize::from(opcode)] + 1;
        expected.insert_gas(opcode, price);
        let mut instructions = expected.clone();
        set_up(&mut instructions);
        let scene = Scene {
            stack: vec![U256::from(TARGET); 17],
            memory: 3,
            ..Scene::new(SpecId::OSAKA, around(opcode))
        };
        scene.check(&expected, &instructions);
    }
}

/// Some lines of a program.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let small = || prop_oneof![0_u8..8, prop::sample::select(vec![31_u8, 32, 33, 64, 96, 224])];
    let push = (small()).prop_map(|byte| vec![opcode::PUSH1, byte]);
    let wide = (opcode::PUSH1..=opcode::PUSH32, any::<[u8; 32]>()).prop_map(|(push, bytes)| {
        let length = usize::from(push - opcode::PUSH0);
        [&[push], &bytes[..length]].concat()
    });
    let jump = (0_u8..120, prop::sample::select(vec![opcode::JUMP, opcode::JUMPI]))
        .prop_map(|(target, jump)| vec![opcode::PUSH2, 0, target, jump]);
    let memory = (small(), prop::sample::select(vec![opcode::MSTORE, opcode::MLOAD]))
        .prop_map(|(at, access)| vec![opcode::PUSH1, at, access]);
    let hash = (small(), small())
        .prop_map(|(length, at)| vec![opcode::PUSH1, length, opcode::PUSH1, at, opcode::KECCAK256]);
    let simple = prop::sample::select(SIMPLE.to_vec()).prop_map(|opcode| vec![opcode]);
    let other = prop::sample::select(OTHERS.to_vec()).prop_map(|opcode| vec![opcode]);
    prop_oneof![
        4 => simple,
        4 => push,
        1 => wide,
        1 => jump,
        2 => Just(vec![opcode::JUMPDEST]),
        2 => memory,
        1 => hash,
        1 => other,
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ]
}

prop_compose! {
    fn scenes()(
        spec in prop::sample::select(FORKS.to_vec()),
        lines in prop::collection::vec(lines(), 1..60),
        stack in prop::collection::vec(prop::sample::select(edges().to_vec()), 0..24),
        memory in 0_usize..4,
        input in prop::collection::vec(any::<u8>(), 0..80),
        input_is_shared in any::<bool>(),
        gas in prop_oneof![0_u64..400, Just(20_000)],
    ) -> Scene {
        Scene { spec, code: lines.concat(), stack, memory, input, input_is_shared, gas }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn programs_end_the_same(scene in scenes()) {
        let (stock, sprinting) = (stock(scene.spec), sprinting(scene.spec));
        let expected = scene.run(&stock, None);
        prop_assert_eq!(&scene.run(&sprinting, None), &expected);
        prop_assert_eq!(&scene.run(&sprinting, scene.hash()), &expected);
    }
}
