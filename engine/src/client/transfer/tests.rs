//! Whatever is computed is what revm gives.

use super::compute;
use crate::transfer::{Transfer, TransferRules};
use alloy_evm::{Evm, EvmEnv, EvmFactory, eth::EthEvmFactory};
use alloy_primitives::{Address, B256, TxKind, U256, address, map::AddressMap};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use revm::{
    Database,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::{
        DBErrorMarker,
        block::BlobExcessGasAndPrice,
        result::{EVMError, HaltReason, ResultAndState},
    },
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode},
};
use std::cell::Cell;

const SENDER: Address = address!("0x5e00000000000000000000000000000000000001");
const RECIPIENT: Address = address!("0x7ec0000000000000000000000000000000000001");
const BENEFICIARY: Address = address!("0xbe00000000000000000000000000000000000001");

/// Cases, unless `PROPTEST_CASES` asks for more.
const CASES: u32 = 8_192;

const BASE_FEE: u64 = 7;
const BLOCK_GAS: u64 = 1_000_000;

const FORKS: [SpecId; 12] = [
    SpecId::FRONTIER,
    SpecId::HOMESTEAD,
    SpecId::SPURIOUS_DRAGON,
    SpecId::ISTANBUL,
    SpecId::BERLIN,
    SpecId::LONDON,
    SpecId::MERGE,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
    SpecId::OSAKA,
    SpecId::AMSTERDAM,
];

/// Answers from a few accounts and writes down what it is asked; fails from
/// question `fails_at` on.
#[derive(Clone, Debug)]
struct Accounts {
    accounts: AddressMap<AccountInfo>,
    asked: Vec<Address>,
    fails_at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of order")]
struct OutOfOrder;

impl DBErrorMarker for OutOfOrder {}

impl Database for Accounts {
    type Error = OutOfOrder;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, OutOfOrder> {
        if self.asked.len() >= self.fails_at {
            return Err(OutOfOrder);
        }
        self.asked.push(address);
        Ok(self.accounts.get(&address).cloned())
    }

    fn code_by_hash(&mut self, _: B256) -> Result<Bytecode, OutOfOrder> {
        Ok(Bytecode::new_raw([0x00].into()))
    }

    fn storage(&mut self, _: Address, _: U256) -> Result<U256, OutOfOrder> {
        Ok(U256::ZERO)
    }

    fn block_hash(&mut self, _: u64) -> Result<B256, OutOfOrder> {
        Ok(B256::ZERO)
    }
}

/// One transaction and all it depends on.
#[derive(Clone, Debug)]
struct Case {
    env: EvmEnv,
    tx: TxEnv,
    accounts: Accounts,
}

type Outcome = Result<ResultAndState<HaltReason>, EVMError<OutOfOrder>>;

impl Case {
    /// A transfer that has nothing special about it.
    fn plain(spec: SpecId, kind: u8) -> Self {
        let block = BlockEnv {
            beneficiary: BENEFICIARY,
            basefee: if spec.is_enabled_in(SpecId::LONDON) { BASE_FEE } else { 0 },
            gas_limit: BLOCK_GAS,
            prevrandao: Some(B256::ZERO),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(0, 1)),
            ..BlockEnv::default()
        };
        let tx = TxEnv {
            tx_type: kind,
            caller: SENDER,
            gas_limit: 21_000,
            gas_price: 10,
            gas_priority_fee: (kind == 2).then_some(2),
            kind: TxKind::Call(RECIPIENT),
            value: U256::from(1_000),
            nonce: 3,
            chain_id: Some(1),
            ..TxEnv::default()
        };
        let rich = |nonce| AccountInfo::from_balance(U256::from(u64::MAX)).with_nonce(nonce);
        let accounts = [(SENDER, rich(3)), (RECIPIENT, rich(0)), (BENEFICIARY, rich(0))];
        Self {
            env: EvmEnv::new(CfgEnv::new_with_spec(spec), block),
            tx,
            accounts: Accounts {
                accounts: accounts.into_iter().collect(),
                asked: Vec::new(),
                fails_at: usize::MAX,
            },
        }
    }

