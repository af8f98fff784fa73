//! Starts a program, follows its output, stops it with everything it started.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, Once, PoisonError, RwLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc;

use super::confine::{self, Confinement, Refusal, Watch};
use crate::stage::{StageError, TaskContext};

/// How often a running program is checked against the cancel token.
const POLL: Duration = Duration::from_millis(50);
/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// Longest line of output kept in one piece.
const LINE_LIMIT: u64 = 64 * 1024;

/// Held for reading while a file that may be executed is written, for writing while a program is started.
///
/// A process that is being started has copies of all open files until it becomes the new program. If one of them is a script
/// that another thread is just writing, the system refuses to start that script ("text file busy").
pub(super) static LAUNCH: RwLock<()> = RwLock::new(());

/// What to start.
pub(super) struct Order<'a> {
    pub(super) argv: &'a [String],
    pub(super) env: &'a BTreeMap<String, String>,
    /// Its working directory.
    pub(super) folder: &'a Path,
    /// How it is confined, if it is.
    pub(super) strict: Option<Strictness>,
}

/// How a program is confined.
pub(super) struct Strictness {
    /// Rather not at all than unconfined.
    pub(super) required: bool,
    /// Software it may read besides what is on the `PATH`.
    pub(super) tools: Vec<PathBuf>,
}

/// Runs a program to its end; its output becomes the task's log.
pub(super) fn run(order: &Order<'_>, context: &TaskContext<'_>) -> Result<(), StageError> {
    let confinement = confinement(order, context)?;
    let (status, refused) = on_this_thread(follow(order, confinement, context))??;
    let refused = told(&refused);
    if status.success() {
        if let Some(refused) = refused {
            context.log(&format!("strict: {refused}"));
        }
        return Ok(());
    }
    let program = order.argv.first().map_or("", String::as_str);
    let started = format!("it was started as: {}", shell_line(order.argv));
    Err(match refused {
        None => StageError::with_hint(format!("`{program}` ended with {status}"), started),
        Some(refused) => StageError::with_hint(
            format!("`{program}` ended with {status}; {refused}"),
            format!("list what it reads in `files` or `inputs`, folders with software in `tools`; {started}"),
        ),
    })
}

/// Waits here for `work`: pipes, timers and the ends of programs belong to the thread that wants to know about them.
///
/// On a runtime that is shared between threads, each of these events would wake a thread that wakes another one, some twenty
/// times for a short program; between the processors of a virtual machine that takes longer than the rest of the task.
fn on_this_thread<F: Future>(work: F) -> Result<F::Output, StageError> {
    thread_local! {
        static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }
    RUNTIME.with_borrow_mut(|own| {
        let runtime = match own {
            Some(runtime) => runtime,
            None => own.insert(
                runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|error| StageError::io("cannot prepare for a program", error))?,
            ),
        };
        Ok(runtime.block_on(work))
    })
}

/// The confinement that an order asks for, where the kernel can.
fn confinement(order: &Order<'_>, context: &TaskContext<'_>) -> Result<Option<Confinement>, StageError> {
    let Some(strict) = &order.strict else { return Ok(None) };
    if confine::is_possible() {
        let program = order.argv.first().map_or("", String::as_str);
        // What the stage declares is what the program gets.
        let path = order.env.get("PATH").cloned().or_else(|| std::env::var("PATH").ok()).unwrap_or_default();
        return Ok(Some(Confinement::new(order.folder, program, &path, &strict.tools)));
    }
    let cannot = "this kernel cannot confine programs to files (Landlock, Linux 5.13 or later)";
    if strict.required {
        return Err(StageError::with_hint(
            format!("`strict: required`, but {cannot}"),
            "run it on another machine, or say `strict: true` to confine programs where it is possible",
        ));
    }
    static TOLD: Once = Once::new();
    TOLD.call_once(|| tracing::warn!("{cannot}: commands with `strict: true` run unconfined"));
    context.log(&format!("strict: {cannot}; the program ran unconfined"));
    Ok(None)
}

/// Which files were refused, in a few words.
fn told(refused: &[Refusal]) -> Option<String> {
    const SHOWN: usize = 5;
    let one = |refusal: &Refusal| {
        let what = if refusal.write { "writing" } else { "reading" };
        format!("{what} {}", refusal.path.display())
    };
    let mut list: Vec<String> = refused.iter().take(SHOWN).map(one).collect();
    if refused.len() > SHOWN {
        list.push(format!("{} more", refused.len() - SHOWN));
    }
    (!list.is_empty()).then(|| format!("undeclared, it was refused {}", list.join(", ")))
}

async fn follow(
    order: &Order<'_>,
    confinement: Option<Confinement>,
    context: &TaskContext<'_>,
) -> Result<(ExitStatus, Vec<Refusal>), StageError> {
    let (mut child, watch) = spawn(order, confinement, context)?;
    let _watched = group(&child).map(|group| context.cancel().watch(group));
    let (sender, mut lines) = mpsc::channel(256);
    let readers = [
        child.stdout.take().map(|out| tokio::spawn(read_lines(out, sender.clone()))),
        child.stderr.take().map(|err| tokio::spawn(read_lines(err, sender.clone()))),
    ];
    drop(sender);
    let mut poll = tokio::time::interval(POLL);
    let status = loop {
        tokio::select! {
            Some(line) = lines.recv() => context.log(&line),
            status = child.wait() => break status.map_err(|error| StageError::io("cannot wait for the program", error))?,
            _ = poll.tick() => if context.cancel().is_cancelled() {
                stop(&mut child).await;
                return Err(StageError::Interrupted);
            }
        }
    };
    // What the program wrote before it ended; a grandchild that keeps the pipe open must not hold the task.
    let rest = async {
        while let Some(line) = lines.recv().await {
            context.log(&line);
        }
    };
    drop(tokio::time::timeout(Duration::from_secs(1), rest).await);
    readers.into_iter().flatten().for_each(|reader| reader.abort());
    Ok((status, watch.map(Watch::finish).unwrap_or_default()))
}

