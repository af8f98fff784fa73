//! `mctune completions`.

use clap::CommandFactory as _;

use super::say;
use crate::args::{Cli, CompletionsArgs};
use crate::exit::Code;

pub(crate) fn completions(args: &CompletionsArgs) -> Code {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mctune", &mut script);
    say(&String::from_utf8_lossy(&script));
    Code::Done
}
