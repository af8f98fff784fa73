//! Arguments of the command line.

mod cache;
mod clusters;
mod diagnosis;
mod estimator;
mod fit;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use cache::{CacheArgs, CacheCommand, CacheTarget, GcArgs, VerifyArgs};
pub(crate) use clusters::{Backend, CancelArgs, CollectArgs, ExecArgs, JobsArgs, ListFormat, StatusArgs, SubmitArgs};
pub(crate) use diagnosis::{
    AuditArgs, CompareArgs, CompletionsArgs, ExportArgs, Exported, GraphArgs, GraphFormat, InitArgs, LogsArgs,
    RunsArgs, ShowArgs,
};

pub(crate) use estimator::{Digits, ModelArgs, PointArgs, PredictArgs, SurrogateArgs};
pub(crate) use fit::FitArgs;

const AFTER_HELP: &str = "\
Exit status:
  0   done; for `plan`: a run would do nothing
  1   some tasks failed; `fit`: the result is not valid
  2   `plan`: there is work to do
  3   the pipeline or an override is wrong; nothing was run
  4   the store cannot be used
  5   no such task, artifact or run
  6   `cache verify` found damage (that `--repair` could not mend), `audit` or `exec` other bytes
  7   `exec`: inputs are missing
  8   `exec`: the job list does not fit
  64  wrong arguments
  70  an error of the program or the system
  75  `exec`: interrupted, to be run again
  130 interrupted

Examples:
  mctune run pipelines/juno.yaml --profile quick
  mctune plan pipelines/juno.yaml --profile quick --set params.seed=7
  mctune explain pipelines/juno.yaml --profile quick surrogate
  mctune get pipelines/juno.yaml --profile quick surrogate.model -o model/";

/// Runs simulation-based-inference campaigns: one YAML file in, a report out, nothing computed twice.
#[derive(Debug, Parser)]
#[command(name = "mctune", version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Say more about what the program does.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Form of the program's own log lines.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a small commented pipeline to start from.
    Init(InitArgs),
    /// Run every task whose result the store lacks.
    Run(RunArgs),
    /// Show what a run would do, and why.
    Plan(PlanArgs),
    /// Say what a task's key consists of and what changed in it.
    Explain(ExplainArgs),
    /// Check a pipeline without running anything.
    Check(CheckArgs),
    /// Print the JSON Schema of pipelines, for editors.
    Schema(SchemaArgs),
    /// List stages, or the tasks of a stage with their state and artifacts.
    Ls(LsArgs),
    /// Show everything that is known of a task or an artifact.
    Show(ShowArgs),
    /// Print the log of a task.
    Logs(LogsArgs),
    /// Copy an artifact out of the store.
    Get(GetArgs),
    /// Write the report of a finished campaign as a web page.
    Report(ReportArgs),
    /// Simulate spectra at one parameter point, without a pipeline.
    Simulate(SimulateArgs),
    /// Write the densities of a trained model at one parameter point.
    Predict(PredictArgs),
    /// Draw entries from a trained model, as a fast stand-in for the simulation.
    Sample(SurrogateArgs),
    /// Fit one data set with a trained model, without a pipeline.
    Fit(FitArgs),
    /// Draw the stages of a pipeline.
    Graph(GraphArgs),
    /// List the runs of a store.
    Runs(RunsArgs),
    /// Compare two runs: configuration, keys, artifacts, numbers.
    Compare(CompareArgs),
    /// Write a run out as a research object (RO-Crate).
    Export(ExportArgs),
    /// Run a sample of finished tasks again and compare bytes.
    Audit(AuditArgs),
    /// Write what is missing as a job list for a batch system.
    Jobs(JobsArgs),
    /// Run an element of a job list: what a batch job does.
    Exec(ExecArgs),
    /// Hand what is missing to a batch system.
    Submit(SubmitArgs),
    /// Say how far a campaign is on a batch system.
    Status(StatusArgs),
    /// Take the jobs of a campaign out of the queue.
    Cancel(CancelArgs),
    /// Submit what failed, was lost or is new, with the reasons.
    Resubmit(SubmitArgs),
    /// Check that everything is there; write manifest and campaign digest.
    Collect(CollectArgs),
    /// Look after the store.
    Cache(CacheArgs),
    /// Print a script that completes commands and options in a shell.
    Completions(CompletionsArgs),
}

