//! The stage kind `command`: any program, with the guarantees of every other stage.
//!
//! The program runs in a private, empty working directory. Declared files stand there under their own relative paths,
//! inputs under `inputs/SLOT/`; declared outputs are taken from there when it ends with exit status 0. Its environment is
//! what the stage declares plus `PATH`, `HOME`, and fixed `LANG`, `LC_ALL` and `TZ`.

mod confine;
mod mentions;
mod process;
mod program;
mod workplace;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stage::{ArtifactType, FileDependency, Output, ParamError, Slots, Stage, StageError, TaskContext};
use process::Order;
use workplace::Workplace;

/// Runs a program.
#[derive(Debug, Clone, Copy, Default)]
pub struct Command;

/// Parameters of a `command` stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandParams {
    /// What to run: a text is given to `sh -c`, a list is a program with its arguments.
    pub run: Run,
    /// Outputs by name, each a path in the working directory: a file or a folder.
    pub outputs: BTreeMap<String, PathBuf>,
    /// Files beside the pipeline that the program reads: scripts, tables. Their content is part of the key.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Confine the program to its declared files: whatever else it tries to open is refused, and named if it fails. `true`
    /// does so where the kernel can (Landlock, Linux 5.13), `required` fails where it cannot.
    #[serde(default, skip_serializing_if = "Strict::is_off")]
    pub strict: Strict,
    /// Folders with software that a confined program may read besides the system and the installations on the `PATH`. They
    /// are no part of the key.
    #[serde(default, skip_serializing)]
    pub tools: Vec<PathBuf>,
}

/// Whether a program is confined to its declared files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Strict {
    /// Not, or where the kernel can.
    Flag(bool),
    /// Or it does not run at all.
    Word(Required),
}

/// The word `required`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Required {
    /// Confined, or not run.
    Required,
}

impl Default for Strict {
    fn default() -> Self {
        Self::Flag(false)
    }
}

impl Strict {
    /// Programs run as they are; what was computed so keeps the key it had before there was a choice.
    fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

/// What a command stage runs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Run {
    /// Text for `sh -c`.
    Shell(String),
    /// A program with its arguments; numbers may be given unquoted.
    Program(Vec<Argument>),
}

/// An argument of a program.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Argument {
    /// Text.
    Text(String),
    /// A whole number, for `${exposure}`.
    Whole(i64),
    /// A number, for `${point.kB}`.
    Number(f64),
}

impl Argument {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => crate::coords::plain(&serde_json::json!(number)),
        }
    }
}

impl Run {
    /// Program and arguments.
    fn argv(&self) -> Vec<String> {
        match self {
            Self::Shell(text) => vec!["sh".to_owned(), "-c".to_owned(), text.clone()],
            Self::Program(arguments) => arguments.iter().map(Argument::text).collect(),
        }
    }
}

impl Stage for Command {
    type Params = CommandParams;
    const KIND: &'static str = "command";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Runs any program in a private working directory with declared inputs and outputs.";
    const EXTERNAL: bool = true;

    fn slots(&self) -> Slots {
        Slots::Any
    }

    fn outputs(&self, params: &CommandParams) -> Vec<Output> {
        let file_name =
            |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        params.outputs.iter().map(|(name, path)| Output::new(name, ArtifactType::ANY, file_name(path))).collect()
    }

    fn check(&self, params: &CommandParams) -> Vec<ParamError> {
        let mut faults = Vec::new();
        if params.run.argv().first().is_none_or(String::is_empty) {
            faults.push(ParamError::at("run", "there is nothing to run"));
        }
        if params.outputs.is_empty() {
            faults.push(
                ParamError::at("outputs", "a command needs at least one output")
                    .hint("name each file it leaves: `outputs: { result: result.csv }`"),
            );
        }
        for (name, path) in &params.outputs {
            if !is_inside(path) {
                faults.push(
                    ParamError::at(
                        format!("outputs.{name}"),
                        format!("`{}` leaves the working directory", path.display()),
                    )
                    .hint("give a relative path without `..`"),
                );
            }
        }
        for name in params.env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
            faults.push(ParamError::at("env", format!("`{name}` cannot be the name of an environment variable")));
        }
        faults
    }

    fn files(&self, params: &CommandParams) -> Vec<FileDependency> {
        let file =
            |(index, path): (usize, &PathBuf)| FileDependency { param: format!("files[{index}]"), path: path.clone() };
        params.files.iter().enumerate().map(file).collect()
    }

    fn mentions(&self, params: &CommandParams) -> Vec<FileDependency> {
        mentions::of(params)
    }

    fn run(&self, params: &CommandParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let workplace = Workplace::new(context)?;
        for file in &params.files {
            workplace.add_file(&context.resolve(file), file)?;
        }
        for (slot, artifacts) in context.slots() {
            workplace.add_inputs(context, slot, artifacts)?;
        }
        let tools = params.tools.iter().map(|path| context.resolve(path)).collect();
        let strict = (!params.strict.is_off())
            .then_some(process::Strictness { required: params.strict == Strict::Word(Required::Required), tools });
        let argv = params.run.argv();
        let alone = process::run(&Order { argv: &argv, env: &params.env, folder: workplace.path(), strict }, context)?;
        for (name, path) in &params.outputs {
            let path = workplace.path().join(path);
            context.write_path(name, &path).map_err(|error| {
                if path.exists() {
                    return error;
                }
                StageError::with_hint(
                    format!(
                        "the command ended well but left no `{}` (output `{name}`)",
                        params.outputs[name].display()
                    ),
                    "check the path it writes to; it starts in a private, empty directory",
                )
            })?;
        }
        if alone {
            workplace.give_back(context);
        }
        Ok(())
    }
}

/// Whether this kernel can confine programs to their declared files.
#[must_use]
pub fn can_confine() -> bool {
    confine::is_possible()
}

/// Whether a path stays below the directory it starts in.
fn is_inside(path: &Path) -> bool {
    path.components().next().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}
