//! Callers of every kind, on blocks made to be difficult.

use super::{
    chain::{Chain, ahead},
    drive::{Caller, Seen, assert_same, drive},
    recorder::Ledger,
};
use crate::support::{
    block::{Tx, block, header, withdraw},
    code::Code,
    forks::{FORKS, Fork, spec},
    world::{ETHER, MINER, World, contract, nobody, user},
};
use alloy_evm::{
    EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
};
use alloy_primitives::B256;
use blockloom_engine::{
    Mode, Worth,
    client::{Ahead, AheadConfig, BlockPlan, RunsAhead},
};
use blockloom_state::{BaseStateError, MemoryState};
use revm::{
    Inspector,
    bytecode::opcode as op,
    interpreter::{Interpreter, interpreter_types::Jumps},
    state::EvmState,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

const CALLERS: [Caller; 8] = [
    Caller::WholeBlock,
    Caller::OneByOne,
    Caller::Indexed,
    Caller::Apart,
    Caller::Picky,
    Caller::Leaping,
    Caller::Swapping,
    Caller::HalfWay,
];

/// A block in which transactions get in each other's way in every way the
/// strategies tell apart: slots, credits, spent and observed balances, the
/// beneficiary as sender, receiver and something looked at, creation,
/// destruction, and one that cannot pay.
fn quarrel(fork: Fork) -> Chain {
    let world = World::new()
        .account(MINER, ETHER, 0)
        .contract(contract(1), &Code::new().count(1).count(2))
        .rich_contract(contract(2), &Code::new().self_destruct(nobody(7)), 5u64)
        .contract(contract(3), &Code::new().store_of(op::BALANCE, MINER, 1))
        .contract(contract(4), &Code::new().store_of(op::BALANCE, nobody(0), 1).count(2))
        .contract(contract(5), &Code::new().touch_slot(9).revert())
        .contract(contract(6), &Code::new().store_of(op::EXTCODESIZE, contract(2), 1));
    let transactions = (0..66)
        .map(|n| {
            let sender = user(n % 9);
            match n % 11 {
                0 => Tx::send(sender, nobody(0), 1),
                1 => Tx::call(sender, contract(1)),
                2 => Tx::call(sender, contract(2)).value(1),
                3 => Tx::create(sender, &Code::new().count(1).init()),
                4 => Tx::call(sender, contract(3)),
                5 => Tx::send_noted(sender, nobody(0), 3),
                6 => Tx::call(sender, contract(4)),
                7 => Tx::send(MINER, nobody(1), 1),
                8 => Tx::send_noted(sender, MINER, 2),
                9 => Tx::call(sender, contract(5)),
                _ => Tx::call(sender, contract(6)),
            }
        })
        .collect();
    let mut block = block(header(fork), &world, transactions);
    withdraw(&mut block, &[(user(1), 3), (nobody(9), 4)]);
    Chain { spec: spec(fork), block, base: Arc::new(world.0) }
}

/// The same with transactions that the protocol forbids.
fn forbidden() -> Chain {
    let world = World::new().contract(contract(1), &Code::new().count(1));
    let transactions = (0..40)
        .map(|n| match n {
            12 => Tx::call(user(0), contract(1)).nonce(77),
            20 => Tx::send(nobody(3), nobody(4), 1),
            30 => Tx::call(user(1), contract(1)).gas(600_000_000),
            _ => Tx::call(user(n % 10), contract(1)),
        })
        .collect();
    let block = block(header(Fork::Prague), &world, transactions);
    Chain { spec: spec(Fork::Prague), block, base: Arc::new(world.0) }
}

/// Transactions that may use so little gas that the first ones are looked at
/// before others run ahead; some of those are forbidden.
fn quick(fork: Fork) -> Chain {
    let mut world = World::new().account(MINER, ETHER, 0);
    for n in 1..=6 {
        world = world.contract(contract(n), &Code::new().count(n));
    }
    let transactions = (0..60)
        .map(|n| match n % 15 {
            0 | 8 => Tx::send(user(n % 9), nobody(0), 1),
            4 => Tx::send(user(n % 9), nobody(1), 1).nonce(77),
            6 => Tx::send(MINER, nobody(1), 1),
            11 => Tx::send(nobody(3), nobody(4), 1),
            _ => Tx::call(user(n % 9), contract(1 + n % 6)).gas(150_000),
        })
        .map(|tx| if tx.input.is_empty() && tx.gas > 150_000 { tx.gas(90_000) } else { tx })
        .collect();
    let block = block(header(fork), &world, transactions);
    Chain { spec: spec(fork), block, base: Arc::new(world.0) }
}

/// Threads for transactions that are worth running ahead however quick they
/// are, once they were looked at.
fn looking(workers: usize) -> Ahead {
    let worth = Worth::NOTHING;
    let config = AheadConfig { workers, mode: Mode::Adaptive, worth };
    Ahead::new(config).expect("threads can be started")
}

/// Runs `chain` as each of `callers`, and compares with the inner executor.
#[track_caller]
fn check(chain: &Chain, callers: &[Caller], workers: usize, what: &str) {
    check_on(chain, callers, ahead(workers, Mode::Parallel), &format!("{what}, {workers} workers"));
}

/// The same on `ahead`.
#[track_caller]
fn check_on(chain: &Chain, callers: &[Caller], ahead: Ahead, what: &str) {
    let ahead = ahead.with_snapshots(chain.snapshots());
    let factory = chain.wrapped_by(ahead).with_parent_of(|ctx| ctx.parent_hash);
    for caller in callers {
        let expected = drive(&chain.stock(), chain, *caller, usize::MAX);
        let plan = BlockPlan::new(None, chain.transactions());
        factory.announce(&chain.env().block_env, plan);
        let actual = drive(&factory, chain, *caller, usize::MAX);
        assert_same(&actual, &expected, &format!("{what}, {caller:?}"));
    }
}

#[test]
fn every_caller_sees_what_the_inner_executor_shows_on_every_fork() {
    for fork in FORKS {
        let chain = quarrel(fork);
        for workers in [1, 2, 4] {
            check(&chain, &CALLERS, workers, &fork.to_string());
        }
    }
}

#[test]
fn every_caller_sees_the_same_where_the_first_are_looked_at() {
    for fork in FORKS {
        let chain = quick(fork);
        for workers in [1, 2, 3] {
            let what = format!("{fork}, {workers} workers");
            check_on(&chain, &CALLERS, looking(workers), &what);
        }
    }
}

#[test]
fn what_was_looked_at_is_not_planned_again() {
    let chain = quick(Fork::Prague);
    let ahead = looking(2).with_snapshots(chain.snapshots());
    let factory = chain.wrapped_by(ahead).with_parent_of(|ctx| ctx.parent_hash);
    let evm = factory.evm_factory().create_evm(Ledger::new(&chain.base, usize::MAX), chain.env());
    let mut executor = factory.create_executor(evm, chain.ctx());
    executor.plan(BlockPlan::new(None, chain.transactions()));
    executor.apply_pre_execution_changes().expect("system calls succeed");
    assert_eq!(executor.stats().planned, 0, "they are looked at first");
    for transaction in chain.transactions() {
        // Some are forbidden.
        let _ = executor.execute_transaction(transaction);
    }
    let stats = executor.stats();
    assert!((1..60).contains(&stats.planned), "{stats:?}");
    assert_eq!(stats.stood + stats.at_frontier, stats.planned, "{stats:?}");
}

#[test]
fn forbidden_transactions_fail_alike_and_leave_the_rest_alone() {
    let chain = forbidden();
    for workers in [2, 4] {
        check(&chain, &CALLERS, workers, "forbidden");
    }
    let picky = drive(&chain.stock(), &chain, Caller::Picky, usize::MAX);
    let n_errors = picky.calls.iter().filter(|call| matches!(call, Seen::Error(_))).count();
    assert!(n_errors >= 3, "each of them is met: {n_errors}");
}

#[test]
fn plans_are_used_and_survive_what_is_left_out() {
    let chain = quarrel(Fork::Prague);
    let run = |leaves_out: &dyn Fn(usize) -> bool| {
        let factory = chain.wrapped(2, Mode::Parallel);
        let ledger = Ledger::new(&chain.base, usize::MAX);
        let evm = factory.evm_factory().create_evm(ledger, chain.env());
        let mut executor = factory.create_executor(evm, chain.ctx());
        executor.plan(BlockPlan::new(None, chain.transactions()));
        executor.apply_pre_execution_changes().expect("system calls succeed");
        for (position, transaction) in chain.transactions().into_iter().enumerate() {
            if !leaves_out(position) {
                // Those that lack a predecessor fail; that is theirs to do.
                let _ = executor.execute_transaction(transaction);
            }
        }
        executor.stats()
    };
    let all = run(&|_| false);
    assert_eq!(all.stood + all.at_frontier, all.planned, "{all:?}");
    let some = run(&|position| position % 9 == 5);
    assert_eq!(some.off_plan, 7, "{some:?}");
    assert_eq!(some.stood + some.at_frontier + some.off_plan, some.planned, "{some:?}");
}

#[test]
fn a_database_that_fails_fails_alike_wherever_it_does() {
    let chain = quarrel(Fork::Prague);
    let factory = chain.wrapped(3, Mode::Parallel);
    for fails_at in (0..120).step_by(7) {
        for caller in [Caller::WholeBlock, Caller::Picky] {
            let expected = drive(&chain.stock(), &chain, caller, fails_at);
            let plan = BlockPlan::new(None, chain.transactions());
            factory.announce(&chain.env().block_env, plan);
            let mut actual = drive(&factory, &chain, caller, fails_at);
            // After the first failure the same question is asked once more.
            actual.asked.truncate(fails_at);
            let mut expected = expected;
            expected.asked.truncate(fails_at);
            assert_same(&actual, &expected, &format!("failing at {fails_at}, {caller:?}"));
        }
    }
}

#[test]
fn any_database_will_do_without_snapshots() {
    for fork in [Fork::Berlin, Fork::Prague] {
        let chain = quarrel(fork);
        for workers in [2, 4] {
            let factory = chain.wrapped_by(ahead(workers, Mode::Parallel));
            for caller in CALLERS {
                let mut expected = drive(&chain.stock(), &chain, caller, usize::MAX);
                let plan = BlockPlan::new(None, chain.transactions());
                factory.announce(&chain.env().block_env, plan);
                let mut actual = drive(&factory, &chain, caller, usize::MAX);
                // What workers need is asked as well.
                actual.asked.clear();
                expected.asked.clear();
                assert_same(&actual, &expected, &format!("{fork}, {caller:?}"));
            }
        }
    }
}

#[test]
fn snapshots_of_another_state_do_no_harm() {
    let chain = quarrel(Fork::Prague);
    let other = Arc::new(World::new().account(user(0), 3u64, 9).0);
    let missing = |_| Err::<Arc<MemoryState>, _>(BaseStateError::new(std::fmt::Error));
    let wrong = [
        ahead(3, Mode::Parallel).with_snapshots(move |_| Ok(Arc::clone(&other))),
        ahead(3, Mode::Parallel).with_snapshots(missing),
    ];
    for ahead in wrong {
        let factory = chain.wrapped_by(ahead).with_parent_of(|_| B256::ZERO);
        for caller in CALLERS {
            let expected = drive(&chain.stock(), &chain, caller, usize::MAX);
            let plan = BlockPlan::new(None, chain.transactions());
            factory.announce(&chain.env().block_env, plan);
            let actual = drive(&factory, &chain, caller, usize::MAX);
            assert_same(&actual, &expected, &format!("{caller:?}"));
        }
    }
}

#[test]
fn a_plan_of_another_block_does_no_harm() {
    let chain = quarrel(Fork::Prague);
    let foreign = forbidden();
    let factory = chain.wrapped(2, Mode::Parallel);
    for caller in [Caller::OneByOne, Caller::Picky] {
        let expected = drive(&chain.stock(), &chain, caller, usize::MAX);
        let plan = BlockPlan::new(None, foreign.transactions());
        factory.announce(&chain.env().block_env, plan);
        let actual = drive(&factory, &chain, caller, usize::MAX);
        assert_same(&actual, &expected, &format!("{caller:?}"));
    }
}

/// Writes down every instruction.
#[derive(Clone, Debug, Default, PartialEq)]
struct Steps(Vec<(usize, u8)>);

impl<C> Inspector<C> for Steps {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut C) {
        self.0.push((interpreter.bytecode.pc(), interpreter.bytecode.opcode()));
    }
}

