//! Where test data is.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
};

/// A folder of this repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The demo chain's folder.
pub(crate) fn demo() -> PathBuf {
    in_repository("fixtures/data/demo")
}

/// `path` in the test data, which is too large for the repository:
/// `BLOCKLOOM_DATA`, or `shared/data` beside the checkout.
///
/// `None`, said loudly, if it is not there; in CI that is a failure.
#[track_caller]
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let root = env::var_os("BLOCKLOOM_DATA")
        .map_or_else(|| in_repository("../shared/data"), PathBuf::from);
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    assert!(env::var_os("CI").is_none(), "test data is missing: {}", found.display());
    // Past the capture of test output, which hides what passing tests print.
    let message = format!("\nSKIPPED 1 suite: no test data at {}\n", found.display());
    std::io::stderr().write_all(message.as_bytes()).unwrap();
    None
}
