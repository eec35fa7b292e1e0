//! revm, set up for speculation: the beneficiary's reward left out, balance
//! observations noted.

use crate::{sprint, view::Stop, writes};
use alloy_evm::{
    EvmEnv,
    precompiles::{Precompile, PrecompilesMap},
};
use alloy_primitives::{Address, U256};
use blockloom_scheduler::TxIdx;
use blockloom_state::{AccountBasics, Observed};
use revm::{
    Context, Database, MainBuilder, MainContext,
    bytecode::opcode,
    context::{BlockEnv, CfgEnv, Evm, Journal, TxEnv},
    context_interface::{
        Block, Cfg, ContextSetters, ContextTr, JournalTr, Transaction,
        result::{EVMError, HaltReason, ResultAndState},
    },
    handler::{
        EthFrame, EthPrecompiles, FrameResult, Handler, PrecompileProvider,
        instructions::EthInstructions, post_execution,
    },
    interpreter::{
        Instruction, InstructionContext, InstructionExecResult, Interpreter, InterpreterResult,
        instructions::{contract, host},
        interpreter::EthInterpreter,
        interpreter_types::InputsTr,
    },
    precompile::PrecompileId,
    primitives::hardfork::SpecId,
    state::EvmState,
};
use std::{cell::Cell, marker::PhantomData};

/// Credits from which the receiver's balance may decide whether they fail:
/// fewer than 2^127 smaller ones cannot overflow a balance that counts as far
/// from overflow.
const HUGE_CREDIT: U256 = U256::from_limbs([0, 0, 1, 0]);

type SpeculativeContext<V> = Context<BlockEnv, TxEnv, CfgEnv, V, Journal<V>, ()>;
type SpeculativeInstructions<V> = EthInstructions<EthInterpreter, SpeculativeContext<V>>;

/// Ethereum's EVM with precompiles of type `P`; `I` is an inspector that nobody
/// asks.
pub(crate) type SpeculativeEvm<V, I, P> =
    Evm<SpeculativeContext<V>, I, SpeculativeInstructions<V>, P, EthFrame<EthInterpreter>>;

/// Precompiles of a speculative EVM over `V`.
pub(crate) trait Precompiled<V: Database>:
    PrecompileProvider<SpeculativeContext<V>, Output = InterpreterResult>
{
    /// Whether one that looks at more than its input may have run in an
    /// execution that left `state`: no instruction tells what it saw.
    fn may_have_looked(&self, state: &EvmState) -> bool;
}

impl<V: Database> Precompiled<V> for EthPrecompiles {
    fn may_have_looked(&self, _state: &EvmState) -> bool {
        false
    }
}

impl<V: alloy_evm::Database> Precompiled<V> for PrecompilesMap {
    /// Whoever is called is loaded. Results that alloy-evm's callers may cache
    /// depend on the input only; the identity is not worth caching.
    fn may_have_looked(&self, state: &EvmState) -> bool {
        state.keys().filter_map(|address| self.get(address)).any(|precompile| {
            !precompile.supports_caching() && *precompile.precompile_id() != PrecompileId::Identity
        })
    }
}

/// What a speculative execution reads from: it remembers every answer, and is
/// told which of it mattered.
pub(crate) trait Witness: Database<Error = Stop> + Sized {
    /// What is noted of the execution, beside its reads.
    fn notes(&mut self) -> &mut Notes;

    /// Replaces, for each account read, how much of it mattered.
    fn settle(&mut self, judge: impl Fn(&Address, Option<&AccountBasics>) -> Observed);
}

/// What an execution did that decides how much of its reads mattered.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Accounts whose balance an instruction looked at.
    balances: Vec<Address>,
    /// Accounts that paid, each with what the payment left at that moment.
    payments: Vec<(Address, U256)>,
    /// The execution did something after which every account must count as
    /// observed.
    observes_all: bool,
}

impl Notes {
    pub(crate) fn clear(&mut self) {
        self.balances.clear();
        self.payments.clear();
        self.observes_all = false;
    }

    /// The least that `address` had left after a payment; `None` if it made
    /// none.
    fn least_left(&self, address: &Address) -> Option<U256> {
        let payments = self.payments.iter().filter(|(payer, _)| payer == address);
        payments.map(|(_, left)| *left).min()
    }

    /// An instruction looked at this balance.
    fn observe_balance(&mut self, address: Address) {
        if self.balances.last() != Some(&address) {
            self.balances.push(address);
        }
    }
}

