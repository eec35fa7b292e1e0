//! Mistakes made on purpose, to see that the model tests find them.

#[cfg(all(test, any(feature = "loom", feature = "shuttle")))]
use std::cell::Cell;
use std::sync::atomic::Ordering;

/// One way to get it wrong. At most one is made at a time, and only in model
/// tests; everywhere else all of this is compiled to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// The frontier's latch is looked at and set in two steps.
    LatchInTwoSteps,
    /// Who takes the latch does not see what its last holder did.
    LatchUnordered,
    /// A status is looked at and changed in two steps.
    StatusInTwoSteps,
    /// A change of status hands over nothing.
    StatusUnordered,
    /// The prefix moves when a transaction is claimed, not when it is final.
    PrefixEarly,
    /// Who sees the prefix does not see what became final.
    PrefixUnordered,
    /// The same where one worker alone moves it.
    StepUnordered,
    /// A stage is looked at and claimed in two steps.
    StageInTwoSteps,
    /// Who sees that a transaction ran does not see its result.
    StageUnordered,
    /// A transaction that is given back stays with who has begun it.
    GivenBackNever,
    /// It is given back once more, when somebody else may have it.
    GivenBackTwice,
    /// Who takes it next does not see what the one before did.
    GivenBackUnordered,
    /// Whether the writer has finished is looked at before its list is locked.
    BlockUnlocked,
}

impl Mistake {
    /// Whether it is being made.
    #[cfg(not(all(test, any(feature = "loom", feature = "shuttle"))))]
    pub(crate) const fn is_made(self) -> bool {
        false
    }

    /// Whether it is being made.
    #[cfg(all(test, any(feature = "loom", feature = "shuttle")))]
    pub(crate) fn is_made(self) -> bool {
        MADE.get() == Some(self)
    }

    /// Sequentially consistent, unless this mistake is being made.
    #[cfg(not(all(test, any(feature = "loom", feature = "shuttle"))))]
    pub(crate) const fn ordering(self) -> Ordering {
        Ordering::SeqCst
    }

    /// Sequentially consistent, unless this mistake is being made.
    #[cfg(all(test, any(feature = "loom", feature = "shuttle")))]
    pub(crate) fn ordering(self) -> Ordering {
        if self.is_made() { Ordering::Relaxed } else { Ordering::SeqCst }
    }

    /// What hands over all that was done before, unless this mistake is being
    /// made.
    pub(crate) fn release(self) -> Ordering {
        if self.is_made() { Ordering::Relaxed } else { Ordering::Release }
    }

    /// Makes this mistake, on this thread, while `run` runs. Model checkers run
    /// all threads of a model on the thread that started it.
    #[cfg(all(test, any(feature = "loom", feature = "shuttle")))]
    pub(crate) fn while_running<T>(self, run: impl FnOnce() -> T) -> T {
        struct Undo;
        impl Drop for Undo {
            fn drop(&mut self) {
                MADE.set(None);
            }
        }
        MADE.set(Some(self));
        let _undo = Undo;
        run()
    }
}

#[cfg(all(test, any(feature = "loom", feature = "shuttle")))]
thread_local! {
    static MADE: Cell<Option<Mistake>> = const { Cell::new(None) };
}
