//! Arguments of the commands for batch systems.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CampaignArgs;

/// Form of a job list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// Job arrays of Slurm with a script that submits them.
    Slurm,
    /// A DAG for HTCondor's DAGMan.
    Htcondor,
    /// One command a line, for GNU parallel, HyperQueue or anything else that runs commands.
    Jsonl,
}

/// A batch system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    Slurm,
    Htcondor,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The list holds what the store lacks at this moment, and follows from that and the site file alone: made again it\n\
    is the same to the byte. A site file is described by `mctune schema --site`.\n\n\
    Examples:\n  mctune jobs pipelines/juno.yaml --profile full --format slurm --site site.yaml -o jobs\n  \
    mctune jobs pipelines/juno.yaml --format jsonl -o jobs"
)]
pub(crate) struct JobsArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// For whom.
    #[arg(long, value_enum)]
    pub(crate) format: ListFormat,
    /// The site: limits, partitions, modules.
    #[arg(long, value_name = "FILE")]
    pub(crate) site: Option<PathBuf>,
    /// Folder for the list, on a file system that the nodes share.
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Only these stages or tasks and what they need; may be given several times.
    #[arg(long, value_name = "STAGE[TASK]")]
    pub(crate) only: Vec<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 done, 1 tasks failed, 6 another machine left other bytes, 7 inputs are missing, 8 the list does not fit\n\
    (program, declared files or the list itself have changed), 75 interrupted: to be run again. With --check: 0 nothing to do,\n\
    2 work to do.\n\nExample:\n  mctune exec jobs 17"
)]
pub(crate) struct ExecArgs {
    /// Folder of the list.
    pub(crate) list: PathBuf,
    /// Number of the element.
    pub(crate) element: usize,
    /// Only say whether there is anything to do.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "While jobs of the campaign are queued or running, nothing is added; `mctune resubmit` adds what they do not cover.\n\n\
    Example:\n  mctune submit pipelines/juno.yaml --profile full --site site.yaml --dry-run"
)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// The batch system [default: that of the site file].
    #[arg(long, value_enum)]
    pub(crate) backend: Option<Backend>,
    /// The site: limits, partitions, modules.
    #[arg(long, value_name = "FILE")]
    pub(crate) site: PathBuf,
    /// Show what would be submitted.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only these stages or tasks and what they need; may be given several times.
    #[arg(long, value_name = "STAGE[TASK]")]
    pub(crate) only: Vec<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 everything is done, 1 tasks failed and nothing is queued or running, 2 otherwise."
)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// A list made by `mctune jobs`, besides those of `mctune submit`; may be given several times.
    #[arg(long, value_name = "DIR")]
    pub(crate) list: Vec<PathBuf>,
    /// Look again every so many seconds until nothing is queued or running.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "30",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) watch: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// A list made by `mctune jobs`, besides those of `mctune submit`; may be given several times.
    #[arg(long, value_name = "DIR")]
    pub(crate) list: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 everything is there, 2 something is missing; nothing is computed then.")]
pub(crate) struct CollectArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
}
