//! `ro-crate-metadata.json`: what lies in a research object and how it came about, in the terms of schema.org.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Contents, ExportError, Exported, Run};
use crate::manifest::Outcome;

const CRATE: &str = "https://w3id.org/ro/crate/1.1";
const PROFILES: [(&str, &str, &str); 3] = [
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
];
const FORMAL_PARAMETER: &str = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE";
const COMPUTATIONAL_WORKFLOW: &str = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE";
const LANGUAGE: &str = "#mctune-pipeline-language";
const LICENSE: &str = "#licence";
const AUTHOR: &str = "#author";
const AFFILIATION: &str = "#affiliation";

/// Writes the description of `contents`.
pub(super) fn write(run: &Run<'_>, contents: &Contents, target: &Path) -> Result<(), ExportError> {
    let path = target.join("ro-crate-metadata.json");
    let value = json!({
        "@context": format!("{CRATE}/context"),
        "@graph": Description::new(run, contents).entities(),
    });
    std::fs::write(&path, format!("{value:#}\n")).map_err(|source| ExportError::Io { path, source })
}

struct Description<'a> {
    run: &'a Run<'a>,
    contents: &'a Contents,
    /// Identifier of the action.
    action: String,
}

impl<'a> Description<'a> {
    fn new(run: &'a Run<'a>, contents: &'a Contents) -> Self {
        Self { run, contents, action: format!("#{}", identifier(&run.manifest.run)) }
    }

    fn entities(&self) -> Vec<Value> {
        let mut graph = vec![
            json!({
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "conformsTo": [{"@id": CRATE}, {"@id": PROFILES[2].0}],
                "about": {"@id": "./"},
            }),
            self.root(),
        ];
        graph.extend(
            PROFILES.map(
                |(id, name, version)| json!({"@id": id, "@type": "CreativeWork", "name": name, "version": version}),
            ),
        );
        graph.extend(self.people());
        graph.push(self.workflow());
        graph.push(json!({
            "@id": LANGUAGE,
            "@type": "ComputerLanguage",
            "name": "mctune pipeline language",
            "alternateName": "mctune",
            "version": "1",
        }));
        graph.push(self.action());
        for (name, value) in self.params() {
            graph.extend(self.param(name, value));
        }
        for (path, bytes) in &self.contents.files {
            graph.push(with(file(path, *bytes, "declared file"), json!({"exampleOfWork": {"@id": input_id(path)}})));
            graph.push(formal(&input_id(path), path, "File", &[&uri(path)], "file that the pipeline declares"));
        }
        graph.extend(self.outputs());
        graph.extend(self.contents.artifacts.iter().flat_map(|artifact| self.artifact(artifact)));
        graph.extend(self.documents());
        graph
    }

    fn root(&self) -> Value {
        let manifest = &self.run.manifest;
        let documents = ["README.md", "manifest.json", "tasks.jsonl"].map(uri);
        let artifacts = self.contents.artifacts.iter().map(|artifact| artifact_id(artifact));
        let parts: Vec<Value> = std::iter::once(uri(&self.contents.pipeline))
            .chain(documents)
            .chain(self.contents.files.keys().map(|path| uri(path)))
            .chain(artifacts)
            .map(reference)
            .collect();
        let mut root = json!({
            "@id": "./",
            "@type": "Dataset",
            "name": format!("Run {} of {}", manifest.run, manifest.campaign),
            "description": format!(
                "A run of the campaign {} with mctune {}: pipeline, parameters, results and the key of every task.",
                manifest.campaign, manifest.program
            ),
            "datePublished": self.ended(),
            "license": {"@id": self.license_id()},
            "conformsTo": PROFILES.map(|(id, ..)| json!({"@id": id})),
            "hasPart": parts,
            "mainEntity": {"@id": uri(&self.contents.pipeline)},
            "mentions": {"@id": self.action},
        });
        if let Some(digest) = &manifest.campaign_digest {
            root = with(root, json!({"identifier": format!("blake3:{digest}")}));
        }
        if let Some(author) = self.author_id() {
            root = with(root, json!({"author": {"@id": author}}));
        }
        if self.run.options.author.as_ref().is_some_and(|author| author.affiliation.is_some()) {
            root = with(root, json!({"publisher": {"@id": AFFILIATION}}));
        }
        root
    }

    /// When it ended; for a run that was killed, when it began.
    fn ended(&self) -> &str {
        self.run.manifest.ended.as_deref().unwrap_or(&self.run.manifest.began)
    }

    fn license_id(&self) -> &str {
        match &self.run.options.license {
            Some(license) if license.starts_with("http") => license,
            _ => LICENSE,
        }
    }

    fn author_id(&self) -> Option<&str> {
        self.run.options.author.as_ref().map(|author| author.id.as_deref().unwrap_or(AUTHOR))
    }

