//! Where each transaction stands, as one packed word.

use crate::{
    mistake::Mistake,
    sync::{AtomicU32, Ordering},
    version::Incarnation,
};

/// Where one transaction stands.
///
/// ```text
///                 .------------- resume -------------.
///                 v                                  |
/// Ready(i) --start--> Executing(i) --block--> Blocked(i + 1)
///    ^                    |     \
///    |                  finish   '--hold--> Held(i + 1)
///    |                    v                    ^
///    |                Executed(i)              |
///    |                    |                    |
///    |             abort (only one wins)       |
///    |                    v                    |
///    '----- reopen -- Aborting(i) -- reopen ---'   (after too many attempts)
///
/// at the frontier:  Executed(i) --claim--> Committing(i) --commit--> Committed
///                   Ready, Blocked, Held(i) --claim--> Committing(i)
/// ```
///
/// Invariant: every arrow is a compare-and-swap on the whole word (state and
/// incarnation), so exactly one thread takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum State {
    /// Waits for a worker.
    Ready = 0,
    /// A worker runs it speculatively.
    Executing = 1,
    /// It ran; its result waits for the frontier.
    Executed = 2,
    /// It waits for a lower transaction to finish.
    Blocked = 3,
    /// A validation failed; its writes are being turned into estimates.
    Aborting = 4,
    /// It may only run at the frontier.
    Held = 5,
    /// The frontier owns it: being validated, re-run or committed.
    Committing = 6,
    /// Final.
    Committed = 7,
}

const STATE_BITS: u32 = 3;
const STATE_MASK: u32 = (1 << STATE_BITS) - 1;

impl State {
    const fn from_bits(bits: u32) -> Self {
        match bits & STATE_MASK {
            0 => Self::Ready,
            1 => Self::Executing,
            2 => Self::Executed,
            3 => Self::Blocked,
            4 => Self::Aborting,
            5 => Self::Held,
            6 => Self::Committing,
            _ => Self::Committed,
        }
    }
}

/// The status word of one transaction.
///
/// | call    | by                       | ordering | pairs with                                 |
/// |---------|--------------------------|----------|--------------------------------------------|
/// | `get`   | everybody                | `SeqCst` | every `change`: see "Ending a block"       |
/// | `change`| the thread that wins it  | `SeqCst` | the next `change`: hands over what it owns |
#[derive(Debug)]
pub(crate) struct Status(AtomicU32);

const fn pack(state: State, incarnation: Incarnation) -> u32 {
    (incarnation.number() << STATE_BITS) | state as u32
}

impl Status {
    pub(crate) fn new(state: State) -> Self {
        Self(AtomicU32::new(pack(state, Incarnation::FIRST)))
    }

    pub(crate) fn get(&self) -> (State, Incarnation) {
        let word = self.0.load(Ordering::SeqCst);
        (State::from_bits(word), Incarnation::from_raw(word >> STATE_BITS))
    }

    /// Takes one arrow of the diagram; `false` if somebody else moved first.
    pub(crate) fn change(&self, from: (State, Incarnation), to: (State, Incarnation)) -> bool {
        let (from, to) = (pack(from.0, from.1), pack(to.0, to.1));
        if Mistake::StatusInTwoSteps.is_made() {
            let is_so = self.0.load(Ordering::SeqCst) == from;
            if is_so {
                self.0.store(to, Ordering::SeqCst);
            }
            return is_so;
        }
        let ordering = Mistake::StatusUnordered.ordering();
        self.0.compare_exchange(from, to, ordering, ordering).is_ok()
    }

    /// Takes an arrow that only the caller can take, because it owns the
    /// transaction.
    ///
    /// # Panics
    ///
    /// If the status is not `from`: an owner was bypassed.
    pub(crate) fn advance(&self, from: (State, Incarnation), to: (State, Incarnation)) {
        assert!(self.change(from, to), "{from:?} -> {to:?}, but found {:?}", self.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_state_and_incarnation_apart() {
        let status = Status::new(State::Ready);
        let mut incarnation = Incarnation::FIRST;
        let states = [
            State::Ready,
            State::Executing,
            State::Executed,
            State::Blocked,
            State::Aborting,
            State::Held,
            State::Committing,
            State::Committed,
        ];
        let mut from = (State::Ready, incarnation);
        for _ in 0..100 {
            for state in states {
                status.advance(from, (state, incarnation));
                from = (state, incarnation);
                assert_eq!(status.get(), from);
            }
            incarnation = incarnation.next();
        }
    }

    #[test]
    fn only_one_of_two_changes_wins() {
        let status = Status::new(State::Executed);
        let from = (State::Executed, Incarnation::FIRST);
        assert!(status.change(from, (State::Aborting, Incarnation::FIRST)));
        assert!(!status.change(from, (State::Committing, Incarnation::FIRST)));
    }
}
