//! Arguments of the commands that use a trained model without a pipeline.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{SampleForm, StoreArgs};

/// Which model.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArgs {
    /// The model: a `.safetensors` file whose description lies beside it (same name, `.json`), a folder with
    /// `model.safetensors` and `model.json`, or, with --pipeline, a task of it: `surrogate[model=nfde]`.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: String,
    /// The pipeline in whose store the model is.
    #[arg(long, value_name = "PIPELINE")]
    pub(crate) pipeline: Option<PathBuf>,
    /// Profile of the pipeline.
    #[arg(long, short, requires = "pipeline")]
    pub(crate) profile: Option<String>,
    /// Override one value of the pipeline.
    #[arg(long = "set", value_name = "PATH=VALUE", requires = "pipeline")]
    pub(crate) overrides: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// Which sources, at which point.
#[derive(Debug, Clone, Args)]
pub(crate) struct PointArgs {
    /// Source of the model; several with commas.
    #[arg(long, required = true, value_delimiter = ',', value_name = "NAME")]
    pub(crate) source: Vec<String>,
    /// Birks' constant, 1e-3 g/(cm2 MeV).
    #[arg(long = "kB", value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) kb: Option<f64>,
    /// Strength of the Cherenkov light.
    #[arg(long = "fC", value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) fc: Option<f64>,
    /// Scintillation photons per MeV.
    #[arg(long = "Y", value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) yield_per_mev: Option<f64>,
    /// Any other parameter of the model; may be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = named_value)]
    pub(crate) param: Vec<(String, f64)>,
    /// Accept a point outside the range in which the model was trained, where nothing vouches for what it says.
    #[arg(long)]
    pub(crate) extrapolate: bool,
}

fn named_value(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("should be NAME=VALUE")?;
    let value: f64 = value.trim().parse().map_err(|_| format!("`{value}` is not a number"))?;
    Ok((name.trim().to_owned(), value))
}

#[derive(Debug, Args)]
#[command(
    after_help = "Densities are per kNPE (1000 photo-electrons): averaged over bins (--bins, by default the model's own) or at \
    single values (--at). An NFDE is normalised over all values, a TEDE over its bins. One row for each source and place.\n\n\
    Examples:\n  \
    mctune predict --model model/ --source AmC --kB 15.45 --fC 0.525 --Y 10100 -o amc.csv --plot amc.svg\n  \
    mctune predict --model nfde.safetensors --source Cs137,K40 --kB 12 --fC 0.5 --Y 9900 --bins 0.4:4.4:0.005 -o fine.csv\n  \
    mctune predict --pipeline pipelines/juno.yaml --profile quick --model 'surrogate[model=nfde]' --source AmC \\\n    \
    --kB 15.45 --fC 0.525 --Y 10100 --at events.csv -o at-events.csv"
)]
pub(crate) struct PredictArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) point: PointArgs,
    /// Bins as LOW:HIGH:WIDTH in kNPE, such as `0.4:16.4:0.02`.
    #[arg(long, value_name = "LOW:HIGH:WIDTH", conflicts_with = "at")]
    pub(crate) bins: Option<String>,
    /// CSV file with the values in a column `npe` (photo-electrons) or `knpe` (thousands of them).
    #[arg(long, value_name = "FILE")]
    pub(crate) at: Option<PathBuf>,
    /// Numbers in which the network is evaluated.
    #[arg(long, value_enum, default_value = "double")]
    pub(crate) precision: Digits,
    /// Where to write the table: a .csv file that does not exist yet.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Draw the densities into this SVG file.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Print machine-readable JSON on the standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Numbers in which a network is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Digits {
    /// 32 bits: logarithms are good to about 1e-4.
    Single,
    /// 64 bits.
    Double,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A model describes the entries within its window: --events counts entries, and none lies outside. The file is \
    like one of `mctune simulate`.\n\n\
    Examples:\n  \
    mctune sample --model model/ --source Cs137 --kB 15.45 --fC 0.525 --Y 10100 --events 100000 -o cs.parquet --plot cs.svg\n  \
    mctune sample --pipeline pipelines/juno.yaml --profile quick --model 'surrogate[model=tede]' --source AmBe,AmC \\\n    \
    --kB 15.45 --fC 0.525 --Y 10100 --events 10000 --as events -o neutrons.csv"
)]
pub(crate) struct SurrogateArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) point: PointArgs,
    /// Entries of each source.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4_000_000_000))]
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
    /// Cores to use [default: all].
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jobs: Option<u32>,
    /// Print machine-readable JSON on the standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