/// What a speculative run gave.
pub(crate) enum Run {
    /// A result that stands if its reads do.
    Done {
        /// Result and state as revm gives them, but for the reward.
        result: ResultAndState<HaltReason>,
        /// What the beneficiary is due; `None` if it is paid already, or fees
        /// are not charged.
        reward: Option<U256>,
    },
    /// An estimate of this transaction was in the way.
    Blocked(TxIdx),
    /// A read went stale on the way.
    Stale,
    /// An error: a rumour until the frontier runs the transaction itself.
    Failed,
}

/// One worker's EVM, kept for a whole block.
pub(crate) struct Speculator<V: Database, I = (), P = EthPrecompiles> {
    evm: SpeculativeEvm<V, I, P>,
    spec: SpecId,
}

impl<V: Witness> Speculator<V> {
    pub(crate) fn new(view: V, env: &EvmEnv) -> Self {
        let evm = Context::mainnet()
            .with_block(env.block_env.clone())
            .with_cfg(env.cfg_env.clone())
            .with_db(view)
            .build_mainnet();
        Self::over(evm)
    }
}

impl<V: Witness, I, P: Precompiled<V>> Speculator<V, I, P> {
    /// Sets up an EVM whose instructions are Ethereum's.
    pub(crate) fn over(mut evm: SpeculativeEvm<V, I, P>) -> Self {
        sprint::set_up(&mut evm.instruction);
        watch_balances(&mut evm);
        let spec = evm.ctx.cfg.spec;
        Self { evm, spec }
    }

    pub(crate) const fn view(&mut self) -> &mut V {
        &mut self.evm.ctx.journaled_state.database
    }

    /// Runs a transaction once. The view then tells what it read, and which of
    /// it mattered.
    pub(crate) fn run(&mut self, env: TxEnv) -> Run {
        self.evm.ctx.set_tx(env);
        let mut handler = DeferReward::<V, I, P>::default();
        let outcome = handler.run(&mut self.evm);
        let state = self.evm.ctx.journal_mut().finalize();
        match outcome {
            Ok(result) => {
                self.settle_observations(&state);
                let result = ResultAndState::new(result, state);
                Run::Done { result, reward: handler.reward.get() }
            }
            Err(EVMError::Database(Stop::Blocked(writer))) => Run::Blocked(writer),
            Err(EVMError::Database(Stop::Stale)) => Run::Stale,
            Err(_) => Run::Failed,
        }
    }

    /// Writes down for each account read how much of it mattered.
    ///
    /// All of it matters for the sender, for accounts whose balance an
    /// instruction looked at, and for those that were changed in another way
    /// than by credits and payments. One that paid must have had enough: its
    /// balance may be less by what was left when least was, and every payment
    /// would still have gone through. Where contracts are created or
    /// accounts delegated, the nonces of others matter as well, and in
    /// Amsterdam gas depends on more (EIP-8037): there, everything counts.
    fn settle_observations(&mut self, state: &EvmState) {
        let env = &self.evm.ctx.tx;
        let everything = self.spec.is_enabled_in(SpecId::AMSTERDAM)
            || env.kind.is_create()
            || !env.authorization_list.is_empty()
            || env.value >= HUGE_CREDIT;
        let caller = env.caller;
        let notes = std::mem::take(self.view().notes());
        let everything = everything || self.evm.precompiles.may_have_looked(state);
        if !everything && !notes.observes_all {
            self.view().settle(|address, seen| {
                if *address == caller || notes.balances.contains(address) {
                    return Observed::Whole;
                }
                let Some(account) = state.get(address) else { return Observed::Shape };
                match (notes.least_left(address), seen) {
                    _ if !writes::is_only_moved(account, seen) => Observed::Whole,
                    (Some(left), Some(seen)) => Observed::Funds(seen.balance.saturating_sub(left)),
                    (None, _) if writes::is_unspent(account, seen) => Observed::Shape,
                    _ => Observed::Whole,
                }
            });
        }
        *self.view().notes() = notes;
    }
}

/// revm's handler, except that the beneficiary's reward is computed and not
/// paid: paying would make every transaction depend on the one before.
///
/// In Amsterdam, where paying an account that destroyed itself in the same
/// transaction shows in logs, a beneficiary that is in the journal already is
/// paid by revm.
struct DeferReward<V, I, P> {
    reward: Cell<Option<U256>>,
    evm: PhantomData<fn(V, I, P)>,
}

impl<V, I, P> Default for DeferReward<V, I, P> {
    fn default() -> Self {
        Self { reward: Cell::new(None), evm: PhantomData }
    }
}

impl<V: Witness, I, P: Precompiled<V>> Handler for DeferReward<V, I, P> {
    type Evm = SpeculativeEvm<V, I, P>;
    type Error = EVMError<Stop>;
    type HaltReason = HaltReason;

