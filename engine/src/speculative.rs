//! revm, set up for speculation: the beneficiary's reward left out, balance
//! observations noted.

use crate::{
    base::BaseReader,
    view::{Stop, View},
    writes,
};
use alloy_evm::EvmEnv;
use alloy_primitives::{Address, U256};
use blockloom_scheduler::{Scheduler, TxIdx};
use blockloom_state::{MultiVersionMemory, Observed, Reader};
use revm::{
    Context, DatabaseRef, MainBuilder, MainContext,
    bytecode::opcode,
    context::{BlockEnv, CfgEnv, Journal, TxEnv},
    context_interface::{
        Block, Cfg, ContextSetters, ContextTr, JournalTr, Transaction,
        result::{EVMError, HaltReason, ResultAndState},
    },
    handler::{FrameResult, Handler, MainnetEvm, post_execution},
    interpreter::{
        Instruction, InstructionContext, InstructionExecResult, Interpreter,
        instructions::{contract, host},
        interpreter::EthInterpreter,
        interpreter_types::InputsTr,
    },
    primitives::hardfork::SpecId,
    state::EvmState,
};
use std::{cell::Cell, marker::PhantomData};

/// Credits from which the receiver's balance may decide whether they fail:
/// fewer than 2^127 smaller ones cannot overflow a balance that counts as far
/// from overflow.
const HUGE_CREDIT: U256 = U256::from_limbs([0, 0, 1, 0]);

type SpeculativeContext<'a, R> =
    Context<BlockEnv, TxEnv, CfgEnv, View<'a, R>, Journal<View<'a, R>>, ()>;
type SpeculativeEvm<'a, R> = MainnetEvm<SpeculativeContext<'a, R>>;

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
pub(crate) struct Speculator<'a, R: DatabaseRef> {
    evm: SpeculativeEvm<'a, R>,
    spec: SpecId,
}

impl<'a, R: DatabaseRef> Speculator<'a, R> {
    pub(crate) fn new(
        memory: &'a MultiVersionMemory,
        base: BaseReader<'a, R>,
        scheduler: &'a Scheduler,
        env: &EvmEnv,
    ) -> Self {
        let view = View::new(memory, base, scheduler, env.block_env.beneficiary);
        let mut evm = Context::mainnet()
            .with_block(env.block_env.clone())
            .with_cfg(env.cfg_env.clone())
            .with_db(view)
            .build_mainnet();
        watch_balances(&mut evm);
        Self { evm, spec: env.cfg_env.spec }
    }

    pub(crate) const fn view(&mut self) -> &mut View<'a, R> {
        &mut self.evm.ctx.journaled_state.database
    }

    /// Runs a transaction once. The view's trace then tells what it read, and
    /// which of it mattered.
    pub(crate) fn run(&mut self, reader: Reader, env: TxEnv) -> Run {
        self.view().begin(reader, env.caller);
        self.evm.ctx.set_tx(env);
        let mut handler = DeferReward::default();
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
    /// instruction looked at or could spend, and for those that were changed
    /// in another way than by a credit. Where contracts are created or
    /// accounts delegated, the nonces of others matter as well, and in
    /// Amsterdam gas depends on more (EIP-8037): there, everything counts.
    fn settle_observations(&mut self, state: &EvmState) {
        let env = &self.evm.ctx.tx;
        let everything = self.spec.is_enabled_in(SpecId::AMSTERDAM)
            || env.kind.is_create()
            || !env.authorization_list.is_empty()
            || env.value >= HUGE_CREDIT;
        let caller = env.caller;
        let trace = &mut self.view().trace;
        if everything || trace.observes_all {
            return;
        }
        let balances = std::mem::take(&mut trace.balances);
        for read in trace.accounts_mut() {
            let credited_only = state
                .get(&read.address)
                .is_none_or(|account| writes::is_only_credited(account, read.seen.as_ref()));
            if credited_only && read.address != caller && !balances.contains(&read.address) {
                read.observed = Observed::Shape;
            }
        }
        trace.balances = balances;
    }
}

