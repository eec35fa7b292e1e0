//! How a factory's EVM runs ahead of its turn.

use super::view::AheadView;
use crate::{
    speculative::{Run, Speculator, Witness},
    transfer::TransferRules,
    writes,
};
use alloy_evm::{Evm, EvmEnv, EvmFactory, eth::EthEvm, precompiles::PrecompilesMap};
use alloy_primitives::{Address, U256};
use blockloom_state::Observed;
use revm::{
    Inspector,
    context::{BlockEnv, TxEnv},
    context_interface::{
        Block, ContextTr, JournalTr, Transaction,
        result::{HaltReason, ResultAndState},
    },
    inspector::{JournalExt, NoOpInspector},
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome},
    primitives::hardfork::SpecId,
};
use std::fmt::Debug;

/// An EVM factory whose transactions can be planned: workers need them, and
/// EVMs of their own.
pub trait PlanFactory:
    EvmFactory<Tx: Transaction + Clone + PartialEq + Debug + Send + Sync + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<E> PlanFactory for E where
    E: EvmFactory<Tx: Transaction + Clone + PartialEq + Debug + Send + Sync + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// How EVMs of the factory `E` run transactions ahead of their turn.
///
/// Whatever the strategy, the EVM must be a function of its environment, its
/// transaction and its database's answers: one that looks at the clock, or
/// counts calls in a static, cannot be run ahead.
pub trait Strategy<E: EvmFactory>: Clone + Debug + Send + Sync + 'static {
    /// One worker's EVM.
    type Speculator: Speculate<E::Tx, E::HaltReason>;

    /// An EVM over `view`.
    fn speculator(
        &self,
        factory: &E,
        view: AheadView,
        env: EvmEnv<E::Spec, E::BlockEnv>,
    ) -> Self::Speculator;

    /// The rules by which plain transfers under `env` are computed instead of
    /// run, if the EVM would come to the same; by default none are.
    fn transfers(&self, env: &EvmEnv<E::Spec, E::BlockEnv>) -> Option<TransferRules> {
        let _ = env;
        None
    }

    /// Whether calls to `address` run a precompile: no transfer is plain then.
    fn is_precompile(&self, precompiles: &E::Precompiles, address: &Address) -> bool {
        let _ = (precompiles, address);
        true
    }
}

/// One worker's EVM, kept for a whole block.
pub trait Speculate<Tx, H> {
    /// What it runs on.
    fn view(&mut self) -> &mut AheadView;

    /// Runs a transaction once; `None` if that came to no result. The view then
    /// knows what was read, and how much of it mattered.
    fn run(&mut self, tx: Tx) -> Option<Speculation<H>>;
}

/// A result that stands if what it read does.
#[derive(Debug)]
pub struct Speculation<H> {
    /// As the EVM gives it, but for the reward.
    pub result: ResultAndState<H>,
    /// What is still to be paid to the beneficiary, in the last step.
    pub reward: Option<U256>,
}

/// Ethereum's EVM, with any precompiles and under any rules revm knows.
///
/// For factories that give alloy-evm's [`EthEvm`] with Ethereum's own
/// instructions and steps. Fees are left out of the run and paid when it becomes
/// final, and balances that nobody looked at may change meanwhile, so neither
/// the beneficiary nor popular accounts order transactions. Plain transfers are
/// computed ([`TransferRules`]).
///
/// Precompiles that look at the state must say so
/// ([`DynPrecompile::new_stateful`](alloy_evm::precompiles::DynPrecompile::new_stateful)),
/// as for anybody who caches their results; all that a transaction read which
/// called one is compared in full. An EVM with instructions of its own needs
/// [`AnyEvm`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Ethereum;

impl<E> Strategy<E> for Ethereum
where
    E: EvmFactory<
            Tx = TxEnv,
            HaltReason = HaltReason,
            Spec = SpecId,
            BlockEnv = BlockEnv,
            Precompiles = PrecompilesMap,
            Evm<AheadView, NoOpInspector> = EthEvm<AheadView, NoOpInspector, PrecompilesMap>,
        >,
{
    type Speculator = EthereumSpeculator;

    fn speculator(&self, factory: &E, view: AheadView, env: EvmEnv) -> EthereumSpeculator {
        EthereumSpeculator(Speculator::over(factory.create_evm(view, env).into_inner()))
    }

    fn transfers(&self, env: &EvmEnv) -> Option<TransferRules> {
        Some(TransferRules::new(env))
    }

    fn is_precompile(&self, precompiles: &PrecompilesMap, address: &Address) -> bool {
        precompiles.get(address).is_some()
    }
}