    fn reward_beneficiary(
        &self,
        evm: &mut Self::Evm,
        frame: &mut FrameResult,
    ) -> Result<(), Self::Error> {
        let ctx = &mut evm.ctx;
        if ctx.cfg.is_fee_charge_disabled() {
            return Ok(());
        }
        let spec = ctx.cfg.spec;
        let beneficiary = ctx.block.beneficiary();
        if spec.is_enabled_in(SpecId::AMSTERDAM)
            && ctx.journaled_state.state.contains_key(&beneficiary)
        {
            return post_execution::reward_beneficiary(ctx, frame.gas())
                .map_err(EVMError::Database);
        }
        // The sum that revm's own step pays: the priority fee from London on,
        // the whole price before.
        let base_fee = u128::from(ctx.block.basefee());
        let price = ctx.tx.effective_gas_price(base_fee);
        let tip =
            if spec.is_enabled_in(SpecId::LONDON) { price.saturating_sub(base_fee) } else { price };
        let gas = frame.gas();
        let used = gas.used().saturating_sub(gas.reservoir());
        self.reward.set(Some(U256::from(tip.wrapping_mul(u128::from(used)))));
        Ok(())
    }
}

type Frame<'c, V> = InstructionContext<'c, SpeculativeContext<V>, EthInterpreter>;

/// Puts a note-taker before each instruction that looks at a balance, spends
/// one, or creates a contract. The instruction itself is revm's.
fn watch_balances<V: Witness, I, P>(evm: &mut SpeculativeEvm<V, I, P>) {
    let table = evm.instruction.instruction_table_mut();
    let mut put = |opcode: u8, instruction| table[opcode as usize] = instruction;
    put(opcode::BALANCE, Instruction::new(balance));
    put(opcode::SELFBALANCE, Instruction::new(self_balance));
    put(opcode::CALL, Instruction::new(call::<{ opcode::CALL }, V>));
    put(opcode::CALLCODE, Instruction::new(call::<{ opcode::CALLCODE }, V>));
    put(opcode::CREATE, Instruction::new(create::<false, V>));
    put(opcode::CREATE2, Instruction::new(create::<true, V>));
    put(opcode::SELFDESTRUCT, Instruction::new(self_destruct));
}

fn balance<V: Witness>(ctx: Frame<'_, V>) -> InstructionExecResult {
    if let Some(operand) = ctx.interpreter.stack.data().last() {
        let address = Address::from_word((*operand).into());
        ctx.host.journaled_state.database.notes().observe_balance(address);
    }
    host::balance(ctx)
}

fn observe_own<V: Witness>(ctx: &mut Frame<'_, V>) {
    let own = ctx.interpreter.input.target_address();
    ctx.host.journaled_state.database.notes().observe_balance(own);
}

/// Notes a payment out of the running contract's balance. One that there is
/// not enough for fails, which a higher balance would change.
fn pay<V: Witness>(ctx: &mut Frame<'_, V>, value: U256) {
    let own = ctx.interpreter.input.target_address();
    let journal = &mut ctx.host.journaled_state;
    let balance = journal.state.get(&own).map_or(U256::ZERO, |account| account.info.balance);
    match balance.checked_sub(value) {
        Some(left) => journal.database.notes().payments.push((own, left)),
        None => journal.database.notes().observe_balance(own),
    }
}

fn self_balance<V: Witness>(mut ctx: Frame<'_, V>) -> InstructionExecResult {
    observe_own(&mut ctx);
    host::selfbalance(ctx)
}

fn self_destruct<V: Witness>(ctx: Frame<'_, V>) -> InstructionExecResult {
    // The credit is a whole balance, which may be huge.
    ctx.host.journaled_state.database.notes().observes_all = true;
    host::selfdestruct(ctx)
}

/// CALL and CALLCODE take gas, target and value from the top of the stack.
fn call<const KIND: u8, V: Witness>(mut ctx: Frame<'_, V>) -> InstructionExecResult {
    let interpreter: &Interpreter<EthInterpreter> = ctx.interpreter;
    if let Some(value) = interpreter.stack.data().iter().rev().nth(2) {
        if *value >= HUGE_CREDIT {
            ctx.host.journaled_state.database.notes().observes_all = true;
        } else if !value.is_zero() {
            let value = *value;
            pay(&mut ctx, value);
        }
    }
    contract::call::<KIND, _, _>(ctx)
}

fn create<const IS_CREATE2: bool, V: Witness>(ctx: Frame<'_, V>) -> InstructionExecResult {
    // Nonces of creator and created are looked at.
    ctx.host.journaled_state.database.notes().observes_all = true;
    contract::create::<IS_CREATE2, _, _>(ctx)
}
