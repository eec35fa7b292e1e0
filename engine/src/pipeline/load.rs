//! What the other stages of a pipeline are doing, and whether they are done.

use parking_lot::Mutex;

/// What else there is to do for the cores, as an execution begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Threads that are making later blocks ready.
    pub making_ready: usize,
    /// Executed blocks that are not sealed yet.
    pub unsealed: usize,
}

impl Load {
    /// Whether all other stages have come to the end of what they can do, so
    /// that cores are idle unless the execution uses them.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.making_ready == 0 && self.unsealed == 0
    }
}

/// Counts what is going on; touched a few times a block.
#[derive(Debug)]
pub(super) struct Gauge(Mutex<Load>);

impl Default for Gauge {
    fn default() -> Self {
        Self(Mutex::new(Load { making_ready: 0, unsealed: 0 }))
    }
}

/// A block that is being made ready.
pub(super) struct Busy<'a>(&'a Gauge);

impl Gauge {
    /// A block is being made ready until the result is dropped.
    pub(super) fn ready(&self) -> Busy<'_> {
        self.0.lock().making_ready += 1;
        Busy(self)
    }

    /// A block has been executed.
    pub(super) fn handed_on(&self) {
        self.0.lock().unsealed += 1;
    }

    /// A block has been sealed.
    pub(super) fn sealed(&self) {
        let mut load = self.0.lock();
        load.unsealed = load.unsealed.saturating_sub(1);
    }

    pub(super) fn load(&self) -> Load {
        *self.0.lock()
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.0.lock().making_ready -= 1;
    }
}

/// Whether there is nothing left to do. Those who wait for the source look here
/// from time to time: it may have nothing to say for long.
#[derive(Debug, Default)]
pub(super) struct Over(Mutex<bool>);

/// Sets the flag when it is dropped, be it by a panic.
pub(super) struct WhenDropped<'a>(&'a Over);

impl Over {
    pub(super) fn set(&self) {
        *self.0.lock() = true;
    }

    pub(super) fn is_set(&self) -> bool {
        *self.0.lock()
    }

    pub(super) fn when_dropped(&self) -> WhenDropped<'_> {
        WhenDropped(self)
    }
}

impl Drop for WhenDropped<'_> {
    fn drop(&mut self) {
        self.0.set();
    }
}
