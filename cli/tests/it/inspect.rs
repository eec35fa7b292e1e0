//! `blockloom inspect`: the shape of what it says, at a size where the times
//! mean little.

use crate::program::{run, run_ok};

const QUICK: [&str; 6] = ["inspect", "--gas", "2M", "--samples", "2", "--no-measure"];

fn quick(args: &[&'static str]) -> Vec<&'static str> {
    QUICK.iter().chain(args).copied().collect()
}

#[test]
fn simulated_speedups_stay_below_their_bounds() {
    let args = ["erc20_independent", "hot_slot", "--simulate", "1,2,16", "--json"];
    let found = run_ok(quick(&args)).json();
    assert_eq!(found.len(), 2, "{found:?}");
    for (one, name) in found.iter().zip(["erc20_independent", "hot_slot"]) {
        assert_eq!(one["block"], name, "{one}");
        let time = |key: &str| one[key].as_f64().unwrap();
        assert!(time("largest_ms") <= time("critical_path_ms"), "{one}");
        // Sums of the same rounded figures, in another order.
        assert!(time("critical_path_ms") <= time("total_ms") * 1.0001, "{one}");
        let speedups = one["speedups"].as_array().unwrap();
        let workers: Vec<_> = speedups.iter().map(|one| one["workers"].as_u64()).collect();
        assert_eq!(workers, [Some(1), Some(2), Some(16)], "{one}");
        for speedup in speedups {
            assert!(speedup["simulated"].as_f64() > Some(0.0), "{one}");
            assert!(speedup["bound"].as_f64() >= Some(1.0), "{one}");
            assert!(speedup["measured"].is_null() && speedup["difference"].is_null(), "{one}");
        }
    }
    for one in &found {
        assert!(one["steps"]["waking_us"].as_f64() > Some(0.0), "{one}");
        assert!(one["steps"]["crowding"].as_f64() >= Some(1.0), "{one}");
        assert!(one["steps"]["ahead"].as_f64() > Some(0.0), "{one}");
    }
    let bound = |position: usize| found[position]["speedups"][2]["bound"].as_f64();
    assert!(bound(0) > bound(1), "independent transactions can be shared, a chain cannot");
}

#[test]
fn what_is_simulated_stands_beside_what_is_measured() {
    let args = ["inspect", "hot_slot", "--gas", "1M", "--samples", "2", "--simulate", "1"];
    let found = run_ok(args.iter().chain(&["--json", "--within", "1e9"])).totals();
    let speedup = &found["speedups"][0];
    let [simulated, measured, difference] =
        ["simulated", "measured", "difference"].map(|key| speedup[key].as_f64().unwrap());
    assert!((simulated / measured - 1.0 - difference).abs() < 1e-9, "{found}");
    let people = run_ok(args).stdout;
    for word in ["difference", " %", "measured here, now", "waking"] {
        assert!(people.contains(word), "{word:?} is not in {people}");
    }
    // No two clocks agree to the last digit.
    let refused = run(args.iter().chain(&["--within", "0"]));
    refused.assert_refused(1, &["hot_slot, 1 workers", "off by"]);
    run(["inspect", "hot_slot", "--within=-1"]).assert_refused(2, &["--within"]);
    run(["inspect", "hot_slot", "--within", "1", "--no-measure"])
        .assert_refused(2, &["--no-measure"]);
}

#[test]
fn what_is_simulated_says_so() {
    let stdout = run_ok(quick(&["hot_slot", "--simulate", "2"])).stdout;
    for word in ["critical path", "largest", "simulated speedup", "bound"] {
        assert!(stdout.contains(word), "{word:?} is not in {stdout}");
    }
}

#[test]
fn nothing_to_inspect_is_bad_usage() {
    run(["inspect"]).assert_refused(2, &["WORKLOAD"]);
    run(["inspect", "no_such_thing"]).assert_refused(2, &["no_such_thing"]);
    run(quick(&["hot_slot", "--simulate", "0"])).assert_refused(2, &["at least 1"]);
}
