//! Whether memory stays what it was, however long a run lasts.

use crate::{CliError, Console};
use blockloom_benches::resident_bytes;
use serde::Serialize;

/// Parts of a run at whose ends memory is looked at.
const PARTS: u64 = 20;

/// Parts in which caches and pools are still filling up.
const WARM_UP: u64 = 5;

/// Growth that is none: pools of an allocator breathe.
const SLACK: u64 = 24 << 20;

/// Looks at memory as blocks go by.
#[derive(Debug)]
pub(super) struct Soak {
    /// Blocks between two looks.
    stride: u64,
    /// Most bytes in use during the warm-up.
    settled: u64,
    /// Most bytes in use since.
    most: u64,
}

/// Memory after so many blocks, as `--json` prints it.
#[derive(Debug, Serialize)]
struct SoakRecord {
    /// Always `"memory"`.
    result: &'static str,
    blocks: u64,
    resident_bytes: u64,
}

impl Soak {
    /// For a run of so many blocks.
    pub(super) fn of(blocks: u64) -> Self {
        Self { stride: (blocks / PARTS).max(1), settled: 0, most: 0 }
    }

    /// So many blocks have run.
    pub(super) fn ran(&mut self, blocks: u64, console: &mut Console<'_>) -> Result<(), CliError> {
        if !blocks.is_multiple_of(self.stride) {
            return Ok(());
        }
        let resident = resident_bytes().map_err(|source| CliError::Memory { source })?;
        if blocks <= self.stride * WARM_UP {
            self.settled = self.settled.max(resident);
        } else {
            self.most = self.most.max(resident);
        }
        console.line(&format!("{blocks} blocks: {:.1} MiB resident", mebibytes(resident)))?;
        console.record(&SoakRecord { result: "memory", blocks, resident_bytes: resident })
    }

    /// The run is over.
    ///
    /// # Errors
    ///
    /// [`CliError::Grew`] if memory did.
    pub(super) fn end(&self) -> Result<(), CliError> {
        if self.most > self.settled + self.settled / 10 + SLACK {
            return Err(CliError::Grew { settled: self.settled, most: self.most });
        }
        Ok(())
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_growth_after_the_warm_up_counts() {
        let mib = 1_u64 << 20;
        let soak =
            |settled: u64, most: u64| Soak { stride: 1, settled: settled * mib, most: most * mib };
        soak(200, 100).end().unwrap();
        soak(200, 240).end().unwrap();
        soak(0, 0).end().unwrap();
        let error = soak(200, 260).end().unwrap_err();
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn memory_is_looked_at_twenty_times() {
        let mut written = Vec::new();
        let mut soak = Soak::of(100);
        for blocks in 1..=100 {
            soak.ran(blocks, &mut Console::new(&mut written, true, true)).unwrap();
        }
        assert_eq!(String::from_utf8(written).unwrap().lines().count(), 20);
        assert!(soak.settled > mib_of_any_process() && soak.most > mib_of_any_process());
    }

    fn mib_of_any_process() -> u64 {
        1 << 20
    }
}
