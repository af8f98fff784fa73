//! What is wanted, what is collected, and which estates are rewritten for that.

use std::collections::{BTreeMap, HashSet};

use super::estate::{Estate, Inventory, Pack};
use super::{CollectedRecord, GcReport, Keep};
use crate::catalog::DigestMap;
use crate::layout::Layout;
use crate::writer_id::WriterId;
use crate::{Digest, Record, loose, pack};

/// A pack is rewritten when at least one part in so many of it is garbage.
const WORTHWHILE: u64 = 10;
/// Estates and packs of less than this are merged, whatever is in them: each element of a job array leaves one.
const SMALL: u64 = 16 << 20;

/// What becomes of a pack of an estate that is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its wanted objects are copied.
    Copied,
    /// It gets a name of the collecting process.
    Adopted,
}

/// What is wanted, and what is done about the rest.
#[derive(Debug, Default)]
pub(super) struct Choice {
    wanted: DigestMap<()>,
    /// By estate: what becomes of its packs; `None` if it stays as it is.
    fates: Vec<Option<BTreeMap<u32, Fate>>>,
    /// Objects of which no copy remains, with their lengths.
    collected: DigestMap<u64>,
    /// Large objects whose files go.
    pub(super) loose: Vec<Digest>,
    lost: Vec<CollectedRecord>,
    lingering: DigestMap<u64>,
    file_bytes: u64,
    /// Bytes to copy.
    pub(super) bytes_to_copy: u64,
}

impl Choice {
    pub(super) fn make(inventory: &Inventory, keep: &mut dyn FnMut(&Record, &str) -> Keep, layout: &Layout) -> Self {
        let mut choice = Self { wanted: inventory.named_by_living.clone(), ..Self::default() };
        for estate in &inventory.estates {
            for record in &estate.records {
                let kept = match keep(record, estate.writer().as_str()) {
                    Keep::Whole => record.objects.clone(),
                    Keep::Only(objects) => objects,
                };
                choice.wanted.extend(kept.into_iter().map(|object| (object, ())));
            }
        }
        choice.decide_fates(inventory);
        choice.find_collected(inventory, layout);
        choice.find_losers(inventory);
        choice
    }

    fn decide_fates(&mut self, inventory: &Inventory) {
        let is_small = |estate: &Estate| estate.pack_bytes() < SMALL && estate.journal.length < SMALL;
        let merging = inventory.estates.iter().filter(|estate| is_small(estate)).count() > 1;
        for estate in &inventory.estates {
            let garbage: BTreeMap<u32, u64> = estate
                .packs
                .iter()
                .map(|(number, pack)| (*number, self.garbage(inventory, estate.writer(), *number, pack)))
                .collect();
            let worthwhile =
                |number: &u32| garbage[number] > 0 && garbage[number] >= estate.packs[number].length / WORTHWHILE;
            let rewritten = estate.faulty || garbage.keys().any(worthwhile) || merging && is_small(estate);
            let fate = |number: &u32| {
                let small = estate.packs[number].length < SMALL;
                if small || worthwhile(number) { Fate::Copied } else { Fate::Adopted }
            };
            let fates: Option<BTreeMap<_, _>> =
                rewritten.then(|| garbage.keys().map(|number| (*number, fate(number))).collect());
            for (number, _) in fates.iter().flatten().filter(|(_, fate)| **fate == Fate::Copied) {
                self.file_bytes += garbage[number];
                self.bytes_to_copy += estate.packs[number].length.saturating_sub(garbage[number]);
            }
            self.fates.push(fates);
        }
    }

    /// Bytes of a pack that nobody wants.
    fn garbage(&self, inventory: &Inventory, writer: &WriterId, number: u32, pack: &Pack) -> u64 {
        let usable = pack.entries.iter().filter(|entry| !inventory.is_condemned(writer, number, entry));
        let wanted = usable.filter(|entry| self.is_wanted(&entry.digest)).map(|entry| entry.length);
        pack.length.saturating_sub(pack::MAGIC.len() as u64 + wanted.sum::<u64>())
    }

