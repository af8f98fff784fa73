//! The store: opening it, asking it, closing it. Writing and reading objects are in the modules below.

mod collection;
mod reading;
mod stats;
#[cfg(test)]
mod tests;
mod through;
mod together;
mod verify;
mod view;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::catalog::{Place, Reach};
use crate::index::{Index, IndexFault, Kind};
use crate::layout::Layout;
use crate::lease::Lease;
use crate::pack::{PackPlace, Packs};
use crate::record::Record;
use crate::trash::Trash;
use crate::writer_id::WriterId;
use crate::{Digest, StoreError, listing, loose};
pub use collection::{CollectedRecord, GcOptions, GcReport, Keep, Leftover};
pub use stats::StoreStats;
use through::Below;
pub use together::Publication;
pub use verify::{BrokenRecord, CopyFault, FaultyCopy, JournalFault, OddFile, OnDamage, VerifyProgress, VerifyReport};
use view::View;
use writing::Writer;

/// A content-addressed store of objects, and of records that name them.
///
/// All operations take `&self` and may be called from many threads; any number of processes, also on several machines that
/// share a file system, may have a store open at once, reading and writing.
///
/// # What survives
/// - **The death of the process** (also by SIGKILL): every object and record whose `put` or `publish` returned.
/// - **Power loss**: everything before the last [`Self::sync`] that returned. Later objects and records may be lost or
///   incomplete; checksums tell, so that they are misses and never wrong answers.
///
/// # What others see
/// [`Self::refresh`] shows what other processes have published. On one machine that is everything their calls returned
/// from; across machines on a network file system it is what was there when they last called [`Self::sync`] or exited.
pub struct Store {
    layout: Layout,
    id: WriterId,
    access: Access,
    /// Locked after `writer` where both are needed.
    view: RwLock<View>,
    writer: Mutex<Option<Writer>>,
    /// Held while flushing to disk, so that those who wait share the work of one flush.
    syncing: Mutex<()>,
    packs: Packs,
    trash: Arc<Trash>,
    lease: Mutex<Option<Lease>>,
    below: Option<Below>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    ReadOnly,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("root", &self.root()).field("access", &self.access).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `root`; makes one if the folder is empty or absent. Reads no journal yet.
    ///
    /// # Errors
    /// If the folder is something else ([`StoreError::Foreign`]), was written by a later version
    /// ([`StoreError::NewerFormat`]) or cannot be created.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        layout.create()?;
        Ok(Self::new(layout, Access::Write))
    }

    /// Opens an existing store for reading. Nothing is ever written, so it may lie on a read-only medium; whatever would
    /// write fails with [`StoreError::ReadOnly`].
    ///
    /// # Errors
    /// If there is no store ([`StoreError::Absent`]), or as [`Self::open`].
    pub fn open_read_only(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        if layout.check()? {
            Ok(Self::new(layout, Access::ReadOnly))
        } else {
            Err(StoreError::Absent { root: root.to_owned() })
        }
    }

    fn new(layout: Layout, access: Access) -> Self {
        let trash = Arc::new(Trash::new(layout.clone()));
        Self {
            id: WriterId::new(),
            packs: Packs::new(layout.clone(), Arc::clone(&trash)),
            trash,
            lease: Mutex::default(),
            below: None,
            layout,
            access,
            view: RwLock::default(),
            writer: Mutex::default(),
            syncing: Mutex::default(),
        }
    }

    /// Folder of the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Whether the store was opened for reading alone.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.access == Access::ReadOnly
    }

    /// Where the task with this key keeps its checkpoints. Not created here.
    #[must_use]
    pub fn scratch(&self, key: &Digest) -> PathBuf {
        self.layout.scratch(key)
    }

    /// Where private working directories of this process are made: on the file system of the store. Not created here.
    ///
    /// To be used by a process that [holds](Self::hold) the store: what is in the folder of another is removed by a
    /// collection.
    #[must_use]
    pub fn work_dir(&self) -> PathBuf {
        self.layout.work(&self.id)
    }

    /// Name under which this store writes: that of its journal, packs and lease.
    #[must_use]
    pub fn writer_name(&self) -> &str {
        self.id.as_str()
    }

    /// Tells collections that this process uses the store: from now on, as long as it lives, nothing that it may know of
    /// is removed for good. To be called before the first question; writing calls it too. What has been thrown away
    /// meanwhile is still found by this store.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], or if the lease cannot be written.
    pub fn hold(&self) -> Result<(), StoreError> {
        self.take_lease(true)
    }

    /// Takes a lease; with `remembers`, this store still finds what is thrown away from now on.
    fn take_lease(&self, remembers: bool) -> Result<(), StoreError> {
        self.writable()?;
        let mut lease = self.lease();
        if lease.is_none() {
            if remembers {
                self.trash.begin();
            }
            *lease = Some(Lease::take(&self.layout, &self.id).map_err(|e| self.refused(e))?);
        }
        Ok(())
    }

    /// Where manifests of runs are kept. Not created here.
    #[must_use]
    pub fn runs_dir(&self) -> PathBuf {
        self.layout.runs()
    }

    /// Reads all journals into memory. Look-ups then take well under a microsecond; to be called before asking for many
    /// things. Without it, the index is used where there is one.
    ///
    /// # Errors
    /// If the journals cannot be listed. A journal that cannot be read counts as absent.
    pub fn load(&self) -> Result<(), StoreError> {
        self.view_mut().read_all(&self.layout, &self.id)
    }

    /// Looks for what other processes have published, and for packs that have vanished.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn refresh(&self) -> Result<(), StoreError> {
        self.packs.forget();
        self.view_mut().refresh(&self.layout, &self.id, !self.is_read_only())
    }

    /// Length of an object that is there, or in the store below: known, not marked as damaged, and its file long enough. Its
    /// bytes are not looked at.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> Option<u64> {
        self.holds(digest).or_else(|| self.below.as_ref()?.contains(digest))
    }

    /// The first of `objects` that is not there, as [`Self::contains`] sees it; for many questions of this kind.
    #[must_use]
    pub fn first_missing<'d>(&self, objects: &'d [Digest]) -> Option<&'d Digest> {
        // Mostly all lie in packs that were looked at before: one look at what is known answers for all.
        let first = {
            let (view, mut seen) = (self.view_about(Kind::Object, objects.first()?), self.packs.seen());
            objects.iter().position(|object| {
                !view.catalog.copies(object).any(|copy| match copy.place {
                    Place::Pack(place) => seen.reaches(place, place.offset.saturating_add(copy.length)),
                    Place::Loose => false,
                })
            })
        };
        objects[first?..].iter().find(|object| self.contains(object).is_none())
    }

    /// As [`Self::contains`], in this store alone.
    fn holds(&self, digest: &Digest) -> Option<u64> {
        let view = self.view_about(Kind::Object, digest);
        view.catalog.copies(digest).find(|copy| self.is_there(&view, digest, *copy)).map(|copy| copy.length)
    }

    /// The record published under `key`, here or in the store below.
    ///
    /// If there are several, the latest of those whose objects are all there (as [`Self::contains`] sees it); if there is
    /// none such, the latest, so that the caller can say which object is missing. One of this store comes before one of the
    /// store below.
    #[must_use]
    pub fn record(&self, key: &Digest) -> Option<Arc<Record>> {
        let own = self.own_record(key);
        if self.below.is_none() || own.as_ref().is_some_and(|record| self.is_whole(record)) {
            return own;
        }
        self.record_below(key).or(own)
    }

    /// The record published under `key`, as [`Self::record`] gives it, and the first of its objects that is not there, as
    /// [`Self::contains`] sees it. Where nothing is missing, this is far quicker than asking for each object.
    #[must_use]
    pub fn find(&self, key: &Digest) -> Option<(Arc<Record>, Option<Digest>)> {
        {
            let view = self.view_about(Kind::Record, key);
            if let Some((record, reach)) = view.catalog.reach_of(key) {
                let &Reach { writer, pack, end, .. } = reach;
                let pack = PackPlace { writer, pack, offset: 0 };
                let is_there = |(digest, length): &(Digest, u64)| self.is_loose(digest, *length);
                if self.packs.reaches(view.catalog.writer(writer), pack, end) && reach.loose.iter().all(is_there) {
                    return Some((Arc::clone(record), None));
                }
            }
        }
        let record = self.record(key)?;
        let missing = self.first_missing(&record.objects).copied();
        Some((record, missing))
    }

    fn own_record(&self, key: &Digest) -> Option<Arc<Record>> {
        let mut found: Vec<_> = {
            let view = self.view_about(Kind::Record, key);
            let mut records = view.catalog.records(key);
            let latest = Arc::clone(records.next()?);
            let rest: Vec<_> = records.cloned().collect();
            if rest.is_empty() {
                return Some(latest);
            }
            std::iter::once(latest).chain(rest).collect()
        };
        let best = found.iter().position(|record| self.is_whole(record)).unwrap_or(0);
        Some(found.swap_remove(best))
    }

    /// Copies of an object that the journals name, wherever it may lie, each with the writer of its pack.
    pub(crate) fn listed(&self, digest: &Digest) -> Vec<(WriterId, crate::catalog::Copy)> {
        let view = self.view_about(Kind::Object, digest);
        let writer = |copy: &crate::catalog::Copy| match copy.place {
            Place::Pack(place) => view.catalog.writer(place.writer).clone(),
            Place::Loose => self.id.clone(),
        };
        view.catalog.copies(digest).map(|copy| (writer(&copy), copy)).collect()
    }

    /// The latest record of `key` all of whose objects the journals name.
    pub(crate) fn listed_record(&self, key: &Digest) -> Option<Arc<Record>> {
        let view = self.view_about(Kind::Record, key);
        let is_listed = |object: &Digest| view.catalog.copies(object).next().is_some();
        view.catalog.records(key).find(|record| record.objects.iter().all(is_listed)).cloned()
    }

    /// Whether there is a store below this one.
    #[must_use]
    pub fn has_below(&self) -> bool {
        self.below.is_some()
    }

    /// All records published under `key`, latest first, whether or not their objects are there. More than one arise when
    /// several processes have done the same at once.
    #[must_use]
    pub fn records_of(&self, key: &Digest) -> Vec<Arc<Record>> {
        self.view_about(Kind::Record, key).catalog.records(key).cloned().collect()
    }

    /// All records, one a key, in the order of keys; each as [`Self::record`] gives it.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn records(&self) -> Result<Vec<Arc<Record>>, StoreError> {
        self.load()?;
        let mut keys: Vec<Digest> = self.view().catalog.keys().copied().collect();
        keys.sort_unstable();
        Ok(keys.iter().filter_map(|key| self.record(key)).collect())
    }

    /// Brings the index up to date, from nothing if need be. Writers do it on their own when the store is closed.
    ///
    /// Gives whether it was done: not if another process uses the index at this moment, or if it cannot be written. Nothing
    /// depends on it.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`].
    pub fn rebuild_index(&self) -> Result<bool, StoreError> {
        self.writable()?;
        Ok(self.update_index())
    }

    /// Throws the index away, whatever it is, and builds another from the journals.
    ///
    /// Gives whether it was done: not if another process uses the index at this moment, or if it cannot be written.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`].
    pub fn renew_index(&self) -> Result<bool, StoreError> {
        self.writable()?;
        listing::write(&self.layout).map_err(|error| self.refused(error))?;
        Ok(self.discard_index() && self.update_index())
    }

    /// Flushes everything to disk and brings the index up to date. Dropping the store does the latter and leaves the
    /// former to the system.
    ///
    /// # Errors
    /// If flushing fails.
    pub fn close(self) -> Result<(), StoreError> {
        self.sync()
    }

    /// What [`close`](Self::close) does, for a process that is about to end: memory is left for the system to take back, all at
    /// once. Giving back that of 10^5 records takes some hundredths of a second.
    ///
    /// # Errors
    /// If flushing fails.
    pub fn leave(self) -> Result<(), StoreError> {
        let synced = self.sync();
        let mut store = std::mem::ManuallyDrop::new(self);
        store.wind_up();
        // What others can see: its lease, and that of a store below.
        drop(store.lease().take());
        drop(store.below.take());
        synced
    }

    /// Throws the index away, unless another process uses it at this moment; gives whether there is none now.
    fn discard_index(&self) -> bool {
        self.view_mut().forget_index();
        let path = self.layout.index();
        if !path.exists() {
            return true;
        }
        match Index::open_patiently(&path) {
            Err(IndexFault::Locked) => return false,
            Err(fault) => view::retire_index(&self.layout, &fault),
            Ok(index) => {
                index.close();
                if let Err(error) = std::fs::remove_dir_all(&path) {
                    tracing::debug!(%error, "the index cannot be removed");
                }
            }
        }
        !path.exists()
    }

    fn update_index(&self) -> bool {
        let update = || {
            let mut index = Index::open_patiently(&self.layout.index())?;
            let updated = index.update(&self.layout);
            index.close();
            updated
        };
        let mut updated = update();
        if let Err(fault @ IndexFault::Unusable(_)) = &updated {
            view::retire_index(&self.layout, fault);
            updated = update();
        }
        if let Err(fault) = &updated {
            tracing::debug!(%fault, "the index was not updated");
        }
        updated.is_ok()
    }

    fn writable(&self) -> Result<(), StoreError> {
        match self.access {
            Access::Write => Ok(()),
            Access::ReadOnly => Err(StoreError::ReadOnly { root: self.root().to_owned() }),
        }
    }

    fn lease(&self) -> MutexGuard<'_, Option<Lease>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The view with all copies quick to find.
    fn settled_view(&self) -> RwLockReadGuard<'_, View> {
        self.view_mut().catalog.settle();
        self.view()
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The view, with everything that is known about `digest`. If the journals cannot even be listed, that is nothing: a
    /// miss, and whoever then writes is told why it fails.
    fn view_about(&self, kind: Kind, digest: &Digest) -> RwLockReadGuard<'_, View> {
        let view = self.view();
        if view.knows(kind, digest) {
            return view;
        }
        drop(view);
        let learnt = self.view_mut().learn_about(kind, digest, &self.layout, &self.id, !self.is_read_only());
        if let Err(error) = learnt {
            tracing::warn!(%error, "the journals of the store cannot be read");
        }
        self.view()
    }

    fn is_there(&self, view: &View, digest: &Digest, copy: crate::catalog::Copy) -> bool {
        match copy.place {
            Place::Pack(place) => {
                let writer = view.catalog.writer(place.writer);
                self.packs.reaches(writer, place, place.offset.saturating_add(copy.length))
            }
            Place::Loose => self.is_loose(digest, copy.length),
        }
    }

    /// Whether there is a file for an object of this length.
    fn is_loose(&self, digest: &Digest, length: u64) -> bool {
        let path = self.layout.loose(digest);
        loose::is_there(&path, length) || self.trash.find_all(&path).any(|path| loose::is_there(&path, length))
    }

    /// Whether a copy of the object lies in its place at this moment, so that it need not be stored again. What a collection
    /// has thrown away does not count.
    fn stays(&self, digest: &Digest) -> bool {
        let view = self.view_about(Kind::Object, digest);
        view.catalog.copies(digest).any(|copy| match copy.place {
            Place::Pack(place) => {
                self.packs.stays(view.catalog.writer(place.writer), place, place.offset.saturating_add(copy.length))
            }
            Place::Loose => loose::is_there(&self.layout.loose(digest), copy.length),
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.wind_up();
    }
}

impl Store {
    /// Leaves the store to others.
    fn wind_up(&mut self) {
        if self.access == Access::Write {
            // Made by those who worked there, and empty once they have ended: a folder for each run would pile up.
            drop(std::fs::remove_dir(self.work_dir()));
        }
        let journals = crate::journal::list(&self.layout.journals()).unwrap_or_default();
        if self.writer().is_none() {
            return;
        }
        if self.view().wants_index(&journals) {
            self.update_index();
        }
        if let Err(error) = listing::write(&self.layout) {
            tracing::debug!(%error, "the listing is not written");
        }
        // Nothing more is written: from here on a collection may take the journal and the packs.
        drop(self.lease().take());
    }
}
