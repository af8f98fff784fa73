//! The stage kind `import`: a data set that nobody here made, from CSV, Parquet, NumPy or ROOT files, as a sample.
//!
//! Reads a file beside the pipeline, or a folder with one file per source; its content is part of the key. What the
//! formats and columns are is in the modules below, which know no engine.

mod columnar;
mod error;
mod npy;
mod root;
mod rows;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mctune_engine::stage::{FileDependency, Output, ParamError, Slots, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SAMPLE;
use crate::sample::{Entries, Sample, Spectrum};

pub use error::ImportError;
use rows::Rows;

/// The stage kind `import`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Import;

/// Parameters of `import`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportParams {
    /// A `.csv`, `.parquet`, `.npy` or `.root` file, or a folder with one such file per source, named after it (`Cs137.csv`);
    /// relative to the pipeline file. A single file has a column `source` (CSV, Parquet), or is named after its source. A
    /// column `count` says how often a value occurs; without it each row is one event.
    pub path: PathBuf,
    /// Name of the column (of a ROOT tree: branch) with the values.
    #[serde(default = "npe")]
    pub column: String,
    /// Tree of ROOT files; the only one unless given.
    #[serde(default)]
    pub tree: Option<String>,
    /// Unit of the values.
    #[serde(default)]
    pub unit: Unit,
    /// Factor on the values, for example between two reconstructions.
    #[serde(default = "one")]
    pub scale: f64,
    /// Sources to take, in this order; all unless given.
    #[serde(default)]
    pub sources: Option<Vec<String>>,
    /// Events generated or triggered, by source, where that is more than the entries.
    #[serde(default)]
    pub events: BTreeMap<String, u64>,
    /// True parameters, where they are known.
    #[serde(default)]
    pub truth: BTreeMap<String, f64>,
}

/// Unit of imported values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Photo-electrons.
    #[default]
    Npe,
    /// Thousands of photo-electrons.
    Knpe,
}

impl Unit {
    fn in_npe(self) -> f64 {
        match self {
            Self::Npe => 1.0,
            Self::Knpe => 1000.0,
        }
    }
}

impl ImportParams {
    /// What types cannot say.
    #[must_use]
    pub fn faults(&self) -> Vec<ParamError> {
        let mut faults = Vec::new();
        if self.path.as_os_str().is_empty() {
            faults.push(ParamError::at("path", "is empty"));
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            faults.push(ParamError::at("scale", format!("{} is not a factor above 0", self.scale)));
        }
        if self.sources.as_ref().is_some_and(Vec::is_empty) {
            faults.push(ParamError::at("sources", "is empty").hint("leave it out to take all sources"));
        }
        for (at, source) in self.sources.iter().flatten().enumerate() {
            if self.sources.iter().flatten().take(at).any(|earlier| earlier == source) {
                faults.push(ParamError::at(format!("sources[{at}]"), format!("`{source}` is named twice")));
            }
        }
        faults
    }
}

fn npe() -> String {
    "npe".into()
}

fn one() -> f64 {
    1.0
}

impl Stage for Import {
    type Params = ImportParams;
    const KIND: &'static str = "import";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Takes a data set from CSV, Parquet, NumPy or ROOT files";

    fn slots(&self) -> Slots {
        Slots::Declared(Vec::new())
    }

    fn outputs(&self, _params: &ImportParams) -> Vec<Output> {
        vec![Output::new("sample", SAMPLE, "sample.parquet")]
    }

    fn check(&self, params: &ImportParams) -> Vec<ParamError> {
        params.faults()
    }

    fn files(&self, params: &ImportParams) -> Vec<FileDependency> {
        vec![FileDependency { param: "path".into(), path: params.path.clone() }]
    }

    fn run(&self, params: &ImportParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let failed = |error: ImportError| match error.hint() {
            Some(hint) => StageError::with_hint(error.to_string(), hint),
            None => StageError::failed(error.to_string()),
        };
        let sample = import(&context.resolve(&params.path), params).map_err(failed)?;
        for spectrum in &sample.spectra {
            context.log(&format!("{}: {} entries", spectrum.source, spectrum.total()));
        }
        let bytes = sample.to_parquet().map_err(|error| StageError::failed(error.to_string()))?;
        context.write("sample", &bytes)
    }
}

