//! Slurm: a batch script for each array, and a script that hands them all over.
//!
//! The scripts name no folder: `submit.sh` finds its own and tells the batch scripts, so that a list means the same wherever
//! it is mounted. A script that is started in a folder without list ends with an error (Slurm itself starts a job whose
//! folder is missing somewhere else, and calls that a success).

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::cut::{Array, Wait};
use super::files::{ListFile, Sheet};
use super::shell;

/// Exit status of a batch script that does not find its list; not one of mctune's own.
pub const NO_LIST: u8 = 72;

/// Name of the job of an array: with the identity of the list, so that it is found in the queue.
#[must_use]
pub fn job_name(id: &str, stage: &str, part: usize) -> String {
    format!("mctune-{id}-{stage}-{part}")
}

pub(super) fn files(sheet: &Sheet<'_>) -> (Vec<PathBuf>, Vec<ListFile>) {
    let arrays = &sheet.cut.arrays;
    let logs = arrays.iter().map(|array| PathBuf::from(logs(sheet, array)));
    let scripts = arrays.iter().enumerate();
    let mut files: Vec<ListFile> =
        scripts.map(|(number, array)| ListFile::program(script_path(sheet, number), script(sheet, array))).collect();
    files.push(ListFile::program("submit.sh", submit(sheet)));
    files.push(ListFile::text("README.md", readme(sheet)));
    (logs.collect(), files)
}

fn script_path(sheet: &Sheet<'_>, number: usize) -> String {
    let array = &sheet.cut.arrays[number];
    format!("arrays/{number:03}-{}-{}.sh", sheet.stage(array), array.part)
}

/// Folder for what the elements of an array print.
fn logs(sheet: &Sheet<'_>, array: &Array) -> String {
    format!("logs/elements/{}-{}", sheet.stage(array), array.part)
}

/// Minutes as Slurm counts them.
fn minutes(time: Duration) -> u64 {
    time.as_secs().div_ceil(60).max(1)
}

/// Time to ask for: what the site says, more where the tasks are expected to need it.
pub(super) fn walltime(said: Option<Duration>, expected: Option<f64>, longest: Duration) -> Duration {
    let said = said.unwrap_or(Duration::from_secs(3600));
    // Twice what earlier runs took, since nodes differ.
    let needed = expected.and_then(|seconds| Duration::try_from_secs_f64(seconds * 2.0).ok()).unwrap_or_default();
    said.max(needed).min(longest)
}

fn directives(sheet: &Sheet<'_>, array: &Array) -> String {
    let (site, stage) = (sheet.site, sheet.stage(array));
    let settings = site.of(stage);
    let demand = sheet.campaign.graph.stage(array.stage).decl.resources;
    let mut options = vec![
        format!("--job-name={}", job_name(sheet.id(), stage, array.part)),
        format!("--comment=mctune:{}", sheet.id()),
    ];
    let throttle = if site.limits.running > 0 { format!("%{}", site.limits.running) } else { String::new() };
    options.push(format!("--array=0-{}{throttle}", array.count - 1));
    options.push(format!("--output={}/%a.out", logs(sheet, array)));
    options.extend(["--open-mode=append", "--requeue", "--kill-on-invalid-dep=yes", "--export=NIL"].map(str::to_owned));
    options.push("--nodes=1 --ntasks=1".to_owned());
    options.push(format!("--cpus-per-task={}", demand.cpus));
    let memory = if demand.memory > 0 { Some(demand.memory) } else { settings.memory.map(|memory| memory.0) };
    options.extend(memory.map(|bytes| format!("--mem={}M", bytes.div_ceil(1 << 20).max(1))));
    if demand.gpus > 0 {
        let gpu = settings.gpu.as_ref().map_or("gpu", |gpu| gpu.0.as_str());
        options.push(format!("--gres={gpu}:{}", demand.gpus));
    }
    let time = walltime(settings.walltime, array.expected, site.limits.walltime);
    options.push(format!("--time={}", minutes(time)));
    options.push(format!("--signal=B:USR1@{}", site.warning.as_secs().max(1)));
    let named = [("partition", &settings.partition), ("account", &settings.account), ("qos", &settings.qos)];
    options.extend(named.iter().filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?.0))));
    options.extend(settings.constraint.iter().map(|constraint| format!("--constraint=\"{}\"", constraint.0)));
    options.extend(settings.options.iter().map(|option| option.0.clone()));
    options.iter().map(|option| format!("#SBATCH {option}\n")).collect()
}

