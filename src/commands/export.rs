//! `mctune export`.

use std::path::{Path, PathBuf};

use mctune_cache::Store;
use mctune_engine::manifest;
use mctune_engine::research_object::{self, Artifacts, Author, ExportError, ExportOptions};

use super::{note, runs, say, say_json};
use crate::args::{ExportArgs, Exported};
use crate::exit::{Code, Usage};
use crate::place;

pub(crate) fn export(args: &ExportArgs) -> anyhow::Result<Code> {
    let store = Store::open_read_only(&place::store_folder(&args.store, args.pipeline.as_deref()))?;
    store.load()?;
    let run = runs::find(&store, &args.run)?;
    let options = ExportOptions {
        base: base(args, &store, &run)?,
        artifacts: match args.artifacts {
            Exported::None => Artifacts::None,
            Exported::Final => Artifacts::Final,
            Exported::All => Artifacts::All,
        },
        license: args.license.clone(),
        author: args.author.clone().map(|name| Author {
            name,
            id: args.author_id.clone(),
            affiliation: args.affiliation.clone(),
        }),
    };
    let export = research_object::export(&store, &run, &args.output, &mctune_stages::registry(), &options)
        .map_err(classified)?;
    if args.json {
        say_json(&export)?;
        return Ok(Code::Done);
    }
    for path in &export.missing_files {
        note(&format!("warning: `{path}` has changed since the run or is gone; it is not in the export\n"));
    }
    say(&format!("{}: run {run} with {} artifacts\n", export.folder.display(), export.artifacts));
    Ok(Code::Done)
}

/// Where the pipeline's files lie: beside the pipeline that was named, or where the run found it.
fn base(args: &ExportArgs, store: &Store, run: &str) -> anyhow::Result<PathBuf> {
    let then = manifest::read(&manifest::folder(&store.runs_dir(), run))?.pipeline;
    let pipeline = args.pipeline.clone().unwrap_or(then);
    Ok(pipeline.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned())
}

fn classified(error: ExportError) -> anyhow::Error {
    match error {
        ExportError::Manifest(error) => error.into(),
        ExportError::NotEmpty { .. } => Usage(format!("{error}; name another folder")).into(),
        ExportError::Artifact { .. } => anyhow::anyhow!("{error}; `mctune run` repairs the store"),
        ExportError::Io { .. } => error.into(),
    }
}
