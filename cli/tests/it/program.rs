//! Runs the program and looks at what it says.

use serde_json::Value;
use std::{
    ffi::OsStr,
    process::{Command, Output, Stdio},
};

/// A command line of the program under test.
pub(crate) fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blockloom"));
    command.args(args).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

/// What a finished run said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Finished {
    /// The JSON objects on stdout, one per line.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }

    /// The last JSON object.
    #[track_caller]
    pub(crate) fn totals(&self) -> Value {
        self.json().pop().unwrap_or_else(|| panic!("nothing on stdout: {self:?}"))
    }

    /// Checks that the run was refused with this exit status and a message
    /// that has all of `words`, and that nothing panicked.
    #[track_caller]
    pub(crate) fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
    }
}

/// Runs the program to its end.
#[track_caller]
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Finished {
    command(args).output().unwrap().into()
}

/// Runs the program and expects it to agree with everything.
#[track_caller]
pub(crate) fn run_ok<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Finished {
    let finished = run(args);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished
}
