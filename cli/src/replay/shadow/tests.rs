use super::*;
use crate::{Console, VerifyArgs, verify, verify::VerifyTotals};
use alloy_primitives::{U256, keccak256};
use blockloom_engine::{Config, Mode};
use blockloom_fixtures::handmade::{
    CHAIN_ID, Code, Fork, Tx, World, body, contract, header, network, user,
};
use std::path::Path;

/// Three calls that count in one slot.
fn block() -> (ChainSpec, RecoveredBlock, MemoryState) {
    let world = World::new().contract(contract(1), &Code::new().count(1)).slot(contract(1), 1, 7);
    let calls = (0..3).map(|n| Tx::call(user(n), contract(1))).collect();
    let (block, senders) = body(header(Fork::Prague), &world, calls);
    let spec = ChainSpec::for_network(network(Fork::Prague), CHAIN_ID, None).unwrap();
    (spec, RecoveredBlock { hash: block.header.hash_slow(), block, senders }, world.0)
}

/// The slot holds something else.
fn lying(state: &MemoryState) -> MemoryState {
    let mut lying = state.clone();
    lying.set_slot(contract(1), U256::from(1), U256::from(8));
    lying
}

fn engine() -> Engine {
    Engine::new(Config { workers: 2, mode: Mode::Parallel, ..Config::default() }).unwrap()
}

/// Runs on one state in parallel and on another sequentially.
fn run_on(
    shadow: &Shadow,
    spec: &ChainSpec,
    block: &RecoveredBlock,
    base: MemoryState,
    sequential_base: MemoryState,
) -> Result<ShadowedRun, CliError> {
    let (base, sequential_base) = (ErasedReader(base), ErasedReader(sequential_base));
    shadow.run_on(&engine(), spec, block, &base, &sequential_base)
}

fn shadow(on_divergence: OnDivergence, out: &Path) -> Shadow {
    Shadow { share: 1.0, on_divergence, out: out.to_owned() }
}

fn verified(path: &Path) -> VerifyTotals {
    let paths = vec![path.to_owned()];
    let args = VerifyArgs { paths, workers: vec![2], filter: None, json: true, quiet: true };
    verify(&args, &mut Console::new(&mut std::io::sink(), true, true)).unwrap()
}

#[test]
fn equal_runs_leave_no_file() {
    let (spec, block, state) = block();
    let folder = tempfile::tempdir().unwrap();
    let shadow = shadow(OnDivergence::Stop, folder.path());
    let run = shadow.run(&engine(), &spec, &block, &state).unwrap();
    assert_eq!(run.outcome, Shadowed::Same);
    assert_eq!(run.executed.output.receipts.len(), 3);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_divergence_stops_and_its_file_reproduces_it() {
    let (spec, block, state) = block();
    let folder = tempfile::tempdir().unwrap();
    let shadow = shadow(OnDivergence::Stop, folder.path());
    let result = run_on(&shadow, &spec, &block, lying(&state), state.clone());
    let Err(CliError::Disagreement { number: 300, hash, difference }) = result else {
        panic!("it does not stop")
    };
    assert_eq!(hash, block.hash);
    assert!(difference.contains(&format!("account {} slot 0x1", contract(1))), "{difference}");
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert!(difference.contains(&file.display().to_string()), "{difference}");
    assert_eq!(verified(&file).failed, 1);

    // Only what was read is on file, and what was told otherwise beside it.
    let case = RecordedCase::load(&file).unwrap();
    let (told_beside, told) = case.states();
    assert_eq!(told_beside.slot(&contract(1), U256::from(1)), U256::from(7));
    assert_eq!(told.slot(&contract(1), U256::from(1)), U256::from(8));
    assert!(told_beside.account(&user(9)).is_none());
    assert_eq!(case.block().unwrap().senders, block.senders);
    assert_eq!(case.spec().unwrap(), spec);
}

#[test]
fn a_logged_divergence_goes_on_with_the_sequential_result() {
    let (spec, block, state) = block();
    let folder = tempfile::tempdir().unwrap();
    let shadow = shadow(OnDivergence::Log, folder.path());
    let run = run_on(&shadow, &spec, &block, lying(&state), state.clone()).unwrap();
    assert_eq!(run.outcome, Shadowed::Diverged);
    let slots = &run.executed.output.changes.accounts[&contract(1)].slots;
    assert_eq!(slots[&U256::from(1)], U256::from(10));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn different_errors_are_a_divergence() {
    let (spec, block, state) = block();
    let folder = tempfile::tempdir().unwrap();
    let mut poor = state.clone();
    let basics = poor.account(&user(1)).unwrap().basics();
    poor.insert_account(user(1), blockloom_state::AccountBasics { balance: U256::ZERO, ..basics });
    let shadow = shadow(OnDivergence::Stop, folder.path());
    let result = run_on(&shadow, &spec, &block, poor, state.clone());
    assert!(matches!(result, Err(CliError::Disagreement { .. })));
}

#[test]
fn hashes_choose_a_share_of_the_blocks() {
    let hashes: Vec<_> = (0..2_000_u64).map(|n| keccak256(n.to_be_bytes())).collect();
    for (share, expected) in [(0.0, 0..1), (0.1, 150..250), (0.5, 900..1_100), (1.0, 2_000..2_001)]
    {
        let shadow = Shadow { share, on_divergence: OnDivergence::Log, out: PathBuf::new() };
        let due = hashes.iter().filter(|hash| shadow.is_due(**hash)).count();
        assert!(expected.contains(&due), "{due} of 2000 at {share}");
    }
}
