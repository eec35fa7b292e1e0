//! The one door to atomics and locks, so that a model checker can stand in
//! for them.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