#[test]
fn an_inspector_sees_the_whole_block_run_one_after_another() {
    let chain = quarrel(Fork::Prague);
    let inspect = |factory: &dyn Fn(&mut Steps)| {
        let mut steps = Steps::default();
        factory(&mut steps);
        steps
    };
    let expected = inspect(&|steps| {
        let factory = chain.stock();
        let ledger = Ledger::new(&chain.base, usize::MAX);
        let evms = factory.evm_factory();
        let evm = evms.create_evm_with_inspector(ledger, chain.env(), steps);
        let executor = factory.create_executor(evm, chain.ctx());
        executor.execute_block(chain.transactions()).expect("the block is valid");
    });
    assert!(expected.0.len() > 100, "there is something to see");
    let actual = inspect(&|steps| {
        let factory = chain.wrapped(3, Mode::Parallel);
        let ledger = Ledger::new(&chain.base, usize::MAX);
        let evms = factory.evm_factory();
        let evm = evms.create_evm_with_inspector(ledger, chain.env(), steps);
        let mut executor = factory.create_executor(evm, chain.ctx());
        executor.plan(BlockPlan::new(None, chain.transactions()));
        executor.apply_pre_execution_changes().expect("system calls succeed");
        for transaction in chain.transactions() {
            executor.execute_transaction(transaction).expect("it is valid");
            assert_eq!(executor.stats(), Default::default(), "nothing runs ahead");
        }
        executor.apply_post_execution_changes().expect("system calls succeed");
    });
    assert_eq!(actual, expected);
}

