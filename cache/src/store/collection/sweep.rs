//! The trash: moving there what nobody wants, and emptying it when nobody is left who may have seen it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::GcReport;
use super::choice::Choice;
use super::estate::{Inventory, orphaned_packs};
use super::leftovers::size_of;
use crate::catalog::{DigestMap, Place};
use crate::layout::{Layout, new_file_in};
use crate::lease::Survey;
use crate::pack::Packs;
use crate::store::Store;
use crate::store::view::View;
use crate::trash::Trash;
use crate::{Digest, StoreError};

/// File in a folder of the trash: who was alive when it was filled, a name a line.
const HOLDERS: &str = "holders";

impl Store {
    /// Moves what is rewritten or unwanted to the trash. Journals go first: packs without a journal are known for what they
    /// are, journals without packs would look like damage.
    pub(super) fn throw_away(&self, inventory: &Inventory, choice: &Choice) -> Result<(), StoreError> {
        let trash = Layout::new(&self.layout.trash().join(self.id.as_str()));
        for (estate, _) in choice.fates(inventory).filter(|(_, fates)| fates.is_some()) {
            move_file(&estate.journal.path, &trash.journal(estate.writer()))?;
        }
        let survey = Survey::make(&self.layout, &self.id, Duration::ZERO)?;
        for pack in orphaned_packs(&self.layout, &survey)? {
            let name = pack.file_name().unwrap_or_default();
            move_file(&pack, &trash.packs().join(name))?;
        }
        for digest in &choice.loose {
            move_file(&self.layout.loose(digest), &trash.loose(digest))?;
        }
        Ok(())
    }

    /// Empties every folder of the trash that no living process may have seen in use.
    pub(super) fn sweep(&self, watch: Duration, report: &mut GcReport) -> Result<(), StoreError> {
        let folders: Vec<_> = fs::read_dir(self.layout.trash()).into_iter().flatten().flatten().collect();
        if folders.is_empty() {
            return Ok(());
        }
        let survey = Survey::make(&self.layout, &self.id, watch)?;
        let alive: BTreeSet<&str> = survey.holders.iter().map(|holder| holder.name.as_str()).collect();
        for folder in folders {
            let path = folder.path();
            let waits_for = waits_for(&path, &alive).map_err(|e| StoreError::io("reading", &path, e))?;
            if waits_for.iter().any(|name| alive.contains(name.as_str())) {
                report.waiting_bytes += size_of(&path);
                continue;
            }
            report.rescued += self.rescue(&Layout::new(&path))?;
            if report.rescued > 0 {
                self.sync()?;
            }
            fs::remove_dir_all(&path).map_err(|e| StoreError::io("removing", &path, e))?;
        }
        Ok(())
    }

    /// Bytes in the trash.
    pub(super) fn trash_bytes(&self) -> u64 {
        size_of(&self.layout.trash())
    }

    /// Brings back what a record names that is not bare: it was published by somebody who did not see the object go. Gives
    /// how many objects.
    fn rescue(&self, trash: &Layout) -> Result<u64, StoreError> {
        self.refresh()?;
        let missing: DigestMap<()> = {
            let view = self.settled_view();
            let named = view.catalog.all_records().filter(|record| !record.bare).flat_map(|record| &record.objects);
            let is_there = |digest: &Digest| view.catalog.copies(digest).any(|copy| self.is_there(&view, digest, copy));
            named.filter(|digest| !is_there(digest)).map(|digest| (*digest, ())).collect()
        };
        if missing.is_empty() {
            return Ok(0);
        }
        let mut view = View::default();
        view.read_all(trash, &self.id)?;
        view.catalog.settle();
        let packs = Packs::new(trash.clone(), Arc::new(Trash::new(trash.clone())));
        let mut rescued = 0;
        for digest in missing.keys() {
            let path = trash.loose(digest);
            if path.exists() {
                let open = || fs::File::open(&path).map_err(|e| StoreError::io("reading", &path, e));
                match self.put_loose(digest, open, &path) {
                    Ok(()) => rescued += 1,
                    // It is damaged: no use.
                    Err(StoreError::Changed { .. }) => {}
                    Err(error) => return Err(error),
                }
                continue;
            }
            for copy in view.catalog.copies(digest) {
                let Place::Pack(place) = copy.place else { continue };
                let mut bytes = vec![0; usize::try_from(copy.length).unwrap_or(usize::MAX)];
                if packs.read(view.catalog.writer(place.writer), place, &mut bytes).is_ok()
                    && Digest::of(&bytes) == *digest
                {
                    self.put(&bytes)?;
                    rescued += 1;
                    break;
                }
            }
        }
        Ok(rescued)
    }
}

/// Who was alive when a folder of the trash was filled. Where that was not noted, since the collection was killed, everybody
/// who is alive now takes the place: who has ended does not matter.
fn waits_for(folder: &Path, alive: &BTreeSet<&str>) -> std::io::Result<Vec<String>> {
    let path: PathBuf = folder.join(HOLDERS);
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text.lines().map(str::to_owned).collect()),
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let names: Vec<_> = alive.iter().map(|name| (*name).to_owned()).collect();
    let mut file = new_file_in(folder)?;
    file.write_all(names.join("\n").as_bytes())?;
    file.persist(&path)?;
    Ok(names)
}

/// Moves a file; one that is gone already is no error.
fn move_file(from: &Path, to: &Path) -> Result<(), StoreError> {
    let io = |e| StoreError::io("moving to the trash", from, e);
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(io)?;
    }
    match fs::rename(from, to) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other.map_err(io),
    }
}
