//! Puts the page together: a section for whatever there is.

use super::beside::Published;
use super::content::{Content, Origin, fit_groups};
use super::labels::Labels;
use super::page::{Block, Page, Row, Section, Table};
use super::{
    beside, bias, calibration, comparison, fidelity, fits, learned, posterior, response, spectra, summary, training,
};

/// What a reader may choose.
#[derive(Debug, Clone)]
pub struct Options {
    /// Title of the page.
    pub title: String,
    /// Paragraphs under the title.
    pub description: String,
    /// How parameters are called.
    pub labels: Labels,
    /// Most rows of a table of fits.
    pub max_rows: usize,
    /// Axis that holds the number of events of a data set.
    pub exposure_axis: String,
    /// What another study found.
    pub published: Option<Published>,
}

/// The page of `content`.
#[must_use]
pub fn page(content: &Content, options: &Options) -> Page {
    let labels = &options.labels;
    let groups = fit_groups(&content.fits);
    let mut page = Page { title: options.title.clone(), description: options.description.clone(), ..Page::default() };
    // Campaigns say whether the rest can be believed: they come first.
    for campaign in [true, false] {
        for group in groups.iter().filter(|group| group.is_campaign() == campaign) {
            page.verdicts.extend(fits::verdicts(group, labels));
        }
    }
    page.verdicts.extend(content.fidelities.iter().flat_map(fidelity::verdicts));
    page.verdicts.extend(content.curves.iter().filter_map(training::verdict));

    page.sections.extend(beside::section(&groups, options));
    page.sections.extend(spectra::sections(&content.spectra, labels));
    page.sections.extend(response::section(&content.responses, labels));
    page.sections.extend(learned::section(&content.learned, labels));
    page.sections.extend(training::section(&content.curves));
    page.sections.extend(fidelity::section(&content.fidelities, labels));
    page.sections.extend(comparison::section(&groups, labels));
    page.sections.extend(groups.iter().map(|group| fits::section(group, options)));
    page.sections.extend(bias::sections(&content.biases, labels));
    page.sections.extend(posterior::section(&content.posteriors, &content.fits, labels));
    page.sections.extend(calibration::section(&content.calibrations, labels));
    page.sections.extend(summary::section(&content.summaries, labels));
    page.sections.extend(inputs(&content.inputs));
    page
}

/// Artifacts of one slot and stage that are listed on the page; the file lists all.
const LISTED: usize = 3;

/// Every artifact from which the page was made.
fn inputs(inputs: &[(String, Origin)]) -> Option<Section> {
    let mut rows: Vec<Row> = Vec::new();
    for all in inputs.chunk_by(|(slot, one), (other_slot, other)| slot == other_slot && one.stage == other.stage) {
        let (slot, first) = &all[0];
        let what = format!("{}.{}", first.stage, first.artifact);
        if all.len() > LISTED {
            rows.push(Row::from(vec![slot.clone(), format!("{what}: {} artifacts, all in the CSV", all.len())]));
        } else {
            let row = |(_, origin): &(String, Origin)| Row::from(vec![slot.clone(), origin.address()]).of(origin);
            rows.extend(all.iter().map(row));
        }
    }
    let table = Table {
        name: "inputs".into(),
        caption: "Artifacts from which this page was made".into(),
        head: ["input", "address"].map(str::to_owned).to_vec(),
        rows,
        csv: Some(inputs_csv(inputs)),
        texts: 2,
        ..Table::default()
    };
    (!inputs.is_empty()).then(|| Section::new("inputs", "Inputs", vec![Block::Table(table)]))
}

fn inputs_csv(inputs: &[(String, Origin)]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail; a record of another length would, and there is none.
    let _ = writer.write_record(["input", "address", "digest"]);
    for (slot, origin) in inputs {
        let _ = writer.write_record([slot, &origin.address(), &origin.digest]);
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
