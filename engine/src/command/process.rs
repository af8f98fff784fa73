//! Starts a program, follows its output, stops it with everything it started.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

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

/// Runs `argv` in `folder` to its end; its output becomes the task's log.
pub(super) fn run(
    argv: &[String],
    env: &BTreeMap<String, String>,
    folder: &Path,
    context: &TaskContext<'_>,
) -> Result<(), StageError> {
    let status = context.runtime().block_on(follow(argv, env, folder, context))?;
    if status.success() {
        return Ok(());
    }
    Err(StageError::with_hint(
        format!("`{}` ended with {status}", argv.first().map_or("", String::as_str)),
        format!("it was started as: {}", shell_line(argv)),
    ))
}

async fn follow(
    argv: &[String],
    env: &BTreeMap<String, String>,
    folder: &Path,
    context: &TaskContext<'_>,
) -> Result<ExitStatus, StageError> {
    let mut child = spawn(argv, env, folder, context)?;
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
    Ok(status)
}

fn spawn(
    argv: &[String],
    env: &BTreeMap<String, String>,
    folder: &Path,
    context: &TaskContext<'_>,
) -> Result<Child, StageError> {
    let program = argv.first().map_or("", String::as_str);
    let mut command = Command::new(program);
    command.args(argv.iter().skip(1)).current_dir(folder).env_clear();
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env("TMPDIR", folder);
    // What the task may take of the machine; like the PATH in no key, since no result may depend on it.
    command.env("MCTUNE_CPUS", context.threads().to_string());
    command.env("CUDA_VISIBLE_DEVICES", context.gpus().join(",")).envs(env);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: a Ctrl-C in the terminal reaches mctune alone, which then decides.
    command.process_group(0).kill_on_drop(true);
    let launched = {
        let _no_script_is_open = LAUNCH.write().unwrap_or_else(PoisonError::into_inner);
        command.spawn()
    };
    launched.map_err(|error| {
        StageError::with_hint(
            format!("cannot start `{program}`: {error}"),
            "is it installed and on the PATH? A script of yours must be listed in `files` and started as `./script`",
        )
    })
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
    fn shell_line_quotes_what_needs_it() {
        let argv = ["sh", "-c", "echo 'a b'", ""].map(str::to_owned);
        assert_eq!(shell_line(&argv), r"sh -c 'echo '\''a b'\''' ''");
    }
}
