//! The one door to atomics and locks, so that a model checker can stand in
//! for them.

pub(crate) use parking_lot::Mutex;
pub(crate) use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};
