//! Arguments of `mctune fit`.

use std::path::PathBuf;

use clap::Args;

use super::ModelArgs;

#[derive(Debug, Args)]
#[command(
    after_help = "DATA is a folder with one file per source, named after it (Cs137.csv, K40.parquet, AmC.npy, Co60.root), or one file with \
    a column `source`; the values stand in a column `npe`, and a column `count` may say how often each occurs.\n\
    OUT becomes a folder with summary.json and, for methods that draw from the posterior, posterior.parquet. Exit status 1: the \
    result is not valid (the chains have not converged, a parameter lies on its limit); summary.json says why.\n\n\
    Examples:\n  mctune fit --model model/ --data calibration/ -o result\n  \
    mctune fit --model nfde.safetensors --data events.csv --method nuts --source Cs137,AmC -o result\n  \
    mctune fit --model model/ --data run1/ --tree TRec --column m_NPE --config fit.yaml -o result"
)]
pub(crate) struct FitArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The data set: a folder or a file.
    #[arg(long, value_name = "DATA")]
    pub(crate) data: PathBuf,
    /// Folder to write.
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// minuit, ensemble, nuts, nested or importance [default: minuit].
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// binned or unbinned [default: unbinned for an NFDE, binned for a TEDE].
    #[arg(long, value_name = "FORM")]
    pub(crate) likelihood: Option<String>,
    /// Sources to combine [default: all that model and data share]; several with commas.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) source: Option<Vec<String>>,
    /// Normalisations of the sources: profiled, free or fixed [default: profiled].
    #[arg(long, value_name = "NORMS")]
    pub(crate) norms: Option<String>,
    /// Fit each source alone too.
    #[arg(long)]
    pub(crate) per_source: bool,
    /// YAML file with further settings, the same words as under `with` of a `fit` stage.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Column (branch) of the values [default: npe].
    #[arg(long, value_name = "NAME")]
    pub(crate) column: Option<String>,
    /// Tree of ROOT files [default: the only one].
    #[arg(long, value_name = "NAME")]
    pub(crate) tree: Option<String>,
    /// Unit of the values: npe or knpe [default: npe].
    #[arg(long, value_name = "UNIT")]
    pub(crate) unit: Option<String>,
    /// Factor on the values.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) scale: f64,
    /// Seed of the samplers.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Cores to use [default: all]; they serve samplers that ask for many points at once, and no result depends on them.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jobs: Option<u32>,
    /// Print the summary as JSON on the standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
