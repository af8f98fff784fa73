//! `include`: further files whose sections belong to the pipeline as if they stood in it.
//!
//! Nothing is configured twice: what two files say is refused, except that maps of params and profiles are put together
//! field by field. Nodes keep the place where they were written, so that every message names the right file. Where a value
//! was written is no part of any key.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::fields;
use super::problem::{Problem, Report};
use super::source::{Source, SourceId, Sources, Span};
use super::tree::{Entry, MAX_WEIGHT, Node, NodeKind};
use super::yaml::{self, Origin};

/// Fields of a file that is included.
pub(crate) const FIELDS: [&str; 7] = ["mctune", "description", "include", "params", "axes", "stages", "profiles"];

/// Most files that a pipeline consists of.
const MAX_FILES: usize = 256;

/// A pipeline put together from its files.
pub(crate) struct Whole {
    pub(crate) root: Node,
    /// The files besides the first, in the order in which they were first named.
    pub(crate) included: Vec<Source>,
    /// Everything could be read, so that nothing is missing that was written.
    pub(crate) sound: bool,
}

/// Reads what `root` and the files it includes include. `folder` is where the first file lies, `shown` its name in messages.
///
/// With `given`, texts are taken from there and none is read from a disk.
pub(crate) fn whole(
    root: Node,
    (folder, shown): (&Path, &Path),
    given: Option<&[Source]>,
    sources: &mut Sources,
    report: &mut Report,
) -> Whole {
    let (included, known, open) = (Vec::new(), Vec::new(), Vec::new());
    let mut reader = Reader { given, sources, report, included, known, open, sound: true };
    let first = File { path: folder.join(shown.file_name().unwrap_or_default()), shown: shown.to_owned() };
    reader.open.push(first.identity());
    reader.known.push(first.identity());
    let root = reader.with_includes(root, &first);
    let (included, sound) = (reader.included, reader.sound);
    Whole { root, included, sound }
}

/// A file, and its name in messages.
struct File {
    path: PathBuf,
    shown: PathBuf,
}

impl File {
    /// Tells whether two names mean one file.
    fn identity(&self) -> PathBuf {
        self.path.canonicalize().unwrap_or_else(|_| self.path.clone())
    }

    fn beside(&self, name: &str) -> Self {
        let join = |path: &Path| path.parent().unwrap_or(Path::new("")).join(name);
        Self { path: join(&self.path), shown: join(&self.shown) }
    }
}

struct Reader<'a> {
    given: Option<&'a [Source]>,
    sources: &'a mut Sources,
    report: &'a mut Report,
    included: Vec<Source>,
    /// Files that were read.
    known: Vec<PathBuf>,
    /// Files whose includes are being read: what a circle consists of.
    open: Vec<PathBuf>,
    sound: bool,
}

