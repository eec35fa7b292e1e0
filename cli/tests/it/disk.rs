//! Disks that take no more: what was committed stays, and once there is room
//! the program goes on where it was.

use crate::{
    data::demo,
    program::{Finished, command, run, run_ok},
};
use blockloom_state::Store;
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};
use tempfile::tempdir;

/// Runs the program in a shell that does `before` first.
fn run_in_shell(shell: &[&str], before: &str, args: &[&str]) -> Finished {
    let (first, rest) = shell.split_first().unwrap();
    let script = format!("{before}\nexec \"$0\" \"$@\"");
    let program = env!("CARGO_BIN_EXE_blockloom");
    let mut command = Command::new(first);
    command.args(rest).args(["-c", &script, program]).args(args);
    command.stdin(Stdio::null()).env_remove("RUST_LOG").output().unwrap().into()
}

/// Blocks that a run said to be committed.
fn last_block(finished: &Finished) -> Option<u64> {
    let records = finished.stdout.lines();
    let records = records.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    records.filter_map(|record| record["block"].as_u64()).next_back()
}

fn export(db: &str) -> String {
    run_ok(["db", "export", "--db", db]).stdout
}

/// A limit on the size of files makes writes fail in the middle: of the log, of
/// a table, of the manifest.
#[test]
fn a_write_that_fails_costs_no_block_before_it() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let chain = demo();
    let chain = chain.to_str().unwrap();
    let straight = path("straight");
    run_ok(["replay", chain, "--db", &straight]);
    let expected = export(&straight);

    let (mut n_failed, mut n_midway) = (0, 0);
    for (at, kib) in [1_u32, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384].iter().enumerate()
    {
        let db = path(&format!("db-{kib}"));
        let durability = ["block", "3", "none"][at % 3];
        // In blocks of 512 bytes. The signal would end the program at once.
        let before = format!("trap '' XFSZ; ulimit -f {}", kib * 2);
        let args = ["replay", chain, "--db", &db, "--json", "--durability", durability];
        let limited = run_in_shell(&["sh"], &before, &args);
        println!("{kib} KiB, {durability}: {limited:?}");
        if limited.code != Some(0) {
            limited.assert_refused(2, &["store", &db]);
            n_failed += 1;
        }
        let said = last_block(&limited);
        let tip = if Store::is_vacant(&db).unwrap() {
            None
        } else {
            let store = Store::open(&db).unwrap();
            store.verify().unwrap();
            Some(store.tip().number)
        };
        assert!(said <= tip, "{kib} KiB: block {said:?} was committed, the tip is {tip:?}");
        n_midway += u32::from(tip.is_some_and(|tip| tip > 0) && limited.code != Some(0));
        run_ok(["replay", chain, "--db", &db]);
        assert_eq!(export(&db), expected, "{kib} KiB");
    }
    assert!(n_failed >= 3 && n_midway >= 1, "{n_failed} failed, {n_midway} on the way");
}

/// A way to a shell that may mount file systems which nobody else sees.
fn private_mounts() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] =
        [&["unshare", "-m", "sh"], &["unshare", "--user", "--map-root-user", "--mount", "sh"]];
    let works = |way: &&&[&str]| {
        let folder = tempdir().unwrap();
        let mount = format!("mount -t tmpfs none {}", folder.path().display());
        let status = Command::new(way[0]).args(&way[1..]).args(["-c", &mount]).output();
        status.is_ok_and(|output| output.status.success())
    };
    let found = ways.iter().find(works).copied();
    if found.is_none() {
        // Past the test harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED: mounting is not permitted; no disk to fill");
    }
    found
}

/// The disk is the store's own, so the store is at a mount point.
#[test]
fn a_full_disk_is_named_and_costs_no_block_before_it() {
    let Some(shell) = private_mounts() else { return };
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (chain, straight, disk) = (demo(), path("straight"), path("disk"));
    let chain = chain.to_str().unwrap();
    run_ok(["replay", chain, "--db", &straight]);
    let expected = export(&straight);
    std::fs::create_dir(&disk).unwrap();
    let mut n_full = 0;
    for kib in [64, 128, 192, 256, 320, 384, 448, 512, 640, 768] {
        let dump = path(&format!("dump-{kib}"));
        // The mount ends with the shell, so everything is done in there. What
        // the first run says is for this test to judge.
        let before = format!(
            "mount -t tmpfs -o size={kib}k none {disk} || exit 99\n\
             \"$0\" replay {chain} --db {disk} --json >{dump}.out 2>{dump}.err\n\
             echo $? >{dump}.code\n\
             mount -o remount,size=64m {disk} || exit 98\n\
             if [ ! -e {disk}/UNFINISHED ]; then \"$0\" db verify --db {disk} --json >{dump}.tip || exit 97; fi\n\
             \"$0\" replay {chain} --db {disk} --quiet >&2 || exit 96"
        );
        let finished = run_in_shell(shell, &before, &["db", "export", "--db", &disk]);
        let read = |ending: &str| std::fs::read_to_string(format!("{dump}.{ending}")).unwrap();
        let (code, said) = (read("code"), read("err"));
        println!("{kib} KiB: exit {}, {said}", code.trim());
        assert_eq!(finished.code, Some(0), "{kib} KiB: {finished:?}");
        assert_eq!(finished.stdout, expected, "{kib} KiB");
        if code.trim() == "0" {
            continue;
        }
        n_full += 1;
        assert_eq!(code.trim(), "2", "{kib} KiB: {said}");
        assert!(said.contains("no space left"), "{kib} KiB: {said}");
        assert!(!said.contains("panicked"), "{kib} KiB: {said}");
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        let committed =
            read("out").lines().filter_map(json).filter_map(|r| r["block"].as_u64()).next_back();
        let tip = Path::new(&format!("{dump}.tip")).exists().then(|| read("tip"));
        let tip = tip.and_then(|text| json(text.trim())?["tip"].as_u64());
        assert!(committed <= tip, "{kib} KiB: {committed:?} was committed, the tip is {tip:?}");
    }
    assert!(n_full >= 2, "only {n_full} disks were too small");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempdir().unwrap();
    let chain = demo();
    let chain = chain.to_str().unwrap();
    // No permission stops root, but nobody can make a folder in these.
    for db in ["/proc/blockloom", "/dev/null/store"] {
        let refused = run(["replay", chain, "--db", db]);
        refused.assert_refused(2, &[db]);
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "data").unwrap();
    let db = file.to_str().unwrap();
    command(["replay", chain, "--db", db])
        .output()
        .map(Finished::from)
        .unwrap()
        .assert_refused(2, &[db]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "data");
}
