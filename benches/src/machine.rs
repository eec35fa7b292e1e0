//! Where and when numbers were made.

use std::{fs, num::NonZeroUsize, process::Command, thread::available_parallelism};

/// What published numbers carry beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Processor, cores, memory and kernel of the machine.
    pub machine: String,
    /// Commit of the sources, with `-dirty` if files differ from it.
    pub commit: String,
    /// Command that made the numbers.
    pub command: String,
    /// When, in UTC.
    pub date: String,
}

impl Provenance {
    /// Here and now, for numbers made by `command`.
    #[must_use]
    pub fn of(command: String) -> Self {
        Self {
            machine: machine(),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            command,
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }
}

fn machine() -> String {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let mut parts = vec![
        proc_field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
        format!("{cores} {}", if cores == 1 { "core" } else { "cores" }),
    ];
    let memory = proc_field("/proc/meminfo", "MemTotal");
    let kilobytes = memory.and_then(|text| text.strip_suffix(" kB")?.parse::<f64>().ok());
    parts.extend(kilobytes.map(|count| format!("{:.0} GiB", count / f64::from(1 << 20))));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
    parts.push(kernel.map_or_else(
        |_| std::env::consts::OS.to_owned(),
        |release| format!("Linux {}", release.trim()),
    ));
    parts.join(", ")
}

/// The first value of `name` in a file of `name : value` lines.
fn proc_field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value)
    })?;
    Some(value.trim().to_owned())
}

/// What git says of the sources this was built from, as they are now: the
/// folder is known from the build, and a program that was moved elsewhere has
/// none.
fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"])
        .args(["--abbrev=12", "--exclude=*"])
        .output()
        .ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !name.trim().is_empty()).then(|| name.trim().to_owned())
}
