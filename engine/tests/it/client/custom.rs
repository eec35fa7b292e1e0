//! Inner factories that are not Ethereum's own.

use super::{
    chain::{Chain, Inner, ahead},
    drive::{Caller, EnvOf, Factory, assert_same, drive, drive_in},
    recorder::Ledger,
};
use crate::support::{
    block::{Tx, block, header},
    code::Code,
    forks::{Fork, spec},
    world::{MINER, World, contract, nobody, user},
};
use alloy_evm::{
    Database, Evm, EvmEnv, EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
    eth::{EthBlockExecutorFactory, EthEvm, EthEvmBuilder, EthEvmContext, EthEvmFactory},
    precompiles::{DynPrecompile, PrecompileInput, PrecompilesMap},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use blockloom_engine::{
    Mode,
    client::{
        AheadEvmFactory, AnyEvm, BlockPlan, Ethereum, ParallelBlockExecutorFactory, PlainReceipts,
    },
};
use blockloom_state::{BaseStateError, MemoryState, MemoryStateError};
use parking_lot::{Condvar, Mutex};
use revm::{
    DatabaseRef, Inspector,
    bytecode::opcode as op,
    context::{BlockEnv, CfgEnv, DBErrorMarker, TxEnv},
    context_interface::result::{EVMError, HaltReason, ResultAndState},
    inspector::NoOpInspector,
    precompile::{PrecompileId, PrecompileOutput, Precompiles},
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode},
};
use std::sync::Arc;

/// Where the precompile of these tests is.
const ORACLE: Address = Address::repeat_byte(0x77);

/// Gives the balance of the beneficiary, and of an account that is credited all
/// the time: what only a run in its turn can know.
fn oracle(mut input: PrecompileInput<'_>) -> revm::precompile::PrecompileResult {
    let mut sum = U256::ZERO;
    for address in [MINER, nobody(0)] {
        let loaded = input.internals_mut().load_account(address);
        sum += loaded.map(|account| account.data.info.balance).unwrap_or_default();
    }
    Ok(PrecompileOutput::new(700, Bytes::from(sum.to_be_bytes_vec()), input.reservoir))
}

fn with_oracle(spec: SpecId) -> PrecompilesMap {
    let mut precompiles = PrecompilesMap::from_static(Precompiles::new(spec.into()));
    let oracle = DynPrecompile::new_stateful(PrecompileId::custom("oracle"), oracle);
    precompiles.apply_precompile(&ORACLE, |_| Some(oracle));
    precompiles
}

/// Ethereum with a precompile more.
#[derive(Clone, Copy, Debug)]
struct OracleEvms;

impl EvmFactory for OracleEvms {
    type Evm<DB: Database, I: Inspector<EthEvmContext<DB>>> = EthEvm<DB, I, PrecompilesMap>;
    type Context<DB: Database> = EthEvmContext<DB>;
    type Tx = TxEnv;
    type Error<DBError: DBErrorMarker> = EVMError<DBError>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;

    fn create_evm<DB: Database>(&self, db: DB, env: EvmEnv) -> Self::Evm<DB, NoOpInspector> {
        let precompiles = with_oracle(env.cfg_env.spec);
        EthEvmBuilder::new(db, env).precompiles(precompiles).build()
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<Self::Context<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> Self::Evm<DB, I> {
        let precompiles = with_oracle(env.cfg_env.spec);
        EthEvmBuilder::new(db, env).precompiles(precompiles).activate_inspector(inspector).build()
    }
}

/// The rules of a chain that names its forks itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum OwnSpec {
    #[default]
    Genesis,
}

impl From<OwnSpec> for SpecId {
    fn from(OwnSpec::Genesis: OwnSpec) -> Self {
        Self::PRAGUE
    }
}

/// An EVM of that chain: a type of its own, with the oracle.
struct OwnEvm<DB: Database, I> {
    inner: EthEvm<DB, I, PrecompilesMap>,
    cfg: CfgEnv<OwnSpec>,
}

impl<DB: Database, I: Inspector<EthEvmContext<DB>>> Evm for OwnEvm<DB, I> {
    type DB = DB;
    type Tx = TxEnv;
    type Error = EVMError<DB::Error>;
    type HaltReason = HaltReason;
    type Spec = OwnSpec;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;
    type Inspector = I;

    fn block(&self) -> &BlockEnv {
        self.inner.block()
    }

    fn cfg_env(&self) -> &CfgEnv<OwnSpec> {
        &self.cfg
    }

