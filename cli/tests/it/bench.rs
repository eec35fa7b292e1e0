//! `blockloom bench`: the shape of what it says, at sizes where the times mean
//! nothing.

use crate::{
    data::shared,
    program::{run, run_ok},
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};
use tempfile::{TempDir, tempdir};

/// Arguments of a run that takes no time.
const QUICK: [&str; 4] = ["--samples", "1", "--txs", "6"];

fn quick(args: &[&str]) -> Vec<String> {
    ["bench"].iter().chain(args).chain(&QUICK).map(|arg| (*arg).to_owned()).collect()
}

/// Checks what every measurement must have, and that it is plausible.
#[track_caller]
fn assert_measured(one: &Value, workload: &str, workers: u64) {
    assert_eq!(one["workload"], workload, "{one}");
    assert_eq!(one["workers"], workers, "{one}");
    assert!(one["gas"].as_u64().unwrap() >= 21_000, "{one}");
    for key in ["sequential_ms", "parallel_ms", "ratio", "ratio_low", "ratio_high", "cpu_ratio"] {
        assert!(one[key].as_f64().unwrap() > 0.0, "{key}: {one}");
    }
    assert!(one["ratio_low"].as_f64() <= one["ratio"].as_f64(), "{one}");
    assert!(one["ratio"].as_f64() <= one["ratio_high"].as_f64(), "{one}");
    assert!(one["executions_per_tx"].as_f64().unwrap() >= 1.0, "{one}");
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let has_cores = u64::try_from(cores).is_ok_and(|cores| workers <= cores);
    assert_eq!(one["at_once"].is_number(), workers > 1 && has_cores, "{one}");
}

#[test]
fn each_workload_gives_an_object_per_worker_count() {
    let args = quick(&["same_sender", "transfer_chain", "--workers", "1,3", "--json"]);
    let found = run_ok(args).json();
    let order =
        [("same_sender", 1), ("same_sender", 3), ("transfer_chain", 1), ("transfer_chain", 3)];
    assert_eq!(found.len(), order.len(), "{found:?}");
    for (one, (workload, workers)) in found.iter().zip(order) {
        assert_measured(one, workload, workers);
        assert_eq!((&one["txs"], &one["samples"]), (&json!(6), &json!(1)));
    }
}

#[test]
fn forced_runs_are_parallel_and_memory_is_measured() {
    let args = quick(&["pairs", "--workers", "2", "--mode", "parallel", "--json"]);
    let found = run_ok(args).json();
    assert_eq!((&found[0]["mode"], &found[0]["workers_used"]), (&json!("parallel"), &json!(2)));
    assert!(found[0]["at_frontier"].is_number(), "{found:?}");
    // Some containers have no such file; then there is no measurement either.
    if Path::new("/proc/self/clear_refs").exists() {
        assert!(found[0]["peak_bytes"].is_u64(), "{found:?}");
        assert!(found[0]["sequential_peak_bytes"].is_u64(), "{found:?}");
    }
    let args = quick(&["pairs", "--no-memory", "--json"]);
    assert_eq!(run_ok(args).json()[0]["peak_bytes"], Value::Null);
}

#[test]
fn a_slow_base_state_says_what_its_reads_wait() {
    let args = quick(&["pairs", "--latency-us", "50", "--workers", "8", "--json", "--no-memory"]);
    let found = run_ok(args).json();
    assert_measured(&found[0], "pairs", 8);
    assert!(found[0]["latency_us"].as_f64().unwrap() > 0.0, "{found:?}");
    let args = quick(&["pairs", "--workers", "1", "--json", "--no-memory"]);
    assert_eq!(run_ok(args).json()[0].get("latency_us"), None);
}

#[test]
fn first_runs_can_be_measured() {
    let args = quick(&["pairs", "--cold", "--workers", "1,2", "--json", "--no-memory"]);
    let found = run_ok(args).json();
    for (one, workers) in found.iter().zip([1, 2]) {
        assert_measured(one, "pairs", workers);
    }
    assert_eq!(found.len(), 2);
}

#[test]
fn an_unknown_workload_is_refused_with_a_suggestion() {
    run(["bench", "same_sendr"]).assert_refused(2, &["same_sendr", "same_sender", "--list"]);
    run(["bench", "pairs", "--sweep", "nothing"]).assert_refused(2, &["nothing"]);
}

#[test]
fn nonsense_is_refused() {
    for args in [
        &["bench", "pairs", "--samples", "0"][..],
        &["bench", "pairs", "--workers", "0"],
        &["bench", "pairs", "--gas", "many"],
        &["bench", "pairs", "--hot-ratio", "2"],
        &["bench", "--targets", "--workers", "2"],
    ] {
        run(args).assert_refused(2, &["error:"]);
    }
}

