//! The stage library: Monte-Carlo generator, data sets, training, fits, summaries, reports.
//!
//! A stage kind is an adapter file (`fit.rs`: parameters, `impl Stage`, files in and out) beside a folder of pure
//! science (`fit/`: slices in, slices out, no engine).

#[cfg(test)]
mod bench;
pub mod bias_scan;
pub mod calibration;
pub mod density;
pub mod ensemble;
pub mod fidelity;
pub mod figure;
pub mod fit;
pub mod generate;
pub mod import;
pub mod import_model;
pub mod model;
pub mod posterior;
pub mod prediction;
pub mod rank;
pub mod report;
pub mod response;
pub mod sample;
pub mod summarize;
pub mod surrogate;
pub mod train;

use mctune_engine::command::Command;
use mctune_engine::registry::Registry;
use mctune_engine::stage::ArtifactType;
use mctune_engine::text::{Concat, Write};

/// Spectra of photo-electron numbers per source (`sample.parquet`).
pub const SAMPLE: ArtifactType = ArtifactType("sample");
/// A trained estimator: a folder with `model.safetensors` and `model.json`.
pub const MODEL: ArtifactType = ArtifactType("model");
/// Learning curve of a training (`curve.csv`: epoch, set, metric, value).
pub const CURVE: ArtifactType = ArtifactType("training-curve");
/// Distances of a model to its validation spectra, epoch by epoch and source by source (`distances.csv`).
pub const DISTANCES: ArtifactType = ArtifactType("training-distances");
/// Result of a fit (`summary.json`).
pub const FIT: ArtifactType = ArtifactType("fit");
/// Draws of a posterior (`posterior.parquet`).
pub const POSTERIOR: ArtifactType = ArtifactType("posterior");
/// Bias of an estimator over many points: a folder with `bias.json` and CSV tables.
pub const BIAS: ArtifactType = ArtifactType("bias");
/// Fits of many data sets at one point, by exposure: a folder with `ensemble.json` and CSV tables.
pub const ENSEMBLE: ArtifactType = ArtifactType("ensemble");
/// Pulls, coverage, ranks, information and goodness of fit: a folder with `calibration.json` and CSV tables.
pub const CALIBRATION: ArtifactType = ArtifactType("calibration");
/// Distances of estimators to spectra with many events, beside those of samples: a folder with `fidelity.json` and CSV tables.
pub const FIDELITY: ArtifactType = ArtifactType("fidelity");
/// A table of summary statistics: a folder with `summary.json` and CSV tables.
pub const SUMMARY: ArtifactType = ArtifactType("summary");
/// Models by their distance to validation spectra: a folder with `ranking.csv` and `ranking.json`.
pub const RANKING: ArtifactType = ArtifactType("ranking");
/// A self-contained HTML page (`report.html`).
pub const PAGE: ArtifactType = ArtifactType("page");
/// Response to photons of known energies: a folder with `response.json` and `response.csv`.
pub const RESPONSE: ArtifactType = ArtifactType("response");
/// Figures of a page: a folder of SVG files, each with its data as CSV.
pub const FIGURES: ArtifactType = ArtifactType("figures");

/// All stage kinds of this library.
#[must_use]
pub fn registry() -> Registry {
    Registry::new()
        .with(bias_scan::BiasScanKind)
        .with(calibration::CalibrationKind)
        .with(Command)
        .with(Concat)
        .with(Write)
        .with(ensemble::Ensemble)
        .with(fidelity::FidelityKind)
        .with(fit::Fit)
        .with(generate::Generate::default())
        .with(import::Import)
        .with(import_model::ImportModel)
        .with(rank::Rank)
        .with(report::Report)
        .with(response::Response::default())
        .with(summarize::Summarize)
        .with(train::Train)
}
