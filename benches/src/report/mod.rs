//! Findings as one HTML page: plots drawn as inline SVG, no scripts, nothing
//! loaded from elsewhere, readable on light and on dark screens.

mod axis;
mod contention;
mod markup;
mod scaling;
mod speedup;
mod stages;
mod tables;

use crate::{
    figure::{self, ratio},
    findings::{Findings, Group, memory_growth},
    measurement::Measurement,
    statistics::geometric_mean,
};
use markup::escaped;

/// The page that shows `findings`.
#[must_use]
pub fn html(findings: &Findings) -> String {
    let body: String = [
        head(findings),
        tiles(&findings.groups),
        targets(findings),
        findings.groups.iter().map(group).collect(),
        contention(findings),
        stages(findings),
        memory(findings),
        numbers(findings),
    ]
    .concat();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>blockloom bench</title>\n<style>\n{}</style>\n</head>\n<body>\n{body}\
         <footer>Made by <code>blockloom bench</code>. Ratios are sequential time ÷ parallel time, \
         paired within each round; the spread is from the 10th to the 90th percentile of the \
         rounds. Point at a mark to see its numbers.</footer>\n</body>\n</html>\n",
        include_str!("style.css")
    )
}

fn head(findings: &Findings) -> String {
    let at = &findings.provenance;
    format!(
        "<header>\n<h1>Parallel against sequential execution</h1>\n\
         <p class=\"lead\">Both sides execute the same blocks on the same in-memory state in one \
         process, in turns, and give the same receipts and state changes; each result was compared \
         after its timer had stopped.</p>\n\
         <dl><dt>Machine</dt><dd>{}</dd><dt>Commit</dt><dd><code>{}</code></dd>\
         <dt>Command</dt><dd><code>{}</code></dd><dt>Date</dt><dd>{}</dd>\
         <dt>Protocol</dt><dd>{}</dd></dl>\n</header>\n",
        escaped(&at.machine),
        escaped(&at.commit),
        escaped(&at.command),
        escaped(&at.date),
        escaped(&findings.protocol),
    )
}

/// The most telling numbers: of the first group, at its highest worker count.
fn tiles(groups: &[Group]) -> String {
    let Some(group) = groups.iter().find(|group| !group.measurements.is_empty()) else {
        return String::new();
    };
    let workers = group.worker_counts().last().copied().unwrap_or_default();
    let shown: Vec<_> = group.measurements.iter().filter(|one| one.workers == workers).collect();
    let by_ratio = |a: &&&Measurement, b: &&&Measurement| a.ratio.total_cmp(&b.ratio);
    let (Some(worst), Some(best)) = (shown.iter().min_by(by_ratio), shown.iter().max_by(by_ratio))
    else {
        return String::new();
    };
    let mean = geometric_mean(shown.iter().map(|one| one.ratio));
    let cpu = geometric_mean(shown.iter().map(|one| one.cpu_ratio));
    let fastest = shown.iter().map(|one| one.gas_per_second).fold(0.0, f64::max);
    let tile = |value: String, text: String| {
        format!("<div class=\"tile\"><b>{value}</b><span>{}</span></div>\n", escaped(&text))
    };
    let times = |value| format!("{}×", ratio(value));
    let mut text = String::from("<section class=\"tiles\">\n");
    let n = shown.len();
    let what = if n == 1 { "workload".to_owned() } else { format!("{n} workloads") };
    text +=
        &tile(times(mean), format!("geometric mean over {what} at {}", figure::workers(workers)));
    text += &tile(times(best.ratio), format!("best: {}", best.workload));
    text += &tile(times(worst.ratio), format!("worst: {}", worst.workload));
    text += &tile(times(cpu), "CPU time of the sequential run, geometric mean".to_owned());
    text += &tile(format!("{:.2}", fastest / 1e9), "Ggas/s, highest throughput".to_owned());
    text + "</section>\n"
}

fn targets(findings: &Findings) -> String {
    if findings.verdicts.is_empty() {
        return String::new();
    }
    let n_met = findings.verdicts.iter().filter(|verdict| verdict.is_met()).count();
    section(
        "Targets",
        &format!("{n_met} of {} met.", findings.verdicts.len()),
        &tables::targets(&findings.verdicts),
    )
}

fn group(group: &Group) -> String {
    if group.measurements.is_empty() {
        return String::new();
    }
    let counts = group.worker_counts();
    let (last, others) = counts.split_last().map_or((0, &[][..]), |(last, rest)| (*last, rest));
    let mut about = format!(
        "Bars give the speedup at {}, to the right of 1× where parallel is faster; whiskers its \
         spread. Grey: the engine chose the sequential path.",
        figure::workers(last)
    );
    if !others.is_empty() {
        let list: Vec<_> = others.iter().map(ToString::to_string).collect();
        about += &format!(" Circles are other worker counts: {}.", list.join(", "));
    }
    let mut text = section(&group.title, &about, &speedup::plot(group, last));
    if counts.len() > 1 {
        text += &format!(
            "<h3>Scaling by workers</h3>\n<p>One thin line per workload; the thick one is their \
             geometric mean.</p>\n{}",
            scaling::plot(group, &counts)
        );
    }
    text
}

fn contention(findings: &Findings) -> String {
    findings.sweep.as_ref().map_or_else(String::new, |sweep| {
        let about = format!(
            "Workload {}: speedup as a growing share of its transactions goes for one hot spot.",
            sweep.workload
        );
        section("Contention", &about, &contention::plot(sweep))
    })
}

fn stages(findings: &Findings) -> String {
    if findings.stages.is_empty() {
        return String::new();
    }
    let about = "Where the time of a whole block goes when its stages run one after another. \
                 Generated blocks have no signatures to recover. The state root is that of the \
                 whole in-memory state, from scratch.";
    section("Time by stage", about, &stages::plot(&findings.stages))
}

fn memory(findings: &Findings) -> String {
    if findings.memory.is_empty() {
        return String::new();
    }
    section("Memory", &memory_growth(&findings.memory), &tables::memory(&findings.memory))
}

fn numbers(findings: &Findings) -> String {
    let tables: String = findings
        .groups
        .iter()
        .filter(|group| !group.measurements.is_empty())
        .map(|group| format!("<h3>{}</h3>\n{}", escaped(&group.title), tables::numbers(group)))
        .collect();
    section("All numbers", "Times are medians.", &tables)
}

fn section(title: &str, about: &str, content: &str) -> String {
    format!(
        "<section>\n<h2>{}</h2>\n<p>{}</p>\n{content}</section>\n",
        escaped(title),
        escaped(about)
    )
}

#[cfg(test)]
mod tests;
