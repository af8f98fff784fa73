//! A pipeline with a store and a site, and a batch system to run it on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What a command did.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The same, if the command ended as it should.
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }
}

/// A folder with a pipeline `p.yaml` and a site.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    /// Environment of the batch system.
    pub(crate) environment: Vec<(String, String)>,
    /// Arguments that choose the campaign.
    pub(crate) campaign: Vec<String>,
}

impl Place {
    pub(crate) fn new(pipeline: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("mctune it's \"a\" list ").tempdir().unwrap();
        let place = Self { folder, environment: Vec::new(), campaign: vec!["p.yaml".to_owned()] };
        let here = place.path("").display().to_string();
        // Pipelines name the folder where their programs leave traces.
        place.write("p.yaml", &pipeline.replace("FOLDER", &serde_json::to_string(&here).unwrap()));
        place
    }

    /// The smoke campaign of the project.
    pub(crate) fn smoke() -> Self {
        let mut place = Self::new("");
        let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
        let copied = Command::new("cp").arg("-R").arg(pipelines.join(".")).arg(place.path("")).status().unwrap();
        assert!(copied.success());
        place.campaign = ["juno.yaml", "--profile", "smoke"].map(str::to_owned).to_vec();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Writes the site file: the program under test, and more lines.
    pub(crate) fn site(&self, more: &str) {
        let environment: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}: '{value}'")).collect();
        self.write(
            "site.yaml",
            &format!(
                "program: {:?}\nenvironment: {{ {} }}\npatience: 3 s\n{more}",
                env!("CARGO_BIN_EXE_mctune"),
                environment.join(", ")
            ),
        );
    }

    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path("")).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.path(""));
        command.envs(self.environment.iter().cloned());
        command
    }

    pub(crate) fn mctune(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(env!("CARGO_BIN_EXE_mctune"), arguments).output().unwrap())
    }

    /// A command on the campaign.
    pub(crate) fn on_campaign(&self, command: &str, more: &[&str]) -> Answer {
        let mut arguments = vec![command];
        arguments.extend(self.campaign.iter().map(String::as_str));
        arguments.extend(more);
        self.mctune(&arguments)
    }

    /// The campaign digest of a local run of a copy of the pipeline with a store of its own.
    pub(crate) fn local_digest(&self) -> String {
        let answer = self.on_campaign("run", &["--json", "--progress", "none", "--store", "local store"]).with_code(0);
        digest(&answer)
    }

    /// Collects the campaign, which must be complete: its digest.
    pub(crate) fn collected(&self) -> String {
        digest(&self.on_campaign("collect", &["--json"]).with_code(0))
    }

    /// How many tasks of all stages stand so.
    pub(crate) fn count(&self, state: &str) -> u64 {
        let answer = self.on_campaign("status", &["--json"]);
        let status: Value =
            serde_json::from_str(&answer.out).unwrap_or_else(|_| panic!("{}{}", answer.out, answer.err));
        status["stages"].as_array().unwrap().iter().map(|stage| stage[state].as_u64().unwrap()).sum()
    }

    /// Waits until nothing of the campaign is in the queue.
    pub(crate) fn wait(&self, seconds: u64) {
        let began = Instant::now();
        loop {
            let answer = self.on_campaign("status", &["--json"]);
            let status: Value =
                serde_json::from_str(&answer.out).unwrap_or_else(|_| panic!("{}{}", answer.out, answer.err));
            if status["live"] == false {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(seconds), "still in the queue: {}", answer.out);
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

fn digest(answer: &Answer) -> String {
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    report["campaign_digest"].as_str().unwrap_or_else(|| panic!("no digest: {}", answer.out)).to_owned()
}

/// Whether this is root, who alone may start jobs for others; says so if not.
fn is_root() -> bool {
    let answer = Answer::of(Command::new("id").arg("-u").output().unwrap());
    let root = answer.out.trim() == "0";
    if !root {
        say("SKIPPED: a test with a real Slurm needs root\n");
    }
    root
}

/// Says something past the capture of the test harness: whoever reads the output of CI sees what was not tested.
pub(crate) fn say(text: &str) {
    drop(std::io::Write::write_all(&mut std::io::stderr().lock(), text.as_bytes()));
}

/// Whether programs are there; says so if not.
pub(crate) fn have(programs: &[&str], why: &str) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| find(program).is_none()).collect();
    if !missing.is_empty() {
        say(&format!("SKIPPED: {why} needs {missing:?}, which cannot be found\n"));
    }
    missing.is_empty()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.exists())
}

/// A Slurm of our own, ended when dropped.
pub(crate) struct Slurm {
    folder: tempfile::TempDir,
}

static PORT: AtomicU16 = AtomicU16::new(0);

impl Slurm {
    /// Starts one, if its programs are there, and tells the place about it.
    pub(crate) fn start(place: &mut Place) -> Option<Self> {
        let programs = ["sbatch", "squeue", "scontrol", "slurmctld", "slurmd", "munged", "munge"];
        if !have(&programs, "a test with a real Slurm") || !is_root() {
            return None;
        }
        // Unix sockets want short paths.
        let slurm = Self { folder: tempfile::Builder::new().prefix("sl").tempdir_in("/tmp").unwrap() };
        let answer = slurm.script(&["up", &slurm.dir(), &free_port().to_string()]);
        assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
        place.environment.push(("SLURM_CONF".to_owned(), format!("{}/slurm.conf", slurm.dir())));
        Some(slurm)
    }

    fn dir(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn script(&self, arguments: &[&str]) -> Answer {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/slurm.sh");
        Answer::of(Command::new(script).args(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Ends a node at once, with everything that runs on it.
    pub(crate) fn crash(&self, node: &str) {
        self.script(&["crash", &self.dir(), node]).with_code(0);
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        self.script(&["down", &self.dir()]);
    }
}

/// The first of four free ports, for one test of this process.
fn free_port() -> u16 {
    loop {
        let offset = PORT.fetch_add(8, Ordering::Relaxed) % 8000;
        let process = u16::try_from(std::process::id() % 800).unwrap() * 10;
        let first = 20_000 + (offset + process) % 12_000;
        if (first..first + 4).all(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
}
