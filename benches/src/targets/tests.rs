use super::*;
use crate::measurement::example;
use blockloom_fixtures::workload::find;

fn target(scope: Scope, bound: Bound) -> Target {
    Target { what: "", setting: Setting::Ordinary, scope, workers: 2, bound }
}

#[test]
fn every_named_workload_exists() {
    for target in TARGETS {
        if let Scope::Named(name) = target.scope {
            assert!(find(name).is_some(), "{name}");
            assert!(target.setting.names(name));
        }
        assert!(target.setting.workers().contains(&target.workers), "{target:?}");
    }
}

#[test]
fn the_worst_workload_decides() {
    let mut measurements = [example("a", 2), example("b", 2), example("c", 1)];
    measurements[0].ratio = 1.2;
    measurements[1].ratio = 0.9;
    measurements[2].ratio = 0.1;
    let verdict = target(Scope::All, Bound::Ratio(1.0)).judge(&measurements);
    assert_eq!((verdict.measured, verdict.met, verdict.is_met()), (Some(0.9), (1, 2), false));
    assert_eq!(verdict.workload.as_deref(), Some("b"));
    let verdict = target(Scope::Named("a"), Bound::Ratio(1.0)).judge(&measurements);
    assert!(verdict.is_met());
    let verdict = target(Scope::Named("z"), Bound::Ratio(1.0)).judge(&measurements);
    assert_eq!((verdict.measured, verdict.is_met()), (None, false));
}

#[test]
fn cpu_time_is_bounded_from_above() {
    let mut measurements = [example("a", 2), example("b", 2)];
    measurements[0].cpu_ratio = 1.1;
    measurements[1].cpu_ratio = 1.3;
    let verdict = target(Scope::All, Bound::CpuRatio(1.15)).judge(&measurements);
    assert_eq!((verdict.measured, verdict.met), (Some(1.3), (1, 2)));
}

#[test]
fn a_mean_is_of_large_blocks_only() {
    let mut measurements = [example("a", 2), example("b", 2), example("c", 2)];
    for (one, (gas, ratio)) in
        measurements.iter_mut().zip([(6_000_000, 2.0), (9_000_000, 0.5), (5_000_000, 0.1)])
    {
        (one.gas, one.ratio) = (gas, ratio);
    }
    let verdict = target(Scope::Large, Bound::MeanRatio(1.0)).judge(&measurements);
    assert!(verdict.measured.is_some_and(|mean| (mean - 1.0).abs() < 1e-12), "{verdict:?}");
    assert_eq!(verdict.workload, None);
}
