//! Random blocks.

use crate::support::{
    block::{BASE_FEE, Signer, Tx, block, header},
    code::{Code, input},
    forks::{FORKS, Fork},
    world::{ETHER, MINER, World, contract, nobody, user},
};
use alloy_primitives::{Address, U256};
use blockloom_engine::RecoveredBlock;
use proptest::prelude::*;
use revm::bytecode::opcode as op;
use std::sync::LazyLock;

const N_USERS: u64 = 4;
const N_CONTRACTS: usize = 4;
const N_NOBODIES: u64 = 2;
const N_SIGNERS: u8 = 2;
const N_SLOTS: u64 = 3;

/// Cases in each random contract; the transaction's input chooses one.
const N_CASES: usize = 3;

static SIGNERS: LazyLock<Vec<Signer>> = LazyLock::new(|| (0..N_SIGNERS).map(Signer::new).collect());

/// What the children that contracts create run, by number.
fn child(number: u64) -> Code {
    let runtime = match number % 3 {
        0 => Code::new().count(1),
        1 => Code::new().self_destruct(user(0)),
        _ => Code::new().op(op::SELFBALANCE).store_top(0),
    };
    match number / 3 % 3 {
        0 => runtime.init(),
        1 => Code::new().count(2).deploying(&runtime),
        _ => Code::new().store(1, 3).self_destruct(contract(0)),
    }
}

const N_CHILDREN: u64 = 9;

fn any_contract() -> impl Strategy<Value = Address> {
    (0..N_CONTRACTS as u64).prop_map(contract)
}

fn any_case() -> impl Strategy<Value = u64> {
    0..N_CASES as u64
}

/// Any account that plays a part: few, so that they meet.
pub(super) fn any_account() -> impl Strategy<Value = Address> {
    prop_oneof![
        3 => (0..N_USERS).prop_map(user),
        6 => any_contract(),
        2 => (0..N_NOBODIES).prop_map(nobody),
        2 => Just(MINER),
        3 => (0..usize::from(N_SIGNERS)).prop_map(|n| SIGNERS[n].address),
        1 => Just(Address::with_last_byte(4)),
        // Where contracts put their children.
        3 => (any_contract(), 0..N_CHILDREN)
            .prop_map(|(n, number)| child(number).create2_address(n, number)),
        1 => (any_contract(), 1..3u64).prop_map(|(n, nonce)| n.create(nonce)),
        1 => (0..N_USERS, 0..3u64).prop_map(|(n, nonce)| user(n).create(nonce)),
    ]
}

/// One thing a contract does.
#[derive(Clone, Debug)]
enum Act {
    Copy { from: u64, to: u64 },
    Count(u64),
    Store(u64, u64),
    Look { instruction: u8, at: Address, slot: u64 },
    LookAtSelf(u64),
    Call { kind: u8, to: Address, value: u64, case: u64 },
    Create { value: u64, number: u64 },
    Create2 { value: u64, number: u64 },
    Log(u64),
    SelfDestruct(Address),
    Revert,
    Fail,
}

fn any_act() -> impl Strategy<Value = Act> {
    let slot = || 0..N_SLOTS;
    let look = prop::sample::select(vec![op::BALANCE, op::EXTCODESIZE, op::EXTCODEHASH]);
    let kind = prop::sample::select(vec![
        op::CALL,
        op::CALL,
        op::CALL,
        op::CALLCODE,
        op::DELEGATECALL,
        op::STATICCALL,
    ]);
    let value = || prop_oneof![2 => Just(0u64), 2 => 1..20u64, 1 => 400..2_000u64];
    prop_oneof![
        3 => (slot(), slot()).prop_map(|(from, to)| Act::Copy { from, to }),
        4 => slot().prop_map(Act::Count),
        3 => (slot(), 0..3u64).prop_map(|(slot, value)| Act::Store(slot, value)),
        3 => (look, any_account(), slot())
            .prop_map(|(instruction, at, slot)| Act::Look { instruction, at, slot }),
        1 => slot().prop_map(Act::LookAtSelf),
        6 => (kind, any_account(), value(), any_case())
            .prop_map(|(kind, to, value, case)| Act::Call { kind, to, value, case }),
        2 => (value(), 0..N_CHILDREN).prop_map(|(value, number)| Act::Create { value, number }),
        3 => (value(), 0..N_CHILDREN).prop_map(|(value, number)| Act::Create2 { value, number }),
        2 => slot().prop_map(Act::Log),
        2 => any_account().prop_map(Act::SelfDestruct),
        1 => Just(Act::Revert),
        1 => Just(Act::Fail),
    ]
}

