//! Artifacts: a file or a small folder of files, as objects of the store.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use mctune_cache::{Digest, ReadError, Store, StoreError};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whether an artifact is one file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// One file; the digest is that of its bytes.
    File,
    /// A folder; the digest is that of its listing ([`Tree`]).
    Tree,
}

/// Content of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// File or folder.
    pub shape: Shape,
    /// Digest of the bytes, or of the folder's listing.
    pub digest: Digest,
    /// Size of all files together, in bytes.
    pub bytes: u64,
}

/// The artifacts of a task by name, sorted, in as little memory as a hundred thousand tasks in one run allow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Artifacts(Box<[(Box<str>, Artifact)]>);

impl Artifacts {
    /// The artifact called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Artifact> {
        self.iter().find(|(known, _)| *known == name).map(|(_, artifact)| artifact)
    }

    /// All of them with their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Artifact)> {
        self.0.iter().map(|(name, artifact)| (&**name, artifact))
    }
}

impl From<BTreeMap<String, Artifact>> for Artifacts {
    fn from(artifacts: BTreeMap<String, Artifact>) -> Self {
        Self(artifacts.into_iter().map(|(name, artifact)| (name.into_boxed_str(), artifact)).collect())
    }
}

impl Serialize for Artifacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Artifacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ByName)
    }
}

/// Reads artifacts from a map.
struct ByName;

impl<'de> Visitor<'de> for ByName {
    type Value = Artifacts;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a map of artifacts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Artifacts, A::Error> {
        let mut artifacts: Vec<(Box<str>, Artifact)> = Vec::with_capacity(1);
        while let Some(entry) = map.next_entry()? {
            artifacts.push(entry);
        }
        artifacts.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Artifacts(artifacts.into_boxed_slice()))
    }
}

/// Listing of a folder artifact: relative paths with `/`, sorted, each with its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Files by relative path.
    pub files: BTreeMap<String, Member>,
}

/// A file of a folder artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

/// A folder listing in the store is not one.
#[derive(Debug, thiserror::Error)]
#[error("the listing of a folder artifact cannot be read: {0}")]
pub struct TreeError(#[from] serde_json::Error);

impl Tree {
    /// Reads a listing.
    ///
    /// # Errors
    /// If `bytes` is not a listing.
    pub fn parse(bytes: &[u8]) -> Result<Self, TreeError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// Stores `bytes` as a file artifact.
///
/// # Errors
/// If the store cannot write.
pub fn put_bytes(store: &Store, bytes: &[u8]) -> Result<Artifact, StoreError> {
    let digest = store.put(bytes)?;
    Ok(Artifact { shape: Shape::File, digest, bytes: bytes.len() as u64 })
}

/// Stores named byte strings as a folder artifact.
///
/// # Errors
/// If the store cannot write.
pub fn put_tree(store: &Store, files: &[(&str, &[u8])]) -> Result<Artifact, StoreError> {
    let mut tree = Tree::default();
    for (path, bytes) in files {
        let digest = store.put(bytes)?;
        tree.files.insert((*path).to_owned(), Member { digest, bytes: bytes.len() as u64 });
    }
    put_listing(store, &tree)
}

/// Stores a file or folder on disk. Symbolic links are followed; the names in a folder must be UTF-8.
///
/// # Errors
/// If it cannot be read, or the store cannot write.
pub fn put_path(store: &Store, path: &Path) -> Result<Artifact, StoreError> {
    let io = |source| StoreError::io("reading", path, source);
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_dir() {
        let (digest, bytes) = store.put_file(path)?;
        return Ok(Artifact { shape: Shape::File, digest, bytes });
    }
    let mut tree = Tree::default();
    collect(store, path, "", &mut tree)?;
    put_listing(store, &tree)
}

fn collect(store: &Store, folder: &Path, prefix: &str, tree: &mut Tree) -> Result<(), StoreError> {
    let io = |source| StoreError::io("reading", folder, source);
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().into_string().map_err(|name| {
            io(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("the file name {name:?} is not UTF-8")))
        })?;
        let path = entry.path();
        let relative = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if std::fs::metadata(&path).map_err(io)?.is_dir() {
            collect(store, &path, &relative, tree)?;
        } else {
            let (digest, bytes) = store.put_file(&path)?;
            tree.files.insert(relative, Member { digest, bytes });
        }
    }
    Ok(())
}

fn put_listing(store: &Store, tree: &Tree) -> Result<Artifact, StoreError> {
    let listing = serde_json::to_vec(tree)
        .map_err(|error| StoreError::io("writing a folder listing", Path::new(""), error.into()))?;
    let digest = store.put(&listing)?;
    let bytes = tree.files.values().map(|member| member.bytes).sum();
    Ok(Artifact { shape: Shape::Tree, digest, bytes })
}

/// All objects an artifact consists of: itself and, for a folder, its files.
///
/// # Errors
/// If the listing of a folder is missing or damaged.
pub fn objects(store: &Store, artifact: &Artifact) -> Result<Vec<Digest>, ReadError> {
    let mut objects = vec![artifact.digest];
    if artifact.shape == Shape::Tree {
        objects.extend(read_tree(store, &artifact.digest)?.files.values().map(|member| member.digest));
    }
    Ok(objects)
}

/// Writes an artifact out at `destination`, every byte verified.
///
/// # Errors
/// If an object is missing or damaged, or writing fails.
pub fn export(store: &Store, artifact: &Artifact, destination: &Path) -> Result<(), ReadError> {
    match artifact.shape {
        Shape::File => store.export(&artifact.digest, destination),
        Shape::Tree => {
            // A folder without files is a folder all the same.
            std::fs::create_dir_all(destination).map_err(|source| StoreError::io("creating", destination, source))?;
            for (path, member) in read_tree(store, &artifact.digest)?.files {
                let target = destination.join(safe_relative(&artifact.digest, &path)?);
                if let Some(parent) = target.parent() {
                    std::fs::create_dir_all(parent).map_err(|source| StoreError::io("creating", parent, source))?;
                }
                store.export(&member.digest, &target)?;
            }
            Ok(())
        }
    }
}

fn read_tree(store: &Store, digest: &Digest) -> Result<Tree, ReadError> {
    Tree::parse(&store.read(digest)?).map_err(|_| ReadError::Damaged { digest: *digest })
}

/// A listing comes from the store, which other people may write: it must not lead outside the destination.
fn safe_relative<'a>(listing: &Digest, path: &'a str) -> Result<&'a Path, ReadError> {
    let relative = Path::new(path);
    if relative.components().all(|part| matches!(part, Component::Normal(_))) {
        Ok(relative)
    } else {
        Err(ReadError::Damaged { digest: *listing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_are_written_and_read_as_a_sorted_map() {
        let artifact = |text: &[u8]| Artifact { shape: Shape::File, digest: Digest::of(text), bytes: 3 };
        let map = BTreeMap::from([("b".to_owned(), artifact(b"1")), ("a".to_owned(), artifact(b"2"))]);
        let artifacts = Artifacts::from(map.clone());
        let text = serde_json::to_string(&artifacts).unwrap();
        assert_eq!(text, serde_json::to_string(&map).unwrap());
        assert_eq!(serde_json::from_str::<Artifacts>(&text).unwrap(), artifacts);
        assert_eq!((artifacts.get("a"), artifacts.get("c")), (map.get("a"), None));
    }
}
