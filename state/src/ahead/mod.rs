//! What running ahead of a [`BlockState`](crate::BlockState) needs: what one
//! execution saw of it, and what it left.
//!
//! A transaction that runs ahead reads a block state that may lack what lower
//! ones will write. [`Seen`] is everything it was told, to be held against the
//! state once that is complete; [`Delta`] is what it did, small enough to hand
//! from worker to worker.

mod delta;
mod seen;
#[cfg(test)]
mod tests;

pub use delta::Delta;
pub(crate) use delta::{BasicsDelta, SlotDelta};
pub use seen::{Seen, SeenAccount, SeenSlot};
