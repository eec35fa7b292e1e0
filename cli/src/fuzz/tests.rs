use super::*;
use crate::{VerifyArgs, verify, verify::VerifyTotals};
use alloy_primitives::U256;
use blockloom_fixtures::handmade::user;
use blockloom_state::{AccountBasics, MemoryState};

fn args(blocks: u64, out: &Path) -> FuzzArgs {
    FuzzArgs {
        seed: 11,
        from: 0,
        blocks,
        txs: None,
        workers: vec![1, 2, 4],
        schedules: 3,
        time: None,
        soak: false,
        out: out.to_owned(),
        json: true,
        quiet: true,
    }
}

/// Lines that a run wrote.
fn lines(run: impl FnOnce(&mut Console<'_>)) -> Vec<serde_json::Value> {
    let mut written = Vec::new();
    run(&mut Console::new(&mut written, true, true));
    let text = String::from_utf8(written).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn verified(path: &Path) -> VerifyTotals {
    let args = VerifyArgs {
        paths: vec![path.to_owned()],
        workers: vec![2],
        filter: None,
        json: true,
        quiet: true,
    };
    verify(&args, &mut Console::new(&mut std::io::sink(), true, true)).unwrap()
}

#[test]
fn blocks_run_clean() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(120, folder.path());
    let found = lines(|console| {
        let totals = fuzz(&args, console).unwrap();
        assert_eq!((totals.blocks, totals.schedules, totals.divergences), (120, 360, 0));
        assert!(totals.txs > 1_000, "{totals:?}");
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["divergences"], 0);
}

/// The parallel run is told that the first user has a wei less.
fn lie(state: &mut MemoryState) {
    let basics = state.account(&user(0)).unwrap().basics();
    let balance = basics.balance - U256::from(1);
    state.insert_account(user(0), AccountBasics { balance, ..basics });
}

#[test]
fn a_divergence_is_found_shrunk_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(6, folder.path());
    let found = lines(|console| {
        let totals = run(&args, console, || {
            let mut contest = Contest::new(&args);
            contest.lie = Some(lie);
            contest
        })
        .unwrap();
        assert!(totals.divergences > 0, "{totals:?}");
    });
    let record = &found[0];
    assert_eq!(record["result"], "diverged");
    let command = record["command"].as_str().unwrap();
    assert!(command.starts_with("blockloom fuzz --seed 11 --from "), "{command}");
    // A transaction of the first user is all it takes.
    assert_eq!(record["txs"], 1, "{record}");
    assert!(
        record["location"].as_str().unwrap().contains("balance")
            || record["location"].as_str().unwrap().contains(&user(0).to_string()),
        "{record}"
    );
    let file = Path::new(record["file"].as_str().unwrap());
    assert_eq!(verified(file).failed, 1);

    // Told the truth, the same block runs clean.
    let text = std::fs::read_to_string(file).unwrap();
    let mut case: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(case.as_object_mut().unwrap().remove("toldOtherwise").is_some());
    let honest = folder.path().join("honest.case.json");
    std::fs::write(&honest, case.to_string()).unwrap();
    assert_eq!((verified(&honest).passed, verified(&honest).failed), (1, 0));
}

#[test]
fn time_ends_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let args = FuzzArgs { time: Some(std::time::Duration::ZERO), ..args(1_000_000, folder.path()) };
    let found = lines(|console| {
        assert_eq!(fuzz(&args, console).unwrap(), FuzzTotals::default());
    });
    assert_eq!(found[0]["blocks"], 0);
}
