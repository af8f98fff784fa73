//! `--store-from`: results of others are found, checked, copied in when they are read, and never believed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::server::{Fault, Server};
use super::{ask, damage, files, project};
use crate::project::{Project, labels};

/// Runs a new project over another store; gives it with its report.
fn over(from: &str, arguments: &[&str]) -> (Project, Value) {
    let ours = project();
    let report = ours.run(&[&["--store-from", from], arguments].concat());
    (ours, report)
}

fn packs(project: &Project) -> u64 {
    files(&project.path(".mctune/packs")).iter().map(|pack| std::fs::metadata(pack).unwrap().len()).sum()
}

/// What holds wherever the other store lies.
fn check_sharing(theirs: &Project, from: &str) {
    let digest = &theirs.run(&[])["campaign_digest"];
    let ours = project();
    let plan = ours.mctune(&["plan", "p.yaml", "--store-from", from]);
    assert!(plan.code == 0 && plan.out.ends_with("nothing to do\n"), "{}{}", plan.out, plan.err);
    assert!(!ours.path(".mctune").exists(), "looking leaves no trace");

    let report = ours.run(&["--store-from", from]);
    assert_eq!((labels(&report).len(), &report["campaign_digest"]), (0, digest));
    assert!(packs(&ours) < 1000, "nothing is fetched that nobody reads");
    let get = |from: &[&str], artifact: &str, name: &str| {
        ours.mctune(&[&["get", "p.yaml", artifact, "-o", name], from].concat())
    };
    assert_ne!(get(&[], "leaf[x=1]", "none").code, 0);
    for (artifact, name) in [("leaf[x=1]", "small"), ("leaf[x=3]", "large")] {
        let answer = get(&["--store-from", from], artifact, name);
        assert_eq!(answer.code, 0, "{}", answer.err);
        assert!(ours.text(name).starts_with(&format!("leaf {} times 1 line 1\n", &artifact[7..8])), "{artifact}");
    }

    // A change runs what depends on it, on inputs of the other store, which then are in the own one.
    let changed = ours.run(&["--store-from", from, "--set", "params.word=total"]);
    assert_eq!(labels(&changed), ["all"]);
    assert!(packs(&ours) > 30_000 && !files(&ours.path(".mctune/objects")).is_empty());
    // Without the other store the rest is known, and is computed.
    let plan = ours.mctune(&["plan", "p.yaml", "--tasks"]);
    assert!(plan.code == 2 && plan.out.contains("leaf[x=0]: its result was collected"), "{}", plan.out);
    let report = ours.run(&[]);
    assert_eq!(&report["campaign_digest"], digest);
    assert_eq!(labels(&report), ["leaf[x=0]", "leaf[x=1]", "leaf[x=2]", "leaf[x=3]", "all"]);
    ask(&ours, &["cache", "verify", "p.yaml"], 0);
    // What was fetched belongs to runs, and is collected with them.
    ask(&ours, &["cache", "gc", "p.yaml", "--keep-runs", "1"], 0);
    assert_eq!(labels(&ours.run(&[])), [""; 0]);
}

#[test]
fn results_are_shared_through_a_folder() {
    let theirs = project();
    theirs.run(&[]);
    let store = theirs.path(".mctune");
    let before: Vec<PathBuf> = files(&store);
    check_sharing(&theirs, store.to_str().unwrap());
    let after: Vec<PathBuf> = files(&store).into_iter().filter(|file| !file.starts_with(store.join("runs"))).collect();
    assert!(after.iter().all(|file| before.contains(file)), "the other store is not written");
    let absent = project().mctune(&["run", "p.yaml", "--store-from", "absent"]);
    assert!(absent.code == 4 && absent.err.contains("there is no store at absent"), "{}", absent.err);
    let itself = theirs.mctune(&["run", "p.yaml", "--store-from", ".mctune"]);
    assert_eq!(itself.code, 64, "{}", itself.err);
}

#[test]
fn results_are_shared_through_a_web_server() {
    let theirs = project();
    theirs.run(&[]);
    let server = Server::start(&theirs.path(".mctune"));
    check_sharing(&theirs, &server.address);

    // A second look fetches the listing and the format, and only what is new of journals.
    server.requests();
    let (ours, _) = over(&server.address, &[]);
    assert_eq!(server.requests().iter().filter(|path| path.starts_with("journals/")).count(), 1);
    ours.run(&["--store-from", &server.address]);
    assert_eq!(server.requests(), ["listing", "format"]);
    theirs.run(&["--set", "params.word=new"]);
    let report = ours.run(&["--store-from", &server.address, "--set", "params.word=new"]);
    assert_eq!(labels(&report), [""; 0]);
    assert_eq!(server.requests().iter().filter(|path| path.starts_with("journals/")).count(), 1);
    // Small objects come many at once.
    let get = ours.mctune(&["get", "p.yaml", "leaf[x=1]", "-o", "leaf.txt", "--store-from", &server.address]);
    assert_eq!(get.code, 0, "{}", get.err);
    assert!(server.requests().iter().filter(|path| path.starts_with("packs/")).count() <= 2);
    // Collected over there: its old journals are forgotten here.
    ask(&theirs, &["cache", "gc", "p.yaml", "--keep-runs", "0"], 0);
    let again = ours.mctune(&["run", "p.yaml", "--progress", "none", "--store-from", &server.address]);
    assert_eq!(again.code, 0, "{}", again.err);
}

