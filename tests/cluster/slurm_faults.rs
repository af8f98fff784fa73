//! What goes wrong on clusters, done to a real Slurm: afterwards the campaign ends with the same digest, and what was
//! finished is not done again.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::place::{Answer, Place, Slurm};
use crate::project::wait_until;

const SITE: &str =
    "scheduler: slurm\nbundle: { unknown: 1 }\ndefaults: { partition: main, walltime: 10 min, memory: 64 MB }\n";

/// Twelve tasks that wait for `go` or for a file of their own, twelve that take one each, one that takes all. Each leaves a
/// line when it begins its work.
const PIPELINE: &str = "
mctune: 1
name: p
axes: { x: { range: 12 } }
stages:
  first:
    uses: command
    over: x
    with:
      run: 'touch \"$HERE/waits-${x}\"; while ! [ -e \"$HERE/go\" -o -e \"$HERE/go-${x}\" ]; do sleep 0.05; done; echo first-${x} >> \"$HERE/ran\"; PIECE; echo ${x} > a'
      outputs: { a: a }
      env: { HERE: FOLDER }
  second:
    uses: command
    over: x
    inputs: { a: first }
    with: { run: 'echo second-${x} >> \"$HERE/ran\"; cat inputs/a/a > b; echo more >> b', outputs: { b: b }, env: { HERE: FOLDER } }
  last: { uses: command, inputs: { b: second }, with: { run: 'echo last >> \"$HERE/ran\"; cat inputs/b/*/b > c', outputs: { c: c }, env: { HERE: FOLDER } } }
";

struct Cluster {
    place: Place,
    slurm: Slurm,
}

impl Cluster {
    /// A cluster with the pipeline; `piece` is what each of its first tasks does besides.
    fn new(piece: &str, site: &str) -> Option<Self> {
        let mut place = Place::new(&PIPELINE.replace("PIECE", piece));
        let slurm = Slurm::start(&mut place)?;
        place.site(&format!("{SITE}{site}"));
        Some(Self { place, slurm })
    }

    fn submit(&self) -> Answer {
        self.place.on_campaign("submit", &["--site", "site.yaml"])
    }

    fn resubmit(&self) -> Answer {
        self.place.on_campaign("resubmit", &["--site", "site.yaml"]).with_code(0)
    }

    fn slurm(&self, program: &str, arguments: &[&str]) -> String {
        Answer::of(self.place.command(program, arguments).output().unwrap()).with_code(0).out
    }

    /// Names of the arrays in the queue, each as often as it is there.
    fn arrays(&self) -> Vec<String> {
        let mut arrays: Vec<String> = self.slurm("squeue", &["-h", "-o", "%j %F"]).lines().map(str::to_owned).collect();
        arrays.sort();
        arrays.dedup();
        arrays
    }

    fn list(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.place.path(".mctune/jobs/p")).unwrap();
        entries.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap()
    }

    /// How often each task did its work.
    fn ran(&self) -> HashMap<String, usize> {
        let mut ran = HashMap::new();
        for line in self.place.text("ran").lines() {
            *ran.entry(line.to_owned()).or_default() += 1;
        }
        ran
    }

    /// The campaign is complete, with the digest of a local run.
    fn ends_well(&self) {
        let ran = self.place.text("ran");
        assert_eq!(self.place.collected(), self.place.local_digest());
        self.place.write("ran", &ran);
    }
}

#[test]
fn submissions_that_meet_or_break_off_add_nothing_twice() {
    let Some(cluster) = Cluster::new("true", "") else { return };
    let place = &cluster.place;
    // A submission is killed when Slurm has taken the second array, before that is written down.
    place.write("bin", "");
    std::fs::remove_file(place.path("bin")).unwrap();
    std::fs::create_dir(place.path("bin")).unwrap();
    let real = cluster.slurm("bash", &["-c", "command -v sbatch"]);
    let fake = format!(
        "#!/bin/bash\n{} \"$@\" > answer || exit\nif [ -e once ]; then kill -KILL $PPID; exit 1; fi\ntouch once\ncat answer\n",
        real.trim()
    );
    place.write("bin/sbatch", &fake);
    cluster.slurm("chmod", &["+x", "bin/sbatch"]);
    let path = format!("{}:{}", place.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = place.command(env!("CARGO_BIN_EXE_mctune"), &["submit", "p.yaml", "--site", "site.yaml"]);
    let broken = Answer::of(command.env("PATH", path).output().unwrap());
    assert_eq!(broken.code, 70, "{}{}", broken.out, broken.err);
    assert_eq!(cluster.arrays().len(), 2);
    let submitted = std::fs::read_to_string(cluster.list().join("state/submitted")).unwrap();
    assert_eq!(submitted.lines().count(), 1, "the second is not written down: {submitted}");
    // Two more at once: one completes what was begun, the other finds everything done.
    let answers = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| cluster.submit()), scope.spawn(|| cluster.submit())];
        threads.map(|thread| thread.join().unwrap().with_code(0).out)
    });
    assert_eq!(
        answers.iter().filter(|out| out.contains("interrupted submission is completed")).count(),
        1,
        "{answers:?}"
    );
    assert_eq!(answers.iter().filter(|out| out.contains("nothing is added")).count(), 1, "{answers:?}");
    assert_eq!(cluster.arrays().len(), 3, "{:?}", cluster.arrays());
    assert!(cluster.resubmit().out.contains("nothing to do: jobs in the queue"));
    place.write("go", "");
    place.wait(60);
    assert!(cluster.ran().values().all(|&count| count == 1), "{:?}", cluster.ran());
    assert_eq!(cluster.ran().len(), 25);
    cluster.ends_well();
}

