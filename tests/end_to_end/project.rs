//! Small projects of their own: a pipeline of commands in a temporary folder, and the binary to run on it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) struct Project {
    folder: tempfile::TempDir,
}

/// What a command did.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Project {
    /// A folder with these files in it; those that begin with `#!` may be executed.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            if text.starts_with("#!") {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        Self { folder }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub(crate) fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mctune"));
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command
    }

    /// Runs the program in the project's folder.
    pub(crate) fn mctune(&self, arguments: &[&str]) -> Answer {
        self.mctune_in(self.folder.path(), arguments)
    }

    /// Runs the program in another folder.
    pub(crate) fn mctune_in(&self, folder: &Path, arguments: &[&str]) -> Answer {
        let Output { status, stdout, stderr } = self.command(folder, arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    /// Starts the program in the project's folder; what it prints goes to the files `out` and `err`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let file = |name: &str| std::fs::File::create(self.path(name)).unwrap();
        self.command(self.folder.path(), arguments).stdout(file("out")).stderr(file("err")).spawn().unwrap()
    }

    /// Runs `p.yaml` with further arguments; gives its report, which must be complete.
    pub(crate) fn run(&self, arguments: &[&str]) -> Value {
        let answer = self.mctune(&[&["run", "p.yaml", "--json", "--progress", "none"], arguments].concat());
        assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
        serde_json::from_str(&answer.out).unwrap()
    }

    /// Labels of the tasks that a run computes.
    pub(crate) fn ran(&self, arguments: &[&str]) -> Vec<String> {
        labels(&self.run(arguments))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

/// Labels of the tasks that ran, from a report.
pub(crate) fn labels(report: &Value) -> Vec<String> {
    report["ran"].as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned()).collect()
}

/// Waits until something holds; fails after twenty seconds.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, process: u32) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} {process}");
}

/// Whether a process lives; one that ended and was not waited for does not.
pub(crate) fn is_alive(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", process.trim())).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}
