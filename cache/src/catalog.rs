//! What the journals say, in memory: where objects lie and which records there are.
//!
//! A catalog only learns; reading a journal twice, or journals in another order, leads to the same catalog. Whether what it
//! names is really there is asked elsewhere.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::Digest;
use crate::journal::Frame;
use crate::pack::PackPlace;
use crate::record::Record;
use crate::writer_id::WriterId;

/// A map by digest. Digests are evenly spread already, so eight of their bytes serve as hash.
pub(crate) type DigestMap<V> = HashMap<Digest, V, BuildHasherDefault<FirstBytes>>;

/// Hash of a digest: its first eight bytes.
#[derive(Default)]
pub(crate) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some((front, _)) = bytes.split_first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*front);
        }
    }

    /// The length that arrays put before their content says nothing.
    fn write_usize(&mut self, _: usize) {}
}

/// Where a copy of an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a pack.
    Pack(PackPlace),
    /// In a file of its own.
    Loose,
}

/// A copy of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) place: Place,
    pub(crate) length: u64,
}

/// What the journals say.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    writers: Vec<WriterId>,
    numbers: HashMap<WriterId, u32>,
    copies: DigestMap<Copy>,
    /// Second and later copies, which arise when two processes store the same object at once.
    further_copies: DigestMap<Vec<Copy>>,
    condemned: HashSet<PackPlace>,
    /// Loose objects found damaged by a store that cannot move them away.
    unusable: DigestMap<()>,
    records: DigestMap<Arc<Record>>,
    /// Further records by key, which arise when a task is done again.
    further_records: DigestMap<Vec<Arc<Record>>>,
}

impl Catalog {
    /// Number of a writer in this catalog.
    pub(crate) fn number(&mut self, writer: &WriterId) -> u32 {
        if let Some(number) = self.numbers.get(writer) {
            return *number;
        }
        let number = u32::try_from(self.writers.len()).unwrap_or(u32::MAX);
        self.writers.push(writer.clone());
        self.numbers.insert(writer.clone(), number);
        number
    }

    /// The writer with this number.
    pub(crate) fn writer(&self, number: u32) -> &WriterId {
        &self.writers[number as usize]
    }

    /// Makes room for what `bytes` of journals are likely to hold.
    pub(crate) fn reserve(&mut self, bytes: u64) {
        // A record of a few hundred bytes with three objects, at 72 bytes each.
        let bytes = usize::try_from(bytes).unwrap_or(0);
        self.copies.reserve(bytes / 250);
        self.records.reserve(bytes / 750);
    }

    /// Learns what a frame of `writer` says.
    pub(crate) fn learn(&mut self, writer: u32, frame: Frame) {
        match frame {
            Frame::Object { digest, pack, offset, length } => {
                let place = Place::Pack(PackPlace { writer, pack, offset });
                self.add_copy(digest, Copy { place, length });
            }
            Frame::Loose { digest, length } => self.add_copy(digest, Copy { place: Place::Loose, length }),
            Frame::Record(record) => self.add_record(record),
            Frame::Condemned { writer, pack, offset } => {
                let writer = self.number(&writer);
                self.condemn(PackPlace { writer, pack, offset });
            }
        }
    }

    fn add_copy(&mut self, digest: Digest, copy: Copy) {
        match self.copies.entry(digest) {
            Entry::Vacant(entry) => {
                entry.insert(copy);
            }
            Entry::Occupied(entry) if *entry.get() == copy => {}
            Entry::Occupied(_) => {
                let further = self.further_copies.entry(digest).or_default();
                if !further.contains(&copy) {
                    further.push(copy);
                }
            }
        }
    }

    fn add_record(&mut self, record: Arc<Record>) {
        let Some(present) = self.records.get_mut(&record.key) else {
            self.records.insert(record.key, record);
            return;
        };
        let further = self.further_records.get_mut(&record.key).into_iter().flatten();
        if let Some(twin) = std::iter::once(&mut *present).chain(further).find(|known| known.agrees(&record)) {
            // The same record again: a collection has written it anew. One that says "bare" has the last word.
            if record.bare {
                *twin = record;
            }
            return;
        }
        // The latest stands in `records`; the rest behind it, latest first. Of two with one time, any order will do that is
        // the same for every reader.
        let older = if record.age() > present.age() { std::mem::replace(present, record) } else { record };
        let further = self.further_records.entry(older.key).or_default();
        let at = further.partition_point(|other| other.age() > older.age());
        further.insert(at, older);
    }

    /// Marks a place in a pack as damaged.
    pub(crate) fn condemn(&mut self, place: PackPlace) {
        self.condemned.insert(place);
    }

    /// Whether a place in a pack is marked as damaged.
    pub(crate) fn is_condemned(&self, place: PackPlace) -> bool {
        !self.condemned.is_empty() && self.condemned.contains(&place)
    }

    /// Marks the loose copy of an object as damaged, for this catalog alone; `false` takes the mark away.
    pub(crate) fn set_unusable(&mut self, digest: Digest, unusable: bool) {
        if unusable {
            self.unusable.insert(digest, ());
        } else {
            self.unusable.remove(&digest);
        }
    }

    /// Copies of an object that are not known to be damaged.
    pub(crate) fn copies(&self, digest: &Digest) -> impl Iterator<Item = Copy> {
        let first = self.copies.get(digest);
        let further = if first.is_some() { self.further_copies.get(digest) } else { None };
        first.into_iter().chain(further.into_iter().flatten()).copied().filter(|copy| match copy.place {
            Place::Pack(place) => !self.is_condemned(place),
            Place::Loose => !self.unusable.contains_key(digest),
        })
    }

    /// All records of a key, latest first.
    pub(crate) fn records(&self, key: &Digest) -> impl Iterator<Item = &Arc<Record>> {
        let first = self.records.get(key);
        let further = if first.is_some() { self.further_records.get(key) } else { None };
        first.into_iter().chain(further.into_iter().flatten())
    }

    /// All records of all keys.
    pub(crate) fn all_records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values().chain(self.further_records.values().flatten())
    }

    /// All keys that have records.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Digest> {
        self.records.keys()
    }

    /// All objects, with copies that may all be damaged.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Digest> {
        self.copies.keys()
    }

    /// Number of places in packs marked as damaged.
    pub(crate) fn condemned_count(&self) -> usize {
        self.condemned.len()
    }
}