    fn account(&mut self, address: Address) -> &mut AccountInfo {
        self.accounts.accounts.entry(address).or_default()
    }

    /// Makes one thing about it special, or not.
    fn twist(&mut self, twist: Twist) {
        match twist {
            Twist::Nothing => {}
            Twist::Missing(who) => drop(self.accounts.accounts.remove(&who)),
            Twist::Balance(who, balance) => self.account(who).balance = balance,
            Twist::Nonce(nonce) => self.account(SENDER).nonce = nonce,
            Twist::Code(who) => {
                let code = Bytecode::new_raw([0x00].into());
                self.account(who).code_hash = code.hash_slow();
                self.account(who).code = Some(code);
            }
            Twist::CodeByHash(who) => {
                self.account(who).code_hash = B256::repeat_byte(1);
                self.account(who).code = None;
            }
            Twist::NoCodeAlong(who) => self.account(who).code = None,
            Twist::CodeUnderNoHash(who) => {
                self.account(who).code = Some(Bytecode::new_raw([0x00].into()));
            }
            Twist::To(to) => self.tx.kind = TxKind::Call(to),
            Twist::Create => self.tx.kind = TxKind::Create,
            Twist::Value(value) => self.tx.value = value,
            Twist::Gas(gas_limit) => self.tx.gas_limit = gas_limit,
            Twist::Price(price) => self.tx.gas_price = price,
            Twist::Priority(priority) => self.tx.gas_priority_fee = priority,
            Twist::Data => self.tx.data = [0x00].into(),
            Twist::Chain(id) => self.tx.chain_id = id,
            Twist::NonceOfTx(nonce) => self.tx.nonce = nonce,
            Twist::Beneficiary(who) => self.env.block_env.beneficiary = who,
            Twist::NoRandomness => self.env.block_env.prevrandao = None,
            Twist::NoBlobPrice => self.env.block_env.blob_excess_gas_and_price = None,
            Twist::NoNonceCheck => self.env.cfg_env.disable_nonce_check = true,
            Twist::NoChainCheck => self.env.cfg_env.tx_chain_id_check = false,
            Twist::GasCap(cap) => self.env.cfg_env.tx_gas_limit_cap = Some(cap),
            Twist::PricesOf(spec) => {
                self.env.cfg_env.gas_params = CfgEnv::new_with_spec(spec).gas_params;
            }
            Twist::FailsAt(question) => self.accounts.fails_at = question,
        }
    }

    /// What is computed, if anything is, and what was asked for that.
    fn computed(&self) -> (Option<ResultAndState<HaltReason>>, Vec<Address>) {
        let rules = TransferRules::new(&self.env);
        let mut accounts = self.accounts.clone();
        let computed = Transfer::of_env(&self.tx, &rules)
            .and_then(|transfer| compute(&transfer, &rules, &mut accounts));
        (computed, accounts.asked)
    }

    /// What revm gives, and what it asks for that.
    fn interpreted(&self) -> (Outcome, Vec<Address>) {
        let accounts = self.accounts.clone();
        let mut evm = EthEvmFactory::default().create_evm(accounts, self.env.clone());
        let outcome = evm.transact_raw(self.tx.clone());
        let (accounts, _) = evm.finish();
        (outcome, accounts.asked)
    }
}

#[derive(Clone, Copy, Debug)]
enum Twist {
    Nothing,
    Missing(Address),
    Balance(Address, U256),
    Nonce(u64),
    Code(Address),
    CodeByHash(Address),
    NoCodeAlong(Address),
    CodeUnderNoHash(Address),
    To(Address),
    Create,
    Value(U256),
    Gas(u64),
    Price(u128),
    Priority(Option<u128>),
    Data,
    Chain(Option<u64>),
    NonceOfTx(u64),
    Beneficiary(Address),
    NoRandomness,
    NoBlobPrice,
    NoNonceCheck,
    NoChainCheck,
    GasCap(u64),
    PricesOf(SpecId),
    FailsAt(usize),
}

