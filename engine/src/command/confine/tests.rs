//! Confined programs. Where the kernel has no Landlock these tests say so and prove nothing.

use std::process::{Command, Output, Stdio};

use super::*;

/// Runs a shell line in confinement; nothing where the kernel cannot confine.
fn confined(folder: &Path, tools: &[PathBuf], line: &str) -> Option<(Output, Vec<Refusal>)> {
    if !is_possible() {
        eprintln!("SKIPPED: this kernel has no Landlock");
        return None;
    }
    let path = std::env::var("PATH").unwrap();
    let confinement = Confinement::new(folder, "sh", &path, tools);
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let confined = confinement.launch(|| command.spawn()).unwrap();
    let output = confined.program.wait_with_output().unwrap();
    let refused = confined.watch.finish();
    Some((output, refused))
}

struct Places {
    outer: tempfile::TempDir,
}

impl Places {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        for folder in ["work", "data", "tools"] {
            std::fs::create_dir(outer.path().join(folder)).unwrap();
        }
        std::fs::write(outer.path().join("data/secret"), "secret").unwrap();
        std::fs::write(outer.path().join("tools/table"), "table").unwrap();
        Self { outer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.outer.path().canonicalize().unwrap().join(name)
    }
}

#[test]
fn what_is_declared_can_be_used() {
    let places = Places::new();
    let work = places.path("work");
    std::fs::write(work.join("input"), "7").unwrap();
    let line = "cat input > output && echo x > /dev/null && mkdir sub && mv output sub/moved && sort sub/moved && ls /usr > list";
    let Some((output, refused)) = confined(&work, &[], line) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(refused, []);
    assert_eq!(std::fs::read_to_string(work.join("sub/moved")).unwrap(), "7");
    // This process itself is not confined, nor are its other threads.
    assert_eq!(std::fs::read_to_string(places.path("data/secret")).unwrap(), "secret");
}

#[test]
fn what_is_not_declared_is_refused_and_named() {
    let places = Places::new();
    let (work, secret) = (places.path("work"), places.path("data/secret"));
    let read = |write| Refusal { path: secret.clone(), write };
    // By its absolute path, by a relative one, through a link, and by a program two steps down.
    std::os::unix::fs::symlink(&secret, work.join("link")).unwrap();
    for line in [
        format!("cat {}", secret.display()),
        "cat ../data/secret".into(),
        "cat link".into(),
        "sh -c 'cat < link'".into(),
    ] {
        let Some((output, refused)) = confined(&work, &[], &line) else { return };
        assert!(!output.status.success(), "{line}");
        assert_eq!(refused, [read(false)], "{line}");
        assert_eq!(output.stdout, b"", "{line}");
    }
    let Some((output, refused)) = confined(&work, &[], "echo x > ../data/new || echo y > ../data/secret") else {
        return;
    };
    assert!(!output.status.success());
    assert_eq!(refused, [Refusal { path: places.path("data/new"), write: true }, read(true)]);
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
    // A program that lives with it: the task may succeed, and what was refused is known.
    let Some((output, refused)) = confined(&work, &[], "cat ../data/secret 2> err; true") else { return };
    assert!(output.status.success());
    assert_eq!(refused, [read(false)]);
}

#[test]
fn tools_may_be_read_but_not_written() {
    let places = Places::new();
    let (work, tools) = (places.path("work"), places.path("tools"));
    let Some((output, refused)) = confined(&work, std::slice::from_ref(&tools), "cat ../tools/table") else { return };
    assert!(output.status.success() && refused.is_empty());
    let Some((output, refused)) = confined(&work, std::slice::from_ref(&tools), "echo x > ../tools/table") else {
        return;
    };
    assert!(!output.status.success());
    assert_eq!(refused, [Refusal { path: tools.join("table"), write: true }]);
}

#[test]
fn installations_are_what_programs_belong_to() {
    let of = |folder: &str| installation(Path::new(folder)).display().to_string();
    assert_eq!(of("/opt/env/bin"), "/opt/env");
    assert_eq!(of("/srv/programs"), "/srv/programs");
    assert_eq!(of("/bin"), "/bin", "not the whole file system");
    let home = std::env::var("HOME").unwrap_or_default();
    if home.len() > 1 {
        assert_eq!(of(&format!("{home}/bin")), format!("{home}/bin"), "not the whole home directory");
    }
}
