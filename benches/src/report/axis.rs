//! From values to places.

/// A linear axis from `from` to `to`, drawn between two places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    start: f64,
    end: f64,
    step: f64,
}

impl Axis {
    /// An axis that covers all `values`, rounded outwards to whole steps, of
    /// which there are about `n_steps`; its low end is at `start` and its high
    /// end at `end`.
    pub(super) fn covering(
        values: impl IntoIterator<Item = f64>,
        start: f64,
        end: f64,
        n_steps: f64,
    ) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let step = step((high - low).max(1e-9), n_steps);
        let from = (low / step).floor() * step;
        let to = ((high / step).ceil() * step).max(from + step);
        Self { from, to, start, end, step }
    }

    /// Where `value` is. Outside values go to the nearest end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        self.start + share * (self.end - self.start)
    }

    /// Round values from one end to the other, both included.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let first = (self.from / self.step).round();
        let mut ticks = Vec::new();
        // Ends: the step is a fair share of the range.
        while (first + ticks.len() as f64) * self.step <= self.to + self.step * 1e-6 {
            ticks.push((first + ticks.len() as f64) * self.step);
        }
        ticks
    }
}

/// A round number that divides `range` into about `n` steps.
fn step(range: f64, n: f64) -> f64 {
    let raw = range / n;
    let power = 10_f64.powf(raw.log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|round| round * power >= raw * 0.999);
    round.unwrap_or(10.0) * power
}

/// A tick's value without needless zeros.
pub(super) fn tick(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_values_and_cover_everything() {
        let axis = Axis::covering([0.43, 1.0, 1.92], 100.0, 300.0, 6.0);
        assert!(axis.from <= 0.43 && axis.to >= 1.92, "{axis:?}");
        assert_eq!((axis.place(axis.from), axis.place(axis.to)), (100.0, 300.0));
        let ticks = axis.ticks();
        assert!(ticks.len() >= 4 && ticks.len() <= 9, "{ticks:?}");
        assert_eq!([ticks[0], ticks[ticks.len() - 1]], [axis.from, axis.to]);
    }

    #[test]
    fn one_value_or_none_still_makes_an_axis() {
        for values in [&[][..], &[1.0], &[f64::NAN]] {
            let axis = Axis::covering(values.iter().copied(), 0.0, 10.0, 5.0);
            assert!(axis.to > axis.from && axis.place(1.0).is_finite(), "{values:?}: {axis:?}");
        }
    }
}