#[test]
fn an_inspector_can_be_turned_on_in_the_middle() {
    let chain = quarrel(Fork::Prague);
    let trace = |steps: &mut Steps, is_ahead: bool| {
        let wrapped = chain.wrapped(2, Mode::Parallel);
        let stock = chain.stock();
        let ledger = Ledger::new(&chain.base, usize::MAX);
        let transactions = chain.transactions();
        macro_rules! run {
            ($factory:expr, $plan:expr) => {{
                let factory = $factory;
                let evms = factory.evm_factory();
                let mut evm = evms.create_evm_with_inspector(ledger, chain.env(), &mut *steps);
                alloy_evm::Evm::disable_inspector(&mut evm);
                let mut executor = factory.create_executor(evm, chain.ctx());
                $plan(&mut executor);
                executor.apply_pre_execution_changes().expect("system calls succeed");
                for (position, transaction) in transactions.iter().enumerate() {
                    if position == 40 {
                        alloy_evm::Evm::enable_inspector(executor.evm_mut());
                    }
                    executor.execute_transaction(*transaction).expect("it is valid");
                }
                executor.apply_post_execution_changes().expect("system calls succeed")
            }};
        }
        if is_ahead {
            let plan = BlockPlan::new(None, transactions.iter().copied());
            run!(&wrapped, |executor: &mut _| plan_on(executor, plan))
        } else {
            run!(&stock, |_: &mut _| ())
        }
    };
    let (mut actual, mut expected) = (Steps::default(), Steps::default());
    assert_eq!(trace(&mut actual, true), trace(&mut expected, false));
    assert_eq!(actual, expected);
    assert!(!expected.0.is_empty(), "the rest was seen");
}

