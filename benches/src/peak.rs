//! How much memory a piece of work takes at its peak.
//!
//! Counting every allocation would need an allocator that counts, in the timed
//! runs as well, where two cores adding to one counter cost more than some
//! transactions. So memory is measured in a process of its own, by what the
//! operating system knows of it: the highest resident size during the work,
//! less the resident size before it. The process has to give freed memory back
//! at once, or work would seem to take none where it reuses what building the
//! workload left behind, and it must not round up to huge pages:
//! [`ENVIRONMENT`] has mimalloc see to both. Pages of files, which is the
//! program's own code as it is first run, do not count.
//!
//! The kernel counts pages, and not to the last one: a hundred kilobytes or so
//! are noise.

use std::{fs, io};

/// Environment of a process that measures itself with [`PeakMeter`].
pub const ENVIRONMENT: [(&str, &str); 2] =
    [("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_ALLOW_THP", "0")];

/// Measures from its start on.
#[derive(Clone, Copy, Debug)]
pub struct PeakMeter {
    before: u64,
    files_before: u64,
}

impl PeakMeter {
    /// Forgets earlier peaks.
    ///
    /// # Errors
    ///
    /// Where there is no Linux `/proc`, or it must not be written to.
    pub fn start() -> io::Result<Self> {
        // 5 resets the high-water mark, and nothing else: proc_pid_clear_refs(5).
        fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self { before: resident("VmRSS:")?, files_before: resident("RssFile:")? })
    }

    /// Most bytes in use at once since the start, beyond those in use then.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn bytes(&self) -> io::Result<u64> {
        let files = resident("RssFile:")?.saturating_sub(self.files_before);
        Ok(resident("VmHWM:")?.saturating_sub(self.before).saturating_sub(files))
    }
}

/// Bytes of memory this process has in use.
///
/// # Errors
///
/// Where there is no Linux `/proc`.
pub fn resident_bytes() -> io::Result<u64> {
    resident("VmRSS:")
}

/// The value of a line of `/proc/self/status`, in bytes: proc_pid_status(5).
fn resident(name: &str) -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes
        .map(|count| count * 1024)
        .ok_or_else(|| io::Error::other(format!("no {name} in /proc/self/status")))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_large_buffer_shows_and_stays_counted_when_freed() {
        const SIZE: usize = 64 << 20;
        let meter = match PeakMeter::start() {
            Ok(meter) => meter,
            // Some containers have no such file.
            Err(error) => {
                let message = format!("\nSKIPPED memory: /proc/self/clear_refs: {error}\n");
                io::stderr().write_all(message.as_bytes()).unwrap();
                return;
            }
        };
        let buffer = vec![1_u8; SIZE];
        assert_eq!(std::hint::black_box(&buffer)[SIZE - 1], 1);
        drop(buffer);
        let peak = meter.bytes().unwrap();
        assert!(peak >= (SIZE - (4 << 20)) as u64, "{peak} bytes");
    }
}