/// Appends `act`. Instructions that a fork does not know end the call there,
/// which is as good a behaviour as any.
fn append(code: Code, act: &Act) -> Code {
    match *act {
        Act::Copy { from, to } => code.push(from).op(op::SLOAD).store_top(to),
        Act::Count(slot) => code.count(slot),
        Act::Store(slot, value) => code.store(slot, value),
        Act::Look { instruction, at, slot } => code.store_of(instruction, at, slot),
        Act::LookAtSelf(slot) => code.op(op::SELFBALANCE).store_top(slot),
        Act::Call { kind, to, value, case } => {
            code.push_call_with(kind, to, value, Some(case)).op(op::POP)
        }
        Act::Create { value, number } => code.push_create(value, &child(number)).op(op::POP),
        Act::Create2 { value, number } => {
            code.push_create2(value, number, &child(number)).op(op::POP)
        }
        Act::Log(slot) => code.push(slot).op(op::SLOAD).log_top(),
        Act::SelfDestruct(heir) => code.self_destruct(heir),
        Act::Revert => code.revert(),
        Act::Fail => code.op(op::INVALID),
    }
}

type Program = [Vec<Act>; N_CASES];

fn any_program() -> impl Strategy<Value = Program> {
    let case = || prop::collection::vec(any_act(), 0..5);
    [case(), case(), case()]
}

fn compile(program: &Program) -> Code {
    Code::switch(program.each_ref().map(|acts| acts.iter().fold(Code::new(), append)))
}

/// What a transaction is.
#[derive(Clone, Debug)]
enum Kind {
    Send(Address),
    Call { to: Address, case: u64 },
    Create(u64),
    Delegate { signer: usize, target: Address, nonce: u64, to: Address },
}

/// How it departs from what is proper.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    None,
    Free,
    LittleGas(u64),
    NonceGap,
    NoFunds,
    TooMuchGas,
}

#[derive(Clone, Debug)]
struct RandomTx {
    sender: Address,
    kind: Kind,
    value: u64,
    flaw: Flaw,
}

fn any_transaction() -> impl Strategy<Value = RandomTx> {
    let sender = prop_oneof![
        30 => (0..N_USERS).prop_map(user),
        2 => Just(MINER),
        1 => (0..usize::from(N_SIGNERS)).prop_map(|n| SIGNERS[n].address),
    ];
    let kind = prop_oneof![
        4 => any_account().prop_map(Kind::Send),
        10 => (any_account(), any_case()).prop_map(|(to, case)| Kind::Call { to, case }),
        1 => (0..N_CHILDREN).prop_map(Kind::Create),
        2 => (0..usize::from(N_SIGNERS), any_account(), 0..4u64, any_account())
            .prop_map(|(signer, target, nonce, to)| Kind::Delegate { signer, target, nonce, to }),
    ];
    let value = prop_oneof![3 => Just(0u64), 2 => 1..50u64];
    let flaw = prop_oneof![
        600 => Just(Flaw::None),
        30 => Just(Flaw::Free),
        30 => (80_000..300_000u64).prop_map(Flaw::LittleGas),
        1 => Just(Flaw::NonceGap),
        1 => Just(Flaw::NoFunds),
        1 => Just(Flaw::TooMuchGas),
    ];
    (sender, kind, value, flaw).prop_map(|(sender, kind, value, flaw)| RandomTx {
        sender,
        kind,
        value,
        flaw,
    })
}

/// A block to be, as small as it can be printed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    fork: Fork,
    programs: [Program; N_CONTRACTS],
    balances: [u64; N_CONTRACTS],
    /// Children that are there from the start.
    born: Vec<(Address, u64)>,
    delegated: Option<Address>,
    miner: Address,
    miner_funds: u128,
    transactions: Vec<RandomTx>,
    withdrawals: Vec<(Address, u64)>,
}