/// Which campaign.
#[derive(Debug, Clone, Args)]
pub(crate) struct CampaignArgs {
    /// The pipeline file.
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipeline: PathBuf,
    /// Profile of the pipeline to apply.
    #[arg(long, short)]
    pub(crate) profile: Option<String>,
    /// Override one value, after the profile: `params.seed=7`, `stages.training.with.events=500`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) overrides: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Another store, where results are looked for that the own one lacks: a folder, or http(s):// or s3://.
    #[arg(long, env = "MCTUNE_STORE_FROM", value_name = "DIR|URL")]
    pub(crate) store_from: Option<String>,
    /// Print machine-readable JSON on the standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which store.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    /// Folder of the store [default: .mctune beside the pipeline].
    #[arg(long, env = "MCTUNE_STORE", value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}

/// What a run may use at once.
#[derive(Debug, Clone, Args)]
pub(crate) struct BudgetArgs {
    /// Cores to use [default: all].
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jobs: Option<u32>,
    /// Memory that tasks may declare at once, such as `8 GB` [default: all].
    #[arg(long, value_name = "SIZE", value_parser = mctune_engine::resources::parse_size)]
    pub(crate) memory: Option<u64>,
    /// GPUs to use [default: all of NVIDIA's that CUDA_VISIBLE_DEVICES leaves].
    #[arg(long, value_name = "N")]
    pub(crate) gpus: Option<usize>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Ctrl-C once: start nothing new and let running tasks end. Twice: stop them. Three times: kill them.\n\n\
    Examples:\n  mctune run pipelines/juno.yaml --profile quick -j 2\n  mctune run pipelines/juno.yaml --until training\n  \
    mctune run pipelines/juno.yaml --only 'published_fit[model=tede]' --forget published_fit"
)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    #[command(flatten)]
    pub(crate) budget: BudgetArgs,
    /// After a failure go on with everything that does not depend on it.
    #[arg(long, short)]
    pub(crate) keep_going: bool,
    /// Run only these tasks and what they need: `fit`, or `fit[model=tede,replica=3]`; may be given several times.
    #[arg(long, value_name = "STAGE[TASK]")]
    pub(crate) only: Vec<String>,
    /// Run everything up to and including this stage; may be given several times.
    #[arg(long, value_name = "STAGE")]
    pub(crate) until: Vec<String>,
    /// Compute these tasks even if the store has their results; may be given several times.
    #[arg(long, value_name = "STAGE[TASK]")]
    pub(crate) forget: Vec<String>,
    /// How to show progress.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) progress: ProgressStyle,
    /// Write which task ran when, for chrome://tracing and ui.perfetto.dev.
    #[arg(long, value_name = "FILE")]
    pub(crate) timeline: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// Live on a terminal, plain lines elsewhere.
    Auto,
    /// Lines that are redrawn in place.
    Live,
    /// One line per stage and event.
    Plain,
    /// Nothing but failures and the summary.
    None,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 if a run would do nothing, 2 if there is work to do.\n\n\
    With --diff: `reused` tasks have the result they had in that run; `restored` ones have a result under another key, left by\n\
    an older run; `run` and `waits` (for others) are still to be done, at most for the time and space given, which follow from\n\
    earlier records; `gone` tasks are no longer part of the campaign. Below stand the lines that make the difference.\n\n\
    Examples:\n  mctune plan pipelines/juno.yaml --profile quick --set params.seed=7\n  \
    mctune plan pipelines/juno.yaml --profile quick --diff\n  \
    mctune plan pipelines/juno.yaml --profile quick --diff=20260801T101112.123Z-004711")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// Plan only this stage and what it needs; may be given several times.
    #[arg(long, value_name = "STAGE")]
    pub(crate) only: Vec<String>,
    /// List every task that is not a hit.
    #[arg(long)]
    pub(crate) tasks: bool,
    /// Compare with an earlier run, and name the lines that make the difference [default: the last one].
    #[arg(long, value_name = "RUN", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) diff: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  mctune explain pipelines/juno.yaml --profile quick 'test_fit[kB=15.45,fC=0.525,Y=10100]'"
)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// The task: `stage`, or `stage[name=value,..]` with enough coordinates to name one task.
    pub(crate) task: String,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mctune schema > mctune.schema.json")]