/// revm's handler, except that the beneficiary's reward is computed and not
/// paid: paying would make every transaction depend on the one before.
///
/// In Amsterdam, where paying an account that destroyed itself in the same
/// transaction shows in logs, a beneficiary that is in the journal already is
/// paid by revm.
struct DeferReward<'a, R> {
    reward: Cell<Option<U256>>,
    evm: PhantomData<fn(View<'a, R>)>,
}

impl<R> Default for DeferReward<'_, R> {
    fn default() -> Self {
        Self { reward: Cell::new(None), evm: PhantomData }
    }
}

impl<'a, R: DatabaseRef> Handler for DeferReward<'a, R> {
    type Evm = SpeculativeEvm<'a, R>;
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

type Frame<'c, 'a, R> = InstructionContext<'c, SpeculativeContext<'a, R>, EthInterpreter>;

/// Puts a note-taker before each instruction that looks at a balance, spends
/// one, or creates a contract. The instruction itself is revm's.
fn watch_balances<R: DatabaseRef>(evm: &mut SpeculativeEvm<'_, R>) {
    let table = evm.instruction.instruction_table_mut();
    let mut put = |opcode: u8, instruction| table[opcode as usize] = instruction;
    put(opcode::BALANCE, Instruction::new(balance));
    put(opcode::SELFBALANCE, Instruction::new(self_balance));
    put(opcode::CALL, Instruction::new(call::<{ opcode::CALL }, R>));
    put(opcode::CALLCODE, Instruction::new(call::<{ opcode::CALLCODE }, R>));
    put(opcode::CREATE, Instruction::new(create::<false, R>));
    put(opcode::CREATE2, Instruction::new(create::<true, R>));
    put(opcode::SELFDESTRUCT, Instruction::new(self_destruct));
}

fn balance<R: DatabaseRef>(ctx: Frame<'_, '_, R>) -> InstructionExecResult {
    if let Some(operand) = ctx.interpreter.stack.data().last() {
        let address = Address::from_word((*operand).into());
        ctx.host.journaled_state.database.observe_balance(address);
    }
    host::balance(ctx)
}

fn observe_own<R: DatabaseRef>(ctx: &mut Frame<'_, '_, R>) {
    let own = ctx.interpreter.input.target_address();
    ctx.host.journaled_state.database.observe_balance(own);
}

fn self_balance<R: DatabaseRef>(mut ctx: Frame<'_, '_, R>) -> InstructionExecResult {
    observe_own(&mut ctx);
    host::selfbalance(ctx)
}

fn self_destruct<R: DatabaseRef>(ctx: Frame<'_, '_, R>) -> InstructionExecResult {
    // The credit is a whole balance, which may be huge.
    ctx.host.journaled_state.database.trace.observes_all = true;
    host::selfdestruct(ctx)
}

/// CALL and CALLCODE take gas, target and value from the top of the stack.
fn call<const KIND: u8, R: DatabaseRef>(mut ctx: Frame<'_, '_, R>) -> InstructionExecResult {
    let interpreter: &Interpreter<EthInterpreter> = ctx.interpreter;
    if let Some(value) = interpreter.stack.data().iter().rev().nth(2) {
        if *value >= HUGE_CREDIT {
            ctx.host.journaled_state.database.trace.observes_all = true;
        } else if !value.is_zero() {
            observe_own(&mut ctx);
        }
    }
    contract::call::<KIND, _, _>(ctx)
}

fn create<const IS_CREATE2: bool, R: DatabaseRef>(ctx: Frame<'_, '_, R>) -> InstructionExecResult {
    // Nonces of creator and created are looked at.
    ctx.host.journaled_state.database.trace.observes_all = true;
    contract::create::<IS_CREATE2, _, _>(ctx)
}
