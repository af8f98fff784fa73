//! Arguments of the commands that show what there is and what happened.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use super::{CampaignArgs, StoreArgs};

#[derive(Debug, Args)]
#[command(
    after_help = "A number at an edge says how many artifacts a task gathers. With --state a bar in each stage shows what is done.\n\n\
    Examples:\n  mctune graph pipelines/juno.yaml --profile quick -o juno.svg\n  \
    mctune graph pipelines/juno.yaml --profile quick --state -o juno.svg\n  \
    mctune graph pipelines/juno.yaml --format dot | dot -Tpdf -o juno.pdf\n  \
    mctune graph pipelines/juno.yaml --format mermaid >> README.md"
)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// Draw only this stage and what it needs; may be given several times.
    #[arg(long, value_name = "STAGE")]
    pub(crate) only: Vec<String>,
    /// Form of the drawing [default: by the name of the file, else svg].
    #[arg(long, short, value_enum)]
    pub(crate) format: Option<GraphFormat>,
    /// Show how far each stage is.
    #[arg(long)]
    pub(crate) state: bool,
    /// Where to write it [default: the standard output].
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// A picture for browsers and papers.
    Svg,
    /// Graphviz.
    Dot,
    /// Mermaid, for Markdown.
    Mermaid,
}

impl GraphFormat {
    /// The format that a file name asks for.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "svg" => Some(Self::Svg),
            "dot" | "gv" => Some(Self::Dot),
            "mmd" | "mermaid" => Some(Self::Mermaid),
            _ => None,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mctune show pipelines/juno.yaml --profile quick surrogate\n  \
    mctune show pipelines/juno.yaml --profile quick 'training[kB=15,fC=0.5,Y=10000].sample'")]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// A task, `stage[name=value,..]`, or an artifact of it, `stage[name=value,..].artifact`.
    pub(crate) what: String,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The log of a task that failed or is running comes from the run's folder, that of a finished one from the \
    store.\n\nExamples:\n  mctune logs pipelines/juno.yaml --profile quick surrogate\n  \
    mctune logs pipelines/juno.yaml --profile quick surrogate --tail 20"
)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// The task: `stage`, or `stage[name=value,..]` with enough coordinates to name one task.
    pub(crate) task: String,
    /// Only the last lines.
    #[arg(long, short = 'n', value_name = "LINES")]
    pub(crate) tail: Option<usize>,
    /// The log that this run left because the task failed in it.
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Two runs with the same campaign digest left the same bytes.\n\n\
    Examples:\n  mctune runs pipelines/juno.yaml\n  mctune runs --store /data/store --limit 3 --json")]
pub(crate) struct RunsArgs {
    /// A pipeline file, whose store is meant [default: the store in .mctune].
    pub(crate) pipeline: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Show at most so many, the latest ones.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Print machine-readable JSON on the standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mctune completions bash > ~/.local/share/bash-completion/completions/mctune\n  \
    mctune completions zsh > ~/.zfunc/_mctune\n  mctune completions fish > ~/.config/fish/completions/mctune.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mctune init first.yaml && mctune run first.yaml")]
pub(crate) struct InitArgs {
    /// The pipeline file to write; it must not exist yet.
    #[arg(value_name = "PIPELINE", default_value = "pipeline.yaml")]
    pub(crate) pipeline: PathBuf,
    /// Name of the campaign [default: that of the file].
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Finished tasks run again in a scratch place; the store stays as it is. A task that leaves other bytes is named \
    with the first difference.\nExit status: 0 if all bytes are the same, 6 if not, 130 if interrupted.\n\n\
    Examples:\n  mctune audit pipelines/juno.yaml --profile quick --fraction 0.05\n  \
    mctune audit pipelines/juno.yaml --profile quick --only ensemble_fit --fraction 1"
)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) campaign: CampaignArgs,
    /// Audit only tasks of this stage and of what it needs; may be given several times.
    #[arg(long, value_name = "STAGE")]
    pub(crate) only: Vec<String>,
    /// Share of the finished tasks to run again; at least one is taken.
    #[arg(long, default_value_t = 0.01, value_parser = fraction)]
    pub(crate) fraction: f64,
    /// Another seed takes another sample.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Cores to use [default: all].
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jobs: Option<u32>,
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(fraction) if fraction > 0.0 && fraction <= 1.0 => Ok(fraction),
        _ => Err("a number above 0 and at most 1 is meant".to_owned()),
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "A run is named by its name, by the beginning of it, as `last`, `last-1`, `last-2` ..., or by its folder in \
    another store (STORE/runs/NAME).\n\nExamples:\n  mctune compare last-1 last --pipeline pipelines/juno.yaml\n  \
    mctune compare last /data/other/runs/20260801T101112.123Z-004711 --json"
)]
pub(crate) struct CompareArgs {
    /// The first run.
    #[arg(value_name = "RUN_A")]
    pub(crate) a: String,
    /// The second run.
    #[arg(value_name = "RUN_B")]
    pub(crate) b: String,
    /// A pipeline file, whose store is meant [default: the store in .mctune].
    #[arg(long)]
    pub(crate) pipeline: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// List everything that differs, however much it is.
    #[arg(long)]
    pub(crate) all: bool,
    /// Print machine-readable JSON on the standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The folder is an RO-Crate after the Workflow Run Crate profile: pipeline, declared files, manifest, task list,\n\
    artifacts, and their description in ro-crate-metadata.json. Its README says how to run it again.\n\n\
    Examples:\n  mctune export last -o crate/ --pipeline pipelines/juno.yaml --author 'A. Person' \\\n      \
    --license https://spdx.org/licenses/CC-BY-4.0\n  mctune export last-1 -o crate/ --artifacts none"
)]
pub(crate) struct ExportArgs {
    /// The run: its name, the beginning of it, `last`, `last-1` ...
    pub(crate) run: String,
    /// Folder to write; it must be empty or not exist yet.
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// The pipeline file, whose store is meant; declared files are taken from beside it [default: the store in .mctune].
    #[arg(long)]
    pub(crate) pipeline: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Artifacts to include.
    #[arg(long, value_enum, default_value = "final")]
    pub(crate) artifacts: Exported,
    /// Licence of the content, as an address or a text.
    #[arg(long)]
    pub(crate) license: Option<String>,
    /// Who ran it.
    #[arg(long)]
    pub(crate) author: Option<String>,
    /// Address that identifies the author, such as https://orcid.org/...
    #[arg(long, requires = "author")]
    pub(crate) author_id: Option<String>,
    /// The author's institute.
    #[arg(long, requires = "author")]
    pub(crate) affiliation: Option<String>,
    /// Print machine-readable JSON on the standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Exported {
    /// None; the task list names them by their digests.
    None,
    /// Those of stages from which no other stage takes anything.
    Final,
    /// All.
    All,
}
