//! What a batch system says of the jobs of a list. One question for all of them.

use std::collections::HashMap;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use mctune_engine::jobs::{Caps, ListFolder, condor};

/// How a job stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queued {
    /// It runs.
    Running,
    /// It waits.
    Waiting,
    /// It waits for something that will never be.
    Stuck,
}

/// Elements in the queue, and what is needed to take them out.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// By element, as far as they are in the queue under their own name.
    pub(crate) elements: HashMap<usize, Queued>,
    /// Whether everything else of the list will come into the queue by itself: DAGMan is at work.
    pub(crate) managed: bool,
    /// Jobs as the batch system names them.
    pub(crate) jobs: Vec<String>,
}

impl Queue {
    /// Whether anything of the list is in the queue.
    pub(crate) fn is_live(&self) -> bool {
        self.managed || !self.elements.is_empty()
    }

    /// How an element stands, if it is in the queue or will be.
    pub(crate) fn of(&self, element: usize) -> Option<Queued> {
        self.elements.get(&element).copied().or(self.managed.then_some(Queued::Waiting))
    }

    /// Asks for the jobs of a list.
    pub(crate) fn of_list(list: &ListFolder) -> anyhow::Result<Self> {
        if list.path().join("campaign.dag").exists() {
            return of_condor(list);
        }
        if list.path().join("arrays").exists() {
            return of_slurm(list);
        }
        Ok(Self::default())
    }
}

