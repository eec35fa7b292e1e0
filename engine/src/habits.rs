//! What recent blocks tell about the next one.

use alloy_primitives::Address;
use parking_lot::Mutex;

/// Habits kept; contracts may share one.
const HABITS: usize = 64;

/// Most blocks about one contract in a row that are not tried. If trying in vain costs a
/// tenth of a block, what is left of that is less than one percent.
const MOST_PASSED_OVER: u32 = 16;

/// For blocks about one contract each, by that: whether running ahead was worth
/// it lately.
///
/// After a block where it was not, one is run without trying, after the next
/// failure two, then four, and so on. One success, and each is tried again. None
/// of it changes a result.
#[derive(Debug)]
pub(crate) struct Habits([Mutex<Habit>; HABITS]);

impl Default for Habits {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

#[derive(Debug, Default)]
struct Habit {
    /// Blocks still to be run without trying.
    to_pass_over: u32,
    /// How many that were after the last failure; zero after a success.
    passed_over: u32,
}

impl Habits {
    fn of(&self, contract: &Address) -> &Mutex<Habit> {
        &self.0[usize::from(contract[0]) % HABITS]
    }

    /// Whether a block about this contract is to be tried.
    pub(crate) fn tries(&self, contract: &Address) -> bool {
        let mut habit = self.of(contract).lock();
        let tries = habit.to_pass_over == 0;
        habit.to_pass_over = habit.to_pass_over.saturating_sub(1);
        tries
    }

    /// One was tried, and it was worth it or was not.
    pub(crate) fn note(&self, contract: &Address, was_worth_it: bool) {
        let mut habit = self.of(contract).lock();
        habit.passed_over =
            if was_worth_it { 0 } else { (habit.passed_over * 2).clamp(1, MOST_PASSED_OVER) };
        habit.to_pass_over = habit.passed_over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Address = Address::repeat_byte(7);

    /// Runs blocks about one contract, of which the tried ones are worth it or
    /// not; says which were tried.
    fn tried(habits: &Habits, worth: impl IntoIterator<Item = bool>, blocks: usize) -> Vec<usize> {
        let mut worth = worth.into_iter();
        (0..blocks)
            .filter(|_| {
                let tries = habits.tries(&TOKEN);
                if tries {
                    habits.note(&TOKEN, worth.next().unwrap_or(true));
                }
                tries
            })
            .collect()
    }

    #[test]
    fn failures_are_tried_less_and_less_often() {
        let tried = tried(&Habits::default(), std::iter::repeat(false), 80);
        assert_eq!(tried, [0, 2, 5, 10, 19, 36, 53, 70]);
    }

    #[test]
    fn one_success_and_each_is_tried_again() {
        let tried = tried(&Habits::default(), [false, false, true], 8);
        assert_eq!(tried, [0, 2, 5, 6, 7]);
    }

    #[test]
    fn contracts_have_habits_of_their_own() {
        let habits = Habits::default();
        habits.note(&TOKEN, false);
        assert!(habits.tries(&Address::repeat_byte(8)));
        assert!(!habits.tries(&TOKEN));
    }
}