    fn people(&self) -> Vec<Value> {
        let text = match &self.run.options.license {
            Some(license) => license.as_str(),
            None => "No licence was named when this was exported: all rights reserved.",
        };
        let mut people =
            vec![json!({"@id": self.license_id(), "@type": "CreativeWork", "name": "Licence", "description": text})];
        if let (Some(author), Some(id)) = (&self.run.options.author, self.author_id()) {
            let mut person = json!({"@id": id, "@type": "Person", "name": author.name});
            if let Some(affiliation) = &author.affiliation {
                person = with(person, json!({"affiliation": {"@id": AFFILIATION}}));
                people.push(json!({"@id": AFFILIATION, "@type": "Organization", "name": affiliation}));
            }
            people.push(person);
        }
        people
    }

    fn workflow(&self) -> Value {
        let manifest = &self.run.manifest;
        let inputs: Vec<Value> = self.input_ids().into_iter().map(reference).collect();
        let outputs: Vec<Value> = self.output_names().iter().map(|(id, _)| reference(id.clone())).collect();
        let about = file(&self.contents.pipeline, manifest.pipeline_text.len() as u64, "pipeline");
        let more = json!({
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "name": manifest.campaign,
            "description": "The pipeline: stages, axes and parameters of the campaign.",
            "conformsTo": {"@id": COMPUTATIONAL_WORKFLOW},
            "programmingLanguage": {"@id": LANGUAGE},
            "identifier": format!("blake3:{}", manifest.pipeline_digest),
            "version": manifest.pipeline_digest.short(),
            "license": {"@id": self.license_id()},
            "input": inputs,
            "output": outputs,
        });
        with(about, more)
    }

    fn input_ids(&self) -> Vec<String> {
        let params = self.params().into_iter().map(|(name, _)| param_id(name));
        params.chain(self.contents.files.keys().map(|path| input_id(path))).collect()
    }

    fn action(&self) -> Value {
        let manifest = &self.run.manifest;
        let values = self.params().into_iter().map(|(name, _)| value_id(name));
        let objects: Vec<Value> =
            values.chain(self.contents.files.keys().map(|path| uri(path))).map(reference).collect();
        let results = self.contents.artifacts.iter().map(|artifact| artifact_id(artifact));
        let results: Vec<Value> = results.chain([uri("manifest.json"), uri("tasks.jsonl")]).map(reference).collect();
        let counts = manifest.counts;
        let profile = manifest.profile.as_ref().map(|profile| format!(", profile {profile}")).unwrap_or_default();
        let overrides: String = manifest.overrides.iter().map(|change| format!(", {change}")).collect();
        let mut action = json!({
            "@id": self.action,
            "@type": "CreateAction",
            "name": format!("Run {}", manifest.run),
            "description": format!(
                "mctune {} on {} ({}, {} cores){profile}{overrides}: {} tasks, {} ran, {} had been done before, {} failed.",
                manifest.program, manifest.host, manifest.platform, manifest.jobs, counts.tasks, counts.ran, counts.hits,
                counts.failed
            ),
            "instrument": {"@id": uri(&self.contents.pipeline)},
            "startTime": with_offset(&manifest.began),
            "endTime": with_offset(self.ended()),
            "actionStatus": match manifest.outcome {
                Outcome::Complete => "http://schema.org/CompletedActionStatus",
                _ => "http://schema.org/FailedActionStatus",
            },
            "object": objects,
            "result": results,
        });
        if manifest.outcome != Outcome::Complete {
            let error = format!("the run ended before every task was done: {} failed", counts.failed);
            action = with(action, json!({"error": error}));
        }
        match self.author_id() {
            Some(author) => with(action, json!({"agent": {"@id": author}})),
            None => action,
        }
    }

    /// Values of the pipeline's params, with profile and overrides applied.
    fn params(&self) -> Vec<(&str, &Value)> {
        let params = self.run.pipeline.as_ref().map(|pipeline| &pipeline.params);
        params.into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect()
    }

    fn param(&self, name: &str, value: &Value) -> [Value; 2] {
        let kind = match value {
            Value::Number(number) if number.is_f64() => "Float",
            Value::Number(_) => "Integer",
            Value::Bool(_) => "Boolean",
            Value::String(_) => "Text",
            // A list or a map, written as JSON.
            _ => "PropertyValue",
        };
        let (parameter, instance) = (param_id(name), value_id(name));
        [
            formal(&parameter, name, kind, &[&instance], "value in `params` of the pipeline"),
            json!({
                "@id": instance,
                "@type": "PropertyValue",
                "name": name,
                "value": crate::coords::plain(value),
                "exampleOfWork": {"@id": parameter},
            }),
        ]
    }

