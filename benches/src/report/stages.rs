//! Time by stage: one bar per workload, as shares of its whole time.

use super::markup::{Drawing, legend};
use crate::{
    figure::milliseconds,
    stages::{STAGES, StageTimes},
};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 210.0;
const RIGHT: f64 = 900.0;
const ROW: f64 = 24.0;
const BAR: f64 = 15.0;

/// A bar per workload, all of the same length.
pub(super) fn plot(all: &[StageTimes]) -> String {
    let mut drawing = Drawing::new(WIDTH, ROW * all.len() as f64 + 6.0);
    for (position, one) in all.iter().enumerate() {
        let y = ROW * (position as f64 + 0.5);
        drawing.text("end", (LEFT - 12.0, y + 4.0), &one.workload);
        let total: f64 = one.ms.iter().sum();
        let mut x = LEFT;
        for (stage, ms) in one.ms.iter().enumerate().filter(|(_, ms)| **ms > 0.0) {
            let width = (RIGHT - LEFT) * ms / total;
            let title = format!(
                "{}: {} {} ms, {:.0} %",
                one.workload,
                STAGES[stage],
                milliseconds(*ms),
                ms / total * 100.0
            );
            drawing.bar(&format!("s{stage}"), (x, x + width), y - BAR / 2.0, BAR, &title);
            x += width;
        }
        let total = format!("{} ms", milliseconds(total));
        drawing.text("soft", (RIGHT + 8.0, y + 4.0), &total);
    }
    let colours = ["s0", "s1", "s2", "s3", "s4"];
    let entries: Vec<_> = colours.into_iter().zip(STAGES.map(str::to_owned)).collect();
    legend(&entries) + &drawing.finish("Share of each stage in the time of a block, by workload")
}
