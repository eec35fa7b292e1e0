//! Whether running ahead makes a block of quick transactions any faster, by the
//! clock.

use std::time::{Duration, Instant};

/// What is compared at a time, at least, in time at the pace of running alone:
/// long against what an interrupt takes.
const LEAST_WINDOW: Duration = Duration::from_micros(150);

/// The same as a part of the block: the more is to come, the more certain one
/// should be, and a machine that is shared has slow spells.
const WINDOW_PART: u64 = 32;

/// What must be gained to be worth a second core, in percent.
const LEAST_PERCENT: u32 = 3;

/// Windows in a row without that gain, after which it is clear that there is
/// none.
const WINDOWS: u32 = 2;

/// Transactions between two looks at the clock.
const LOOK_EVERY: u32 = 8;

/// Time that running alone must have taken before it tells anything.
const LEAST_ALONE: Duration = Duration::from_micros(30);

/// Compares how fast transactions become final with how fast they did while
/// nobody ran ahead.
#[derive(Debug, Default)]
pub(crate) struct Gain {
    /// Gas, and the time it took; `None` if that is not known.
    alone: Option<(u64, Duration)>,
    /// What is compared at a time, in time at that pace.
    length: Duration,
    /// When the window began, and the gas used until then.
    window: Option<(Instant, u64)>,
    /// Transactions until the next look.
    unseen: u32,
    /// Windows in a row without a gain.
    without: u32,
}

impl Gain {
    /// Over running alone, which took so long for so much gas of a block that
    /// uses so much.
    pub(crate) fn over(gas: u64, time: Duration, gas_of_block: u64) -> Self {
        let alone = (gas > 0 && time >= LEAST_ALONE).then_some((gas, time));
        let part = alone.map(|alone| time_of(gas_of_block / WINDOW_PART, alone));
        Self { alone, length: part.unwrap_or_default().max(LEAST_WINDOW), ..Self::default() }
    }

    /// Whether nothing is gained, at a transaction after which `gas` is used.
    /// Counts from the first call on.
    pub(crate) fn is_none(&mut self, gas: u64) -> bool {
        if self.alone.is_none() {
            return false;
        }
        self.unseen += 1;
        if self.window.is_some() && self.unseen < LOOK_EVERY {
            return false;
        }
        self.unseen = 0;
        self.look(Instant::now(), gas)
    }

    fn look(&mut self, now: Instant, gas: u64) -> bool {
        let (Some(alone), Some((began, gas_before))) = (self.alone, self.window) else {
            self.window = Some((now, gas));
            return false;
        };
        let alone = time_of(gas.saturating_sub(gas_before), alone);
        if alone < self.length {
            return false;
        }
        let is_gain = (now - began) * (100 + LEAST_PERCENT) <= alone * 100;
        self.without = if is_gain { 0 } else { self.without + 1 };
        self.window = Some((now, gas));
        self.without >= WINDOWS
    }
}

/// What `gas` takes where so much takes so long.
fn time_of(gas: u64, (gas_alone, time): (u64, Duration)) -> Duration {
    let nanos = u128::from(gas) * time.as_nanos() / u128::from(gas_alone);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 Mgas takes a millisecond alone; windows take so many microseconds per
    /// 200,000 gas. Gives the number of the window after which it is clear.
    fn clear_after(windows: &[u64]) -> Option<usize> {
        let mut gain = Gain::over(1_000_000, Duration::from_millis(1), 4_000_000);
        let (mut now, mut gas) = (Instant::now(), 500_000);
        assert!(!gain.look(now, gas));
        windows.iter().position(|micros| {
            now += Duration::from_micros(*micros);
            gas += 200_000;
            gain.look(now, gas)
        })
    }

    #[test]
    fn two_windows_without_a_gain_are_enough() {
        assert_eq!(clear_after(&[150, 150, 150, 150]), None);
        assert_eq!(clear_after(&[200, 200]), Some(1));
        assert_eq!(clear_after(&[200, 150, 198, 150]), None);
        assert_eq!(clear_after(&[150, 150, 300, 195]), Some(3));
    }

    #[test]
    fn a_short_stretch_tells_nothing() {
        let mut gain = Gain::over(1_000_000, Duration::from_millis(1), 4_000_000);
        let now = Instant::now();
        assert!(!gain.look(now, 0));
        for n in 1..100 {
            assert!(!gain.look(now + Duration::from_millis(n), 1_000 * n));
        }
    }

    #[test]
    fn the_more_is_to_come_the_longer_it_is_tried() {
        let mut gain = Gain::over(1_000_000, Duration::from_millis(1), 320_000_000);
        let now = Instant::now();
        assert!(!gain.look(now, 0));
        let slow = |n: u64| (now + Duration::from_millis(2 * n), 1_000_000 * n);
        let clear = (1..=100).map(slow).position(|(now, gas)| gain.look(now, gas));
        assert_eq!(clear, Some(19));
    }

    #[test]
    fn without_anything_to_compare_with_nobody_is_sent_home() {
        for mut gain in [
            Gain::default(),
            Gain::over(0, Duration::from_secs(1), 1_000_000),
            Gain::over(100_000, LEAST_ALONE / 2, 1_000_000),
        ] {
            assert!((0..1_000).all(|n| !gain.is_none(n * 1_000_000)));
        }
    }
}
