//! The `blockloom` program: parses its arguments, runs the command, exits.

use blockloom::{Cli, chain_of_causes, run};
use clap::Parser;
use std::{
    io::{IsTerminal, stderr, stdout},
    process::ExitCode,
};
use tracing_subscriber::EnvFilter;

/// Workers allocate and free small journals and write sets all the time, and
/// often free what another thread allocated; the system allocator takes locks
/// there, this one does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_env_filter(filter)
        .init();
    match run(cli, &mut stdout().lock()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // The last word on stderr; a log filter must not hide it.
            let mut stderr = stderr().lock();
            let message = chain_of_causes(&error);
            // With stderr closed there is nobody left to tell.
            let _ = std::io::Write::write_fmt(&mut stderr, format_args!("error: {message}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}
