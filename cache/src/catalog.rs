//! What the journals say, in memory: where objects lie and which records there are.
//!
//! A catalog only learns; reading a journal twice, or journals in another order, leads to the same catalog. Whether what it
//! names is really there is asked elsewhere.
//!
//! Copies wait in a list until one of them is looked for: a run with nothing to do asks for records alone, whose objects
//! mostly stand before them in the journal, so that their [`Reach`] is known without a look at any map.

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

/// What must be there for all objects of a record to be there: a pack of some length, and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) writer: u32,
    pub(crate) pack: u32,
    pub(crate) end: u64,
    /// Objects in files of their own, with their lengths.
    pub(crate) loose: Box<[(Digest, u64)]>,
}

/// A record, and where its objects are if all were stored together with it, the small ones in one pack.
#[derive(Debug)]
struct Known {
    record: Arc<Record>,
    reach: Option<Reach>,
}

/// Most copies before a record among which its objects are looked for: those of a batch of tasks, and of tasks beside it.
const TOGETHER: usize = 256;

/// What the journals say.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    writers: Vec<WriterId>,
    numbers: HashMap<WriterId, u32>,
    /// Copies in the order in which they were learnt, that are not in `copies` yet.
    waiting: Vec<(Digest, Copy)>,
    /// Place in `waiting` of the copy that the next record is expected to name: records follow their objects, mostly in their
    /// order.
    next: usize,
    /// Whether the last frame was a record.
    after_record: bool,
    copies: DigestMap<Copy>,
    /// Second and later copies, which arise when two processes store the same object at once.
    further_copies: DigestMap<Vec<Copy>>,
    condemned: HashSet<PackPlace>,
    /// Loose objects found damaged by a store that cannot move them away.
    unusable: DigestMap<()>,
    records: DigestMap<Known>,
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
        // A record of three hundred bytes or more, and two objects or more at 72 bytes each.
        let bytes = usize::try_from(bytes).unwrap_or(0);
        self.waiting.reserve(bytes / 220);
        self.records.reserve(bytes / 750);
    }

    /// Makes room for that many further records, with two objects each.
    pub(crate) fn expect(&mut self, records: usize) {
        self.records.reserve(records);
        self.copies.reserve(2 * records);
    }

    /// Learns what a frame of `writer` says.
    pub(crate) fn learn(&mut self, writer: u32, frame: Frame) {
        match frame {
            Frame::Object { digest, pack, offset, length } => {
                let place = Place::Pack(PackPlace { writer, pack, offset });
                self.wait(digest, Copy { place, length });
            }
            Frame::Loose { digest, length } => self.wait(digest, Copy { place: Place::Loose, length }),
            Frame::Record(record) => {
                let reach = self.reach(&record.objects);
                self.after_record = true;
                self.add_record(Known { record, reach });
            }
            Frame::Condemned { writer, pack, offset } => {
                let writer = self.number(&writer);
                self.condemn(PackPlace { writer, pack, offset });
            }
        }
    }

    fn wait(&mut self, digest: Digest, copy: Copy) {
        if self.after_record {
            (self.next, self.after_record) = (self.waiting.len(), false);
        }
        self.waiting.push((digest, copy));
    }

    /// Where `objects` are, if they are among the copies learnt just now.
    fn reach(&mut self, objects: &[Digest]) -> Option<Reach> {
        let mut packed: Option<(u32, u32, u64)> = None;
        let mut loose = Vec::new();
        for object in objects {
            let is_next = self.waiting.get(self.next).is_some_and(|(digest, _)| digest == object);
            let at = if is_next {
                self.next
            } else {
                let from = self.waiting.len().saturating_sub(TOGETHER);
                from + self.waiting[from..].iter().rposition(|(digest, _)| digest == object)?
            };
            let length = self.waiting[at].1.length;
            match self.waiting[at].1.place {
                Place::Loose => loose.push((*object, length)),
                Place::Pack(PackPlace { writer, pack, offset }) => {
                    let end = offset.saturating_add(length);
                    packed = match packed {
                        None => Some((writer, pack, end)),
                        Some((w, p, known)) if (w, p) == (writer, pack) => Some((w, p, known.max(end))),
                        Some(_) => return None,
                    };
                }
            }
            self.next = at + 1;
        }
        let (writer, pack, end) = packed?;
        Some(Reach { writer, pack, end, loose: loose.into_boxed_slice() })
    }

    /// Whether no copy waits: then looking for one is quick.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Makes all copies quick to find.
    pub(crate) fn settle(&mut self) {
        self.next = 0;
        let waiting = std::mem::take(&mut self.waiting);
        self.copies.reserve(waiting.len());
        for (digest, copy) in waiting {
            self.add_copy(digest, copy);
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

    fn add_record(&mut self, known: Known) {
        let Some(present) = self.records.get_mut(&known.record.key) else {
            self.records.insert(known.record.key, known);
            return;
        };
        // Of several records, the objects are looked for.
        present.reach = None;
        let (present, record) = (&mut present.record, known.record);
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
        let wanted = *digest;
        let waiting = self.waiting.iter().filter(move |(digest, _)| *digest == wanted).map(|(_, copy)| copy);
        first.into_iter().chain(further.into_iter().flatten()).chain(waiting).copied().filter(|copy| match copy.place {
            Place::Pack(place) => !self.is_condemned(place),
            Place::Loose => !self.unusable.contains_key(digest),
        })
    }

    /// The only record of `key` and where its objects are, if that is known and nothing is marked as damaged.
    pub(crate) fn reach_of(&self, key: &Digest) -> Option<(&Arc<Record>, &Reach)> {
        let whole = self.condemned.is_empty() && self.unusable.is_empty();
        let known = self.records.get(key).filter(|_| whole)?;
        Some((&known.record, known.reach.as_ref()?))
    }

    /// All records of a key, latest first.
    pub(crate) fn records(&self, key: &Digest) -> impl Iterator<Item = &Arc<Record>> {
        let first = self.records.get(key).map(|known| &known.record);
        let further = if first.is_some() { self.further_records.get(key) } else { None };
        first.into_iter().chain(further.into_iter().flatten())
    }

    /// All records of all keys.
    pub(crate) fn all_records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values().map(|known| &known.record).chain(self.further_records.values().flatten())
    }

    /// All keys that have records.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Digest> {
        self.records.keys()
    }

    /// All objects, with copies that may all be damaged; each once in a settled catalog.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Digest> {
        let waiting = self.waiting.iter().map(|(digest, _)| digest);
        self.copies.keys().chain(waiting.filter(|digest| !self.copies.contains_key(*digest)))
    }

    /// Number of places in packs marked as damaged.
    pub(crate) fn condemned_count(&self) -> usize {
        self.condemned.len()
    }
}