fn twist() -> impl Strategy<Value = Twist> {
    let anybody = || select(vec![SENDER, RECIPIENT, BENEFICIARY]);
    // What the sender needs at the prices of `Case::plain` is 211,000 wei.
    let balances = [0, 1_000, 148_000, 210_999, 211_000].map(U256::from);
    let balances = select([&balances[..], &[U256::MAX, U256::MAX - U256::from(999)]].concat());
    let low = Address::with_last_byte;
    let to = select(vec![SENDER, BENEFICIARY, low(1), low(0x11), low(0x12), low(0)]);
    prop_oneof![
        8 => Just(Twist::Nothing),
        4 => anybody().prop_map(Twist::Missing),
        4 => (anybody(), balances).prop_map(|(who, balance)| Twist::Balance(who, balance)),
        1 => select(vec![0, 2, 4, u64::MAX]).prop_map(Twist::Nonce),
        1 => anybody().prop_map(Twist::Code),
        1 => anybody().prop_map(Twist::CodeByHash),
        4 => anybody().prop_map(Twist::NoCodeAlong),
        1 => anybody().prop_map(Twist::CodeUnderNoHash),
        1 => to.prop_map(Twist::To),
        1 => Just(Twist::Create),
        1 => select(vec![U256::ZERO, U256::ONE, U256::MAX]).prop_map(Twist::Value),
        4 => select(vec![20_999, 21_001, BLOCK_GAS, BLOCK_GAS + 1]).prop_map(Twist::Gas),
        4 => select(vec![0, 6, 7, 8, u128::MAX]).prop_map(Twist::Price),
        4 => select(vec![None, Some(0), Some(3), Some(11)]).prop_map(Twist::Priority),
        1 => Just(Twist::Data),
        1 => select(vec![None, Some(2)]).prop_map(Twist::Chain),
        1 => select(vec![2, 4, u64::MAX]).prop_map(Twist::NonceOfTx),
        1 => anybody().prop_map(Twist::Beneficiary),
        1 => Just(Twist::NoRandomness),
        1 => Just(Twist::NoBlobPrice),
        1 => Just(Twist::NoNonceCheck),
        1 => Just(Twist::NoChainCheck),
        1 => select(vec![20_000, 30_000]).prop_map(Twist::GasCap),
        1 => select(FORKS.to_vec()).prop_map(Twist::PricesOf),
        1 => (0_usize..4).prop_map(Twist::FailsAt),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let twists = proptest::collection::vec(twist(), 0..4);
    (select(FORKS.to_vec()), 0_u8..5, twists).prop_map(|(spec, kind, twists)| {
        let mut case = Case::plain(spec, kind);
        twists.into_iter().for_each(|twist| case.twist(twist));
        case
    })
}

#[test]
fn what_is_computed_is_what_revm_gives() {
    let n_computed = Cell::new(0);
    let cases = Config::default().cases.max(CASES);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&case(), |case| {
            let (computed, asked) = case.computed();
            let (interpreted, asked_by_revm) = case.interpreted();
            match computed {
                Some(computed) => {
                    n_computed.set(n_computed.get() + 1);
                    prop_assert_eq!(Ok(computed), interpreted);
                    prop_assert_eq!(asked, asked_by_revm);
                }
                // Whoever goes on with revm has not asked what it does not.
                None => prop_assert!(asked_by_revm.starts_with(&asked)),
            }
            Ok(())
        })
        .unwrap();
    assert!(n_computed.get() > 1_000, "{} were computed", n_computed.get());
}

#[test]
fn plain_transfers_are_computed_in_every_fork_they_are_known_in() {
    for spec in FORKS {
        let kinds = match spec {
            SpecId::FRONTIER | SpecId::HOMESTEAD | SpecId::AMSTERDAM => 0..0,
            _ if spec.is_enabled_in(SpecId::LONDON) => 0..3,
            _ if spec.is_enabled_in(SpecId::BERLIN) => 0..2,
            _ => 0..1,
        };
        for kind in 0..5 {
            let (computed, _) = Case::plain(spec, kind).computed();
            assert_eq!(computed.is_some(), kinds.contains(&kind), "{spec:?}, kind {kind}");
        }
    }
}
