//! HTCondor: one DAG for the campaign. A node is an element; a whole stage that is waited for becomes a join.
//!
//! A node whose tasks are done already is not submitted at all (`PRE_SKIP`). What DAGMan writes when nodes fail, its rescue
//! file, stays valid: nodes are named after elements, and an element runs only what the store lacks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use super::cut::{Array, Wait};
use super::files::{ListFile, Sheet};
use super::{shell, slurm};

/// What `done.sh` says of a node that need not run.
const NOTHING_TO_DO: u8 = 9;
/// What an element says when tasks of it failed: trying again gives the same.
const TASKS_FAILED: u8 = 1;

/// Name by which the jobs of a list are found in the queue.
#[must_use]
pub fn batch_name(id: &str) -> String {
    format!("mctune-{id}")
}

pub(super) fn files(sheet: &Sheet<'_>) -> (Vec<PathBuf>, Vec<ListFile>) {
    let mut folders = Vec::new();
    let mut files = vec![
        ListFile::program("element.sh", element_script(sheet)),
        ListFile::program("done.sh", done_script(sheet)),
        ListFile::text("campaign.dag", dag(sheet)),
        ListFile::program("submit.sh", submit(sheet)),
        ListFile::text("README.md", readme(sheet)),
    ];
    let mut seen = HashSet::new();
    for array in &sheet.cut.arrays {
        if seen.insert(array.stage) {
            folders.push(format!("logs/elements/{}", sheet.stage(array)).into());
            files.push(ListFile::text(format!("{}.sub", sheet.stage(array)), description(sheet, array)));
        }
    }
    (folders, files)
}

