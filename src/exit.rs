//! Exit codes, and how an error is shown.

use std::process::ExitCode;

use mctune_cache::{LowerError, ReadError, StoreError};
use mctune_engine::campaign::SelectError;
use mctune_engine::graph::GraphError;
use mctune_engine::jobs::element::ElementError;
use mctune_engine::jobs::{CutError, ListError};
use mctune_engine::language::Diagnostics;
use mctune_engine::manifest::ManifestError;
use mctune_engine::resolve::ResolveError;
use mctune_engine::run::RunError;

/// How the program ends. The numbers are part of its interface: scripts and batch systems read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Done,
    TasksFailed,
    WorkToDo,
    BadPipeline,
    BadStore,
    NotFound,
    Damaged,
    InputsMissing,
    BadList,
    Again,
    Usage,
    Internal,
    Interrupted,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Done => 0,
            Code::TasksFailed => 1,
            Code::WorkToDo => 2,
            Code::BadPipeline => 3,
            Code::BadStore => 4,
            Code::NotFound => 5,
            Code::Damaged => 6,
            Code::InputsMissing => 7,
            Code::BadList => 8,
            Code::Again => 75,
            Code::Usage => 64,
            Code::Internal => 70,
            Code::Interrupted => 130,
        })
    }
}

/// Something asked for by name is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotFound(pub(crate) String);

/// Arguments that contradict each other or the file system.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Prints an error and says with which code to end.
#[expect(clippy::print_stderr, reason = "the one place where errors are shown")]
pub(crate) fn report(error: &anyhow::Error) -> Code {
    if let Some(diagnostics) = error.downcast_ref::<Diagnostics>() {
        eprint!("{diagnostics}");
        return Code::BadPipeline;
    }
    eprintln!("error: {error:#}");
    if let Some(hint) = hint(error) {
        eprintln!("  help: {hint}");
    }
    if let Some(StoreError::Io { .. }) = error.downcast_ref::<StoreError>() {
        return Code::BadStore;
    }
    classify(error)
}

/// What the user can do about an error of a store, wherever in the chain of causes it stands.
fn hint(error: &anyhow::Error) -> Option<&'static str> {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    error.chain().find_map(|cause| {
        // Whatever was being written: of a store, a manifest.
        let is_full = |error: &std::io::Error| matches!(error.kind(), StorageFull | QuotaExceeded);
        if cause.downcast_ref::<std::io::Error>().is_some_and(is_full) {
            return Some("free some space and run again: everything that was finished is kept");
        }
        let store = cause.downcast_ref::<StoreError>().and_then(StoreError::hint);
        let read = || match cause.downcast_ref::<ReadError>() {
            Some(ReadError::Store(error)) => error.hint(),
            _ => None,
        };
        let run = || match cause.downcast_ref::<RunError>() {
            Some(RunError::Store(error)) => error.hint(),
            _ => None,
        };
        store.or_else(read).or_else(run).or_else(|| cause.downcast_ref::<LowerError>().and_then(LowerError::hint))
    })
}

fn classify(error: &anyhow::Error) -> Code {
    if error.is::<NotFound>() || error.is::<SelectError>() {
        return Code::NotFound;
    }
    if error.is::<Usage>() {
        return Code::Usage;
    }
    if error.is::<GraphError>() || error.is::<ResolveError>() {
        return Code::BadPipeline;
    }
    if error.is::<ListError>() {
        return Code::BadList;
    }
    match error.downcast_ref::<ElementError>() {
        Some(ElementError::List(_) | ElementError::Resolve(_)) => return Code::BadList,
        Some(ElementError::Store(_)) => return Code::BadStore,
        None => {}
    }
    if error.is::<CutError>() {
        return Code::BadPipeline;
    }
    if error.is::<StoreError>() || error.is::<LowerError>() || error.is::<ReadError>() || error.is::<ManifestError>() {
        return Code::BadStore;
    }
    match error.downcast_ref::<RunError>() {
        Some(RunError::Store(_) | RunError::Manifest(_)) => Code::BadStore,
        Some(RunError::Resolve(_) | RunError::TooLarge(_)) => Code::BadPipeline,
        None => Code::Internal,
    }
}
