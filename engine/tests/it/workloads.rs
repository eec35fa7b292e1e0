//! Generated blocks with known answers, on every path.

use crate::support::{check, engines, jitter::Jitter};
use blockloom_engine::{BlockOutput, ChainSpec, Limits, RecoveredBlock};
use blockloom_fixtures::workload::{Family, Parameters, Workload, catalogue};

/// Transactions of each block: enough for workers to meet.
const TRANSACTIONS: usize = 60;

fn workloads() -> impl Iterator<Item = (Family, Workload)> {
    let parameters =
        Parameters { seed: 7, txs: Some(TRANSACTIONS), accounts: Some(24), ..Default::default() };
    catalogue().iter().map(move |recipe| {
        (recipe.family(), recipe.build(&parameters).expect("the parameters are sound"))
    })
}

fn recovered(workload: &Workload) -> RecoveredBlock {
    RecoveredBlock {
        hash: workload.block.header.hash_slow(),
        block: workload.block.clone(),
        senders: workload.senders.clone(),
    }
}

#[track_caller]
fn assert_answer(workload: &Workload, output: &BlockOutput) {
    let succeeded: Vec<_> = output.receipts.iter().map(|receipt| receipt.success).collect();
    let mut state = workload.base.clone();
    state.apply(&output.changes);
    workload.answer.check(&succeeded, &state).expect("the answer is the generator's");
}

#[test]
fn every_workload_has_its_answer_on_every_path() {
    let spec = ChainSpec::mainnet();
    for (_, workload) in workloads() {
        println!("workload {}", workload.name);
        let (answer, _) = check(&spec, &recovered(&workload), &workload.base);
        assert_answer(&workload, &answer.expect("the block is valid"));
    }
}

#[test]
fn executions_are_bounded_on_the_worst_of_blocks() {
    let spec = ChainSpec::mainnet();
    let most = Limits::default().attempts as usize + 1;
    let mut more_than_once = 0;
    for (_, workload) in workloads().filter(|(family, _)| *family == Family::Adversarial) {
        let block = recovered(&workload);
        for engine in engines() {
            let workers = engine.workers();
            // Slow reads, so that workers meet however few cores there are.
            let base = Jitter::new(&workload.base, 1, block.senders.first().copied());
            let executed = engine.execute(&spec, &block, &base);
            let stats = executed.expect("the block is valid").stats;
            let bound = most * block.senders.len();
            let name = &workload.name;
            assert!(stats.executions <= bound, "{name}, {workers} workers: {stats:?}");
            more_than_once += stats.re_executions();
        }
    }
    assert!(more_than_once > 0, "nothing was executed twice, so nothing was bounded");
}
