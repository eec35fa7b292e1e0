//! Speedup by workload: one bar each, from the line where both are equal.

use super::{
    axis::{Axis, tick},
    markup::Drawing,
};
use crate::{
    figure::{self, milliseconds, ratio},
    findings::Group,
    measurement::Measurement,
};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 210.0;
const RIGHT: f64 = 940.0;
const TOP: f64 = 26.0;
const ROW: f64 = 24.0;
const BAR: f64 = 13.0;
const STEPS: f64 = 8.0;

/// What an axis of ratios covers at least, so that noise looks like noise.
pub(super) const NARROWEST: [f64; 2] = [0.8, 1.2];

/// The bars of all workloads at `workers`, fastest first, and a circle for
/// each other worker count.
pub(super) fn plot(group: &Group, workers: usize) -> String {
    let mut rows: Vec<_> = group
        .workloads()
        .filter_map(|(_, all)| Some((all.iter().find(|one| one.workers == workers)?, all)))
        .collect();
    rows.sort_by(|(a, _), (b, _)| b.ratio.total_cmp(&a.ratio));
    let ratios = || group.measurements.iter().map(|one| one.ratio).chain([1.0]);
    let (least, most) = (ratios().fold(1.0, f64::min), ratios().fold(1.0, f64::max));
    // One disturbed round can have any ratio; the plot is about the others.
    let whiskers = rows.iter().flat_map(|(bar, _)| [bar.ratio_low, bar.ratio_high]);
    let whiskers = whiskers.map(|end| end.clamp(least * 0.8, most * 1.25));
    let axis = Axis::covering(ratios().chain(whiskers).chain(NARROWEST), LEFT, RIGHT, STEPS);
    let bottom = TOP + ROW * rows.len() as f64;
    let mut drawing = Drawing::new(WIDTH, bottom + 26.0);
    for value in axis.ticks() {
        let x = axis.place(value);
        drawing.line("grid", (x, TOP - 6.0), (x, bottom + 4.0));
        let label = format!("{}×", tick(value));
        drawing.text("soft middle", (x, TOP - 12.0), &label);
        drawing.text("soft middle", (x, bottom + 20.0), &label);
    }
    for (position, (bar, all)) in rows.iter().enumerate() {
        row(&mut drawing, &axis, TOP + ROW * (position as f64 + 0.5), bar, all);
    }
    drawing.line("zero", (axis.place(1.0), TOP - 6.0), (axis.place(1.0), bottom + 4.0));
    drawing.finish(&format!("Speedup at {} by workload", figure::workers(workers)))
}

fn row(drawing: &mut Drawing, axis: &Axis, y: f64, bar: &Measurement, all: &[Measurement]) {
    let class = match bar.ratio {
        _ if bar.workers_used == 0 => "same",
        1.0.. => "fast",
        _ => "slow",
    };
    let ends = (axis.place(1.0), axis.place(bar.ratio));
    drawing.text("end", (LEFT - 12.0, y + 4.0), &bar.workload);
    drawing.bar(class, ends, y - BAR / 2.0, BAR, &title(bar));
    let (low, high) = (axis.place(bar.ratio_low), axis.place(bar.ratio_high));
    drawing.line("whisker", (low, y), (high, y));
    for end in [low, high] {
        drawing.line("whisker", (end, y - 3.0), (end, y + 3.0));
    }
    let mut rightmost = ends.1.max(high).max(axis.place(1.0));
    for other in all.iter().filter(|other| other.workers != bar.workers) {
        let x = axis.place(other.ratio);
        drawing.circle("other", (x, y), 3.4, &title(other));
        rightmost = rightmost.max(x);
    }
    drawing.text("strong", (rightmost + 8.0, y + 4.0), &format!("{}×", ratio(bar.ratio)));
}

fn title(one: &Measurement) -> String {
    format!(
        "{} at {}{}: {}× ({}–{}), {} ms sequential, {} ms parallel, {:.2} executions \
         per transaction, {}× CPU time",
        one.workload,
        figure::workers(one.workers),
        if one.workers_used == 0 { " (sequential path chosen)" } else { "" },
        ratio(one.ratio),
        ratio(one.ratio_low),
        ratio(one.ratio_high),
        milliseconds(one.sequential_ms),
        milliseconds(one.parallel_ms),
        one.executions_per_tx,
        ratio(one.cpu_ratio),
    )
}