fn answer(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{program}`; is this a machine from which jobs are submitted?"))?;
    if !output.status.success() {
        bail!("`{program} {}` ended with {}: {}", arguments.join(" "), output.status, text(&output.stderr).trim());
    }
    Ok(text(&output.stdout))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn of_slurm(list: &ListFolder) -> anyhow::Result<Queue> {
    let user = answer("id", &["-un"])?;
    let form = "--format=%j|%F|%K|%T|%r";
    let lines = answer("squeue", &["--noheader", "--array", "--user", user.trim(), form])?;
    Ok(slurm_queue(list.id(), &first_elements(list)?, &lines))
}

/// Numbers of the first elements of the arrays of a list, by stage and part.
fn first_elements(list: &ListFolder) -> anyhow::Result<HashMap<String, usize>> {
    let mut firsts = HashMap::new();
    let mut next: HashMap<String, usize> = list.header.stages.iter().map(|p| (p.stage.clone(), p.first)).collect();
    let mut scripts: Vec<_> = std::fs::read_dir(list.path().join("arrays"))?.collect::<Result<Vec<_>, _>>()?;
    scripts.sort_by_key(std::fs::DirEntry::file_name);
    for script in scripts {
        let text = std::fs::read_to_string(script.path())?;
        let directive = |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("#SBATCH --{name}=")));
        let (Some(name), Some(indices)) = (directive("job-name"), directive("array")) else { continue };
        let last: usize = indices.split(['-', '%']).nth(1).and_then(|last| last.parse().ok()).unwrap_or(0);
        let stage = name.rsplit_once('-').and_then(|(front, _)| front.splitn(3, '-').nth(2)).unwrap_or_default();
        let first = next.get(stage).copied().unwrap_or(0);
        next.insert(stage.to_owned(), first + last + 1);
        firsts.insert(name.to_owned(), first);
    }
    Ok(firsts)
}

fn slurm_queue(id: &str, firsts: &HashMap<String, usize>, lines: &str) -> Queue {
    let mut queue = Queue::default();
    for line in lines.lines() {
        let mut fields = line.trim().split('|');
        let (Some(name), Some(job), Some(index), Some(state)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if !name.starts_with(&format!("mctune-{id}-")) {
            continue;
        }
        let Some(first) = firsts.get(name) else { continue };
        let queued = match (state, fields.next().unwrap_or_default()) {
            ("RUNNING" | "COMPLETING" | "CONFIGURING" | "SUSPENDED" | "STOPPED" | "SIGNALING", _) => Queued::Running,
            ("PENDING", "DependencyNeverSatisfied" | "PartitionConfig" | "BadConstraints" | "AccountNotAllowed") => {
                Queued::Stuck
            }
            ("PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "RESIZING", _) => Queued::Waiting,
            _ => continue,
        };
        if !queue.jobs.iter().any(|known| known == job) {
            queue.jobs.push(job.to_owned());
        }
        for number in indices(index) {
            queue.elements.insert(first + number, queued);
        }
    }
    queue
}

/// `3`, or `0-3,7,9-12%50`, as pending arrays are shown that are not taken apart.
fn indices(text: &str) -> Vec<usize> {
    let text = text.split('%').next().unwrap_or_default();
    let range = |part: &str| match part.split_once('-') {
        Some((first, last)) => Some((first.trim().parse().ok()?, last.trim().parse().ok()?)),
        None => part.trim().parse().ok().map(|one: usize| (one, one)),
    };
    text.split(',').filter_map(range).flat_map(|(first, last): (usize, usize)| first..=last).collect()
}

fn of_condor(list: &ListFolder) -> anyhow::Result<Queue> {
    let constraint = format!("JobBatchName == \"{}\"", condor::batch_name(list.id()));
    let lines = answer("condor_q", &["-constraint", &constraint, "-af", "ClusterId", "JobStatus", "DAGNodeName"])?;
    Ok(condor_queue(&lines))
}

fn condor_queue(lines: &str) -> Queue {
    let mut queue = Queue::default();
    for line in lines.lines() {
        let mut words = line.split_whitespace();
        let (Some(job), Some(state), Some(node)) = (words.next(), words.next(), words.next()) else { continue };
        queue.jobs.push(job.to_owned());
        if node == "undefined" {
            // DAGMan itself: idle or running.
            queue.managed |= matches!(state, "1" | "2");
            continue;
        }
        let queued = match state {
            "2" => Queued::Running,
            "1" => Queued::Waiting,
            "5" => Queued::Stuck,
            _ => continue,
        };
        if let Some(element) = node.rsplit_once('-').and_then(|(_, number)| number.parse().ok()) {
            queue.elements.insert(element, queued);
        }
    }
    queue
}

/// What Slurm takes, if there is one that answers.
pub(crate) fn caps() -> Caps {
    answer("scontrol", &["show", "config"]).map(|text| caps_in(&text)).unwrap_or_default()
}

fn caps_in(text: &str) -> Caps {
    let number = |name: &str| {
        let line = text.lines().find(|line| line.split('=').next().is_some_and(|key| key.trim() == name))?;
        line.split('=').nth(1)?.trim().parse::<u32>().ok().filter(|&number| number > 1)
    };
    let jobs = number("MaxSubmitJobs").into_iter().chain(number("MaxJobCount")).min();
    Caps { array: number("MaxArraySize"), jobs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slurm_says_is_understood() {
        let firsts = HashMap::from([("mctune-abc-fit-0".to_owned(), 0), ("mctune-abc-fit-1".to_owned(), 1000)]);
        let lines = "mctune-abc-fit-0|17|3|RUNNING|None\nmctune-abc-fit-1|18|0|PENDING|Dependency\n\
                     mctune-abc-fit-1|18|7|PENDING|DependencyNeverSatisfied\nmctune-xyz-fit-0|9|1|RUNNING|None\n\
                     mctune-abc-fit-1|18|8-9%2|PENDING|Resources\n";
        let queue = slurm_queue("abc", &firsts, lines);
        assert_eq!(queue.jobs, ["17", "18"]);
        assert_eq!(queue.of(3), Some(Queued::Running));
        assert_eq!(queue.of(1000), Some(Queued::Waiting));
        assert_eq!(queue.of(1007), Some(Queued::Stuck));
        assert_eq!(queue.of(1009), Some(Queued::Waiting));
        assert_eq!(queue.elements.len(), 5);
    }

    #[test]
    fn what_htcondor_says_is_understood() {
        let queue = condor_queue("10 2 undefined\n11 2 training-4\n12 5 training-5\n");
        assert_eq!(
            (queue.of(4), queue.of(5), queue.of(6)),
            (Some(Queued::Running), Some(Queued::Stuck), Some(Queued::Waiting))
        );
        assert!(!condor_queue("10 3 undefined\n").is_live());
    }

    #[test]
    fn limits_are_read_from_the_configuration() {
        let text = "MaxArraySize            = 1001\nMaxJobCount             = 10000\nMaxStepCount = 40000\n";
        assert_eq!(caps_in(text), Caps { array: Some(1001), jobs: Some(10_000) });
    }
}
