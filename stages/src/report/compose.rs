//! Puts the page together: a section for whatever there is.

use super::content::{Content, InputRow, fit_groups};
use super::exposure::Published;
use super::labels::Labels;
use super::page::{Block, Page, Row, Section, Table};
use super::{fits, learned, response, spectra, summary, training};

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
    page.verdicts.extend(content.curves.iter().filter_map(training::verdict));

    page.sections.extend(spectra::sections(&content.spectra, labels));
    page.sections.extend(response::section(&content.responses, labels));
    page.sections.extend(learned::section(&content.learned, labels));
    page.sections.extend(training::section(&content.curves));
    page.sections.extend(groups.iter().map(|group| fits::section(group, options)));
    page.sections.extend(summary::section(&content.summaries, labels));
    page.sections.extend(inputs(&content.inputs));
    page
}

fn inputs(inputs: &[InputRow]) -> Option<Section> {
    let row = |input: &InputRow| {
        let digest = input.digest.clone().unwrap_or_default();
        Row::from(vec![input.slot.clone(), input.stage.clone(), digest, input.count.to_string()])
    };
    let table = Table {
        name: "inputs".into(),
        caption: "Artifacts from which this page was made; a digest where a stage left only one".into(),
        head: ["input", "stage", "digest", "artifacts"].map(str::to_owned).to_vec(),
        rows: inputs.iter().map(row).collect(),
        texts: 3,
        ..Table::default()
    };
    (!inputs.is_empty()).then(|| Section::new("inputs", "Inputs", vec![Block::Table(table)]))
}
