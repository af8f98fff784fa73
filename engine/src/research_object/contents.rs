//! The files of a research object.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use mctune_cache::Digest;
use serde_json::Value;

use super::{Contents, ExportError, Exported, Run};
use crate::artifact::{self, Shape, Tree};
use crate::campaign::Campaign;
use crate::explain;
use crate::manifest::{self, TaskLine};
use crate::resolve;

/// Writes everything but the description.
pub(super) fn write(run: &Run<'_>, folder: &Path, target: &Path) -> Result<Contents, ExportError> {
    std::fs::create_dir_all(target).map_err(io(target))?;
    let pipeline =
        run.manifest.pipeline.file_name().map_or_else(|| "pipeline.yaml".into(), |name| name.to_string_lossy());
    put(&target.join(&*pipeline), run.manifest.pipeline_text.as_bytes())?;
    for name in ["manifest.json", "tasks.jsonl"] {
        let path = target.join(name);
        std::fs::copy(folder.join(name), &path).map_err(io(&path))?;
    }
    let (files, missing_files) = declared_files(run, target)?;
    let artifacts = artifacts(run, target)?;
    let contents = Contents { pipeline: pipeline.into_owned(), files, missing_files, artifacts };
    put(&target.join("README.md"), readme(run, &contents).as_bytes())?;
    Ok(contents)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io(parent))?;
    }
    std::fs::write(path, bytes).map_err(io(path))
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> ExportError + '_ {
    |source| ExportError::Io { path: path.to_owned(), source }
}

/// Copies the files that tasks declared, as far as they are what they were in the run.
fn declared_files(run: &Run<'_>, target: &Path) -> Result<(BTreeMap<String, u64>, BTreeSet<String>), ExportError> {
    let (mut files, mut missing) = (BTreeMap::new(), BTreeSet::new());
    let mut seen: BTreeSet<(String, Digest)> = BTreeSet::new();
    for task in &run.tasks {
        let Some(image) = explain::pre_image(run.store, &task.key) else { continue };
        for (parameter, digest) in &image.files {
            let Some(path) = explain::value_at(&image.params, parameter).and_then(Value::as_str) else { continue };
            if !seen.insert((path.to_owned(), *digest)) {
                continue;
            }
            let source = run.options.base.join(path);
            let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
            if !inside || resolve::digest_path(&source).ok() != Some(*digest) {
                missing.insert(path.to_owned());
                continue;
            }
            let bytes = copy(&source, &target.join(path)).map_err(io(&source))?;
            files.insert(path.to_owned(), bytes);
        }
    }
    Ok((files, missing))
}

/// Copies a file or a folder; gives its size.
fn copy(source: &Path, target: &Path) -> std::io::Result<u64> {
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if !source.is_dir() {
        return std::fs::copy(source, target);
    }
    std::fs::create_dir_all(target)?;
    let mut bytes = 0;
    for entry in std::fs::read_dir(source)? {
        let entry = entry?;
        bytes += copy(&entry.path(), &target.join(entry.file_name()))?;
    }
    Ok(bytes)
}

fn artifacts(run: &Run<'_>, target: &Path) -> Result<Vec<Exported>, ExportError> {
    let names = file_names(run);
    let mut exported = Vec::new();
    for task in run.tasks.iter().filter(|task| run.exports(&task.stage)) {
        for (name, content) in &task.artifacts {
            let file = names.get(&(task.stage.clone(), name.clone())).unwrap_or(name);
            let path = format!("{}/{file}", place(task));
            let failed = |source| ExportError::Artifact { task: task.task.clone(), artifact: name.clone(), source };
            let destination = target.join(&path);
            if let Some(parent) = destination.parent() {
                std::fs::create_dir_all(parent).map_err(io(parent))?;
            }
            artifact::export(run.store, content, &destination).map_err(failed)?;
            let members = match content.shape {
                Shape::File => None,
                Shape::Tree => {
                    let listing = run.store.read(&content.digest).map_err(failed)?;
                    let tree = Tree::parse(&listing).unwrap_or_default();
                    Some(tree.files.into_iter().map(|(path, member)| (path, member.bytes)).collect())
                }
            };
            exported.push(Exported {
                task: task.task.clone(),
                stage: task.stage.clone(),
                artifact: name.clone(),
                path,
                digest: content.digest,
                bytes: content.bytes,
                members,
            });
        }
    }
    Ok(exported)
}

/// Folder of a task: `artifacts/STAGE/COORDINATES`.
fn place(task: &TaskLine) -> String {
    let coords = task.task.strip_prefix(&task.stage).unwrap_or_default().trim_matches(['[', ']']);
    let folder = PathBuf::from("artifacts").join(&task.stage);
    let folder = if coords.is_empty() { folder } else { folder.join(manifest::file_safe(coords)) };
    folder.display().to_string()
}

/// File names of artifacts, by stage and name.
fn file_names(run: &Run<'_>) -> HashMap<(String, String), String> {
    let campaign = run.pipeline.clone().and_then(|pipeline| Campaign::new(pipeline, None).ok());
    let Some(campaign) = campaign else { return HashMap::new() };
    let mut names = HashMap::new();
    for (_, node) in campaign.graph.stages() {
        let first = node.tasks().next();
        let prepared = first.and_then(|task| {
            let params = node.decl.with.render(&campaign.graph.axis_bindings(task), &|| 0);
            node.decl.kind.prepare(&params).ok()
        });
        for output in prepared.map(|prepared| prepared.outputs).unwrap_or_default() {
            names.insert((node.name().to_owned(), output.name), output.file_name);
        }
    }
    names
}

fn readme(run: &Run<'_>, contents: &Contents) -> String {
    let manifest = &run.manifest;
    let mut command = format!("mctune run {}", contents.pipeline);
    if let Some(profile) = &manifest.profile {
        command.push_str(&format!(" --profile {profile}"));
    }
    for change in &manifest.overrides {
        command.push_str(&format!(" --set '{change}'"));
    }
    let digest = manifest.campaign_digest.map_or_else(
        || "The run did not end with every task done; it has no campaign digest.".to_owned(),
        |digest| format!("The same bytes have come out if its campaign digest is\n\n    {digest}"),
    );
    let mut text = format!(
        "# {}: run {}\n\nRun on {} by mctune {}. To run it again:\n\n    {command}\n\n{digest}\n\n\
         - `{}`: the pipeline\n- `manifest.json`: facts of the run\n\
         - `tasks.jsonl`: each task with its key and the blake3 digests of its artifacts\n",
        manifest.campaign, manifest.run, manifest.platform, manifest.program, contents.pipeline,
    );
    if !contents.artifacts.is_empty() {
        text.push_str("- `artifacts/`: artifacts by stage and coordinates\n");
    }
    for path in &contents.missing_files {
        text.push_str(&format!(
            "\n`{path}` is declared by the pipeline, but had changed or was gone when this was exported.\n"
        ));
    }
    text
}
