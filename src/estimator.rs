//! Opens the model that `--model` names, and finds the point and the sources that go with it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mctune_engine::artifact;
use mctune_stages::MODEL;
use mctune_stages::density::{Density, ParameterRange};
use mctune_stages::model;

use crate::args::{CampaignArgs, ModelArgs, PointArgs};
use crate::commands::{get, note};
use crate::exit::{NotFound, Usage};
use crate::place;

/// Reads the model, to be evaluated on up to so many threads at once.
///
/// # Errors
/// If there is none of that name, or its files do not make one.
pub(crate) fn open(args: &ModelArgs, threads: usize) -> anyhow::Result<Box<dyn Density>> {
    match &args.pipeline {
        Some(pipeline) => from_store(args, pipeline, threads),
        None => from_files(&PathBuf::from(&args.model), threads),
    }
}

fn from_files(path: &Path, threads: usize) -> anyhow::Result<Box<dyn Density>> {
    if !path.exists() {
        let name = path.display().to_string();
        let hint = if name.contains('[') || !name.contains(['.', '/']) {
            "; a task of a pipeline is named together with --pipeline"
        } else {
            ""
        };
        return Err(NotFound(format!("there is no model {name}{hint}")).into());
    }
    let (tensors, description) = model::places(path);
    let files = model::open(&tensors, &description).map_err(|error| Usage(error.to_string()))?;
    Ok(model::load(&files.tensors, &files.description, threads)
        .map_err(|error| Usage(format!("{}: {error}", path.display())))?)
}

/// The model that a finished task left.
fn from_store(args: &ModelArgs, pipeline: &Path, threads: usize) -> anyhow::Result<Box<dyn Density>> {
    let campaign = CampaignArgs {
        pipeline: pipeline.to_owned(),
        profile: args.profile.clone(),
        overrides: args.overrides.clone(),
        store: args.store.clone(),
        store_from: args.store_from.clone(),
        json: false,
    };
    let reading = place::store_to_read(&campaign)?;
    let (output, content) = get::find(&campaign, &args.model, &reading.store)?;
    if output.artifact_type != MODEL {
        return Err(Usage(format!("artifact `{}` of {} is no model", output.name, args.model)).into());
    }
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("model");
    artifact::export(&reading.store, &content, &place).context("if the store is damaged, `mctune run` repairs it")?;
    from_files(&place, threads).with_context(|| args.model.clone())
}

/// The point that the arguments give, in the order of the model's parameters, within its range unless they extrapolate.
///
/// # Errors
/// If it lacks a parameter, has one that the model does not know, or lies outside.
pub(crate) fn point(model: &dyn Density, args: &PointArgs) -> Result<Vec<f64>, Usage> {
    let named = [("kB", args.kb), ("fC", args.fc), ("Y", args.yield_per_mev)];
    let named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let given: Vec<(&str, f64)> = named.chain(args.param.iter().map(|(name, value)| (name.as_str(), *value))).collect();
    let ranges = model.parameters();
    let known = || ranges.iter().map(|range| range.name.as_str()).collect::<Vec<_>>().join(", ");
    for (at, (name, value)) in given.iter().enumerate() {
        if !ranges.iter().any(|range| range.name == *name) {
            return Err(Usage(format!("the model has no parameter {name}; it has {}", known())));
        }
        if given[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(Usage(format!("{name} is given twice")));
        }
        if !value.is_finite() {
            return Err(Usage(format!("{name} is {value}, which is no number to ask for")));
        }
    }
    let value = |range: &ParameterRange| {
        let found = given.iter().find(|(name, _)| *name == range.name).map(|(_, value)| *value);
        found.ok_or_else(|| Usage(format!("the point lacks {}; the model has the parameters {}", range.name, known())))
    };
    let point: Vec<f64> = ranges.iter().map(value).collect::<Result<_, _>>()?;
    let outside: Vec<String> = ranges
        .iter()
        .zip(&point)
        .filter(|(range, value)| !(range.low..=range.high).contains(value))
        .map(|(range, value)| format!("{} = {value} lies outside {} to {}", range.name, range.low, range.high))
        .collect();
    if outside.is_empty() {
        return Ok(point);
    }
    let message = format!("the model was not trained there: {}", outside.join("; "));
    if !args.extrapolate {
        return Err(Usage(format!("{message}; with --extrapolate it is asked all the same")));
    }
    note(&format!("warning: {message}\n"));
    Ok(point)
}

/// Indices of the sources that the arguments name.
///
/// # Errors
/// If the model does not know one, or it is named twice.
pub(crate) fn sources(model: &dyn Density, args: &PointArgs) -> Result<Vec<usize>, Usage> {
    let mut found = Vec::new();
    for name in &args.source {
        let Some(at) = model.sources().iter().position(|source| source == name) else {
            return Err(Usage(format!("the model has no source `{name}`; it knows {}", model.sources().join(", "))));
        };
        if found.contains(&at) {
            return Err(Usage(format!("the source {name} is named twice")));
        }
        found.push(at);
    }
    Ok(found)
}