    fn chain_id(&self) -> u64 {
        self.inner.chain_id()
    }

    fn transact_raw(&mut self, tx: TxEnv) -> Result<ResultAndState<HaltReason>, Self::Error> {
        self.inner.transact_raw(tx)
    }

    fn transact_system_call(
        &mut self,
        caller: Address,
        contract: Address,
        data: Bytes,
    ) -> Result<ResultAndState<HaltReason>, Self::Error> {
        self.inner.transact_system_call(caller, contract, data)
    }

    fn finish(self) -> (DB, EvmEnv<OwnSpec>) {
        let (db, env) = self.inner.finish();
        (db, EvmEnv::new(self.cfg, env.block_env))
    }

    fn set_inspector_enabled(&mut self, enabled: bool) {
        self.inner.set_inspector_enabled(enabled);
    }

    fn components(&self) -> (&DB, &I, &PrecompilesMap) {
        self.inner.components()
    }

    fn components_mut(&mut self) -> (&mut DB, &mut I, &mut PrecompilesMap) {
        self.inner.components_mut()
    }
}

#[derive(Clone, Copy, Debug)]
struct OwnEvms;

impl EvmFactory for OwnEvms {
    type Evm<DB: Database, I: Inspector<EthEvmContext<DB>>> = OwnEvm<DB, I>;
    type Context<DB: Database> = EthEvmContext<DB>;
    type Tx = TxEnv;
    type Error<DBError: DBErrorMarker> = EVMError<DBError>;
    type HaltReason = HaltReason;
    type Spec = OwnSpec;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;

