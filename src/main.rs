//! The `mctune` command: arguments, rendering, exit codes. The only place of the project that prints.

mod args;
mod cluster;
mod commands;
mod diagram;
mod estimator;
mod exit;
mod lower;
mod machine;
mod place;
mod progress;
mod table;

use clap::Parser;

// The estimators allocate many short-lived buffers; the system allocator costs training a third of its speed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is told apart from "work to do" (2) by its own code.
            drop(error.print());
            return if error.use_stderr() { exit::Code::Usage.into() } else { exit::Code::Done.into() };
        }
    };
    start_tracing(&cli);
    match commands::dispatch(cli) {
        Ok(code) => code.into(),
        Err(error) => exit::report(&error).into(),
    }
}

/// Diagnostics of the program itself go to the standard error; `MCTUNE_LOG=debug` shows more of them.
fn start_tracing(cli: &args::Cli) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MCTUNE_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new(if cli.verbose { "debug,sled=warn" } else { "warn,sled=error" })
    });
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time();
    match cli.log_format {
        args::LogFormat::Text => logger.with_target(false).init(),
        args::LogFormat::Json => logger.json().init(),
    }
}
