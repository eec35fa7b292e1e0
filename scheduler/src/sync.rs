//! The one door to atomics and locks, so that a model checker can stand in
//! for them.

#[cfg(feature = "loom")]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32},
};
#[cfg(all(feature = "shuttle", not(feature = "loom")))]
pub(crate) use shuttle::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32},
};
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(any(feature = "loom", feature = "shuttle")))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32},
};