#[test]
fn half_of_the_jobs_cancelled_and_the_index_deleted() {
    let Some(cluster) = Cluster::new("true", "") else { return };
    let place = &cluster.place;
    cluster.submit().with_code(0);
    (0..6).for_each(|x| place.write(&format!("go-{x}"), ""));
    wait_until("half of the first stage is done", || place.count("done") >= 12);
    // The other half: of the first array, and with it what depends on it.
    let first =
        cluster.arrays().iter().find(|name| name.contains("-first-")).unwrap().rsplit_once(' ').unwrap().1.to_owned();
    cluster.slurm("scancel", &[&format!("{first}_[6-11]")]);
    place.wait(60);
    assert_eq!(place.count("done"), 12);
    drop(std::fs::remove_dir_all(place.path(".mctune/index")));
    place.write("go", "");
    let before = cluster.ran();
    let answer = cluster.resubmit();
    assert!(answer.out.contains("first-0") && answer.out.contains(" 6 "), "{}", answer.out);
    place.wait(60);
    let after = cluster.ran();
    assert!(before.iter().all(|(task, count)| after[task] == *count), "{before:?} {after:?}");
    assert_eq!(after.len(), 25);
    // `cancel` takes out what there is, and says so when there is nothing.
    assert!(place.on_campaign("cancel", &[]).with_code(0).out.contains("no job of this campaign"));
    cluster.ends_well();
}

#[test]
fn a_task_that_fails_twice_is_resubmitted_with_its_reason() {
    // Task 3 fails until it has been tried three times.
    let piece = "[ ${x} != 3 ] || [ $(grep -c first-3 \"$HERE/ran\") -ge 3 ] || { echo no luck; exit 3; }";
    let Some(cluster) = Cluster::new(piece, "") else { return };
    let place = &cluster.place;
    place.write("go", "");
    cluster.submit().with_code(0);
    for attempt in 1..=2 {
        place.wait(60);
        let status = place.on_campaign("status", &[]).with_code(1);
        assert!(status.out.contains("first[x=3]: `sh` ended with exit status: 3"), "{}", status.out);
        assert!(status.out.contains("logs/first/x=3.log"), "{}", status.out);
        // Its log is where its name says.
        let logs: Vec<_> = status.out.lines().filter_map(|line| line.trim().strip_prefix("log: ")).collect();
        assert!(std::fs::read_to_string(place.path(logs[0])).unwrap().contains("no luck"));
        assert_eq!(place.count("done"), 22, "attempt {attempt}");
        let answer = cluster.resubmit();
        assert!(answer.out.contains("first[x=3]: `sh` ended with exit status: 3"), "{}", answer.out);
    }
    place.wait(60);
    let ran = cluster.ran();
    assert_eq!(ran["first-3"], 3);
    assert!(ran.iter().all(|(task, &count)| count == 1 || task == "first-3"), "{ran:?}");
    cluster.ends_well();
}

#[test]
fn a_node_is_lost_in_the_middle() {
    let Some(cluster) = Cluster::new("true", "") else { return };
    let place = &cluster.place;
    (0..4).for_each(|x| place.write(&format!("go-{x}"), ""));
    cluster.submit().with_code(0);
    wait_until("all of the first stage runs or is done", || {
        (0..12).all(|x| place.path(&format!("waits-{x}")).exists())
    });
    wait_until("four tasks are done", || place.count("done") >= 8);
    let lost = cluster.slurm("squeue", &["-h", "-r", "-t", "R", "-w", "n2", "-o", "%i"]).lines().count();
    assert!(lost > 0, "{}", cluster.slurm("squeue", &[]));
    cluster.slurm.crash("n2");
    // Slurm notices after a while, and starts the lost elements again elsewhere, in the place of others that have ended.
    std::thread::sleep(Duration::from_secs(1));
    place.write("go", "");
    place.wait(120);
    if place.count("done") < 25 {
        cluster.resubmit();
        place.wait(60);
    }
    let ran = cluster.ran();
    assert!(ran.values().all(|&count| count == 1), "{ran:?}");
    cluster.ends_well();
}

#[test]
fn a_task_over_its_time_is_warned_and_goes_on_in_another_job() {
    // Task 5 never ends in its first attempt.
    let piece = "[ ${x} != 5 ] || [ $(grep -c first-5 \"$HERE/ran\") -ge 2 ] || sleep 1000";
    let Some(cluster) = Cluster::new(piece, "warning: 55 s\nstages: { first: { walltime: 1 min } }\n") else { return };
    let place = &cluster.place;
    place.write("go", "");
    cluster.submit().with_code(0);
    place.wait(180);
    let ran = cluster.ran();
    assert_eq!(ran["first-5"], 2, "{ran:?}");
    assert!(ran.iter().all(|(task, &count)| count == 1 || task == "first-5"), "{ran:?}");
    assert_eq!(place.count("done"), 25, "nothing had to be submitted again");
    cluster.ends_well();
}