fn spawn(
    order: &Order<'_>,
    confinement: Option<Confinement>,
    context: &TaskContext<'_>,
) -> Result<(Child, Option<Watch>), StageError> {
    let program = order.argv.first().map_or("", String::as_str);
    let path = order.env.get("PATH").map(OsString::from).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let mut command = Command::new(on_path(program, &path).as_deref().unwrap_or(Path::new(program)));
    command.arg0(program).args(order.argv.iter().skip(1)).current_dir(order.folder).env_clear();
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env("TMPDIR", order.folder);
    // What the task may take of the machine; like the PATH in no key, since no result may depend on it.
    command.env("MCTUNE_CPUS", context.threads().to_string());
    command.env("CUDA_VISIBLE_DEVICES", context.gpus().join(",")).envs(order.env);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: a Ctrl-C in the terminal reaches mctune alone, which then decides.
    command.process_group(0).kill_on_drop(true);
    let mut launch = || {
        let _no_script_is_open = LAUNCH.write().unwrap_or_else(PoisonError::into_inner);
        command.spawn()
    };
    let launched = match confinement {
        None => launch().map(|child| (child, None)),
        Some(confinement) => {
            let here = runtime::Handle::current();
            let launched = confinement.launch(|| {
                let _signals_and_pipes = here.enter();
                launch()
            });
            launched.map(|confined| (confined.program, Some(confined.watch)))
        }
    };
    launched.map_err(|error| {
        StageError::with_hint(
            format!("cannot start `{program}`: {error}"),
            "is it installed and on the PATH? A script of yours must be listed in `files` and started as `./script`",
        )
    })
}

/// Where a program lies that is named without a folder; nothing if it is named otherwise, or is not there.
///
/// The standard library would find it as well, but only by copying this whole process first: with the page tables of a large
/// campaign that takes longer than most of what the program does. A program whose place is known is started without.
fn on_path(program: &str, path: &OsStr) -> Option<PathBuf> {
    if program.is_empty() || program.contains('/') {
        return None;
    }
    let is_there = |file: &PathBuf| {
        let executable = |metadata: &Metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
        // A relative folder would start at the working directory of the command: the system finds out.
        file.is_absolute() && std::fs::metadata(file).as_ref().is_ok_and(executable)
    };
    // Where it was found last; a `PATH` may be long, and most tasks run the same program.
    static FOUND: Mutex<Option<(String, OsString, PathBuf)>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, _, file)) =
        found.as_ref().filter(|(name, on, file)| name == program && on == path && is_there(file))
    {
        return Some(file.clone());
    }
    let folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    let first_relative = folders.iter().position(|folder| !folder.is_absolute()).unwrap_or(folders.len());
    let file = folders[..first_relative].iter().map(|folder| folder.join(program)).find(is_there)?;
    *found = Some((program.to_owned(), path.to_owned(), file.clone()));
    Some(file)
}

/// Asks the whole process group to end, then makes it.
async fn stop(child: &mut Child) {
    let group = group(child);
    let signal = |signal| group.map(|group| kill_process_group(group, signal));
    signal(Signal::TERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        signal(Signal::KILL);
        drop(child.wait().await);
    }
}

/// The process group of a program that was not waited for yet.
fn group(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

async fn read_lines(stream: impl AsyncRead + Unpin, lines: mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // A longer line is cut into pieces, so that memory stays bounded whatever the program writes.
    while let Ok(1..) = (&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut line).await {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if lines.send(String::from_utf8_lossy(text).into_owned()).await.is_err() {
            return;
        }
        line.clear();
    }
}

/// The command as one could type it into a shell.
fn shell_line(argv: &[String]) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let quote = |word: &String| {
        if !word.is_empty() && word.chars().all(safe) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_where_the_system_would_find_them() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        for (place, mode) in [(&first, 0o644), (&second, 0o755)] {
            std::fs::create_dir(place).unwrap();
            std::fs::write(place.join("tool"), "").unwrap();
            std::fs::set_permissions(place.join("tool"), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = std::env::join_paths([&first, &second]).unwrap();
        assert_eq!(on_path("tool", &path), Some(second.join("tool")), "a file that cannot be executed is passed over");
        assert_eq!(on_path("./tool", &path), None);
        assert_eq!(on_path("other", &path), None);
        let path = std::env::join_paths([Path::new("here"), &second]).unwrap();
        assert_eq!(on_path("tool", &path), None, "a relative folder comes first");
    }

    #[test]
    fn shell_line_quotes_what_needs_it() {
        let argv = ["sh", "-c", "echo 'a b'", ""].map(str::to_owned);
        assert_eq!(shell_line(&argv), r"sh -c 'echo '\''a b'\''' ''");
    }
}
