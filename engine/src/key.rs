//! Action keys: the digest of everything that may influence what a task leaves.
//!
//! A key *is* the digest of its pre-image, a canonical JSON text (fields in fixed order, maps sorted, numbers
//! in shortest form, no white space).
//! The text is stored as an object of its own, so that the key is also the address of its explanation: [`crate::explain`]
//! reads back exactly the bytes that were hashed and cannot disagree with the hash.
//!
//! In the pre-image: format version, kind, the kind's version, parameters with defaults applied, seed identity of
//! stochastic kinds, digests of declared files, and per input slot everything the task can see of the artifacts: producing
//! stage, artifact name, file name, coordinates, digest. Not in it: hosts, paths, resources, threads, order, time.

use std::collections::BTreeMap;
use std::sync::Arc;

use mctune_cache::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::{Artifact, Shape};
use crate::coords::{Canonical, Coords};

/// Version of the recipe. Raising it invalidates every record, so it is raised only when keys would otherwise lie.
pub const FORMAT: u32 = 1;

/// Up to this many artifacts of one source stand in the pre-image itself; more are listed in an object of their own.
const INLINE_ITEMS: usize = 8;

/// Everything that may influence a task's outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreImage {
    /// Version of the recipe: [`FORMAT`].
    pub format: u32,
    /// Stage kind.
    pub kind: String,
    /// The kind's version.
    pub version: u32,
    /// Parameters with defaults applied.
    pub params: Value,
    /// Seed identity, for kinds that draw random numbers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seed: Option<SeedIdentity>,
    /// Digests of declared files, by the parameter that names them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub files: BTreeMap<String, Digest>,
    /// Inputs by slot, each a list of sources.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub inputs: BTreeMap<String, Vec<SourceIdentity>>,
}

/// What a task's random streams follow from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedIdentity {
    /// Campaign seed.
    pub campaign: u64,
    /// Stream label of the stage.
    pub stream: String,
    /// Coordinates of the task.
    pub coords: Value,
}

/// Artifacts that one producing stage contributes to a slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// Producing stage.
    pub stage: Arc<str>,
    /// Artifact.
    pub artifact: String,
    /// File name under which it is handed out.
    pub file: String,
    /// Whether the slot takes several artifacts (commands see another layout of files then).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub gathered: bool,
    /// The artifacts.
    #[serde(flatten)]
    pub items: Items,
}

/// Artifacts in axis order, spelled out or by the digest of their list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Items {
    /// Spelled out.
    Items(Vec<Item>),
    /// Digest of the list, which is an object in the store.
    Gathered(Digest),
}

/// One artifact: coordinates of the task that left it, and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item(pub Value, pub String);

impl Item {
    /// An artifact left by the task at `coords`.
    #[must_use]
    pub fn new(coords: &Coords, artifact: &Artifact) -> Self {
        Self(coords.canonical(), mark(Some(artifact)))
    }

    /// Stands for the artifact of a task that failed, in a gather that does without.
    #[must_use]
    pub fn missing(coords: &Coords) -> Self {
        Self(coords.canonical(), mark(None))
    }
}

/// How an artifact stands in a list; nothing for one that is missing.
fn mark(artifact: Option<&Artifact>) -> String {
    match artifact {
        None => "missing".to_owned(),
        // A folder's listing and a file may have the same bytes, but not the same meaning.
        Some(Artifact { shape: Shape::Tree, digest, .. }) => format!("tree:{digest}"),
        Some(Artifact { shape: Shape::File, digest, .. }) => digest.to_string(),
    }
}

/// A list that is written down item by item: a gather of a hundred thousand never stands in memory as values.
pub(crate) struct Listing {
    is_long: bool,
    items: Vec<Item>,
    text: Vec<u8>,
}

impl Listing {
    /// A list that will have so many items.
    pub(crate) fn of(count: usize) -> Self {
        Self { is_long: count > INLINE_ITEMS, items: Vec::new(), text: Vec::new() }
    }

    /// Adds an artifact, or that one is missing.
    pub(crate) fn add(&mut self, coords: &Canonical<'_>, artifact: Option<&Artifact>) -> Result<(), serde_json::Error> {
        if !self.is_long {
            self.items.push(Item(serde_json::to_value(coords)?, mark(artifact)));
            return Ok(());
        }
        self.text.push(if self.text.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut self.text, &(coords, mark(artifact)))
    }

    /// The list as it enters keys.
    pub(crate) fn end(mut self) -> Gathered {
        if !self.is_long {
            return Gathered { items: Items::Items(self.items), listing: None };
        }
        self.text.push(b']');
        Gathered { items: Items::Gathered(Digest::of(&self.text)), listing: Some(self.text) }
    }
}

