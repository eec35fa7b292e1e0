//! Files cut short and bytes turned, as crashes and bad disks do.

use super::{random::check_equal, *};
use crate::memory::arbitrary;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

const N_BLOCKS: u64 = 5;

/// A closed store of a few blocks, of which the last `n_unwound` were taken back
/// again, and the state after each block, genesis first.
fn history(flush: bool, n_unwound: u64) -> (TempDir, Vec<MemoryState>) {
    let mut runner = TestRunner::deterministic();
    let state = arbitrary::state().new_tree(&mut runner).unwrap().current();
    let mut chain = Chain::new(state);
    let mut states = vec![chain.state.clone()];
    for _ in 0..N_BLOCKS {
        let changes = arbitrary::changes().new_tree(&mut runner).unwrap().current();
        chain.commit(&changes).unwrap();
        states.push(chain.state.clone());
    }
    chain.store.unwind(N_BLOCKS - n_unwound).unwrap();
    if flush {
        for family in Family::ALL {
            chain.store.tables.db.flush_cf(chain.store.tables.family(family).unwrap()).unwrap();
        }
    }
    // Dropped without a flush: what is not in the log now is lost.
    drop(chain.store);
    (chain.folder, states)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn copy_of(folder: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for file in files(folder) {
        fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    copy
}

/// The store must hold exactly the state of some block, and be able to go on.
fn check_whole(store: Store, folder: TempDir, states: &[MemoryState]) -> u64 {
    let number = store.tip().number;
    let state = &states[usize::try_from(number).unwrap()];
    assert_eq!(store.tip().root, state.root());
    store.verify().unwrap();
    check_equal(&store, state).unwrap();
    let header = store.header(number).unwrap().unwrap().into_inner();
    let mut chain = Chain { folder, store, state: state.clone(), header };
    chain.commit(&changes(5, 6, 7)).unwrap();
    let chain = chain.reopen();
    assert_eq!(chain.store.tip().number, number + 1);
    chain.store.verify().unwrap();
    number
}

/// Tips that a store has when its log is cut at one place after another, and
/// the state it must then have.
fn tips_of_cuts(n_unwound: u64) -> Vec<u64> {
    let (folder, states) = history(false, n_unwound);
    let is_log = |file: &PathBuf| {
        file.extension().is_some_and(|e| e == "log") && fs::metadata(file).unwrap().len() > 0
    };
    let logs: Vec<_> = files(folder.path()).into_iter().filter(is_log).collect();
    let [log] = &logs[..] else { panic!("one log with content: {logs:?}") };
    let length = fs::metadata(log).unwrap().len();
    let mut tips = Vec::new();
    for cut in (0..=length).step_by(usize::try_from(length / 64).unwrap()).chain([length]) {
        let copy = copy_of(folder.path());
        let file = copy.path().join(log.file_name().unwrap());
        fs::OpenOptions::new().write(true).open(file).unwrap().set_len(cut).unwrap();
        let store = Store::open(copy.path()).unwrap();
        tips.push(check_whole(store, copy, &states));
    }
    tips.dedup();
    tips
}

#[test]
fn a_log_cut_anywhere_leaves_whole_blocks() {
    // The cuts fall into every block, and a longer log has no older tip.
    assert_eq!(tips_of_cuts(0), (0..=N_BLOCKS).collect::<Vec<_>>());
}

#[test]
fn a_log_cut_while_unwinding_leaves_whole_blocks() {
    let there = 0..=N_BLOCKS;
    let back = (N_BLOCKS - 3..N_BLOCKS).rev();
    assert_eq!(tips_of_cuts(3), there.chain(back).collect::<Vec<_>>());
}

#[test]
fn a_turned_byte_is_noticed_or_harmless() {
    let mut n_refused = 0;
    for flush in [false, true] {
        let (folder, states) = history(flush, 0);
        for file in files(folder.path()) {
            let bytes = fs::read(&file).unwrap();
            for at in (0..bytes.len()).step_by((bytes.len() / 8).max(1)) {
                let copy = copy_of(folder.path());
                let mut turned = bytes.clone();
                turned[at] ^= 0x55;
                fs::write(copy.path().join(file.file_name().unwrap()), turned).unwrap();
                let Ok(store) = Store::open(copy.path()) else {
                    n_refused += 1;
                    continue;
                };
                if store.verify().is_err() {
                    n_refused += 1;
                    continue;
                }
                check_whole(store, copy, &states);
            }
        }
    }
    assert!(n_refused > 0, "no file was damaged where it matters");
}

/// What a file system that lost a part of a file has.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Removed,
    Emptied,
    /// All but this many eighths.
    Cut(usize),
}

#[test]
fn a_lost_file_is_noticed_or_harmless() {
    let losses =
        [Loss::Removed, Loss::Emptied, Loss::Cut(1), Loss::Cut(3), Loss::Cut(5), Loss::Cut(7)];
    let mut refused = std::collections::BTreeSet::new();
    for (flush, n_unwound) in [(false, 0), (true, 0), (true, 2)] {
        let (folder, states) = history(flush, n_unwound);
        for file in files(folder.path()) {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            for loss in losses {
                let copy = copy_of(folder.path());
                let path = copy.path().join(&name);
                let bytes = fs::read(&file).unwrap();
                match loss {
                    Loss::Removed => fs::remove_file(path).unwrap(),
                    Loss::Emptied => fs::write(path, "").unwrap(),
                    Loss::Cut(n) => {
                        fs::write(path, &bytes[..bytes.len() - bytes.len() * n / 8]).unwrap();
                    }
                }
                let found = Store::open(copy.path()).and_then(|store| {
                    store.verify()?;
                    Ok(store)
                });
                match found {
                    Ok(store) => drop(check_whole(store, copy, &states)),
                    Err(error) => {
                        let message = error.to_string();
                        assert!(!message.is_empty(), "{name} {loss:?}: {error:?}");
                        let kind = name.trim_matches(|c: char| c.is_ascii_digit() || c == '-');
                        refused.insert(kind.to_owned());
                    }
                }
            }
        }
    }
    for kind in [".sst", "CURRENT", "MANIFEST"] {
        assert!(refused.contains(kind), "no loss of {kind} was noticed: {refused:?}");
    }
}