    fn create_evm<DB: Database>(
        &self,
        db: DB,
        env: EvmEnv<OwnSpec>,
    ) -> Self::Evm<DB, NoOpInspector> {
        let mut evm = self.create_evm_with_inspector(db, env, NoOpInspector);
        evm.set_inspector_enabled(false);
        evm
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<Self::Context<DB>>>(
        &self,
        db: DB,
        env: EvmEnv<OwnSpec>,
        inspector: I,
    ) -> Self::Evm<DB, I> {
        let EvmEnv { cfg_env: cfg, block_env } = env;
        let eth = cfg.clone().with_spec_and_mainnet_gas_params(SpecId::from(cfg.spec));
        let env = EvmEnv::new(eth, block_env);
        OwnEvm { inner: OracleEvms.create_evm_with_inspector(db, env, inspector), cfg }
    }
}

/// Transactions that ask the oracle, pay it, credit those it tells of, and others
/// that have nothing to do with it.
fn chain() -> Chain {
    let asks = Code::new().call(ORACLE, 0u64).push(32).push(0).push(0);
    let asks = asks.op(op::RETURNDATACOPY).push(0).op(op::MLOAD).store_top(1);
    let mut world = World::new().contract(contract(0), &asks);
    for n in 1..8 {
        world = world.contract(contract(n), &Code::new().count(n));
    }
    let transactions = (0..60)
        .map(|n| match n % 6 {
            0 => Tx::call(user(n % 10), contract(0)),
            1 => Tx::send_noted(user(n % 10), nobody(0), 3),
            // No plain transfer: the oracle takes gas.
            2 => Tx::send(user(n % 10), ORACLE, 1),
            _ => Tx::call(user(n % 10), contract(1 + n % 7)),
        })
        .collect();
    let block = block(header(Fork::Prague), &world, transactions);
    Chain { spec: spec(Fork::Prague), block, base: Arc::new(world.0) }
}

fn executors<E>(chain: &Chain, evms: E) -> Inner<E> {
    EthBlockExecutorFactory::new(PlainReceipts, chain.spec.clone(), evms)
}

const CALLERS: [Caller; 4] = [Caller::WholeBlock, Caller::Apart, Caller::Picky, Caller::Swapping];

/// Compares executors of `wrapped` with those of `bare`.
#[track_caller]
fn compare<F, G>(
    chain: &Chain,
    (bare, wrapped): (&F, &G),
    env: &EnvOf<F>,
    announce: impl Fn(BlockPlan<TxEnv>),
) where
    F: Factory,
    G: Factory<
            Receipt = F::Receipt,
            EvmFactory: EvmFactory<Spec = <F::EvmFactory as EvmFactory>::Spec>,
        >,
{
    for caller in CALLERS {
        let expected = drive_in(bare, env.clone(), chain, caller, usize::MAX);
        let parent = Some(chain.block.header().parent_hash);
        announce(BlockPlan::new(parent, chain.transactions()));
        let actual = drive_in(wrapped, env.clone(), chain, caller, usize::MAX);
        assert_same(&actual, &expected, &format!("{caller:?}"));
    }
}

/// Compares executors of an EVM factory, run ahead by a strategy, with bare
/// ones.
macro_rules! check {
    ($evms:expr, $strategy:expr, $env:expr) => {{
        let chain = chain();
        let ahead = ahead(3, Mode::Parallel).with_snapshots(chain.snapshots());
        let wrapped = executors(&chain, AheadEvmFactory::new(ahead, $evms, $strategy));
        let wrapped =
            ParallelBlockExecutorFactory::new(wrapped).with_parent_of(|ctx| ctx.parent_hash);
        let bare = executors(&chain, $evms);
        compare(&chain, (&bare, &wrapped), &$env(&chain), |plan| {
            wrapped.announce(&chain.env().block_env, plan);
        });
    }};
}

fn own_env(chain: &Chain) -> EvmEnv<OwnSpec> {
    let EvmEnv { cfg_env, block_env } = chain.env();
    EvmEnv::new(cfg_env.with_spec_and_mainnet_gas_params(OwnSpec::Genesis), block_env)
}

#[test]
fn the_oracle_matters() {
    let chain = chain();
    let stock = drive(&chain.stock(), &chain, Caller::WholeBlock, usize::MAX);
    let own = drive(&executors(&chain, OracleEvms), &chain, Caller::WholeBlock, usize::MAX);
    assert_ne!(stock.bundle, own.bundle);
}

#[test]
fn precompiles_of_ones_own_that_look_at_balances() {
    check!(OracleEvms, Ethereum, Chain::env);
}

#[test]
fn a_stock_evm_below_scouts_that_sprint() {
    check!(EthEvmFactory::default(), Ethereum, Chain::env);
}

#[test]
fn any_evm_compared_in_full() {
    check!(EthEvmFactory::default(), AnyEvm::new(), Chain::env);
    check!(OwnEvms, AnyEvm::new(), own_env);
}

#[test]
fn any_evm_whose_fees_are_credited() {
    check!(EthEvmFactory::default(), AnyEvm::new().with_credited_fees(), Chain::env);
    check!(OwnEvms, AnyEvm::new().with_credited_fees(), own_env);
}

/// A snapshot that says when it is asked for one account.
struct Watched {
    state: Arc<MemoryState>,
    on: Address,
    asked: Arc<(Mutex<bool>, Condvar)>,
}

impl DatabaseRef for Watched {
    type Error = MemoryStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MemoryStateError> {
        if address == self.on {
            *self.asked.0.lock() = true;
            self.asked.1.notify_all();
        }
        self.state.basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, MemoryStateError> {
        self.state.code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, MemoryStateError> {
        self.state.storage_ref(address, index)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryStateError> {
        self.state.block_hash_ref(number)
    }
}

#[test]
fn results_of_any_evm_stand_where_fees_are_credited() {
    let chain = chain();
    let asked = Arc::new((Mutex::new(false), Condvar::new()));
    let (state, told) = (Arc::clone(&chain.base), Arc::clone(&asked));
    // The one scout takes transactions in order, so once it is at the tenth
    // sender, results of those before it are there.
    let on = user(9);
    let snapshots = move |_parent| {
        Ok::<_, BaseStateError>(Watched { state: Arc::clone(&state), on, asked: Arc::clone(&told) })
    };
    let ahead = ahead(2, Mode::Parallel).with_snapshots(snapshots);
    let strategy = AnyEvm::new().with_credited_fees();
    let wrapped = executors(&chain, AheadEvmFactory::new(ahead, OwnEvms, strategy));
    let wrapped = ParallelBlockExecutorFactory::new(wrapped);
    let ledger = Ledger::new(&chain.base, usize::MAX);
    let evm = wrapped.evm_factory().create_evm(ledger, own_env(&chain));
    let mut executor = wrapped.create_executor(evm, chain.ctx());
    let parent = Some(chain.block.header().parent_hash);
    executor.plan(BlockPlan::new(parent, chain.transactions()));
    let mut is_there = asked.0.lock();
    while !*is_there {
        asked.1.wait(&mut is_there);
    }
    drop(is_there);
    executor.apply_pre_execution_changes().expect("system calls succeed");
    for transaction in chain.transactions() {
        executor.execute_transaction(transaction).expect("it is valid");
    }
    let stats = executor.stats();
    assert!(stats.stood > 0, "results made ahead are used: {stats:?}");
}
