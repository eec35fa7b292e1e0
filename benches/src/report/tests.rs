use super::*;
use crate::{
    findings::{MemoryPoint, Sweep, SweepPoint},
    machine::Provenance,
    measurement::example,
    stages::StageTimes,
    targets::TARGETS,
};

/// Findings with every part, over so many workloads.
fn findings(n_workloads: usize) -> Findings {
    let names: Vec<_> = (0..n_workloads).map(|n| format!("workload_{n}")).collect();
    let measurements: Vec<_> = names
        .iter()
        .enumerate()
        .flat_map(|(n, name)| {
            [1, 2, 4].map(|workers| {
                let mut one = example(name, workers);
                one.ratio = 0.6 + (n % 7) as f64 * 0.2 + workers as f64 * 0.1;
                (one.ratio_low, one.ratio_high) = (one.ratio * 0.95, one.ratio * 1.04);
                one
            })
        })
        .collect();
    let point = |step: u32| SweepPoint {
        hot_ratio: f64::from(step) / 10.0,
        measurements: vec![example("a", 1), example("a", 2)],
    };
    let memory = |txs: usize| MemoryPoint {
        workload: "a".to_owned(),
        txs,
        workers: 2,
        peak_bytes: 1000 * txs as u64,
        sequential_peak_bytes: 500 * txs as u64,
    };
    Findings {
        provenance: Provenance {
            machine: "1 < 2 & \"3\"".to_owned(),
            commit: "abc".to_owned(),
            command: "blockloom bench".to_owned(),
            date: "today".to_owned(),
        },
        protocol: "Once.".to_owned(),
        verdicts: TARGETS.iter().map(|target| target.judge(&measurements)).collect(),
        groups: vec![Group { title: "Group".to_owned(), measurements }],
        sweep: Some(Sweep { workload: "a".to_owned(), points: (0..=10).map(point).collect() }),
        stages: names
            .iter()
            .map(|name| StageTimes {
                workload: name.clone(),
                workers: 2,
                ms: [1.0, 2.0, 0.1, 0.2, 3.0],
            })
            .collect(),
        memory: [1000, 2000].map(memory).into(),
    }
}

/// Checks that every element opened is closed, in the right order.
#[track_caller]
fn assert_well_formed(html: &str) {
    let mut open = Vec::new();
    let body = html.strip_prefix("<!doctype html>").expect("a document type");
    let style = body.find("<style>").unwrap()..body.find("</style>").unwrap();
    let body = format!("{}<style>{}", &body[..style.start], &body[style.end..]);
    for piece in body.split('<').skip(1) {
        let (tag, rest) = piece.split_once('>').unwrap_or_else(|| panic!("unclosed: {piece}"));
        assert!(!rest.contains('>'), "stray bracket after {tag}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed.to_owned()), "at </{closed}>");
        } else if !tag.ends_with('/') && name != "meta" {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

#[test]
fn a_page_is_well_formed_whatever_is_missing() {
    for n_workloads in [0, 1, 60] {
        assert_well_formed(&html(&findings(n_workloads)));
    }
    let bare = Findings {
        verdicts: vec![],
        groups: vec![],
        sweep: None,
        stages: vec![],
        memory: vec![],
        ..findings(1)
    };
    assert_well_formed(&html(&bare));
}

#[test]
fn a_page_shows_every_workload_and_loads_nothing() {
    let page = html(&findings(12));
    for n in 0..12 {
        assert!(page.contains(&format!(">workload_{n}<")), "{n}");
    }
    assert!(page.contains("1 &lt; 2 &amp; &quot;3&quot;"));
    for foreign in ["http:", "https:", "<script", "url(", "NaN", "inf"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}
