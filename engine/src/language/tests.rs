//! Tests of the language as a whole, with toy stage kinds.

mod expansion;
mod files;
mod good;
mod includes;
mod mistakes;
mod robustness;
mod sampling;
mod toys;

use std::path::Path;

use super::{Diagnostics, Source, load};
use crate::pipeline::Pipeline;

/// Loads `text` as `juno.yaml` with the toy kinds.
fn try_load(text: &str, profile: Option<&str>, overrides: &[&str]) -> Result<Pipeline, Diagnostics> {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    load(Source::new("juno.yaml", text), Path::new("."), profile, &overrides, &toys::registry())
}

/// The same for a pipeline that should be accepted.
fn loaded(text: &str, profile: Option<&str>, overrides: &[&str]) -> Pipeline {
    try_load(text, profile, overrides).unwrap_or_else(|errors| panic!("{errors}"))
}
