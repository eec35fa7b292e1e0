//! How often a location changed.

use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// How often a location had changed when it was read: while the count stays,
/// so does what a read gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u32);

impl Stamp {
    /// Nobody has written the location in this block.
    pub const UNWRITTEN: Self = Self(0);
}

/// The count of one location's changes.
///
/// | call  | by                                 | ordering | pairs with               |
/// |-------|------------------------------------|----------|--------------------------|
/// | `add` | publishers, under the chain's lock | `SeqCst` | `get` by readers under that lock, who see chain and count of one moment |
/// | `get` | readers without the lock           | `SeqCst` | `add`: a reader that still finds `UNWRITTEN` has read the base value and noted so; a check at the frontier comes after all lower writers have published, by way of the scheduler's prefix |
#[derive(Debug, Default)]
pub(super) struct Changes(AtomicU32);

impl Changes {
    pub(super) fn get(&self) -> Stamp {
        Stamp(self.0.load(Ordering::SeqCst))
    }

    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A flag that is raised once, when an account is first destroyed or created
/// in the block.
///
/// | call       | by                           | ordering | pairs with                      |
/// |------------|------------------------------|----------|---------------------------------|
/// | `raise`    | publishers, under the chain's lock | `SeqCst` | `is_raised`: see there    |
/// | `is_raised`| slot readers                 | `SeqCst` | `raise`: a reader that misses it has read the account before, and finds that read stale at the frontier |
#[derive(Debug, Default)]
pub(super) struct Raised(AtomicBool);

impl Raised {
    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
