//! One file for each command.

mod audit;
mod cache;
mod cancel;
mod check;
mod collect;
mod compare;
mod completions;
mod exec;
mod explain;
mod export;
mod fit;
pub(crate) mod get;
mod graph;
mod init;
mod jobs;
mod logs;
mod ls;
mod plan;
mod predict;
mod report;
mod run;
mod runs;
mod sample;
mod schema;
mod show;
mod simulate;
mod status;
mod submit;

use crate::args::{CacheCommand, Cli, Command};
use crate::exit::Code;

/// Runs the command that was asked for.
pub(crate) fn dispatch(cli: Cli) -> anyhow::Result<Code> {
    match cli.command {
        Command::Init(args) => init::init(&args),
        Command::Run(args) => run::run(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Check(args) => check::check(&args),
        Command::Schema(args) => schema::schema(&args),
        Command::Ls(args) => ls::ls(&args),
        Command::Show(args) => show::show(&args),
        Command::Logs(args) => logs::logs(&args),
        Command::Get(args) => get::get(&args),
        Command::Report(args) => report::report(&args),
        Command::Simulate(args) => simulate::simulate(&args),
        Command::Predict(args) => predict::predict(&args),
        Command::Sample(args) => sample::sample(&args),
        Command::Fit(args) => fit::fit(&args),
        Command::Graph(args) => graph::graph(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Export(args) => export::export(&args),
        Command::Audit(args) => audit::audit(&args),
        Command::Runs(args) => runs::runs(&args),
        Command::Completions(args) => Ok(completions::completions(&args)),
        Command::Jobs(args) => jobs::jobs(&args),
        Command::Exec(args) => exec::exec(&args),
        Command::Submit(args) => submit::submit(&args),
        Command::Resubmit(args) => submit::resubmit(&args),
        Command::Status(args) => status::status(&args),
        Command::Cancel(args) => cancel::cancel(&args),
        Command::Collect(args) => collect::collect(&args),
        Command::Cache(args) => match args.command {
            CacheCommand::Stats(target) => cache::stats(&target),
            CacheCommand::Verify(args) => cache::verify(&args),
            CacheCommand::Gc(args) => cache::gc(&args),
            CacheCommand::Rebuild(target) => cache::rebuild(&target),
        },
    }
}

/// Prints to the standard output. A reader that has gone away (`mctune ls | head`) is no error.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    drop(std::io::stdout().write_all(text.as_bytes()));
}

/// Prints a value as JSON with a line end.
pub(crate) fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(&format!("{}\n", serde_json::to_string_pretty(value)?));
    Ok(())
}

/// Prints to the standard error.
pub(crate) fn note(text: &str) {
    use std::io::Write as _;
    drop(std::io::stderr().write_all(text.as_bytes()));
}
