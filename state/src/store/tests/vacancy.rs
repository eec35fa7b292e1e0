//! Creations that are cut short, raced, or made in folders that cannot be moved.

use super::*;
use std::fs::{self, File};

const MARK: &str = "UNFINISHED";

fn create_in(path: &Path) -> Result<Store, StoreError> {
    let state = genesis_state();
    let header = Header { state_root: state.root(), ..Default::default() };
    create(path, CHAIN_ID, &header, &state)
}

/// A folder as a creation leaves it that ends just before it is finished.
fn cut_short() -> TempDir {
    let folder = TempDir::new().unwrap();
    drop(create_in(folder.path()).unwrap());
    File::create(folder.path().join(MARK)).unwrap();
    folder
}

#[test]
fn a_creation_that_was_cut_short_is_begun_again() {
    let whole = cut_short();
    // What is there then is some of the files, whole or not.
    let names: Vec<_> = fs::read_dir(whole.path()).unwrap().map(|e| e.unwrap().path()).collect();
    for n_files in 0..=names.len() {
        let folder = TempDir::new().unwrap();
        File::create(folder.path().join(MARK)).unwrap();
        for (at, file) in names.iter().take(n_files).enumerate() {
            let bytes = fs::read(file).unwrap();
            let length = if at + 1 == n_files { bytes.len() / 2 } else { bytes.len() };
            fs::write(folder.path().join(file.file_name().unwrap()), &bytes[..length]).unwrap();
        }
        assert!(Store::is_vacant(folder.path()).unwrap());
        let why = reason(Store::open(folder.path()));
        assert!(why.contains("not finished"), "{why}");
        let store = create_in(folder.path()).unwrap();
        store.verify().unwrap();
        drop(store);
        assert!(!Store::is_vacant(folder.path()).unwrap());
        assert!(!folder.path().join(MARK).exists());
        Store::open(folder.path()).unwrap().verify().unwrap();
    }
}

#[test]
fn what_is_not_ours_is_not_removed() {
    let folder = cut_short();
    let file = folder.path().join("somebody's");
    fs::write(&file, "data").unwrap();
    let refused = create_in(folder.path());
    assert!(matches!(&refused, Err(StoreError::NotEmpty(_))), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "data");
    fs::remove_file(file).unwrap();
    create_in(folder.path()).unwrap();
}

#[test]
fn a_store_that_is_being_made_is_left_alone() {
    let folder = cut_short();
    let count = || fs::read_dir(folder.path()).unwrap().count();
    let n_files = count();
    let maker = File::open(folder.path()).unwrap();
    maker.lock().unwrap();
    let refused = create_in(folder.path());
    assert!(matches!(&refused, Err(StoreError::Unfinished(_))), "{refused:?}");
    assert_eq!(count(), n_files);
    drop(maker);
    create_in(folder.path()).unwrap();
}

#[test]
fn many_that_create_the_same_store_make_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| create_in(&path))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (made, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1, "{refused:?}");
    for error in refused.into_iter().filter_map(Result::err) {
        let is_late = matches!(error, StoreError::NotEmpty(_) | StoreError::Unfinished(_));
        assert!(is_late, "{error:?}");
    }
    drop(made);
    Store::open(&path).unwrap().verify().unwrap();
}

#[cfg(unix)]
#[test]
fn a_store_may_be_at_the_end_of_a_link() {
    let folder = TempDir::new().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    fs::create_dir(&target).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    create_in(&link).unwrap();
    Store::open(&target).unwrap().verify().unwrap();
}
