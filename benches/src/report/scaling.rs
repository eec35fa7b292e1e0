//! Speedup by number of workers.

use super::{
    axis::{Axis, tick},
    markup::Drawing,
    speedup::NARROWEST,
};
use crate::{figure::ratio, findings::Group, measurement::Measurement, statistics::geometric_mean};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 800.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 330.0;
const STEPS: f64 = 6.0;

/// A line per workload over the worker `counts`, which ascend; the best, the
/// worst and the mean are named.
pub(super) fn plot(group: &Group, counts: &[usize]) -> String {
    let ratios = group.measurements.iter().map(|one| one.ratio).chain(NARROWEST);
    let y = Axis::covering(ratios, BOTTOM, TOP, STEPS);
    // Worker counts usually double, so they get equal distances.
    let last = counts.len().saturating_sub(1).max(1) as f64;
    let x = |position: usize| LEFT + 40.0 + (RIGHT - LEFT - 60.0) * position as f64 / last;
    let mut drawing = Drawing::new(WIDTH, HEIGHT);
    for value in y.ticks() {
        let place = y.place(value);
        drawing.line(if value == 1.0 { "zero" } else { "grid" }, (LEFT, place), (RIGHT, place));
        drawing.text("soft end", (LEFT - 8.0, place + 4.0), &format!("{}×", tick(value)));
    }
    for (position, count) in counts.iter().enumerate() {
        drawing.text("soft middle", (x(position), BOTTOM + 20.0), &count.to_string());
    }
    drawing.text("soft middle", (LEFT.midpoint(RIGHT), BOTTOM + 42.0), "workers");

    let points = |all: &[Measurement]| -> Vec<_> {
        let at = |one: &Measurement| counts.iter().position(|count| *count == one.workers);
        let mut points: Vec<_> =
            all.iter().filter_map(|one| Some((x(at(one)?), y.place(one.ratio)))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    for (name, all) in group.workloads() {
        drawing.path("thin", &points(all), name);
    }
    let means: Vec<_> = counts
        .iter()
        .map(|count| {
            let of_count = group.measurements.iter().filter(|one| one.workers == *count);
            geometric_mean(of_count.map(|one| one.ratio))
        })
        .collect();
    let mean_line: Vec<_> =
        means.iter().enumerate().map(|(position, mean)| (x(position), y.place(*mean))).collect();
    drawing.path("line c0", &mean_line, "geometric mean");
    for (place, mean) in mean_line.iter().zip(&means) {
        drawing.circle("f0", *place, 3.6, &format!("geometric mean {}×", ratio(*mean)));
    }
    label_ends(&mut drawing, group, counts, &y, means.last().copied());
    drawing.finish("Speedup by number of workers")
}

/// Names the mean, the best and the worst at the right end, with some distance
/// between the names.
fn label_ends(drawing: &mut Drawing, group: &Group, counts: &[usize], y: &Axis, mean: Option<f64>) {
    let at_end = || group.measurements.iter().filter(|one| Some(&one.workers) == counts.last());
    let by_ratio = |a: &&Measurement, b: &&Measurement| a.ratio.total_cmp(&b.ratio);
    let named = |one: &Measurement| (one.ratio, one.workload.clone(), "soft");
    let mut labels: Vec<_> =
        mean.into_iter().map(|mean| (mean, "geometric mean".to_owned(), "strong")).collect();
    labels.extend(at_end().max_by(by_ratio).map(named));
    if at_end().count() > 1 {
        labels.extend(at_end().min_by(by_ratio).map(named));
    }
    labels.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut lowest = f64::NEG_INFINITY;
    for (value, name, class) in labels {
        let place = y.place(value).max(lowest + 16.0);
        lowest = place;
        drawing.text(class, (RIGHT + 8.0, place + 4.0), &format!("{name} {}×", ratio(value)));
    }
}