#[test]
fn the_list_names_what_can_be_run() {
    let listed = run_ok(["bench", "--list", "--json"]).json();
    assert!(listed.iter().any(|one| one["workload"] == "transfer_chain"), "{listed:?}");
    assert!(listed.iter().all(|one| one["summary"].as_str().is_some_and(|text| !text.is_empty())));
    let text = run_ok(["bench", "--list"]).stdout;
    assert_eq!(text.lines().count(), listed.len() + 2, "{text}");
}

#[test]
fn report_and_results_are_written() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("page.md"), "Before.\n<!-- targets -->\nold\n<!-- end of targets -->\nAfter.\n")
        .unwrap();
    let (report, page, results) = (at("report"), at("page.md"), at("results.md"));
    let [report_arg, page_arg, results_arg] =
        [&report, &page, &results].map(|path| path.to_str().unwrap());
    let finished = run_ok([
        "bench",
        "--targets",
        "small",
        "empty",
        "--samples",
        "1",
        "--no-memory",
        "--report",
        report_arg,
        "--results",
        page_arg,
        "--results",
        results_arg,
    ]);
    assert!(finished.stdout.contains("an empty block"), "{finished:?}");

    let html = fs::read_to_string(report.join("index.html")).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    for part in ["<svg", ">small<", "Time by stage", "All numbers", "--samples 1"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<script") && !html.contains("http"));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.starts_with("Before.\n") && page.ends_with("\nAfter.\n"), "{page}");
    assert!(page.contains("| an empty block | 2 |") && !page.contains("old"), "{page}");
    let results = fs::read_to_string(results).unwrap();
    assert!(results.starts_with("# Measured results\n"), "{results}");
    // What was not chosen is not passed over in silence.
    assert!(
        results.contains("| one long chain | 2 | ≥ 0.97 | – |  | – | not measured |"),
        "{results}"
    );
}

#[test]
fn contention_is_swept_from_none_to_full() {
    let args = quick(&["pairs", "--sweep", "pairs", "--workers", "2", "--no-memory", "--json"]);
    let found = run_ok(args).json();
    let swept: Vec<_> = found.iter().filter_map(|one| one["hot_ratio"].as_f64()).collect();
    assert_eq!((found.len(), swept.len()), (12, 11));
    assert_eq!((swept[0], swept[10]), (0.0, 1.0));
}

/// A block of the data set in a folder of its own, changed by `change`.
fn changed_block(set: &Path, change: impl FnOnce(&mut Value)) -> (TempDir, PathBuf) {
    let mut text = String::new();
    let file = fs::File::open(set.join("blocks/1150000.json.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut block: Value = serde_json::from_str(&text).unwrap();
    change(&mut block);
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("blocks")).unwrap();
    fs::copy(set.join("codes.json.gz"), folder.path().join("codes.json.gz")).unwrap();
    let path = folder.path().join("blocks/1150000.json.gz");
    let mut writer = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast());
    writer.write_all(block.to_string().as_bytes()).unwrap();
    writer.finish().unwrap();
    (folder, path)
}

#[test]
fn mainnet_blocks_are_measured_from_files_and_folders() {
    let Some(set) = shared("mainnet") else { return };
    let (folder, path) = changed_block(&set, |_| ());
    for path in [path.as_path(), folder.path()] {
        let path = path.to_str().unwrap();
        let found = run_ok(["bench", path, "--samples", "1", "--workers", "2", "--json"]).json();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_measured(&found[0], "mainnet_1150000", 2);
        assert_eq!(found[0]["gas"], 649_041);
    }
    let large = set.join("blocks/19932148.json.gz");
    let args = ["bench", large.to_str().unwrap(), "--samples", "1", "--no-memory", "--json"];
    let found = run_ok(args).json();
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!((&found[3]["summary"], &found[3]["blocks"]), (&json!("mainnet"), &json!(1)));
    assert_eq!(found[3]["ratio_geometric_mean"], found[1]["ratio"]);
}

#[test]
fn a_wrong_result_has_no_speed() {
    let Some(set) = shared("mainnet") else { return };
    let bench = |path: &Path| run(["bench", path.to_str().unwrap(), "--samples", "1"]);
    // Contracts that find themselves without storage use other gas.
    let (_folder, path) = changed_block(&set, |block| {
        for account in block["preState"].as_object_mut().unwrap().values_mut() {
            account.as_object_mut().unwrap().remove("storage");
        }
    });
    bench(&path).assert_refused(1, &["mainnet_1150000", "known answer"]);
    let (_folder, path) = changed_block(&set, |block| {
        for account in block["preState"].as_object_mut().unwrap().values_mut() {
            account["balance"] = json!("0x0");
        }
    });
    bench(&path).assert_refused(1, &["mainnet_1150000", "transaction"]);
}

#[test]
fn a_folder_without_blocks_is_refused() {
    let folder = tempdir().unwrap();
    run(["bench", folder.path().to_str().unwrap()]).assert_refused(2, &["nothing to run"]);
}
