//! A folder with a store, in which toy campaigns are run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mctune_cache::Store;
use tokio::sync::mpsc;

use crate::campaign::Campaign;
use crate::event::Silent;
use crate::language::{self, Source};
use crate::manifest::History;
use crate::registry::Registry;
use crate::resources::Resources;
use crate::run::{self, RunOptions, RunReport};

pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn store(&self) -> Store {
        let store = Store::open(&self.path("store")).unwrap();
        store.load().unwrap();
        store
    }

    pub(crate) fn registry() -> Registry {
        super::registry().with(crate::command::Command)
    }

    pub(crate) fn campaign(&self, text: &str, overrides: &[&str]) -> Campaign {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        let source = Source::new(Path::new("toy.yaml"), text.to_owned());
        let pipeline = language::load(source, self.folder.path(), None, &overrides, &Self::registry()).unwrap();
        Campaign::new(pipeline, None).unwrap()
    }

    pub(crate) fn run(&self, text: &str, overrides: &[&str]) -> RunReport {
        let options = RunOptions { budget: Resources::cores(2), keep_going: true, ..RunOptions::default() };
        let (_sender, signals) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (campaign, store) = (Arc::new(self.campaign(text, overrides)), Arc::new(self.store()));
        let report = runtime.block_on(run::run(campaign, store, options, signals, Arc::new(Silent))).unwrap();
        // Names of runs sort by time to the millisecond.
        std::thread::sleep(std::time::Duration::from_millis(2));
        report
    }

    pub(crate) fn history(&self) -> History {
        History::read(&self.store().runs_dir(), "toy")
    }
}

/// Changes every byte of every pack of a store: whatever is read next is wrong.
pub(crate) fn damage_packs(store: &Path) {
    // Listed before anything is written: a folder that is read while files are replaced in it may name one twice.
    let packs: Vec<PathBuf> =
        std::fs::read_dir(store.join("packs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in packs {
        let bytes: Vec<u8> = std::fs::read(&path).unwrap().iter().map(|byte| byte ^ 0x55).collect();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
}