fn plan_on<X>(executor: &mut X, plan: BlockPlan<revm::context::TxEnv>)
where
    X: BlockExecutor<Evm: RunsAhead + alloy_evm::Evm<Tx = revm::context::TxEnv>>,
{
    executor.evm_mut().plan(plan);
}

#[test]
fn a_hook_that_panics_leaves_a_factory_that_works() {
    let chain = quarrel(Fork::Prague);
    let factory = chain.wrapped(3, Mode::Parallel);
    for fails_at in [0, 1, 20] {
        let mut n_calls = 0;
        let hook = move |_: EvmState| {
            assert!(n_calls != fails_at, "the hook fails");
            n_calls += 1;
        };
        let broken = catch_unwind(AssertUnwindSafe(|| {
            let ledger = Ledger::new(&chain.base, usize::MAX);
            ledger.state().set_state_hook(Some(Box::new(hook)));
            let evm = factory.evm_factory().create_evm(ledger, chain.env());
            factory.create_executor(evm, chain.ctx()).execute_block(chain.transactions())
        }));
        assert!(broken.is_err(), "the panic comes through");
        let expected = drive(&chain.stock(), &chain, Caller::WholeBlock, usize::MAX);
        let actual = drive(&factory, &chain, Caller::WholeBlock, usize::MAX);
        assert_same(&actual, &expected, "after a panic");
    }
}

#[test]
fn executors_can_be_dropped_at_any_time() {
    let chain = quarrel(Fork::Prague);
    for factory in [chain.wrapped(3, Mode::Parallel), chain.wrapped_by(ahead(3, Mode::Parallel))] {
        for n_transactions in [0, 1, 7, 30] {
            let ledger = Ledger::new(&chain.base, usize::MAX);
            let evm = factory.evm_factory().create_evm(ledger, chain.env());
            let mut executor = factory.create_executor(evm, chain.ctx());
            executor.plan(BlockPlan::new(None, chain.transactions()));
            for transaction in chain.transactions().into_iter().take(n_transactions) {
                executor.execute_transaction(transaction).expect("it is valid");
            }
        }
        let expected = drive(&chain.stock(), &chain, Caller::OneByOne, usize::MAX);
        let actual = drive(&factory, &chain, Caller::OneByOne, usize::MAX);
        assert_same(&actual, &expected, "afterwards");
    }
}
