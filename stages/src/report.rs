//! The stage kind `report`: one self-contained HTML page, and its figures as files.
//!
//! What the page shows follows from the inputs alone: no times, hosts or campaign digest. Those belong to a run and are
//! joined by [`insert_run_facts`] when the page is written out.

pub mod beside;
pub mod bias;
pub mod calibration;
pub mod comparison;
pub mod compose;
pub mod content;
pub mod exposure;
pub mod fidelity;
pub mod fits;
pub mod histogram;
mod inputs;
pub mod labels;
pub mod learned;
pub mod page;
pub mod posterior;
pub mod provenance;
pub mod pulls;
pub mod recovery;
pub mod response;
pub mod single;
pub mod spectra;
pub mod statistics;
pub mod summary;
pub mod training;

use std::collections::BTreeMap;

use mctune_engine::stage::{Arity, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BIAS, CALIBRATION, CURVE, FIDELITY, FIGURES, FIT, MODEL, PAGE, POSTERIOR, RESPONSE, SAMPLE, SUMMARY};
use beside::Published;
use compose::Options;
use labels::Labels;
use page::Page;

pub use page::insert_run_facts;

/// The stage kind `report`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report;

/// Parameters of `report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportParams {
    /// Title of the page.
    pub title: String,
    /// What the campaign is about; an empty line starts a new paragraph.
    pub description: String,
    /// Most spectra of one stage to show over each other, evenly chosen from first to last: 1 to 6.
    #[schemars(range(min = 1, max = 6))]
    pub points: usize,
    /// Most rows of a table of fits; its CSV has all of them.
    #[schemars(range(min = 1))]
    pub max_rows: usize,
    /// Where parameters stay while another one varies, in the figures of what estimators learned; the middle of the
    /// trained range for those that are not named.
    pub centre: BTreeMap<String, f64>,
    /// Axis of numbers that says how many events of each source a data set has: fits along it are shown against it.
    pub exposure_axis: String,
    /// What another study found, to stand beside this campaign's numbers.
    pub published: Option<Published>,
    /// Units by parameter name, `^{..}` raises; those of kB and Y are known.
    pub units: BTreeMap<String, String>,
}

impl Default for ReportParams {
    fn default() -> Self {
        Self {
            title: "Campaign report".into(),
            description: String::new(),
            points: 3,
            max_rows: 200,
            centre: BTreeMap::new(),
            exposure_axis: "exposure".into(),
            published: None,
            units: BTreeMap::new(),
        }
    }
}

impl Stage for Report {
    type Params = ReportParams;
    const KIND: &'static str = "report";
    const VERSION: u32 = 4;
    const SUMMARY: &'static str = "Writes one self-contained HTML page with figures and tables of a campaign";

    fn slots(&self) -> Slots {
        let slot = |name, accepts, doc| Slot { name, accepts, arity: Arity::OptionalMany, doc };
        Slots::Declared(vec![
            slot("spectra", SAMPLE, "Samples of which a few are shown, stage by stage."),
            slot("response", RESPONSE, "Energy scale and resolution, point by point."),
            slot("model", MODEL, "Estimators whose densities are drawn over the spectra."),
            slot("curve", CURVE, "Learning curves."),
            slot("fidelity", FIDELITY, "Distances of estimators to the truth beside those of samples."),
            slot("fits", FIT, "Fits; those of one stage are shown together."),
            slot("posterior", POSTERIOR, "Draws of posteriors, for corner plots."),
            slot("bias", BIAS, "Bias scans, from more fits than a page should gather."),
            slot("calibration", CALIBRATION, "Coverage, ranks, goodness of fit, information of estimators."),
            slot("summary", SUMMARY, "Tables of bias, spread and pulls."),
        ])
    }

    fn outputs(&self, _params: &Self::Params) -> Vec<Output> {
        vec![Output::new("page", PAGE, "report.html"), Output::new("figures", FIGURES, "figures")]
    }

    fn check(&self, params: &Self::Params) -> Vec<ParamError> {
        let mut faults = Vec::new();
        if !(1..=6).contains(&params.points) {
            let fault = ParamError::at("points", format!("must be 1 to 6, not {}", params.points));
            faults.push(fault.hint("more spectra over each other cannot be told apart"));
        }
        if params.max_rows == 0 {
            faults.push(ParamError::at("max_rows", "must be at least 1"));
        }
        faults
    }

    fn run(&self, params: &Self::Params, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let content = inputs::read(context, params.points, &params.centre)?;
        let options = Options {
            title: params.title.clone(),
            description: params.description.clone(),
            labels: Labels::new(&params.units),
            max_rows: params.max_rows,
            exposure_axis: params.exposure_axis.clone(),
            published: params.published.clone(),
        };
        context.progress(0.8, "drawing");
        let page = compose::page(&content, &options);
        let html = page.html().map_err(|error| StageError::failed(format!("the page cannot be written: {error}")))?;
        context.write("page", html.as_bytes())?;
        let files = figure_files(&page);
        let listed: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
        context.write_tree("figures", &listed)
    }
}

/// Each figure as SVG and CSV, each table that has one as CSV; by file name.
fn figure_files(page: &Page) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for section in &page.sections {
        for figure in section.figures() {
            files.insert(format!("{}.svg", figure.name()), figure.standalone_svg());
            files.insert(format!("{}.csv", figure.name()), figure.csv());
        }
        files.extend(section.tables().map(|(name, csv)| (format!("{name}.csv"), csv.to_owned())));
    }
    files
}

#[cfg(test)]
mod adapter_tests;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod tests;
