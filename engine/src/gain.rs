//! Whether running ahead makes a block of quick transactions any faster, by the
//! clock.

use std::time::{Duration, Instant};

/// Gas that becomes final before it is worth comparing, in time at the pace of
/// running alone: long against what an interrupt takes.
const WINDOW: Duration = Duration::from_micros(150);

/// What must be gained to be worth a second core, in percent.
const LEAST_PERCENT: u128 = 3;

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
    /// When the window began, and the gas used until then.
    window: Option<(Instant, u64)>,
    /// Transactions until the next look.
    unseen: u32,
    /// Windows in a row without a gain.
    without: u32,
}

impl Gain {
    /// Over running alone, which took so long for so much gas.
    pub(crate) fn over(gas: u64, time: Duration) -> Self {
        let alone = (gas > 0 && time >= LEAST_ALONE).then_some((gas, time));
        Self { alone, ..Self::default() }
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
        let (Some((gas_alone, time_alone)), Some((began, gas_before))) = (self.alone, self.window)
        else {
            self.window = Some((now, gas));
            return false;
        };
        let used = u128::from(gas.saturating_sub(gas_before));
        let alone = used * time_alone.as_nanos() / u128::from(gas_alone);
        if alone < WINDOW.as_nanos() {
            return false;
        }
        let took = (now - began).as_nanos();
        self.without =
            if took * (100 + LEAST_PERCENT) > alone * 100 { self.without + 1 } else { 0 };
        self.window = Some((now, gas));
        self.without >= WINDOWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 Mgas takes a millisecond alone; windows take so many microseconds per
    /// 200,000 gas. Gives the number of the window after which it is clear.
    fn clear_after(windows: &[u64]) -> Option<usize> {
        let mut gain = Gain::over(1_000_000, Duration::from_millis(1));
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
        let mut gain = Gain::over(1_000_000, Duration::from_millis(1));
        let now = Instant::now();
        assert!(!gain.look(now, 0));
        for n in 1..100 {
            assert!(!gain.look(now + Duration::from_millis(n), 1_000 * n));
        }
    }

    #[test]
    fn without_anything_to_compare_with_nobody_is_sent_home() {
        for mut gain in [
            Gain::default(),
            Gain::over(0, Duration::from_secs(1)),
            Gain::over(100_000, LEAST_ALONE / 2),
        ] {
            assert!((0..1_000).all(|n| !gain.is_none(n * 1_000_000)));
        }
    }
}
