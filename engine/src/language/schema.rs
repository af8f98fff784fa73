//! The JSON Schema of the pipeline language, stage parameters included: what an editor completes and checks with.
//!
//! [`types`] say which fields there are and what they are for; what stage kinds take comes from their own parameter types
//! and slots. Nothing is read through these types: a schema cannot say where a name is missing or what goes in
//! circles, so the loader has its own eyes. A test holds the fields against those that the loader knows.

mod kinds;
mod open;
mod types;

use serde_json::{Value, json};

use crate::registry::Registry;
use types::{IncludedFile, PipelineFile};

/// The schema of pipelines with these stage kinds; with `included`, of the files that pipelines include.
#[must_use]
pub fn schema(registry: &Registry, included: bool) -> Value {
    let mut schema = if included {
        schemars::schema_for!(IncludedFile).to_value()
    } else {
        schemars::schema_for!(PipelineFile).to_value()
    };
    schema["title"] = json!(if included { "mctune: a file that a pipeline includes" } else { "mctune: a pipeline" });
    let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut).into_iter().flatten();
    // Inputs name stages directly.
    for (_, definition) in definitions.filter(|(name, _)| !matches!(name.as_str(), "Input" | "Gather")) {
        open::below(definition);
    }
    schema["$defs"]["reference"] = open::reference();
    kinds::add(&mut schema, registry);
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{changes, document, execution, gather, include};

    fn fields(schema: &Value, pointer: &str) -> Vec<String> {
        let found = schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
        let mut names: Vec<_> = found["properties"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    }

    #[test]
    fn the_fields_are_those_that_the_loader_knows() {
        let schema = schema(&crate::toy::registry(), false);
        let sorted = |names: &[&str]| {
            let mut names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(fields(&schema, ""), sorted(&document::FIELDS));
        assert_eq!(fields(&schema, "/$defs/Stage"), sorted(&document::STAGE_FIELDS));
        assert_eq!(fields(&schema, "/$defs/StageChange"), sorted(&changes::STAGE_CHANGES));
        assert_eq!(fields(&schema, "/$defs/Resources"), sorted(&execution::RESOURCE_FIELDS));
        assert_eq!(fields(&schema, "/$defs/RetriesWaiting"), sorted(&execution::RETRY_FIELDS));
        assert_eq!(fields(&schema, "/$defs/Gather"), sorted(&gather::INPUT_FIELDS));
        let included = super::schema(&crate::toy::registry(), true);
        assert_eq!(fields(&included, ""), sorted(&include::FIELDS));
    }
}
