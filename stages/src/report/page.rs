//! The page: sections of texts, figures and tables, and their way into one HTML file.
//!
//! The template (`page.html`) is compiled in and checked by the compiler; it escapes everything that is not markup of
//! ours. What the page shows of the run that made it (digests, versions, times) is not known here: the page leaves a
//! place for it, which [`insert_run_facts`] fills when the page is written out.

use askama::Template;

use super::content::Origin;
use super::labels::slug;
use super::provenance::{Provenance, Source};
use crate::figure::{Drawing, escape, file_style, html, page_style};

/// Where run facts go.
const RUN_FACTS: &str = "<!-- mctune:run-facts -->";

/// A report.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Title.
    pub title: String,
    /// Paragraphs under the title.
    pub description: String,
    /// The results in a few lines.
    pub verdicts: Vec<Verdict>,
    /// Everything else.
    pub sections: Vec<Section>,
}

/// One line of the summary.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// How good it is.
    pub grade: Grade,
    /// What was found; with markup.
    pub text: String,
    /// From which artifacts.
    pub from: Provenance,
}

/// How good a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Someone should look.
    Bad,
    /// Neither.
    Neutral,
}

/// A section.
#[derive(Debug, Clone)]
pub struct Section {
    /// Element id.
    pub id: String,
    /// Heading; with markup.
    pub title: String,
    /// What it consists of.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Debug, Clone)]
pub enum Block {
    /// A smaller heading; with markup.
    Heading(String),
    /// A paragraph; with markup.
    Text(String),
    /// Figures side by side where there is room.
    Figures(Vec<Shown>),
    /// A figure with tables beside it where there is room.
    Beside(Box<Shown>, Vec<Table>),
    /// A table.
    Table(Table),
}

/// A figure with its caption.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The figure.
    pub figure: Drawing,
    /// What is to be seen and how it was made; with markup.
    pub caption: String,
    /// From which artifacts.
    pub from: Provenance,
}

/// A table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// File name without extension.
    pub name: String,
    /// Caption; with markup.
    pub caption: String,
    /// Column heads; with markup.
    pub head: Vec<String>,
    /// Rows of cells; with markup.
    pub rows: Vec<Row>,
    /// The numbers behind it, if they are worth a file.
    pub csv: Option<String>,
    /// Columns from the left that hold text; the others are numbers.
    pub texts: usize,
    /// Whether it is folded away until asked for.
    pub folded: bool,
    /// From which artifacts; rows may name their own instead.
    pub from: Provenance,
}

/// A row of a table.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Its cells; with markup.
    pub cells: Vec<String>,
    /// Whether it is marked as not to be trusted.
    pub flagged: bool,
    /// The artifact from which it was made; if any row of a table has one, the last column shows them.
    pub origin: Option<Origin>,
}

impl Shown {
    /// A figure with its caption and the artifacts behind it.
    #[must_use]
    pub fn new(figure: impl Into<Drawing>, caption: impl Into<String>, from: Provenance) -> Self {
        Self { figure: figure.into(), caption: caption.into(), from }
    }
}

impl Table {
    /// Whether its rows name artifacts.
    fn traced(&self) -> bool {
        self.rows.iter().any(|row| row.origin.is_some())
    }
}

impl Section {
    /// A section whose id follows from its title.
    #[must_use]
    pub fn new(id: &str, title: &str, blocks: Vec<Block>) -> Self {
        Self { id: slug(id), title: title.to_owned(), blocks }
    }

    /// All figures.
    pub fn figures(&self) -> impl Iterator<Item = &Drawing> {
        let shown = self.blocks.iter().flat_map(|block| match block {
            Block::Figures(shown) => shown.as_slice(),
            Block::Beside(one, _) => std::slice::from_ref(one.as_ref()),
            Block::Heading(_) | Block::Text(_) | Block::Table(_) => &[],
        });
        shown.map(|one| &one.figure)
    }

    /// All tables that have a file: name and content.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &str)> {
        let tables = self.blocks.iter().flat_map(|block| match block {
            Block::Table(table) => std::slice::from_ref(table),
            Block::Beside(_, tables) => tables.as_slice(),
            Block::Heading(_) | Block::Text(_) | Block::Figures(_) => &[],
        });
        tables.filter_map(|table| Some((table.name.as_str(), table.csv.as_deref()?)))
    }
}

impl From<Vec<String>> for Row {
    fn from(cells: Vec<String>) -> Self {
        Self { cells, ..Self::default() }
    }
}

impl Row {
    /// The same, made from an artifact.
    #[must_use]
    pub fn of(mut self, origin: &Origin) -> Self {
        self.origin = Some(origin.clone());
        self
    }
}

impl Grade {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Neutral => "neutral",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Good => "\u{2713}",
            Self::Bad => "\u{2717}",
            Self::Neutral => "\u{2022}",
        }
    }
}

#[derive(Template)]
#[template(path = "page.html")]
struct PageTemplate<'a> {
    page: &'a Page,
    figure_style: String,
    file_style: String,
    run_facts: &'static str,
}

impl Page {
    /// The page as one self-contained file.
    ///
    /// # Errors
    /// None in practice: the template writes to memory.
    pub fn html(&self) -> Result<String, askama::Error> {
        PageTemplate { page: self, figure_style: page_style(), file_style: file_style(), run_facts: RUN_FACTS }.render()
    }
}

/// `page` with the facts of the run that made it (digests, versions, times) in the place it left for them.
///
/// Facts are text; they are escaped here. A page without such a place comes back as it is.
#[must_use]
pub fn insert_run_facts(page: &str, facts: &[(String, String)]) -> String {
    let rows: String = facts
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value)))
        .collect();
    page.replacen(RUN_FACTS, &format!("<dl class=\"facts\">{rows}</dl>"), 1)
}

/// A `data:` address of a CSV text; only what would end or change the address is encoded.
fn csv_address(csv: &str) -> String {
    let mut out = String::from("data:text/csv;charset=utf-8,");
    for character in csv.chars() {
        match character {
            '\n' => out.push_str("%0A"),
            ' ' => out.push_str("%20"),
            '%' | '#' | '"' | '<' | '>' | '\'' | '&' => {
                out.push_str(&format!("%{:02X}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
    out
}

/// An artifact's digest: short to read, whole with its address on demand (`page.js`; without it, as a tool tip).
fn digest(origin: &Origin) -> String {
    let (address, digest) = (escape(&origin.address()), escape(&origin.digest));
    format!(
        "<button type=\"button\" class=\"digest\" title=\"{address}\n{digest}\">{}</button>",
        escape(origin.short())
    )
}

/// A line that says from which artifacts something was made; nothing where that is unknown.
fn sources(from: &Provenance) -> String {
    let part = |source: &Source| match source {
        Source::One(origin) => format!("{} {}", escape(&origin.address()), digest(origin)),
        Source::Many { count, what } => format!("<a href=\"#inputs\">{count} artifacts</a> {}", escape(what)),
    };
    let parts: Vec<String> = from.sources().iter().map(part).collect();
    if parts.is_empty() { String::new() } else { format!("<span class=\"from\">From {}</span>", parts.join("; ")) }
}

/// Whether three of the figures stand in a row.
fn narrow(shown: &[Shown]) -> bool {
    shown.iter().all(|one| one.figure.width() < 400.0)
}
