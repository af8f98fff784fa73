//! The name of one writing process, under which its journal and packs are filed.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Name of one opened store that writes: `<milliseconds since 1970>-<host>-<process>-<random>`, the first and last in
/// hexadecimal.
///
/// No two are alike, so that nobody ever appends to what another process, living or dead, has begun. Names sort by time,
/// which keeps folder listings and the order in which journals are read readable; nothing relies on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct WriterId(Arc<str>);

impl WriterId {
    /// A new name.
    pub(crate) fn new() -> Self {
        let host: String =
            host_name().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '.').take(40).collect();
        // `RandomState` takes its keys from the system once a thread and counts on from there.
        let random = RandomState::new().hash_one(std::thread::current().id());
        Self(format!("{:012x}-{host}-{}-{:08x}", now_ms(), std::process::id(), random & 0xffff_ffff).into())
    }

    /// The name in `text`, if it can be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let usable = (1..=120).contains(&text.len()) && !text.starts_with('.') && text.chars().all(plain);
        usable.then(|| Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of this machine.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |past| u64::try_from(past.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_can_be_file_names() {
        let names: std::collections::HashSet<_> = (0..1000).map(|_| WriterId::new()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| WriterId::parse(name.as_str()).as_ref() == Some(name)));
        for bad in ["", ".hidden", "a/b", "a b", "..", "é"] {
            assert_eq!(WriterId::parse(bad), None, "{bad}");
        }
    }
}
