//! Where the shared test data is, and what to do without it.

use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;
use std::{
    env,
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

/// The folder `name` of the shared test data. Without it a test says aloud
/// what it skips; on CI it fails.
pub(super) fn folder(name: &str) -> Option<PathBuf> {
    let root = env::var_os("BLOCKLOOM_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(env::var_os("CI").is_none(), "no test data at {}", folder.display());
    eprintln!("SKIPPED: 1 suite, {name}: no test data at {}", folder.display());
    None
}

/// All files under `folder` whose names end in `.json.gz`, index files
/// excepted, sorted by path.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.to_string_lossy().ends_with(".json.gz") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The JSON in the gzip file `path`.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> T {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut json = Vec::new();
    GzDecoder::new(BufReader::new(file))
        .read_to_end(&mut json)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
