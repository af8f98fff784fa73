//! The stage kinds `write` and `concat`: small texts without starting a program for them.
//!
//! `write` leaves what its parameters say, a configuration file for a simulation for example; `concat` joins what it
//! gathers, the tables of many tasks for example.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::stage::{Arity, ArtifactType, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};

/// Writes a text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Write;

/// Parameters of a `write` stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteParams {
    /// Name of the file.
    #[serde(default = "text_file")]
    pub file: String,
    /// What it contains: a text as it stands, or anything else, which is written as JSON.
    pub content: Value,
}

fn text_file() -> String {
    "text.txt".to_owned()
}

impl Stage for Write {
    type Params = WriteParams;
    const KIND: &'static str = "write";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Writes a small file: a text, or parameters as JSON.";

    fn outputs(&self, params: &WriteParams) -> Vec<Output> {
        vec![Output::new("text", ArtifactType::ANY, &params.file)]
    }

    fn check(&self, params: &WriteParams) -> Vec<ParamError> {
        check_file_name(&params.file)
    }

    fn run(&self, params: &WriteParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        match &params.content {
            Value::String(text) => context.write("text", text.as_bytes()),
            other => context.write("text", format!("{other:#}\n").as_bytes()),
        }
    }
}

/// Joins texts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Concat;

/// Parameters of a `concat` stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcatParams {
    /// Name of the file.
    #[serde(default = "text_file")]
    pub file: String,
    /// Whether each part begins with a line of column names, which is to stand in front of the whole once.
    #[serde(default)]
    pub header: bool,
}

impl Stage for Concat {
    type Params = ConcatParams;
    const KIND: &'static str = "concat";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Joins the files it gathers, one after the other.";

    fn slots(&self) -> Slots {
        Slots::Declared(vec![Slot {
            name: "parts",
            accepts: ArtifactType::ANY,
            arity: Arity::Many,
            doc: "the files to join, in axis order",
        }])
    }

    fn outputs(&self, params: &ConcatParams) -> Vec<Output> {
        vec![Output::new("text", ArtifactType::ANY, &params.file)]
    }

    fn check(&self, params: &ConcatParams) -> Vec<ParamError> {
        check_file_name(&params.file)
    }

    fn run(&self, params: &ConcatParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let mut whole = Vec::new();
        let mut header: Option<Vec<u8>> = None;
        for part in context.inputs("parts") {
            context.check_cancelled()?;
            let bytes = context.read(part)?;
            let mut rest = &bytes[..];
            if params.header {
                let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
                let (own, below) = rest.split_at(end);
                rest = below;
                match &header {
                    None => {
                        whole.extend_from_slice(own);
                        header = Some(own.to_vec());
                    }
                    Some(first) if first == own => {}
                    Some(first) => return Err(other_header(part, first, own)),
                }
            }
            // A last line without an end must not run into the first of the next part.
            if !whole.is_empty() && !rest.is_empty() && !whole.ends_with(b"\n") {
                whole.push(b'\n');
            }
            whole.extend_from_slice(rest);
        }
        context.write("text", &whole)
    }
}

fn other_header(part: &crate::stage::InputArtifact, first: &[u8], own: &[u8]) -> StageError {
    let text = |line: &[u8]| String::from_utf8_lossy(line).trim_end().to_owned();
    StageError::with_hint(
        format!("{}[{}] begins with `{}`, the first part with `{}`", part.stage, part.coords, text(own), text(first)),
        "parts that are joined with `header: true` have the same columns",
    )
}

fn check_file_name(name: &str) -> Vec<ParamError> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return vec![ParamError::at("file", format!("`{name}` is no file name")).hint("write `file: table.csv`")];
    }
    Vec::new()
}