/// A list of gathered artifacts in the form that enters keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered {
    /// As it stands in the pre-image.
    pub items: Items,
    /// Text of the list where it has an object of its own.
    pub listing: Option<Vec<u8>>,
}

impl Gathered {
    /// Writes the list down: inline when short.
    ///
    /// # Errors
    /// If a coordinate cannot be written as JSON, which no checked pipeline contains.
    pub fn new(items: Vec<Item>) -> Result<Self, serde_json::Error> {
        if items.len() <= INLINE_ITEMS {
            return Ok(Self { items: Items::Items(items), listing: None });
        }
        let listing = serde_json::to_vec(&items)?;
        Ok(Self { items: Items::Gathered(Digest::of(&listing)), listing: Some(listing) })
    }
}

/// An action key with the bytes it is the digest of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionKey {
    /// The key.
    pub digest: Digest,
    /// Its pre-image.
    pub text: Vec<u8>,
}

impl ActionKey {
    /// Key of a pre-image.
    ///
    /// # Errors
    /// If a parameter cannot be written as JSON, which no checked pipeline contains.
    pub fn of(image: &PreImage) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_vec(image)?;
        Ok(Self { digest: Digest::of(&text), text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn image() -> PreImage {
        PreImage {
            format: FORMAT,
            kind: "generate".into(),
            version: 3,
            // Deliberately unsorted: a dependency that switches on serde_json's `preserve_order` must not pass.
            params: json!({"point": {"kB": 6.0, "fC": 0.0, "Y": 8000.0}, "events": 10000}),
            seed: Some(SeedIdentity { campaign: 7, stream: "training".into(), coords: json!({"point": {"kB": 6.0}}) }),
            files: BTreeMap::new(),
            inputs: BTreeMap::from([(
                "data".to_owned(),
                vec![SourceIdentity {
                    stage: "raw".into(),
                    artifact: "sample".into(),
                    file: "sample.parquet".into(),
                    gathered: false,
                    items: Items::Items(vec![Item(json!({}), Digest::of(b"x").to_string())]),
                }],
            )]),
        }
    }

    #[test]
    fn golden_key() {
        // A change here means that every user's cache is lost: raise FORMAT and say so in the CHANGELOG.
        let key = ActionKey::of(&image()).unwrap();
        assert_eq!(
            String::from_utf8(key.text).unwrap(),
            concat!(
                r#"{"format":1,"kind":"generate","version":3,"params":{"events":10000,"point":{"Y":8000.0,"fC":0.0,"kB":6.0}},"#,
                r#""seed":{"campaign":7,"stream":"training","coords":{"point":{"kB":6.0}}},"#,
                r#""inputs":{"data":[{"stage":"raw","artifact":"sample","file":"sample.parquet","#,
                r#""items":[[{},"3ae7d805f6789a6402acb70ad4096a85a56bf6804eaf25c0493ac697548d30b5"]]}]}}"#
            )
        );
        assert_eq!(key.digest.to_string(), "666315b27abe3516b5b5fd0b093e8f64c2872cc2821f285615365aee919dc0de");
    }

    #[test]
    fn pre_images_read_back() {
        let key = ActionKey::of(&image()).unwrap();
        assert_eq!(serde_json::from_slice::<PreImage>(&key.text).unwrap(), image());
    }

    #[test]
    fn lists_are_written_item_by_item_as_they_are_at_once() {
        for count in [1_usize, INLINE_ITEMS, INLINE_ITEMS + 1, 20] {
            let coords = |at: usize| Coords::new(vec![("p".into(), json!({"kB": 6.5})), ("at".into(), json!(at))]);
            let artifact = |at: usize| {
                let shape = if at.is_multiple_of(2) { Shape::File } else { Shape::Tree };
                Artifact { shape, digest: Digest::of(&[u8::try_from(at).unwrap()]), bytes: 1 }
            };
            let mut listing = Listing::of(count);
            let mut items = Vec::new();
            for at in 0..count {
                let (coords, artifact) = (coords(at), (at != 3).then(|| artifact(at)));
                listing.add(&Canonical::new(coords.iter()), artifact.as_ref()).unwrap();
                items.push(artifact.map_or_else(|| Item::missing(&coords), |artifact| Item::new(&coords, &artifact)));
            }
            assert_eq!(listing.end(), Gathered::new(items).unwrap());
        }
    }

    #[test]
    fn long_lists_have_an_object_of_their_own() {
        let items: Vec<_> = (0..20).map(|i| Item(json!({"i": i}), "d".into())).collect();
        let gathered = Gathered::new(items.clone()).unwrap();
        let listing = gathered.listing.unwrap();
        assert_eq!(gathered.items, Items::Gathered(Digest::of(&listing)));
        assert_eq!(serde_json::from_slice::<Vec<Item>>(&listing).unwrap(), items);
    }
}