/// Any block of 5 to 40 transactions.
pub(super) fn any_block() -> impl Strategy<Value = Plan> {
    let program = any_program;
    let balance = || prop_oneof![Just(0u64), 1..500u64];
    let miner = prop_oneof![3 => Just(MINER), 2 => any_account()];
    (
        prop::sample::select(FORKS.to_vec()),
        [program(), program(), program(), program()],
        [balance(), balance(), balance(), balance()],
        prop::collection::vec((any_contract(), 0..N_CHILDREN), 0..3),
        prop::option::of(any_account()),
        (miner, prop::sample::select(vec![0, 1, ETHER, ETHER, ETHER, ETHER])),
        prop::collection::vec(any_transaction(), 5..40),
        prop::collection::vec((any_account(), 0..3u64), 0..3),
    )
        .prop_map(
            |(fork, programs, balances, born, delegated, miner, transactions, withdrawals)| Plan {
                fork,
                programs,
                balances,
                born,
                delegated,
                miner: miner.0,
                miner_funds: miner.1,
                transactions,
                withdrawals,
            },
        )
}

/// A block with the state it runs on.
pub(super) struct RandomBlock {
    pub(super) fork: Fork,
    pub(super) world: World,
    pub(super) block: RecoveredBlock,
    pub(super) withdrawals: Vec<(Address, u64)>,
}

impl Plan {
    pub(super) fn build(&self) -> RandomBlock {
        let world = self.world();
        let mut header = header(self.fork);
        header.beneficiary = self.miner;
        header.gas_limit = 90_000_000;
        let transactions = self.transactions.iter().map(|tx| self.transaction(tx)).collect();
        let block = block(header, &world, transactions);
        RandomBlock { fork: self.fork, world, block, withdrawals: self.withdrawals.clone() }
    }

    fn world(&self) -> World {
        let mut world = World::new();
        if self.miner_funds > 0 {
            world = world.account(MINER, self.miner_funds, 0);
        }
        for signer in SIGNERS.iter() {
            world = world.account(signer.address, ETHER, 0);
        }
        for ((n, program), funds) in (0..).zip(&self.programs).zip(self.balances) {
            let address = contract(n);
            world = world
                .rich_contract(address, &compile(program), funds)
                .slot(address, 0, 5)
                .slot(address, 1, n);
        }
        for (creator, number) in &self.born {
            let address = child(*number).create2_address(*creator, *number);
            let runtime = Code::new().count(1).self_destruct(contract(0));
            world = world.rich_contract(address, &runtime, 3).slot(address, 1, 8);
        }
        match self.delegated {
            Some(target) if self.fork >= Fork::Prague => {
                world.delegated(SIGNERS[0].address, target)
            }
            _ => world,
        }
    }

    fn transaction(&self, tx: &RandomTx) -> Tx {
        let sender = tx.sender;
        let base = match &tx.kind {
            Kind::Send(to) => Tx::send(sender, *to, tx.value),
            Kind::Call { to, case } => Tx::call(sender, *to).input(input(*case)).value(tx.value),
            Kind::Create(number) => Tx::create(sender, &child(*number)).value(tx.value),
            Kind::Delegate { signer, target, nonce, to } if self.fork >= Fork::Prague => {
                let target = if tx.value % 4 == 3 { Address::ZERO } else { *target };
                let list = vec![SIGNERS[*signer].delegate(target, *nonce)];
                Tx::call(sender, *to).input(input(0)).authorize(list)
            }
            Kind::Delegate { to, .. } => Tx::call(sender, *to),
        };
        match tx.flaw {
            Flaw::None => base,
            Flaw::Free if self.fork >= Fork::London => base.price(u128::from(BASE_FEE)),
            Flaw::Free => base.price(0),
            Flaw::LittleGas(gas) => base.gas(gas),
            Flaw::NonceGap => base.nonce(77),
            Flaw::NoFunds => base.value(U256::from(2000 * ETHER)),
            Flaw::TooMuchGas => base.gas(90_000_001),
        }
    }
}