/// The EVM of one worker under [`Ethereum`].
pub struct EthereumSpeculator(Speculator<AheadView, NoOpInspector, PrecompilesMap>);

impl Debug for EthereumSpeculator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EthereumSpeculator")
    }
}

impl Speculate<TxEnv, HaltReason> for EthereumSpeculator {
    fn view(&mut self) -> &mut AheadView {
        self.0.view()
    }

    fn run(&mut self, tx: TxEnv) -> Option<Speculation<HaltReason>> {
        match self.0.run(tx) {
            Run::Done { result, reward } => Some(Speculation { result, reward }),
            Run::Blocked(_) | Run::Stale | Run::Failed => None,
        }
    }
}

/// Any EVM, run as it is.
///
/// Everything a transaction read is compared in full. Where fees go to the
/// beneficiary, every transaction changes its balance, so by default no result
/// ever stands but where fees are zero or go elsewhere: always right, and
/// mostly of no use. [`AnyEvm::with_credited_fees`] is what makes it useful, at
/// the price of a promise and of the EVM's inspected path, which is slower.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyEvm {
    fees_are_credited: bool,
}

impl AnyEvm {
    /// Compares everything.
    #[must_use]
    pub const fn new() -> Self {
        Self { fees_are_credited: false }
    }

    /// The EVM promises that after a transaction's outermost frame it does no
    /// more with the beneficiary than add to its balance, and that its
    /// inspected path gives what the other one does. A beneficiary that was not
    /// looked at until then orders nobody.
    #[must_use]
    pub const fn with_credited_fees(self) -> Self {
        Self { fees_are_credited: true }
    }
}

impl<E: EvmFactory> Strategy<E> for AnyEvm {
    type Speculator = AnySpeculator<E::Evm<AheadView, FrameWatch>>;

    fn speculator(
        &self,
        factory: &E,
        view: AheadView,
        env: EvmEnv<E::Spec, E::BlockEnv>,
    ) -> Self::Speculator {
        let watch = FrameWatch { beneficiary: env.block_env.beneficiary(), depth: 0, fresh: None };
        let mut evm = factory.create_evm_with_inspector(view, env, watch);
        evm.set_inspector_enabled(self.fees_are_credited);
        AnySpeculator(evm)
    }
}

/// Looks once per transaction, where its outermost frame ends, whether the
/// beneficiary was loaded by then.
#[derive(Clone, Copy, Debug)]
pub struct FrameWatch {
    beneficiary: Address,
    depth: usize,
    /// Whether it was not; `None` while no outermost frame has ended.
    fresh: Option<bool>,
}

impl FrameWatch {
    const fn enter(&mut self) {
        self.depth += 1;
    }

    fn leave<C: ContextTr<Journal: JournalExt>>(&mut self, context: &mut C) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            let state = context.journal_mut().evm_state();
            self.fresh = Some(!state.contains_key(&self.beneficiary));
        }
    }
}

impl<C: ContextTr<Journal: JournalExt>> Inspector<C> for FrameWatch {
    fn call(&mut self, _context: &mut C, _inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.enter();
        None
    }

    fn call_end(&mut self, context: &mut C, _inputs: &CallInputs, _outcome: &mut CallOutcome) {
        self.leave(context);
    }

    fn create(&mut self, _context: &mut C, _inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.enter();
        None
    }

    fn create_end(
        &mut self,
        context: &mut C,
        _inputs: &CreateInputs,
        _outcome: &mut CreateOutcome,
    ) {
        self.leave(context);
    }
}

/// The EVM of one worker under [`AnyEvm`].
pub struct AnySpeculator<V>(V);

impl<V> Debug for AnySpeculator<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnySpeculator")
    }
}

impl<V> Speculate<V::Tx, V::HaltReason> for AnySpeculator<V>
where
    V: Evm<DB = AheadView, Inspector = FrameWatch>,
{
    fn view(&mut self) -> &mut AheadView {
        self.0.db_mut()
    }

    fn run(&mut self, tx: V::Tx) -> Option<Speculation<V::HaltReason>> {
        let watch = self.0.inspector_mut();
        (watch.depth, watch.fresh) = (0, None);
        let result = self.0.transact_raw(tx).ok()?;
        let FrameWatch { beneficiary, fresh, .. } = *self.0.inspector();
        if fresh == Some(true) {
            self.view().settle(|address, seen| {
                let is_credit = |account| {
                    writes::is_only_moved(account, seen) && writes::is_unspent(account, seen)
                };
                if *address == beneficiary && result.state.get(address).is_some_and(is_credit) {
                    Observed::Shape
                } else {
                    Observed::Whole
                }
            });
        }
        Some(Speculation { result, reward: None })
    }
}
