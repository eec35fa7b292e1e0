//! A divergence on file: a block with all it takes to run it again.
//!
//! `blockloom fuzz` and `replay --shadow` write such a file when parallel and
//! sequential execution differ; `blockloom verify` runs it again. Rules are
//! spelled as a genesis `config`, accounts as a genesis allocation, so a reader
//! needs nothing else.
//!
//! - [`Recorder`] notes what an execution reads.
//! - [`RecordedCase`] is the file.

mod file;
mod recorder;
mod settings;

pub(crate) use file::{RecordedCase, SUFFIX, Told};
pub(crate) use recorder::{AnyBase, Recorder};
pub(crate) use settings::Settings;
