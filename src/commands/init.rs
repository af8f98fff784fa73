//! `mctune init`.

use std::fs::OpenOptions;
use std::io::Write as _;

use anyhow::Context as _;

use super::say;
use crate::args::InitArgs;
use crate::exit::{Code, Usage};

/// The starter pipeline; `NAME` and `FILE` are filled in.
const STARTER: &str = include_str!("init/starter.yaml");

pub(crate) fn init(args: &InitArgs) -> anyhow::Result<Code> {
    let path = &args.pipeline;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = args.name.clone().or(stem).unwrap_or_else(|| "first".to_owned());
    // A name is written into YAML; quotes keep whatever it is a text.
    let quoted = serde_json::to_string(&name)?;
    let file = path.file_name().map_or_else(|| path.display().to_string(), |file| file.to_string_lossy().into_owned());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut out = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(out) => out,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Usage(format!("{} exists already; name another file", path.display())).into());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot create {}", path.display())),
    };
    out.write_all(STARTER.replace("NAME", &quoted).replace("FILE", &file).as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("{0} is written; `mctune run {0}` runs it\n", path.display()));
    Ok(Code::Done)
}
