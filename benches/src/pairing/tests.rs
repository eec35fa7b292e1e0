use super::*;
use blockloom_fixtures::workload::{Parameters, find};

fn workload(engines: &Engines) -> Workload {
    let recipe = find("same_sender").expect("it is in the catalogue");
    let parameters = Parameters { txs: Some(8), ..Parameters::default() };
    Workload::generated(recipe, &parameters, engines.sequential()).expect("the block is valid")
}

#[test]
fn each_engine_gives_each_sample_and_all_runs_are_counted() {
    for is_cold in [false, true] {
        all_samples_are_there(is_cold);
    }
}

fn all_samples_are_there(is_cold: bool) {
    let engines = Engines::new(&[2, 1], Mode::Parallel).unwrap();
    let workload = workload(&engines);
    let protocol = Protocol { samples: 3, warm_ups: 1, min_sample: Duration::ZERO, is_cold };
    let mut n_rounds = 0;
    let rounds = measure(&workload, &workload.base, &engines, &protocol, || n_rounds += 1).unwrap();
    assert_eq!((n_rounds, rounds.repeats, rounds.sequential.len()), (4, 1, 3));
    assert_eq!(rounds.parallel.iter().map(|one| one.workers).collect::<Vec<_>>(), [2, 1]);
    let has_two_cores = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    for contestant in &rounds.parallel {
        assert_eq!((contestant.samples.len(), contestant.stats.len()), (3, 3));
        let is_more_than_one = contestant.workers == 2 && has_two_cores;
        let at_once: Vec<_> = contestant.at_once.iter().map(Vec::len).collect();
        assert_eq!(at_once, if is_more_than_one { vec![2; 3] } else { vec![] });
        assert!(contestant.stats.iter().all(|stats| stats.executions >= 8 && stats.workers > 0));
    }
}

#[test]
fn a_result_that_differs_ends_the_measurement() {
    let engines = Engines::new(&[1], Mode::Parallel).unwrap();
    let workload = workload(&engines);
    let mut trial = Trial {
        workload: &workload,
        base: &workload.base,
        engines: &engines,
        is_cold: false,
        expected: None,
    };
    trial.run(0, 1).unwrap();
    if let Some(expected) = &mut trial.expected {
        expected.receipts[3].cumulative_gas_used += 1;
    }
    let error = trial.run(1, 1).unwrap_err();
    let MeasureError::Disagreement { workload, workers, got, expected } = error else {
        panic!("{error}");
    };
    assert_eq!((workload.as_str(), workers), ("same_sender", 1));
    assert_ne!(got.receipts[3], expected.receipts[3]);
    let engine = engines.sequential();
    let error = trial.run_at_once(&[engine, engine], 1).unwrap_err();
    assert!(matches!(error, MeasureError::Disagreement { workers: 0, .. }), "{error}");
}

#[test]
fn a_wrong_answer_ends_the_measurement() {
    let engines = Engines::new(&[1], Mode::Parallel).unwrap();
    let mut workload = workload(&engines);
    workload.block.block.body.transactions.pop();
    workload.block.senders.pop();
    let error =
        measure(&workload, &workload.base, &engines, &Protocol::default(), || ()).unwrap_err();
    assert!(matches!(error, MeasureError::WrongAnswer { .. }), "{error}");
}

#[test]
fn short_blocks_are_repeated_within_bounds() {
    let [ms, us] = [Duration::from_millis(1), Duration::from_micros(1)];
    assert_eq!(repeats(2 * ms, ms), 1);
    assert_eq!(repeats(300 * us, ms), 4);
    assert_eq!(repeats(Duration::ZERO, ms), MAX_REPEATS);
    assert_eq!(repeats(us, Duration::ZERO), 1);
}
