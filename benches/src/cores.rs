//! Which core a thread runs on.

/// Keeps the calling thread on one of the cores that it may use, a different
/// one for each `index` as long as there are enough. Does nothing where threads
/// cannot be kept.
///
/// Two threads that are woken for less than a millisecond at a time may stay on
/// one core, if the kernel likes that better, and then say nothing about two.
#[cfg(target_os = "linux")]
pub fn stay_on_core(index: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let Ok(allowed) = sched_getaffinity(None) else { return };
    let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let mut own = CpuSet::new();
    own.set(cores[index % cores.len()]);
    // Where this is not allowed, the kernel goes on choosing.
    let _ = sched_setaffinity(None, &own);
}

/// Leaves the calling thread to the kernel.
#[cfg(not(target_os = "linux"))]
pub const fn stay_on_core(_index: usize) {}
