//! The record of a finished task: what the engine keeps under an action key.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mctune_cache::{Digest, Store};
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::artifact::{Artifact, Artifacts};

/// What a finished task left. Only `artifacts` is ever used to compute anything; the rest is for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Artifacts by output name.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Label of the task that first computed this.
    pub task: String,
    /// Wall-clock seconds it took.
    pub seconds: f64,
    /// When it ended, seconds since 1970 (UTC).
    pub finished: u64,
    /// Machine it ran on.
    pub host: String,
    /// Version of the program.
    pub program: String,
    /// The task's log, where it wrote one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub log: Option<Digest>,
}

/// The part of a record that a run computes with: read a hundred thousand times where there is nothing to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Artifacts by output name.
    pub artifacts: Artifacts,
}

/// What is read of a record's body.
pub(crate) trait OfBody: Sized {
    fn of_body(body: &[u8]) -> Result<Self, serde_json::Error>;
}

impl OfBody for TaskRecord {
    fn of_body(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

impl OfBody for Kept {
    /// Reads up to the artifacts, which come first; the rest of the body, whose checksum is right, is not looked at.
    fn of_body(body: &[u8]) -> Result<Self, serde_json::Error> {
        let mut artifacts = None;
        let read = (&mut serde_json::Deserializer::from_slice(body)).deserialize_map(UpToArtifacts(&mut artifacts));
        match artifacts {
            Some(artifacts) => Ok(Self { artifacts }),
            None => Err(read.err().unwrap_or_else(|| serde::de::Error::missing_field("artifacts"))),
        }
    }
}

/// Leaves the field `artifacts` of a map, and reads no further.
struct UpToArtifacts<'a>(&'a mut Option<Artifacts>);

impl<'de> Visitor<'de> for UpToArtifacts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the record of a task")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<Cow<'de, str>>()? {
            if field == "artifacts" {
                *self.0 = Some(map.next_value()?);
                return Ok(());
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// The part of a record that names the log.
#[derive(Deserialize)]
struct Logged {
    #[serde(default)]
    log: Option<Digest>,
}

/// What a look-up of a key found; `R` is what is read of the record.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup<R = TaskRecord> {
    /// A record, and all its objects are present.
    Hit(R),
    /// A record, but an object of it is gone or known to be damaged.
    Lost {
        /// The object.
        object: Digest,
    },
    /// A record that was kept when objects of it were collected.
    Collected {
        /// One of these objects.
        object: Digest,
        /// The record: it tells what the task would cost.
        record: R,
    },
    /// No record.
    Unknown,
}

/// The record of `key` as it was written, whether or not its artifacts are still there.
#[must_use]
pub fn read(store: &Store, key: &Digest) -> Option<TaskRecord> {
    serde_json::from_slice(&store.record(key)?.body).ok()
}

/// Looks for a usable record of `key`. Presence of the objects is checked, their bytes are verified when they are read.
#[must_use]
pub fn look_up(store: &Store, key: &Digest) -> Lookup {
    look_up_as(store, key)
}

/// The same, of which only `R` is read.
pub(crate) fn look_up_as<R: OfBody>(store: &Store, key: &Digest) -> Lookup<R> {
    let Some((record, missing)) = store.find(key) else { return Lookup::Unknown };
    match R::of_body(&record.body) {
        Ok(found) if record.bare && missing.is_some() => {
            // Of what lies in a store below, artifacts are copied when they are read. Whoever has those has the result.
            let log = serde_json::from_slice::<Logged>(&record.body).ok().and_then(|record| record.log);
            let mut missing = record.objects.iter().filter(|object| store.contains(object).is_none()).copied();
            match missing.find(|object| object != key && Some(*object) != log) {
                None => Lookup::Hit(found),
                Some(object) => Lookup::Collected { object, record: found },
            }
        }
        Ok(found) => match missing {
            None => Lookup::Hit(found),
            Some(object) => Lookup::Lost { object },
        },
        Err(error) => {
            tracing::warn!(%key, %error, "a record cannot be read; the task is computed again");
            Lookup::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_record_only_the_artifacts_are_read() {
        let artifact = r#"{"x":{"shape":"file","digest":"ba89dd5298fc98bb846b8097bfbf7ee2cc641d52727b9eb03e5cf66aed99a518","bytes":7}}"#;
        let bytes = |body: &str| Kept::of_body(body.as_bytes()).map(|kept| kept.artifacts.get("x").map(|x| x.bytes));
        for body in [
            format!(r#"{{"artifacts":{artifact},"task":"t","seconds":0.5}}"#),
            format!(r#"{{"task":"t","nested":{{"artifacts":[1]}},"artifacts":{artifact}}}"#),
        ] {
            assert_eq!(bytes(&body).unwrap(), Some(7), "{body}");
        }
        assert_eq!(bytes(r#"{"artifacts":{}}"#).unwrap(), None);
        for broken in ["", "[]", "7", "{}", r#"{"task":"t"}"#, r#"{"artifacts":{"x":1}}"#, r#"{"artifacts":{"x""#] {
            assert!(bytes(broken).is_err(), "{broken}");
        }
        let whole = bytes(r#"{"task":"t"}"#).unwrap_err().to_string();
        assert!(whole.contains("missing field `artifacts`"), "{whole}");
    }
}