/// Reads the data set at `path` (`params.path`, resolved; messages name it as the parameters do).
///
/// # Errors
/// [`ImportError`]: what is wrong with which line of which file.
pub fn import(path: &Path, params: &ImportParams) -> Result<Sample, ImportError> {
    let shown = params.path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|source| ImportError::read(&shown, source))?;
    let mut rows = Rows::new(params.scale * params.unit.in_npe());
    if metadata.is_dir() {
        for (name, source) in members(path, &shown)? {
            let bytes = read(&path.join(&name), &format!("{shown}/{name}"))?;
            Format::of(&name).read(
                &bytes,
                &File { shown: format!("{shown}/{name}"), source, folder: true },
                params,
                &mut rows,
            )?;
        }
    } else {
        let bytes = read(path, &shown)?;
        let source = params.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Format::of(&shown).read(&bytes, &File { shown: shown.clone(), source, folder: false }, params, &mut rows)?;
    }
    sample(rows, params, &shown)
}

/// A file as the readers see it.
struct File {
    /// Path for messages.
    shown: String,
    /// The source it is named after.
    source: String,
    /// Whether it is one of a folder, where the name alone says the source.
    folder: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Parquet,
    Npy,
    Root,
    Unknown,
}

impl Format {
    fn of(name: &str) -> Self {
        match Path::new(name).extension().and_then(|extension| extension.to_str()).map(str::to_lowercase).as_deref() {
            Some("csv") => Self::Csv,
            Some("parquet") => Self::Parquet,
            Some("npy") => Self::Npy,
            Some("root") => Self::Root,
            _ => Self::Unknown,
        }
    }

    fn read(self, bytes: &[u8], file: &File, params: &ImportParams, rows: &mut Rows) -> Result<(), ImportError> {
        match self {
            Self::Csv => text::read(bytes, file, &params.column, rows),
            Self::Parquet => columnar::read(bytes, file, &params.column, rows),
            Self::Npy => npy::read(bytes, file, rows),
            Self::Root => root::read(bytes, file, &params.column, params.tree.as_deref(), rows),
            Self::Unknown => Err(ImportError::UnknownFormat { file: file.shown.clone() }),
        }
    }
}

/// Data files of a folder, sorted, each with its source.
fn members(folder: &Path, shown: &str) -> Result<Vec<(String, String)>, ImportError> {
    let failed = |source| ImportError::read(shown, source);
    let mut members: Vec<(String, String)> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if Format::of(&name) != Format::Unknown {
            let source =
                Path::new(&name).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            members.push((name, source));
        }
    }
    members.sort();
    if members.is_empty() {
        return Err(ImportError::NoFiles { folder: shown.to_owned() });
    }
    if let Some(pair) = members.windows(2).find(|pair| pair[0].1 == pair[1].1) {
        let (one, other) = (pair[0].0.clone(), pair[1].0.clone());
        return Err(ImportError::TwoFiles { folder: shown.to_owned(), one, other });
    }
    Ok(members)
}

fn read(path: &Path, shown: &str) -> Result<Vec<u8>, ImportError> {
    std::fs::read(path).map_err(|source| ImportError::read(shown, source))
}

/// The spectra asked for, sorted, with what the files cannot say.
fn sample(rows: Rows, params: &ImportParams, shown: &str) -> Result<Sample, ImportError> {
    let mut found = rows.into_sources();
    let known: Vec<String> = found.iter().map(|(source, _)| source.clone()).collect();
    let unknown = |setting, source: &String| ImportError::UnknownSource {
        setting,
        source_name: source.clone(),
        file: shown.to_owned(),
        known: known.clone(),
    };
    if let Some(source) = params.events.keys().find(|source| !known.contains(source)) {
        return Err(unknown("events", source));
    }
    let mut spectra = Vec::new();
    for source in params.sources.as_ref().unwrap_or(&known) {
        let at = found.iter().position(|(name, _)| name == source).ok_or_else(|| unknown("sources", source))?;
        let mut values = std::mem::take(&mut found[at].1);
        if values.is_empty() {
            return Err(ImportError::EmptySource { source_name: source.clone(), file: shown.to_owned() });
        }
        values.sort_unstable_by(f64::total_cmp);
        let entries = values.len() as u64;
        let events = params.events.get(source).copied().unwrap_or(entries);
        if events < entries {
            return Err(ImportError::TooFewEvents { source_name: source.clone(), events, entries });
        }
        spectra.push(Spectrum { source: source.clone(), events, entries: Entries::Values(values) });
    }
    Ok(Sample { spectra, truth: params.truth.clone() })
}

#[cfg(test)]
mod tests;
