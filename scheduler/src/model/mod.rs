//! The scheduler under model checkers, and the proof that they would find
//! mistakes: each [`Mistake`] is made once, and must be found.
//!
//! Which schedules are tried is said beside each test; the crate's essay sums
//! it up.

#[cfg(all(feature = "shuttle", not(feature = "loom")))]
mod blocks;
#[cfg(feature = "loom")]
mod pairs;
#[cfg(all(feature = "shuttle", not(feature = "loom")))]
mod worker;

use crate::mistake::Mistake;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Asserts that `check` fails while `mistake` is made, and does not fail while
/// none is.
#[track_caller]
fn finds(mistake: Mistake, check: impl Fn()) {
    check();
    let noticed = catch_unwind(AssertUnwindSafe(|| mistake.while_running(&check)));
    let Err(payload) = noticed else { panic!("nobody noticed {mistake:?}") };
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let message = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    println!("{mistake:?} was noticed: {message}");
}