    fn find_collected(&mut self, inventory: &Inventory, layout: &Layout) {
        let (mut going, mut staying): (DigestMap<u64>, DigestMap<u64>) = Default::default();
        let mut seen = DigestMap::default();
        for (estate, fates) in inventory.estates.iter().zip(&self.fates) {
            for (number, pack) in &estate.packs {
                let copied = fates.as_ref().is_some_and(|fates| fates[number] == Fate::Copied);
                let usable =
                    pack.entries.iter().filter(|entry| !inventory.is_condemned(estate.writer(), *number, entry));
                let unwanted = usable.filter(|entry| !self.wanted.contains_key(&entry.digest));
                let there = unwanted.filter(|entry| entry.offset + entry.length <= pack.length);
                if copied { &mut going } else { &mut staying }.extend(there.map(|entry| (entry.digest, entry.length)));
            }
            for (digest, length) in estate.loose.iter().filter(|(digest, _)| !self.wanted.contains_key(digest)) {
                if seen.insert(*digest, ()).is_none() && loose::is_there(&layout.loose(digest), *length) {
                    going.insert(*digest, *length);
                    self.loose.push(*digest);
                    self.file_bytes += length;
                }
            }
        }
        going.retain(|digest, _| !staying.contains_key(digest));
        (self.collected, self.lingering) = (going, staying);
    }

    /// Finds the records that lose objects; each object is counted once.
    fn find_losers(&mut self, inventory: &Inventory) {
        let mut counted = HashSet::new();
        let losing = inventory.estates.iter().flat_map(|estate| &estate.records).filter(|record| self.loses(record));
        self.lost = losing
            .map(|record| {
                let fresh = record.objects.iter().filter(|object| counted.insert(**object));
                let lengths: Vec<u64> = fresh.filter_map(|object| self.collected.get(object).copied()).collect();
                let (objects, bytes) = (lengths.len() as u64, lengths.iter().sum());
                CollectedRecord { record: record.clone(), objects, bytes }
            })
            .collect();
    }

    pub(super) fn report(&self) -> GcReport {
        let (objects, object_bytes) = (self.collected.len() as u64, self.collected.values().sum::<u64>());
        let recorded: (u64, u64) =
            self.lost.iter().fold((0, 0), |sum, lost| (sum.0 + lost.objects, sum.1 + lost.bytes));
        GcReport {
            objects,
            object_bytes,
            file_bytes: self.file_bytes,
            collected: self.lost.clone(),
            records: self.lost.len() as u64,
            unrecorded: objects - recorded.0,
            unrecorded_bytes: object_bytes - recorded.1,
            lingering: self.lingering.len() as u64,
            lingering_bytes: self.lingering.values().sum(),
            journals_rewritten: self.fates.iter().flatten().count() as u64,
            ..GcReport::default()
        }
    }

    pub(super) fn is_wanted(&self, digest: &Digest) -> bool {
        self.wanted.contains_key(digest)
    }

    /// Whether an object of the record is collected.
    fn loses(&self, record: &Record) -> bool {
        !self.collected.is_empty() && record.objects.iter().any(|object| self.collected.contains_key(object))
    }

    /// Whether the record is incomplete on purpose from now on: nobody wants an object of it that is not there, be it
    /// collected now or lost before.
    pub(super) fn is_bare(&self, record: &Record) -> bool {
        let stays = |object| self.wanted.contains_key(object) || self.lingering.contains_key(object);
        record.bare || record.objects.iter().any(|object| !stays(object))
    }

    /// Every estate with what becomes of its packs; `None` if it stays as it is.
    pub(super) fn fates<'a>(
        &'a self,
        inventory: &'a Inventory,
    ) -> impl Iterator<Item = (&'a Estate, Option<&'a BTreeMap<u32, Fate>>)> {
        inventory.estates.iter().zip(self.fates.iter().map(Option::as_ref))
    }
}