fn head(sheet: &Sheet<'_>, what: &str) -> String {
    format!(
        "#!/bin/bash
# {what} Made by mctune for campaign {}.
set -uo pipefail
[ -f list.json ] || {{ echo \"no list in $PWD\" >&2; exit {}; }}
{}",
        sheet.header.campaign,
        slurm::NO_LIST,
        slurm::surroundings(sheet)
    )
}

fn element_script(sheet: &Sheet<'_>) -> String {
    let program = shell::command(sheet.site.program.iter().map(String::as_str));
    format!("{}exec {program} exec . \"$1\"\n", head(sheet, "Runs an element."))
}

fn done_script(sheet: &Sheet<'_>) -> String {
    let program = shell::command(sheet.site.program.iter().map(String::as_str));
    format!(
        "{}{program} exec . \"$1\" --check >/dev/null && exit {NOTHING_TO_DO}\nexit 0\n",
        head(sheet, "Says whether an element need not be submitted.")
    )
}

/// A value in a submit description's `environment`: in single quotes, doubled inside, and double quotes doubled around all.
fn environment(variables: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| format!("{name}='{}'", value.replace('\'', "''").replace('"', "\"\""));
    variables.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn description(sheet: &Sheet<'_>, array: &Array) -> String {
    let (site, stage) = (sheet.site, sheet.stage(array));
    let settings = site.of(stage);
    let demand = sheet.campaign.graph.stage(array.stage).decl.resources;
    let arrays = sheet.cut.arrays.iter().filter(|other| other.stage == array.stage);
    let expected = arrays.filter_map(|array| array.expected).reduce(f64::max);
    let time = slurm::walltime(settings.walltime, expected, site.limits.walltime);
    let memory = if demand.memory > 0 { Some(demand.memory) } else { settings.memory.map(|memory| memory.0) };
    let mut lines = vec![
        format!("# Stage {stage} of campaign {}. Made by mctune; campaign.dag names it.", sheet.header.campaign),
        "universe = vanilla".to_owned(),
        "executable = element.sh".to_owned(),
        "arguments = $(element)".to_owned(),
        "transfer_executable = False".to_owned(),
        "should_transfer_files = NO".to_owned(),
        "getenv = False".to_owned(),
        format!("environment = \"{}\"", environment(&[("MCTUNE_ATTEMPT", "$(RETRY)")])),
        "log = state/condor.log".to_owned(),
        format!("output = logs/elements/{stage}/$(element).out"),
        format!("error = logs/elements/{stage}/$(element).err"),
        format!("request_cpus = {}", demand.cpus),
    ];
    lines.extend(memory.map(|bytes| format!("request_memory = {}", bytes.div_ceil(1 << 20).max(1))));
    if demand.gpus > 0 {
        lines.push(format!("request_gpus = {}", demand.gpus));
    }
    // SIGTERM makes an element checkpoint; it has so long for that.
    lines.push("kill_sig = SIGTERM".to_owned());
    lines.push(format!("job_max_vacate_time = {}", site.warning.as_secs().max(1)));
    lines.push(format!(
        "periodic_remove = (JobStatus == 2) && ((time() - EnteredCurrentStatus) > {})",
        time.as_secs().max(60)
    ));
    lines.extend(settings.account.iter().map(|account| format!("accounting_group = {}", account.0)));
    lines.extend(settings.constraint.iter().map(|constraint| format!("requirements = {}", constraint.0)));
    lines.extend(settings.options.iter().map(|option| option.0.clone()));
    lines.push("queue".to_owned());
    lines.join("\n") + "\n"
}

/// Name of the node of an element.
fn node(stage: &str, element: usize) -> String {
    format!("{stage}-{element}")
}

fn dag(sheet: &Sheet<'_>) -> String {
    let (cut, site) = (sheet.cut, sheet.site);
    let mut text = format!(
        "# Campaign {}: {} nodes for {} tasks. Made by mctune; submit.sh hands it to DAGMan.\n\
         NODE_STATUS_FILE state/nodes.status 30\nJOBSTATE_LOG state/jobstate.log\n",
        sheet.header.campaign, sheet.header.elements, sheet.header.tasks
    );
    let mut stages = HashSet::new();
    for array in &cut.arrays {
        let stage = sheet.stage(array);
        if stages.insert(array.stage) && site.limits.running > 0 {
            let _ = writeln!(text, "MAXJOBS {} {}", category(stage), site.limits.running);
        }
        for element in array.first..array.first + array.count {
            let name = node(stage, element);
            let _ = write!(
                text,
                "JOB {name} {stage}.sub\nVARS {name} element=\"{element}\"\n\
                 RETRY {name} {} UNLESS-EXIT {TASKS_FAILED}\n\
                 SCRIPT PRE {name} done.sh {element}\nPRE_SKIP {name} {NOTHING_TO_DO}\nCATEGORY {name} {}\n",
                site.requeues,
                category(stage),
            );
        }
    }
    text.push_str(&edges(sheet));
    text
}

fn category(stage: &str) -> String {
    format!("stage_{stage}")
}

/// Dependences: node by node where elements correspond, through a join where a whole stage is waited for.
fn edges(sheet: &Sheet<'_>) -> String {
    let cut = sheet.cut;
    let mut text = String::new();
    let mut joins = HashSet::new();
    let names = |array: &Array| {
        let stage = sheet.stage(array).to_owned();
        (array.first..array.first + array.count).map(move |element| node(&stage, element))
    };
    for array in &cut.arrays {
        let mut whole: Vec<&str> = Vec::new();
        for wait in &array.waits {
            match wait {
                Wait::Each(other) => {
                    for (before, after) in names(&cut.arrays[*other]).zip(names(array)) {
                        let _ = writeln!(text, "PARENT {before} CHILD {after}");
                    }
                }
                Wait::All(other) => {
                    let stage = sheet.stage(&cut.arrays[*other]);
                    if !whole.contains(&stage) {
                        whole.push(stage);
                    }
                }
            }
        }
        for stage in whole {
            let join = format!("after_{stage}");
            let all = cut.arrays.iter().filter(|other| sheet.stage(other) == stage);
            if joins.insert(stage.to_owned()) {
                let _ = writeln!(text, "JOB {join} {stage}.sub NOOP");
                let parents: Vec<String> = all.flat_map(names).collect();
                for some in parents.chunks(100) {
                    let _ = writeln!(text, "PARENT {} CHILD {join}", some.join(" "));
                }
            }
            let children: Vec<String> = names(array).collect();
            for some in children.chunks(100) {
                let _ = writeln!(text, "PARENT {join} CHILD {}", some.join(" "));
            }
        }
    }
    text
}

fn submit(sheet: &Sheet<'_>) -> String {
    let batch = batch_name(sheet.id());
    format!(
        "#!/bin/bash
# Hands campaign {campaign} to DAGMan. May be run again at any time: while the DAG is in the queue nothing is added; after
# nodes have failed, DAGMan goes on from its rescue file.
#   submit.sh             submit
#   submit.sh --dry-run   show what would be submitted instead
set -euo pipefail
cd -- \"$(dirname -- \"${{BASH_SOURCE[0]}}\")\"
mkdir -p state
# Two at once: the second waits. The system gives the lock back with the process that holds it.
exec 9>>state/lock
flock 9 || echo 'this file system locks no files: do not submit twice at once' >&2
queued=$(condor_q -constraint 'JobBatchName == \"{batch}\"' -format '%d\\n' ClusterId | sort -nu | head -n 1)
if [ -n \"$queued\" ]; then
  echo \"{batch} is job $queued already\"
  exit 0
fi
if [ \"${{1:-}}\" = --dry-run ]; then
  ls campaign.dag.rescue* 2>/dev/null || true
  echo \"would call condor_submit_dag -batch-name {batch} campaign.dag\"
  exit 0
fi
condor_submit_dag -batch-name {batch} campaign.dag
queued=$(condor_q -constraint 'JobBatchName == \"{batch}\"' -format '%d\\n' ClusterId | sort -nu | head -n 1)
printf '0 {batch} %s\\n' \"${{queued:-0}}\" >>state/submitted
",
        campaign = sheet.header.campaign,
    )
}

fn readme(sheet: &Sheet<'_>) -> String {
    format!(
        "# Campaign {campaign} on HTCondor: {tasks} tasks in {elements} nodes of one DAG

Made by `mctune jobs --format htcondor`. `./submit.sh` hands `campaign.dag` to DAGMan and ends. It may be run again at any time:
nothing is added while the DAG runs, and after a failure DAGMan goes on from its rescue file.

- `campaign.dag`: a node for each element, `after_STAGE` where a whole stage is waited for. `STAGE.sub`: what its jobs ask for.
- `element.sh`: what a job runs. `done.sh`: says of a node whose results are there that it need not run.
- `index.jsonl`, `keys/`, `list.json`: what the elements are. Not to be edited: every line has its checksum.
- `notes/`: how each element went, last attempt. `logs/STAGE/TASK.log`: logs of tasks that failed.
- `logs/elements/STAGE/ELEMENT.out`, `.err`: what each element printed.

Exit status of an element: 0 done, 1 tasks failed, 6 other bytes than another machine, 7 inputs are missing, 8 the list does
not fit (the program, a declared file or the list itself has changed), 72 no list where the job was started, 75 interrupted:
to be run again.

`mctune status`, `cancel` and `resubmit` on the pipeline look here; `mctune collect` checks at the end that everything is there
and writes manifest and campaign digest.
",
        campaign = sheet.header.campaign,
        tasks = sheet.header.tasks,
        elements = sheet.header.elements,
    )
}

/// What DAGMan itself finds out late or not at all: unknown words and nodes, nodes given twice, circles. Gives a line for each.
#[must_use]
pub fn faults(dag: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut after: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in dag.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["JOB", name, ..] = words[..]
            && after.insert(name, Vec::new()).is_some()
        {
            faults.push(format!("node {name} is given twice"));
        }
    }
    for (number, line) in dag.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let named: Vec<&str> = match words[..] {
            [] | ["JOB", _, _] | ["JOB", _, _, "NOOP"] => continue,
            [first, ..] if first.starts_with('#') => continue,
            ["NODE_STATUS_FILE", _, _] | ["JOBSTATE_LOG", _] | ["MAXJOBS", _, _] => continue,
            ["VARS" | "RETRY" | "PRE_SKIP" | "CATEGORY", name, _, ..] | ["SCRIPT", "PRE", name, _, ..] => vec![name],
            ["PARENT", ..] => {
                let split = words.iter().position(|word| *word == "CHILD").unwrap_or(words.len());
                let (parents, children) = (&words[1..split], words.get(split + 1..).unwrap_or_default());
                if parents.is_empty() || children.is_empty() {
                    faults.push(format!("line {}: an edge without ends", number + 1));
                }
                for parent in parents {
                    after.entry(parent).and_modify(|list| list.extend(children));
                }
                [parents, children].concat()
            }
            _ => {
                faults.push(format!("line {}: `{}` is no line of a DAG", number + 1, words[0]));
                continue;
            }
        };
        let unknown = named.iter().filter(|name| !after.contains_key(**name));
        faults.extend(unknown.map(|name| format!("line {}: there is no node {name}", number + 1)));
    }
    faults.extend(circle(&after));
    faults
}

/// A node on a circle, if there is one: nodes without parents are taken away until none is left.
fn circle(after: &BTreeMap<&str, Vec<&str>>) -> Option<String> {
    let mut parents: HashMap<&str, usize> = after.keys().map(|name| (*name, 0)).collect();
    for child in after.values().flatten() {
        parents.entry(child).and_modify(|count| *count += 1);
    }
    let mut free: Vec<&str> = after.keys().copied().filter(|name| parents[name] == 0).collect();
    let mut left = after.len();
    while let Some(name) = free.pop() {
        left -= 1;
        for child in &after[name] {
            if let Some(count) = parents.get_mut(child) {
                *count -= 1;
                if *count == 0 {
                    free.push(child);
                }
            }
        }
    }
    (left > 0).then(|| format!("{left} nodes wait for each other in a circle"))
}
