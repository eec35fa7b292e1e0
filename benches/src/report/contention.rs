//! Speedup by contention.

use super::{
    axis::{Axis, tick},
    markup::{Drawing, legend},
    speedup::NARROWEST,
};
use crate::{
    figure::{self, ratio},
    findings::Sweep,
    measurement::Measurement,
};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 960.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 310.0;
const STEPS: f64 = 6.0;

/// Lines that tell themselves apart by colour.
const COLOURS: [&str; 6] = ["s1", "s3", "s2", "s0", "slow", "s4"];

/// A line with its spread per worker count.
pub(super) fn plot(sweep: &Sweep) -> String {
    let all = || sweep.points.iter().flat_map(|point| &point.measurements);
    // One disturbed round can have any ratio; the plot is about the others.
    let (least, most) = all()
        .fold((1.0_f64, 1.0_f64), |(least, most), one| (least.min(one.ratio), most.max(one.ratio)));
    let spreads = all().flat_map(|one| [one.ratio_low, one.ratio_high]);
    let spreads = spreads.map(|end| end.clamp(least * 0.8, most * 1.25));
    let ratios = all().map(|one| one.ratio);
    let y = Axis::covering(ratios.chain(spreads).chain(NARROWEST), BOTTOM, TOP, STEPS);
    let x = Axis::covering([0.0, 1.0], LEFT, RIGHT, 10.0);
    let mut drawing = Drawing::new(WIDTH, HEIGHT);
    for value in y.ticks() {
        let place = y.place(value);
        drawing.line(if value == 1.0 { "zero" } else { "grid" }, (LEFT, place), (RIGHT, place));
        drawing.text("soft end", (LEFT - 8.0, place + 4.0), &format!("{}×", tick(value)));
    }
    for value in x.ticks() {
        drawing.text("soft middle", (x.place(value), BOTTOM + 20.0), &tick(value));
    }
    drawing.text("soft middle", (LEFT.midpoint(RIGHT), BOTTOM + 42.0), "hot ratio");

    let mut counts: Vec<_> = all().map(|one| one.workers).collect();
    counts.sort_unstable();
    counts.dedup();
    let mut entries = Vec::new();
    for (position, count) in counts.iter().enumerate() {
        let colour = position % COLOURS.len();
        entries.push((COLOURS[colour], figure::workers(*count)));
        line(&mut drawing, sweep, *count, colour, &x, &y);
    }
    legend(&entries) + &drawing.finish("Speedup by share of transactions that conflict")
}

fn line(drawing: &mut Drawing, sweep: &Sweep, workers: usize, colour: usize, x: &Axis, y: &Axis) {
    let through = |of: fn(&Measurement) -> f64| -> Vec<_> {
        let points = sweep.points.iter().filter_map(|point| {
            let one = point.measurements.iter().find(|one| one.workers == workers)?;
            Some((x.place(point.hot_ratio), y.place(of(one))))
        });
        points.collect()
    };
    drawing.band(
        &format!("f{colour}"),
        &through(|one| one.ratio_high),
        &through(|one| one.ratio_low),
    );
    let medians = through(|one| one.ratio);
    drawing.path(&format!("line c{colour}"), &medians, &figure::workers(workers));
    for (point, place) in sweep.points.iter().zip(medians) {
        let one = point.measurements.iter().find(|one| one.workers == workers);
        let title = one.map_or_else(String::new, |one| {
            format!(
                "hot ratio {:.1}, {}: {}×, {:.2} executions per transaction",
                point.hot_ratio,
                figure::workers(workers),
                ratio(one.ratio),
                one.executions_per_tx
            )
        });
        drawing.circle(&format!("f{colour}"), place, 3.6, &title);
    }
}
