//! A base state behind a slow disk or network.

use crate::statistics::median;
use alloy_primitives::{Address, B256, U256};
use blockloom_state::{MemoryState, MemoryStateError};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Waits that are measured to learn what a wait of this machine really takes.
const CALIBRATION_WAITS: usize = 200;

/// How long a read of the base state waits.
///
/// A waiting thread sleeps, so that its core is free: that is what a read from
/// disk or network is like, and what spinning would not be. Sleeping takes
/// longer than asked for (by the time to wake up), so the request is
/// shortened by what that was found to be; what a wait then took is kept, and
/// reported beside the results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// The wait that was asked for.
    pub asked: Duration,
    /// Median of what a wait took when measured.
    pub measured: Duration,
    request: Duration,
}

impl Latency {
    /// Finds out how to wait for `asked` per read. Takes about 400 waits.
    ///
    /// On Linux this sets the timer slack of the calling thread to a
    /// nanosecond (from 50 µs, by which the kernel would delay each wake-up).
    /// Threads started afterwards inherit it, so engines that are to wait
    /// precisely are built after this call; their idle naps are more precise
    /// then, too.
    #[must_use]
    pub fn calibrated(asked: Duration) -> Self {
        wake_up_in_time();
        let overshoot = measured(asked).saturating_sub(asked);
        // Zero would not sleep at all; this sleeps as briefly as there is.
        let request = asked.saturating_sub(overshoot).max(Duration::from_nanos(1));
        Self { asked, measured: measured(request), request }
    }

    fn wait(&self) {
        thread::sleep(self.request);
    }
}

/// Median of what sleeping for `request` takes.
fn measured(request: Duration) -> Duration {
    let waits: Vec<_> = (0..CALIBRATION_WAITS)
        .map(|_| {
            let start = Instant::now();
            thread::sleep(request);
            start.elapsed().as_secs_f64()
        })
        .collect();
    Duration::from_secs_f64(median(&waits))
}

#[cfg(target_os = "linux")]
fn wake_up_in_time() {
    // Where this is not allowed, waits are longer; the measurement tells.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

#[cfg(not(target_os = "linux"))]
const fn wake_up_in_time() {}

/// A state that takes its time: each account, slot and code it is asked for
/// waits once. Block hashes do not wait; a node has them in memory.
#[derive(Clone, Copy, Debug)]
pub struct SlowState<'a> {
    state: &'a MemoryState,
    latency: Latency,
}

impl<'a> SlowState<'a> {
    /// `state`, each read of which waits for `latency`.
    #[must_use]
    pub const fn new(state: &'a MemoryState, latency: Latency) -> Self {
        Self { state, latency }
    }
}

impl DatabaseRef for SlowState<'_> {
    type Error = MemoryStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.latency.wait();
        self.state.basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        self.latency.wait();
        self.state.code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.latency.wait();
        self.state.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.state.block_hash_ref(number)
    }
}
