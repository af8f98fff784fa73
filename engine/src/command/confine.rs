//! Confining a program to its declared files (`strict`): Landlock refuses everything else, whatever the program tries.
//!
//! Landlock restricts a thread and what it starts, without privileges. A program is therefore started from a thread that is
//! made for this, restricts itself and ends; nothing else of this process is restricted.
//!
//! Landlock does not tell *which* file it refused (its audit records are for administrators), and what a program prints
//! about it is its own affair. So a second, independent mechanism listens: a seccomp filter tells us of every attempt to open
//! or start a file, and lets all of them pass. It decides nothing; it serves to name the path in the message.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod listener;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "confine/deaf.rs"]
mod listener;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, path_beneath_rules,
};

pub(super) use watch::{Refusal, Watch};

/// What every program may read: the system and the usual places of shared software.
const SYSTEM: [&str; 16] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix",
    "/gnu",
    "/cvmfs",
    "/proc",
    "/sys",
    "/run/current-system",
    "/run/systemd/resolve",
];
/// What every program may use: devices, and shared memory among them.
const DEVICES: &str = "/dev";
/// Access rights that are asked for; an older kernel enforces those it knows.
const RIGHTS: ABI = ABI::V5;

/// The files a program may touch.
#[derive(Debug, Clone)]
pub(super) struct Confinement {
    reads: Vec<PathBuf>,
    writes: Vec<PathBuf>,
}

/// A program that was started in confinement.
pub(super) struct Confined<T> {
    pub(super) program: T,
    pub(super) watch: Watch,
}

/// Whether this kernel can confine programs: Linux 5.13 or later, with Landlock switched on.
pub(super) fn is_possible() -> bool {
    let asked = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::ReadFile);
    asked.and_then(Ruleset::create).is_ok()
}

impl Confinement {
    /// Confines `program`, looked for on `path`, to its working directory and to the software it consists of: the system,
    /// the installations to which folders of `path` belong, and `tools`.
    pub(super) fn new(folder: &Path, program: &str, path: &str, tools: &[PathBuf]) -> Self {
        let folders: Vec<&Path> = path.split(':').filter(|folder| !folder.is_empty()).map(Path::new).collect();
        let mut reads: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        reads.extend(folders.iter().map(|folder| installation(folder)));
        let found = folders.iter().map(|folder| folder.join(program)).find(|file| file.is_file());
        let real = found.and_then(|file| file.canonicalize().ok());
        reads.extend(real.as_deref().and_then(Path::parent).map(installation));
        reads.extend(tools.iter().cloned());
        Self { reads, writes: vec![folder.to_owned(), PathBuf::from(DEVICES)] }
    }

    /// Has `start` run on a thread that is confined.
    ///
    /// # Errors
    /// Whatever `start` reports, and that the thread could not be confined.
    pub(super) fn launch<T: Send>(
        &self,
        start: impl FnOnce() -> std::io::Result<T> + Send,
    ) -> std::io::Result<Confined<T>> {
        let (sender, listener) = mpsc::channel();
        // Made here: a thread that the confined one makes would be confined too, and listen to itself.
        let watch = Watch::start(listener, self);
        let launched = std::thread::scope(|scope| {
            let confined = scope.spawn(|| {
                self.restrict().map_err(|error| std::io::Error::other(error.to_string()))?;
                match listener::install() {
                    // The watch is there as long as `watch` is; if it were not, opens would fail rather than hang.
                    Ok(listener) => drop(sender.send(listener)),
                    Err(error) => {
                        drop(sender);
                        tracing::debug!(%error, "refused files cannot be named");
                    }
                }
                start()
            });
            confined.join().unwrap_or_else(|_| Err(std::io::Error::other("the confined thread panicked")))
        });
        launched.map(|program| Confined { program, watch })
    }

    /// Restricts the calling thread, for good.
    fn restrict(&self) -> Result<(), RulesetError> {
        Ruleset::default()
            .handle_access(AccessFs::from_all(RIGHTS))?
            .create()?
            .add_rules(path_beneath_rules(&self.reads, AccessFs::from_read(RIGHTS)))?
            .add_rules(path_beneath_rules(&self.writes, AccessFs::from_all(RIGHTS)))?
            .restrict_self()?;
        Ok(())
    }
}

/// The installation that a folder of programs belongs to: `/home/me/env` of `/home/me/env/bin`. A home directory is none.
fn installation(folder: &Path) -> PathBuf {
    let programs = folder.file_name().is_some_and(|name| name == "bin" || name == "sbin" || name == "shims");
    let home = std::env::var_os("HOME").map(PathBuf::from);
    match folder.parent() {
        Some(parent) if programs && parent.parent().is_some() && home.as_deref() != Some(parent) => parent.to_owned(),
        _ => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests;