fn script(sheet: &Sheet<'_>, array: &Array) -> String {
    let site = sheet.site;
    let program = shell::command(site.program.iter().map(String::as_str));
    let mut text = format!(
        "#!/bin/bash
# Campaign {campaign}, stage {stage}: elements {first} to {last}. Made by mctune; submit.sh hands it to Slurm.
{directives}
set -uo pipefail
cd -- \"${{1:?the folder of the list}}\" || exit {NO_LIST}
[ -f list.json ] || {{ echo \"no list in $1\" >&2; exit {NO_LIST}; }}
",
        campaign = sheet.header.campaign,
        stage = sheet.stage(array),
        first = array.first,
        last = array.first + array.count - 1,
        directives = directives(sheet, array),
    );
    text.push_str(&surroundings(sheet));
    let _ = write!(
        text,
        "
# Slurm tells this script, and nobody else, that the time is nearly over; everything else it tells all processes.
warned='' caught=''
trap 'warned=1 caught=1; kill -TERM \"$child\" 2>/dev/null' USR1
trap 'caught=1; kill -TERM \"$child\" 2>/dev/null' TERM
{program} exec . \"$(({first} + SLURM_ARRAY_TASK_ID))\" &
child=$!
code=0
wait \"$child\" || code=$?
while [ -n \"$caught\" ]; do
  caught='' again=0
  wait \"$child\" || again=$?
  [ \"$again\" -eq 127 ] || code=$again
done
# Out of time: on from the checkpoint in another job of the same name.
if [ -n \"$warned\" ] && [ \"$code\" -eq 75 ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt {requeues} ]; then
  scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\"
fi
exit \"$code\"
",
        first = array.first,
        requeues = site.requeues,
    );
    text
}

/// Environment and setup of the site.
pub(super) fn surroundings(sheet: &Sheet<'_>) -> String {
    let site = sheet.site;
    let mut text = String::from("export LC_ALL=C.UTF-8\n");
    for (name, value) in &site.environment {
        let _ = writeln!(text, "export {}={}", name.0, shell::quote(value));
    }
    if !site.setup.is_empty() {
        // Scripts of module systems use variables that may be unset, and their own habits.
        text.push_str("set +u\n# From the site file:\n");
        site.setup.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        text.push_str("set -u\n");
    }
    text
}

fn submit(sheet: &Sheet<'_>) -> String {
    let mut calls = String::new();
    for (number, array) in sheet.cut.arrays.iter().enumerate() {
        let name = job_name(sheet.id(), sheet.stage(array), array.part);
        let _ = write!(calls, "submit {number} {name} {}", script_path(sheet, number));
        for wait in &array.waits {
            let _ = match wait {
                Wait::Each(other) => write!(calls, " aftercorr:{other}"),
                Wait::All(other) => write!(calls, " afterany:{other}"),
            };
        }
        calls.push('\n');
    }
    format!(
        "#!/bin/bash
# Hands the arrays of campaign {campaign} to Slurm. May be run again at any time, also after it was interrupted: an array
# that was handed over, by this script or another run of it, is not handed over again. state/submitted has a line for each:
# number, name, job id.
#   submit.sh             submit what is not submitted yet
#   submit.sh --dry-run   show the calls of sbatch instead
set -euo pipefail
cd -- \"$(dirname -- \"${{BASH_SOURCE[0]}}\")\"
here=$(pwd -P)
dry=''
[ \"${{1:-}}\" != --dry-run ] || dry=1
mkdir -p state
touch state/submitted
# Two at once: the second waits. The system gives the lock back with the process that holds it.
exec 9>>state/lock
flock 9 || echo 'this file system locks no files: do not submit twice at once' >&2

declare -a ids
listed() {{ awk -v name=\"$1\" '$2 == name {{ id = $3 }} END {{ print id }}' state/submitted; }}
queued() {{ squeue --noheader --user=\"$(id -un)\" --name=\"$1\" --format=%F | sort -n | head -n 1; }}
known() {{ squeue --noheader --jobs=\"$1\" --format=%F 2>/dev/null | grep -q .; }}

# submit NUMBER NAME SCRIPT [aftercorr:NUMBER | afterany:NUMBER]...
submit() {{
  local number=$1 name=$2 script=$3 id wait other dependency='' attempt
  shift 3
  id=$(listed \"$name\")
  if [ -z \"$id\" ]; then
    # Submitted by a run that was interrupted before it could write that down.
    id=$(queued \"$name\")
    [ -z \"$id\" ] || printf '%s %s %s\\n' \"$number\" \"$name\" \"$id\" >>state/submitted
  fi
  if [ -n \"$id\" ]; then
    ids[number]=$id
    echo \"$name is job $id already\"
    return
  fi
  for wait in \"$@\"; do
    other=${{ids[${{wait##*:}}]}}
    # A job that Slurm has forgotten has ended; the elements look for their inputs themselves.
    if [ -n \"$dry\" ] || known \"$other\"; then
      dependency+=\"${{dependency:+,}}${{wait%%:*}}:$other\"
    fi
  done
  set -- --parsable --chdir=\"$here\" ${{dependency:+--dependency=\"$dependency\"}} \"$script\" \"$here\"
  if [ -n \"$dry\" ]; then
    ids[number]=\"<$name>\"
    printf 'sbatch'
    printf ' %q' \"$@\"
    echo
    return
  fi
  for attempt in 1 2 3 4 5; do
    if id=$(sbatch \"$@\"); then
      id=${{id%%;*}}
      printf '%s %s %s\\n' \"$number\" \"$name\" \"$id\" >>state/submitted
      ids[number]=$id
      echo \"$name is job $id\"
      return
    fi
    # Slurm may have taken it and only the answer got lost.
    sleep \"$((attempt * attempt))\"
    id=$(queued \"$name\")
    if [ -n \"$id\" ]; then
      printf '%s %s %s\\n' \"$number\" \"$name\" \"$id\" >>state/submitted
      ids[number]=$id
      return
    fi
  done
  echo \"Slurm does not take $name; run submit.sh again when that is mended: it goes on from here\" >&2
  exit 1
}}

{calls}",
        campaign = sheet.header.campaign,
    )
}

fn readme(sheet: &Sheet<'_>) -> String {
    format!(
        "# Campaign {campaign} on Slurm: {tasks} tasks in {elements} elements of {arrays} job arrays

Made by `mctune jobs --format slurm`. `./submit.sh` hands everything over and ends; nothing needs to keep running. It may be
run again at any time. Jobs are called `mctune-{id}-STAGE-PART`.

- `arrays/`: a batch script for each array.
- `index.jsonl`, `keys/`, `list.json`: what the elements are. Not to be edited: every line has its checksum.
- `state/submitted`: the job ids.
- `notes/`: how each element went, last attempt. `logs/STAGE/TASK.log`: logs of tasks that failed.
- `logs/elements/STAGE-PART/INDEX.out`: what each element printed.

Exit status of an element: 0 done, 1 tasks failed, 6 other bytes than another machine, 7 inputs are missing, 8 the list does
not fit (the program, a declared file or the list itself has changed), {NO_LIST} no list where the job was started, 75
interrupted: to be run again.

`mctune status`, `cancel` and `resubmit` on the pipeline look here; `mctune collect` checks at the end that everything is there
and writes manifest and campaign digest.
",
        campaign = sheet.header.campaign,
        tasks = sheet.header.tasks,
        elements = sheet.header.elements,
        arrays = sheet.cut.arrays.len(),
        id = sheet.id(),
    )
}