pub(crate) struct SchemaArgs {
    /// The schema of files that pipelines include.
    #[arg(long)]
    pub(crate) included: bool,
    /// The schema of site files, for batch systems.
    #[arg(long, conflicts_with = "included")]
    pub(crate) site: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mctune ls pipelines/juno.yaml --profile quick\n  mctune ls pipelines/juno.yaml --profile quick 'training[kB=15]'"
)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// Tasks to list: `stage` or `stage[name=value,..]`; without it the stages are listed.
    pub(crate) tasks: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mctune get pipelines/juno.yaml --profile quick surrogate.model -o model/\n  \
    mctune get pipelines/juno.yaml --profile quick 'training[kB=15,fC=0.5,Y=10000]' -o sample.parquet\n  \
    mctune get pipelines/juno.yaml --profile quick 'anchors[kB=15.45,fC=0.525,Y=10100]' --as events -o events.csv")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// The artifact: `stage[name=value,..].artifact`; without `.artifact` the stage's first one.
    pub(crate) artifact: String,
    /// Where to put it; it must not exist yet [default: its own name in the current folder].
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
    /// For a sample: the file as it is stored, or a row for each entry; -o then ends in .parquet or .csv.
    #[arg(long = "as", value_enum, default_value = "counts")]
    pub(crate) form: SampleForm,
}

/// How a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SampleForm {
    /// Distinct numbers of photo-electrons with their multiplicities: small, and all that fits need.
    Counts,
    /// One row for each entry: columns `source` and `npe`.
    Events,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    mctune simulate --source Cs137 --kB 15.45 --fC 0.525 --Y 10100 --events 1000000 -o cs.parquet --plot cs.svg\n  \
    mctune simulate --source AmBe,AmC --kB 10 --fC 0.5 --Y 9000 --events 100000 --as events -o neutrons.csv")]
pub(crate) struct SimulateArgs {
    /// Source: Cs137, K40, Co60, AmBe, AmC, Mn54, Ge68 or one of the detector file; several with commas.
    #[arg(long, required = true, value_delimiter = ',', value_name = "NAME")]
    pub(crate) source: Vec<String>,
    /// Birks' constant, 1e-3 g/(cm2 MeV); the study scans 6 to 24.
    #[arg(long = "kB", value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) kb: f64,
    /// Strength of the Cherenkov light; the study scans 0 to 1.
    #[arg(long = "fC", value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) fc: f64,
    /// Scintillation photons per MeV; the study scans 8000 to 12000.
    #[arg(long = "Y", value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) yield_per_mev: f64,
    /// Decays of each source; a neutron source leaves two entries per decay.
    #[arg(long, value_name = "N")]
    pub(crate) events: u64,
    /// Seed of the random numbers: the same seed gives the same file, whatever the number of cores.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Where to write the sample: .parquet or .csv; it must not exist yet.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Distinct values with multiplicities, or a row for each entry.
    #[arg(long = "as", value_enum, default_value = "counts")]
    pub(crate) form: SampleForm,
    /// Draw the densities into this SVG file.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// YAML file with `constants` and `define` as under `with` of a `generate` stage: another detector, other sources.
    #[arg(long, value_name = "FILE")]
    pub(crate) detector: Option<PathBuf>,
    /// Cores to use [default: all].
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jobs: Option<u32>,
    /// Print machine-readable JSON on the standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// Stage that makes the page [default: the only one that does].
    #[arg(long)]
    pub(crate) stage: Option<String>,
    /// Where to write the page [default: reports/ in the store].
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}