    /// Identifier and name of each exported artifact of a stage.
    fn output_names(&self) -> Vec<(String, String)> {
        let mut names: Vec<(String, String)> = Vec::new();
        for artifact in &self.contents.artifacts {
            let name = (output_id(artifact), format!("{}.{}", artifact.stage, artifact.artifact));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn outputs(&self) -> Vec<Value> {
        let formal = |(id, name): (String, String)| {
            let own = self.contents.artifacts.iter().filter(|artifact| output_id(artifact) == id);
            let examples: Vec<String> = own.clone().map(artifact_id).collect();
            let examples: Vec<&str> = examples.iter().map(String::as_str).collect();
            let tree = own.clone().any(|artifact| artifact.members.is_some());
            let kind = if tree { "Dataset" } else { "File" };
            formal(&id, &name, kind, &examples, "artifact that the tasks of a stage leave")
        };
        self.output_names().into_iter().map(formal).collect()
    }

    fn artifact(&self, artifact: &Exported) -> Vec<Value> {
        let name = format!("{} of {}", artifact.artifact, artifact.task);
        let more = json!({
            "identifier": format!("blake3:{}", artifact.digest),
            "exampleOfWork": {"@id": output_id(artifact)},
        });
        let Some(members) = &artifact.members else {
            return vec![with(file(&artifact.path, artifact.bytes, &name), more)];
        };
        let path = |member: &str| format!("{}/{member}", artifact.path);
        let parts: Vec<Value> = members.iter().map(|(member, _)| reference(uri(&path(member)))).collect();
        let folder = json!({"@id": artifact_id(artifact), "@type": "Dataset", "name": name, "hasPart": parts});
        let files = members.iter().map(|(member, bytes)| file(&path(member), *bytes, &format!("{member} in {name}")));
        std::iter::once(with(folder, more)).chain(files).collect()
    }

    fn documents(&self) -> Vec<Value> {
        let document = |path: &str, name: &str, format: &str| json!({"@id": path, "@type": "File", "name": name, "encodingFormat": format});
        vec![
            with(document("README.md", "How to run this again", "text/markdown"), json!({"about": {"@id": "./"}})),
            document("manifest.json", "Facts of the run", "application/json"),
            document("tasks.jsonl", "Tasks with their keys and the digests of their artifacts", "application/jsonl"),
        ]
    }
}

fn formal(id: &str, name: &str, kind: &str, examples: &[&str], description: &str) -> Value {
    let mut examples: Vec<Value> = examples.iter().map(|example| json!({"@id": example})).collect();
    // One value stands for itself, by the recommendation of RO-Crate.
    let examples = if examples.len() == 1 { examples.remove(0) } else { Value::Array(examples) };
    json!({
        "@id": id,
        "@type": "FormalParameter",
        "name": name,
        "description": description,
        "additionalType": kind,
        "conformsTo": {"@id": FORMAL_PARAMETER},
        "workExample": examples,
    })
}

fn file(path: &str, bytes: u64, name: &str) -> Value {
    json!({
        "@id": uri(path),
        "@type": "File",
        "name": name,
        "contentSize": bytes.to_string(),
        "encodingFormat": format_of(path),
    })
}

fn format_of(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "csv" => "text/csv",
        "html" => "text/html",
        "json" => "application/json",
        "jsonl" => "application/jsonl",
        "md" => "text/markdown",
        "parquet" => "application/vnd.apache.parquet",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" | "log" => "text/plain",
        "yaml" | "yml" => "application/yaml",
        "py" => "text/x-python",
        "sh" => "application/x-sh",
        _ => "application/octet-stream",
    }
}

/// The fields of both, those of `more` winning.
fn with(base: Value, more: Value) -> Value {
    let mut fields = Map::new();
    for part in [base, more] {
        if let Value::Object(own) = part {
            fields.extend(own);
        }
    }
    Value::Object(fields)
}

/// A time with `+00:00` for `Z`: the same in ISO 8601, and what the profile's shapes know.
fn with_offset(time: &str) -> String {
    time.strip_suffix('Z').map_or_else(|| time.to_owned(), |time| format!("{time}+00:00"))
}

fn reference(id: String) -> Value {
    json!({"@id": id})
}

fn artifact_id(artifact: &Exported) -> String {
    let path = uri(&artifact.path);
    if artifact.members.is_some() { format!("{path}/") } else { path }
}

fn output_id(artifact: &Exported) -> String {
    format!("#output-{}.{}", identifier(&artifact.stage), identifier(&artifact.artifact))
}

fn input_id(path: &str) -> String {
    format!("#input-{}", identifier(path))
}

fn param_id(name: &str) -> String {
    format!("#param-{}", identifier(name))
}

fn value_id(name: &str) -> String {
    format!("#value-{}", identifier(name))
}

fn identifier(name: &str) -> String {
    uri(name).replace('/', "-")
}

/// A path as a relative address: everything but letters, digits and a few marks percent-encoded.
fn uri(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/=,+".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
