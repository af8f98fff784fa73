//! Starts a program and tells how it ended.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, Once, PoisonError, RwLock};

use super::confine::{self, Confinement, Refusal, Watch};
use super::program::{Ended, Program};
use crate::stage::{StageError, TaskContext};

/// Held for writing while a file that may be executed is written, for reading while a program is started.
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

/// Runs a program to its end; its output becomes the task's log. Says whether nothing that it started is known to run.
pub(super) fn run(order: &Order<'_>, context: &TaskContext<'_>) -> Result<bool, StageError> {
    let confinement = confinement(order, context)?;
    let (program, watch) = spawn(order, confinement, context)?;
    let Ended { status, alone } = program.follow(context)?;
    let refused = watch.map(Watch::finish).unwrap_or_default();
    let refused = told(&refused);
    if status.success() {
        if let Some(refused) = refused {
            context.log(&format!("strict: {refused}"));
        }
        return Ok(alone);
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

fn spawn(
    order: &Order<'_>,
    confinement: Option<Confinement>,
    context: &TaskContext<'_>,
) -> Result<(Program, Option<Watch>), StageError> {
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
    // A group of its own: a Ctrl-C in the terminal reaches mctune alone, which then decides.
    command.stdin(Stdio::null()).process_group(0);
    // One pipe for both, so that the log has its lines in the order in which they were written.
    let mut launch = move || {
        let (output, writer) = std::io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer);
        let _no_script_is_open = LAUNCH.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Program::new(command.spawn()?, output))
    };
    let launched = match confinement {
        None => launch().map(|program| (program, None)),
        Some(confinement) => confinement.launch(launch).map(|confined| (confined.program, Some(confined.watch))),
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
