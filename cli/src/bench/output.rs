//! Findings as files.

use crate::{BenchArgs, CliError, Console};
use blockloom_benches::{Findings, report, results};
use std::{fs, io, path::Path};

/// Writes what `--results` and `--report` ask for, and says where it is.
pub(crate) fn write(
    args: &BenchArgs,
    findings: &Findings,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    for path in &args.results {
        write_results(path, findings).map_err(|source| CliError::write(path, source))?;
        console.line(&format!("results: {}", path.display()))?;
    }
    if let Some(folder) = &args.report {
        let path = folder.join("index.html");
        let html = report::html(findings);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, html))
            .map_err(|source| CliError::write(&path, source))?;
        console.line(&format!("report: {}", path.display()))?;
    }
    Ok(())
}

/// Replaces the marked part of a file that has one; writes any other anew.
fn write_results(path: &Path, findings: &Findings) -> io::Result<()> {
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let section = results::section(findings);
    let after = results::insert(&before, &section).unwrap_or_else(|| results::page(findings));
    fs::write(path, after)
}
