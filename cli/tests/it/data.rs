//! Where test data is.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
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
    skip(&format!("no test data at {}", found.display()));
    None
}

/// What one of `scripts` brings from the npm registry, with `args`.
///
/// `None`, said loudly, if it cannot be had; in CI that is a failure.
#[track_caller]
pub(crate) fn brought(script: &str, args: &[&str]) -> Option<PathBuf> {
    let (script, cache) = (in_repository("scripts").join(script), env!("CARGO_TARGET_TMPDIR"));
    let found = Command::new("bash").arg(script).arg(cache).args(args).output().unwrap();
    if found.status.success() {
        return Some(String::from_utf8(found.stdout).unwrap().trim().into());
    }
    skip(String::from_utf8_lossy(&found.stderr).trim());
    None
}

/// Says loudly why a suite is skipped; in CI that is a failure.
#[track_caller]
fn skip(reason: &str) {
    assert!(env::var_os("CI").is_none(), "{reason}");
    // Past the capture of test output, which hides what passing tests print.
    let message = format!("\nSKIPPED 1 suite: {reason}\n");
    std::io::stderr().write_all(message.as_bytes()).unwrap();
}