#[test]
fn nothing_that_comes_from_elsewhere_is_believed() {
    let theirs = project();
    let digest = theirs.run(&[])["campaign_digest"].clone();
    let server = Server::start(&theirs.path(".mctune"));
    for fault in [Fault::Flip, Fault::Short, Fault::Error, Fault::NoRanges] {
        server.set(Fault::None);
        let (ours, _) = over(&server.address, &[]);
        server.set(fault);
        let changed = ours.run(&["--store-from", &server.address, "--set", "params.word=total"]);
        let bad = matches!(fault, Fault::Flip | Fault::Short);
        assert_eq!(labels(&changed).len() > 1, bad, "{fault:?}: {changed}");
        assert_eq!(ours.run(&[])["campaign_digest"], digest, "{fault:?}");
        ask(&ours, &["cache", "verify", "p.yaml"], 0);
    }
    // Damage in a folder.
    server.set(Fault::None);
    let store = theirs.path(".mctune");
    damage(&store, "middle 1 times 1 line 100\n");
    for from in [store.to_str().unwrap(), &server.address] {
        let (ours, _) = over(from, &[]);
        let changed = ours.run(&["--store-from", from, "--set", "params.word=total"]);
        assert_eq!(labels(&changed), ["middle[x=1]", "all"], "{from}");
    }
}

#[test]
fn damage_is_mended_from_another_store() {
    let theirs = project();
    theirs.run(&[]);
    let ours = project();
    ours.run(&[]);
    damage(&ours.path(".mctune"), "leaf 2 times 1 line 100\n");
    damage(&ours.path(".mctune"), "leaf 3 times 1 line 100\n");
    let from = theirs.path(".mctune").display().to_string();
    let report = ask(&ours, &["cache", "verify", "p.yaml", "--repair", "--store-from", &from], 0);
    assert_eq!(super::strings(&report["repair"]["ran"]), [""; 0], "{report}");
    ask(&ours, &["cache", "verify", "p.yaml"], 0);
}

#[test]
fn a_server_that_has_no_store_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let server = Server::start(empty.path());
    let ours = project();
    let run = |from: &str| ours.mctune(&["run", "p.yaml", "--progress", "none", "--store-from", from]);
    let answer = run(&server.address);
    assert!(answer.code == 4 && answer.err.contains("no store with a file `listing`"), "{}", answer.err);
    assert!(answer.err.contains("help: "), "{}", answer.err);
    std::fs::write(empty.path().join("listing"), "<html>").unwrap();
    let answer = run(&server.address);
    assert!(answer.code == 4 && answer.err.contains("cannot be understood"), "{}", answer.err);
    assert_eq!(run("ftp://somewhere/store").code, 64);
}

/// A Python to run servers of others with.
fn python() -> PathBuf {
    std::env::var_os("MCTUNE_TEST_PYTHON").map(PathBuf::from).filter(|path| path.exists()).unwrap_or("python3".into())
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_plainest_web_server_will_do() {
    let theirs = project();
    theirs.run(&[]);
    // It knows no parts of files.
    let started = Command::new(python())
        .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"])
        .arg(theirs.path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else { return super::skipped("no Python 3") };
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _running = Running(child);
    let Some(port) = line.split("port ").nth(1).and_then(|rest| rest.split(' ').next()) else {
        return super::skipped("no Python 3 with http.server");
    };
    check_sharing(&theirs, &format!("http://127.0.0.1:{port}/.mctune"));
}

/// Starts an S3 server with a bucket `shared`; says its address, then waits.
const S3: &str = r"
import boto3, os, sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
address = f'http://{host}:{port}'
s3 = boto3.client('s3', endpoint_url=address, region_name='us-east-1', aws_access_key_id='key', aws_secret_access_key='secret')
s3.create_bucket(Bucket='shared')
root = sys.argv[1]
for folder, _, names in os.walk(root):
    for name in names:
        path = os.path.join(folder, name)
        s3.upload_file(path, 'shared', 'campaigns/' + os.path.relpath(path, root))
print('ready', address, flush=True)
sys.stdin.read()
";

#[test]
fn results_are_shared_through_s3() {
    let theirs = project();
    let digest = theirs.run(&[])["campaign_digest"].clone();
    let Some((_running, address)) = start_s3(&theirs.path(".mctune")) else {
        return super::skipped("no Python with moto and boto3");
    };
    let ours = project();
    let mctune = |arguments: &[&str]| {
        let mut command = ours.command(&ours.path("."), arguments);
        command.env("AWS_ENDPOINT", &address).env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
        command.env("MCTUNE_STORE_FROM", "s3://shared/campaigns");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default()
    };
    let report = mctune(&["run", "p.yaml", "--json", "--progress", "none"]);
    assert_eq!((labels(&report).len(), &report["campaign_digest"]), (0, &digest));
    let report = mctune(&["run", "p.yaml", "--json", "--progress", "none", "--set", "params.word=total"]);
    assert_eq!(labels(&report), ["all"]);
    mctune(&["get", "p.yaml", "leaf[x=3]", "-o", "large"]);
    assert!(ours.text("large").ends_with("leaf 3 times 1 line 60000\n"));
}

fn start_s3(folder: &Path) -> Option<(Running, String)> {
    let mut command = Command::new(python());
    command.args(["-c", S3]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let out = BufReader::new(child.stdout.take()?);
    let running = Running(child);
    let said = out.lines().map_while(Result::ok).find_map(|line| Some(line.strip_prefix("ready ")?.to_owned()));
    said.map(|address| (running, address))
}
