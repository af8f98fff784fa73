//! Arguments of `mctune cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{BudgetArgs, StoreArgs};

#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Count objects, records and bytes.
    Stats(CacheTarget),
    /// Read every byte and report what is damaged or missing. Damaged results are computed again by the next run.
    Verify(VerifyArgs),
    /// Take away results that no kept run needs. Their records stay, so that a plan says what was collected.
    Gc(GcArgs),
    /// Build the index anew from the journals.
    Rebuild(CacheTarget),
}

#[derive(Debug, Args)]
pub(crate) struct CacheTarget {
    /// A pipeline file, whose store is meant [default: the store in .mctune].
    pub(crate) pipeline: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print machine-readable JSON on the standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if everything is whole, or was repaired; 6 if there is damage (that --repair could not mend).\n\n\
    Examples:\n  mctune cache verify pipelines/juno.yaml\n  \
    mctune cache verify pipelines/juno.yaml --repair --profile quick"
)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) target: CacheTarget,
    /// Compute the damaged results of the pipeline again, and nothing else; write damaged journals anew.
    #[arg(long, requires = "pipeline")]
    pub(crate) repair: bool,
    /// Profile of the pipeline to repair.
    #[arg(long, short, requires = "repair")]
    pub(crate) profile: Option<String>,
    /// Overrides of the campaign to repair.
    #[arg(long = "set", value_name = "PATH=VALUE", requires = "repair")]
    pub(crate) overrides: Vec<String>,
    /// Another store, where damaged results are looked for before they are computed again.
    #[arg(long, env = "MCTUNE_STORE_FROM", value_name = "DIR|URL")]
    pub(crate) store_from: Option<String>,
    #[command(flatten)]
    pub(crate) budget: BudgetArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Of each campaign and profile the last N complete runs are kept, and every run begun since; runs that go on are\n\
    kept whatever is said. What a process may use that works on the store at this moment stays until it has ended.\n\
    Records and the manifests of runs stay.\n\n\
    Examples:\n  mctune cache gc pipelines/juno.yaml --dry-run\n  mctune cache gc pipelines/juno.yaml --keep-runs 1\n  \
    mctune cache gc pipelines/juno.yaml --keep-runs 0 --keep 20260801T101112.123Z-004711"
)]
pub(crate) struct GcArgs {
    #[command(flatten)]
    pub(crate) target: CacheTarget,
    /// Complete runs of each campaign and profile to keep.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) keep_runs: usize,
    /// A run to keep besides: its name, the beginning of it, `last` or `last-1`; may be given several times.
    #[arg(long, value_name = "RUN")]
    pub(crate) keep: Vec<String>,
    /// Only say what would be freed.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
