//! Lists for whatever runs commands: GNU parallel, HyperQueue, a loop.

use std::path::PathBuf;

use serde::Serialize;

use super::cut::Wait;
use super::files::{ListFile, Sheet};
use super::shell;

/// An element as a line of `jobs.jsonl`.
#[derive(Serialize)]
struct Job<'a> {
    element: usize,
    stage: &'a str,
    tasks: usize,
    /// To be run in the folder of the list.
    command: Vec<String>,
    cpus: u32,
    memory_bytes: u64,
    gpus: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_seconds: Option<f64>,
    /// Elements that have to be done before.
    after: Vec<usize>,
    /// Stages that have to be done before.
    after_stages: Vec<&'a str>,
}

/// The files: a description of every element, and the bare commands, a file for each stage.
pub(super) fn files(sheet: &Sheet<'_>) -> Result<(Vec<PathBuf>, Vec<ListFile>), serde_json::Error> {
    let graph = &sheet.campaign.graph;
    let mut jobs = String::new();
    let mut commands: Vec<(&str, String)> = Vec::new();
    for array in &sheet.cut.arrays {
        let stage = sheet.stage(array);
        let demand = graph.stage(array.stage).decl.resources;
        if commands.last().is_none_or(|(last, _)| *last != stage) {
            commands.push((stage, String::new()));
        }
        let mut after_stages: Vec<&str> = Vec::new();
        for wait in &array.waits {
            if let Wait::All(other) = wait {
                let name = sheet.stage(&sheet.cut.arrays[*other]);
                if !after_stages.contains(&name) {
                    after_stages.push(name);
                }
            }
        }
        for index in 0..array.count {
            let element = array.first + index;
            let mut command = sheet.site.program.clone();
            command.extend(["exec".to_owned(), ".".to_owned(), element.to_string()]);
            if let Some((_, text)) = commands.last_mut() {
                text.push_str(&shell::command(command.iter().map(String::as_str)));
                text.push('\n');
            }
            let tasks = sheet.cut.elements[element].tasks.len();
            let after = array.waits.iter().filter_map(|wait| match wait {
                Wait::Each(other) => Some(sheet.cut.arrays[*other].first + index),
                Wait::All(_) => None,
            });
            let job = Job {
                element,
                stage,
                tasks,
                command,
                cpus: demand.cpus,
                memory_bytes: demand.memory,
                gpus: demand.gpus,
                expected_seconds: array.expected,
                after: after.collect(),
                after_stages: after_stages.clone(),
            };
            jobs.push_str(&serde_json::to_string(&job)?);
            jobs.push('\n');
        }
    }
    let mut files = vec![ListFile::text("jobs.jsonl", jobs)];
    for (number, (stage, text)) in commands.iter().enumerate() {
        files.push(ListFile::text(format!("commands/{number:02}-{stage}.txt"), text.clone()));
    }
    files.push(ListFile::text("README.md", readme(sheet)));
    Ok((Vec::new(), files))
}

fn readme(sheet: &Sheet<'_>) -> String {
    format!(
        "# Campaign {campaign}: {elements} commands for {tasks} tasks

Made by `mctune jobs --format jsonl`. Each command runs a few tasks whose results the store lacks, and leaves them there. It
may be run twice, on two machines at once, or after it was killed: what is done is not done again.

- `commands/`: one command a line, a file for each stage; the files in the order of their numbers, the lines of a file in any
  order and at the same time. To be run in this folder:

      for stage in commands/*.txt; do parallel -j 8 < \"$stage\"; done

- `jobs.jsonl`: the same with what each needs (cores, memory, GPUs, expected time) and what has to be done before.
- `index.jsonl`, `keys/`, `list.json`: what the commands mean. Not to be edited: every line has its checksum.
- `notes/`, `logs/`: what the commands leave here: how they went, and the logs of tasks that failed.

Exit status of a command: 0 done, 1 tasks failed, 6 other bytes than another machine, 7 inputs are missing, 8 the list does
not fit (the program, a declared file or the list itself has changed), 75 interrupted: to be run again.

At the end `mctune collect` on the pipeline checks that everything is there and writes manifest and campaign digest.
",
        campaign = sheet.header.campaign,
        elements = sheet.header.elements,
        tasks = sheet.header.tasks,
    )
}