impl Reader<'_> {
    /// `root`, the content of `file`, with the sections of what it includes.
    fn with_includes(&mut self, root: Node, file: &File) -> Node {
        let Some(list) = root.get("include").map(|entry| entry.value.clone()) else { return root };
        let one = std::slice::from_ref(&list);
        let mut whole = without(&root, "include");
        for item in list.items().unwrap_or(one) {
            let included = match item.as_text() {
                Some(name) => self.include(name, item.span, file),
                None => {
                    Err(Problem::at(item.span, format!("`include` should name files, but this is {}", item.describe()))
                        .hint("write `include: [detector.yaml, ...]`"))
                }
            };
            let included = included.unwrap_or_else(|problem| {
                self.report.error(problem);
                self.sound = false;
                None
            });
            if let Some(included) = included {
                whole = self.merged(&whole, &included, &[]);
            }
            if whole.weight > MAX_WEIGHT {
                self.report.error(Problem::at(item.span, "with this file, the pipeline is too large"));
                self.sound = false;
                break;
            }
        }
        whole
    }

    /// Content of an included file; nothing if it was included before.
    fn include(&mut self, name: &str, span: Span, by: &File) -> Result<Option<Node>, Problem> {
        let file = by.beside(name);
        let identity = file.identity();
        if let Some(start) = self.open.iter().position(|open| *open == identity) {
            let names = self.open[start..].iter().chain([&identity]);
            let names: Vec<_> =
                names.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
            return Err(Problem::at(span, format!("files include each other in a circle: {}", names.join(" -> ")))
                .hint("remove one of these `include`s"));
        }
        if self.known.contains(&identity) {
            return Ok(None);
        }
        if self.known.len() >= MAX_FILES {
            return Err(Problem::at(span, format!("a pipeline consists of at most {MAX_FILES} files")));
        }
        let shown = file.shown.display().to_string();
        let bytes = self.read(&file).map_err(|error| {
            Problem::at(span, format!("cannot read `{shown}`: {error}"))
                .hint("the path starts at the folder of the file that includes it")
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Problem::at(span, format!("`{shown}` is not UTF-8 text")).hint("save the file as UTF-8"))?;
        let source = self.sources.add(&shown, text.trim_start_matches('\u{feff}'));
        self.known.push(identity.clone());
        let root = self.parsed(&text, source);
        self.included.push(Source { path: file.shown.clone(), text });
        self.open.push(identity);
        let whole = root.map(|root| self.with_includes(root, &file));
        self.open.pop();
        Ok(whole)
    }

    fn read(&self, file: &File) -> std::io::Result<Vec<u8>> {
        let Some(given) = self.given else { return std::fs::read(&file.path) };
        let source = given.iter().find(|source| source.path == file.shown);
        source.map(|source| source.text.clone().into_bytes()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    /// The sections of a text, as far as they can be read.
    fn parsed(&mut self, text: &str, source: SourceId) -> Option<Node> {
        let parsed = yaml::parse(text.trim_start_matches('\u{feff}'), Origin { source, indent: 0 });
        self.sound &= parsed.problems.is_empty();
        parsed.problems.into_iter().for_each(|problem| self.report.error(problem));
        let root = parsed.root.filter(|root| !root.is_null())?;
        let entries = self.report.take(fields::map(&root, "a file that is included"));
        self.sound &= entries.is_some();
        let entries = entries?;
        if let Some(name) = entries.iter().find(|entry| &*entry.key == "name") {
            let problem = Problem::at(name.key_span, "a file that is included has no name of its own");
            self.report.error(problem.hint("remove the line: the name stands in the pipeline file"));
        }
        let others: Vec<Entry> = entries.iter().filter(|entry| &*entry.key != "name").cloned().collect();
        let known = fields::known(&others, "of a file that is included", &FIELDS, self.report);
        Some(Node::new(root.span, NodeKind::Map(known.into())))
    }

    /// Two maps put together; `path` leads to them from the root.
    fn merged(&mut self, base: &Node, more: &Node, path: &[&str]) -> Node {
        let (Some(old), Some(new)) = (base.entries(), more.entries()) else { return base.clone() };
        let mut entries = old.to_vec();
        let places: HashMap<&str, usize> = old.iter().enumerate().map(|(at, entry)| (&*entry.key, at)).collect();
        for entry in new {
            let Some(known) = places.get(&*entry.key).and_then(|&at| entries.get_mut(at)) else {
                entries.push(entry.clone());
                continue;
            };
            let below = [path, &[&*entry.key]].concat();
            if known.value.is_null() {
                *known = entry.clone();
            } else if entry.value.is_null() || is_said_by_each(&below) {
            } else if is_put_together(&below) && known.value.entries().is_some() && entry.value.entries().is_some() {
                known.value = self.merged(&known.value, &entry.value, &below);
            } else {
                self.report.error(
                    Problem::at(entry.key_span, format!("`{}` is given in two files", below.join(".")))
                        .note(known.key_span, "first given here")
                        .hint("remove or rename one of them"),
                );
            }
        }
        Node::new(base.span, NodeKind::Map(entries.into()))
    }
}

/// What every file may say of itself.
fn is_said_by_each(path: &[&str]) -> bool {
    matches!(path, ["mctune" | "description"] | ["profiles", _, "description"])
}

/// Maps to which several files may add.
fn is_put_together(path: &[&str]) -> bool {
    matches!(path, ["params" | "profiles", ..] | ["axes" | "stages"])
}

fn without(root: &Node, key: &str) -> Node {
    let entries: Vec<Entry> = root.entries().unwrap_or_default().iter().filter(|e| &*e.key != key).cloned().collect();
    Node::new(root.span, NodeKind::Map(entries.into()))
}
