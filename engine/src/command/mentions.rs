//! Words of a command line that may be names of files.

use std::path::{Component, Path, PathBuf};

use super::{CommandParams, Run};
use crate::stage::FileDependency;

/// Folders with the system and its software, which nobody declares.
const SYSTEM: [&str; 11] = ["/bin", "/dev", "/etc", "/lib", "/lib64", "/opt", "/proc", "/run", "/sbin", "/sys", "/usr"];

/// Words of `run` that could be files the task reads: neither declared, nor an output, nor an input, nor of the system.
pub(super) fn of(params: &CommandParams) -> Vec<FileDependency> {
    let words: Vec<(String, String)> = match &params.run {
        Run::Shell(text) => split(text).map(|word| ("run".to_owned(), word.to_owned())).collect(),
        Run::Program(arguments) => {
            let texts = arguments.iter().enumerate().map(|(at, argument)| (format!("run[{at}]"), argument.text()));
            // `sh -c TEXT` is a list with a whole command line in it; `--config=FILE` names a file too.
            texts
                .flat_map(|(at, text)| split(&text).map(|word| (at.clone(), word.to_owned())).collect::<Vec<_>>())
                .collect()
        }
    };
    let mut found: Vec<FileDependency> = Vec::new();
    for (param, word) in words {
        let path = tidy(Path::new(&word));
        if is_candidate(&path, params) && !found.iter().any(|known| known.path == path) {
            found.push(FileDependency { param, path });
        }
    }
    found
}

/// Words between spaces and what has a meaning for a shell.
fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || ";|&<>()\"'`=$*?{},:".contains(letter))
        .filter(|word| !word.is_empty() && !word.starts_with('-'))
}

/// Without `./`.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

fn is_candidate(path: &Path, params: &CommandParams) -> bool {
    let covered = |known: &Path| path.starts_with(tidy(known));
    let is_own = params.files.iter().chain(params.outputs.values()).any(|known| covered(known));
    let is_tool = params.tools.iter().any(|known| covered(known));
    let is_of_the_system = path.is_absolute() && SYSTEM.iter().any(|folder| path.starts_with(folder));
    // A bare file name of a declared file in a folder elsewhere: that is where it stands in the working directory.
    let stands_here = params.files.iter().any(|known| known.file_name() == Some(path.as_os_str()));
    !(path.as_os_str().is_empty() || is_own || is_tool || is_of_the_system || stands_here || path.starts_with("inputs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentioned(with: serde_json::Value) -> Vec<(String, String)> {
        let params: CommandParams = serde_json::from_value(with).unwrap();
        of(&params).into_iter().map(|file| (file.param, file.path.display().to_string())).collect()
    }

    #[test]
    fn words_that_may_be_files_are_found() {
        let found = mentioned(serde_json::json!({
            "run": "python3 ./tools/fit.py --table=data/a.csv <inputs/x/y.csv >out.csv; cat /usr/share/x '/data/b'",
            "outputs": {"out": "out.csv"},
        }));
        let paths: Vec<&str> = found.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!(paths, ["python3", "tools/fit.py", "data/a.csv", "cat", "/data/b"]);
        let found = mentioned(serde_json::json!({
            "run": ["python3", "fit.py", "--seed", 5, "./data/a.csv", "b.csv", "c.csv"],
            "files": ["fit.py", "data", "/elsewhere/b.csv"],
            "outputs": {"out": "out.csv"},
        }));
        assert_eq!(
            found,
            [("run[0]", "python3"), ("run[3]", "5"), ("run[6]", "c.csv")].map(|(a, b)| (a.into(), b.into()))
        );
    }
}
