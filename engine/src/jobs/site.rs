//! What a batch system's site is like: limits, partitions, modules. A YAML file of its own, which no key depends on.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::language::{Diagnostics, Shape, Source, settings};
use crate::resources::parse_size;

/// Which batch system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// Slurm: stages become job arrays.
    Slurm,
    /// HTCondor: the campaign becomes a DAG.
    Htcondor,
}

/// A site.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// The batch system. `submit` takes it from here unless `--backend` says otherwise.
    pub scheduler: Option<Scheduler>,
    /// How a node calls mctune: a program on the `PATH` that `setup` leaves, an absolute path, or a list of words such as
    /// `[apptainer, exec, mctune.sif, mctune]`.
    #[serde(deserialize_with = "words")]
    #[schemars(with = "OneOrMore")]
    pub program: Vec<String>,
    /// Lines for the shell before that: `module load ...`.
    #[serde(deserialize_with = "lines")]
    #[schemars(with = "OneOrMore")]
    pub setup: Vec<String>,
    /// Environment variables of every element.
    pub environment: BTreeMap<Name, String>,
    /// Limits of the batch system; those of Slurm are asked from it where it answers, and the smaller ones count.
    pub limits: Limits,
    /// How tasks are put together.
    pub bundle: Bundle,
    /// How long before the end of its time an element is told to checkpoint and stop.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub warning: Duration,
    /// How often an element that ran out of time is queued again by itself.
    pub requeues: u32,
    /// How long an element waits for inputs that are not visible yet: file systems of clusters show files late.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub patience: Duration,
    /// Settings of all stages.
    pub defaults: Settings,
    /// Settings of single stages, by name; what they do not mention is as in `defaults`.
    pub stages: BTreeMap<String, Settings>,
}

/// Limits of a batch system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Slurm's `MaxArraySize`: the largest index of an array is one less [default: 1001].
    #[schemars(range(min = 2))]
    pub array: Option<u32>,
    /// Most jobs in the queue at once, an element counting as one: `MaxSubmitJobs` [default: 10000].
    #[schemars(range(min = 1))]
    pub jobs: Option<u32>,
    /// Most elements of one stage that run at once; 0 for no limit of ours.
    pub running: u32,
    /// Longest time that a job may ask for.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub walltime: Duration,
}

/// How tasks are put together to elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bundle {
    /// Expected time of an element.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub time: Duration,
    /// Most tasks of an element.
    #[schemars(range(min = 1))]
    pub tasks: u32,
    /// Tasks of an element of a stage that has never run.
    #[schemars(range(min = 1))]
    pub unknown: u32,
}

/// What the jobs of a stage ask for. Cores, memory and GPUs that the pipeline names come first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Partition; HTCondor has none.
    pub partition: Option<Word>,
    /// Account, or HTCondor's accounting group.
    pub account: Option<Word>,
    /// Quality of service.
    pub qos: Option<Word>,
    /// Features that nodes must have (Slurm), or a `requirements` expression (HTCondor).
    pub constraint: Option<Directive>,
    /// Kind of GPU for stages that take GPUs, as in `--gres=gpu:a100:1`: `gpu:a100`.
    pub gpu: Option<Word>,
    /// Memory of an element whose stage names none: `2 GB`.
    pub memory: Option<Memory>,
    /// Time of an element.
    #[serde(deserialize_with = "maybe_duration")]
    #[schemars(with = "Option<String>")]
    pub walltime: Option<Duration>,
    /// Further lines: options of `sbatch` (`--exclusive`), or lines of a submit description.
    pub options: Vec<Directive>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            scheduler: None,
            program: vec!["mctune".to_owned()],
            setup: Vec::new(),
            environment: BTreeMap::new(),
            limits: Limits::default(),
            bundle: Bundle::default(),
            warning: Duration::from_secs(120),
            requeues: 5,
            patience: Duration::from_secs(20),
            defaults: Settings::default(),
            stages: BTreeMap::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { array: None, jobs: None, running: 0, walltime: Duration::from_secs(24 * 3600) }
    }
}

/// What a batch system takes at most, from the site file or from the batch system itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// Slurm's `MaxArraySize`.
    pub array: Option<u32>,
    /// Jobs in the queue at once.
    pub jobs: Option<u32>,
}

impl Caps {
    /// The smaller ones.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let least = |one: Option<u32>, two: Option<u32>| one.into_iter().chain(two).min();
        Self { array: least(self.array, other.array), jobs: least(self.jobs, other.jobs) }
    }

    /// Most elements of an array: its indices begin at 0, and the largest must stay below `MaxArraySize`.
    #[must_use]
    pub fn elements(self) -> usize {
        self.array.unwrap_or(1001).saturating_sub(1).max(1) as usize
    }

    /// Most elements in the queue.
    #[must_use]
    pub fn queue(self) -> usize {
        self.jobs.unwrap_or(10_000).max(1) as usize
    }
}

impl From<Limits> for Caps {
    fn from(limits: Limits) -> Self {
        Self { array: limits.array, jobs: limits.jobs }
    }
}

impl Default for Bundle {
    fn default() -> Self {
        Self { time: Duration::from_secs(600), tasks: 10_000, unknown: 10 }
    }
}

const SETTINGS: Shape = Shape::Fields(&[
    ("partition", Shape::Any),
    ("account", Shape::Any),
    ("qos", Shape::Any),
    ("constraint", Shape::Any),
    ("gpu", Shape::Any),
    ("memory", Shape::Any),
    ("walltime", Shape::Any),
    ("options", Shape::Any),
]);
const LIMITS: Shape =
    Shape::Fields(&[("array", Shape::Any), ("jobs", Shape::Any), ("running", Shape::Any), ("walltime", Shape::Any)]);
const BUNDLE: Shape = Shape::Fields(&[("time", Shape::Any), ("tasks", Shape::Any), ("unknown", Shape::Any)]);
const SITE: Shape = Shape::Fields(&[
    ("scheduler", Shape::Any),
    ("program", Shape::Any),
    ("setup", Shape::Any),
    ("environment", Shape::Any),
    ("limits", LIMITS),
    ("bundle", BUNDLE),
    ("warning", Shape::Any),
    ("requeues", Shape::Any),
    ("patience", Shape::Any),
    ("defaults", SETTINGS),
    ("stages", Shape::Each(&SETTINGS)),
]);

impl Site {
    /// Reads a site file.
    ///
    /// # Errors
    /// Everything that is wrong with it, with its place.
    pub fn read(path: &Path, text: String) -> Result<Self, Diagnostics> {
        settings(&Source::new(path, text), SITE)
    }

    /// JSON Schema of site files, for editors.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        let mut schema = schemars::schema_for!(Self).to_value();
        schema["title"] = serde_json::json!("mctune: a site with a batch system");
        schema
    }

    /// Settings of a stage.
    #[must_use]
    pub fn of(&self, stage: &str) -> Settings {
        let Some(own) = self.stages.get(stage) else { return self.defaults.clone() };
        let all = &self.defaults;
        Settings {
            partition: own.partition.clone().or_else(|| all.partition.clone()),
            account: own.account.clone().or_else(|| all.account.clone()),
            qos: own.qos.clone().or_else(|| all.qos.clone()),
            constraint: own.constraint.clone().or_else(|| all.constraint.clone()),
            gpu: own.gpu.clone().or_else(|| all.gpu.clone()),
            memory: own.memory.or(all.memory),
            walltime: own.walltime.or(all.walltime),
            options: [&all.options[..], &own.options[..]].concat(),
        }
    }
}

/// One word of a directive: nothing that a batch system would take apart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Word(pub String);

impl TryFrom<String> for Word {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || "\"'`#\\;$".contains(c);
        match text.is_empty() || text.starts_with('-') || text.contains(bad) {
            true => Err(format!("{text:?} is no single word without quotes, `#`, `;`, `$` or a leading `-`")),
            false => Ok(Self(text)),
        }
    }
}

/// The rest of a line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Directive(pub String);

impl TryFrom<String> for Directive {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.trim().is_empty() || text.contains(char::is_control) {
            true => Err(format!("{text:?} is not one line")),
            false => Ok(Self(text)),
        }
    }
}

/// Name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Name(pub String);

impl TryFrom<String> for Name {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match starts && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            true => Ok(Self(text)),
            false => Err(format!("{text:?} is no name of an environment variable")),
        }
    }
}

/// An amount of memory with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Memory(pub u64);

impl TryFrom<String> for Memory {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        parse_size(&text).map(Self)
    }
}

/// How words and lines are written.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is of use")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text)
        .map_err(|_| de::Error::custom(format!("`{text}` is no duration: write `90 s`, `10 min` or `2h 30m`")))
}

fn maybe_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let words = strings(from)?;
    match words.iter().all(|word| !word.is_empty() && !word.contains(char::is_control)) && !words.is_empty() {
        true => Ok(words),
        false => Err(de::Error::custom("a program is a word or a list of words, none of them empty")),
    }
}

fn lines<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(strings(from)?.iter().flat_map(|text| text.lines()).map(str::to_owned).collect())
}

fn strings<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    match serde_yaml::Value::deserialize(from)? {
        serde_yaml::Value::String(text) => Ok(vec![text]),
        serde_yaml::Value::Sequence(items) => items
            .into_iter()
            .map(|item| match item {
                serde_yaml::Value::String(text) => Ok(text),
                _ => Err(de::Error::custom("the list should hold texts alone")),
            })
            .collect(),
        _ => Err(de::Error::custom("this should be a text or a list of texts")),
    }
}
