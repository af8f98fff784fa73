//! What lists and site files say.

use std::path::Path;

use super::*;

const SITE: &str = "\
scheduler: slurm
program: [apptainer, exec, 'my image.sif', mctune]
setup: |
  module purge
  module load gcc/13
environment: { OMP_NUM_THREADS: '1', NOTE: \"it's a 'site'\" }
limits: { array: 1001, jobs: 500, running: 20, walltime: 12 h }
bundle: { time: 10 min, unknown: 4 }
warning: 90 s
requeues: 3
patience: 5 s
defaults: { partition: main, account: juno, memory: 2 GB, walltime: 30 min }
stages:
  total: { partition: large, constraint: 'avx512&bigmem', walltime: 2 h, options: [--exclusive] }
";

fn site(text: &str) -> Site {
    Site::read(Path::new("site.yaml"), text.to_owned()).unwrap()
}

fn all(list: &Generated) -> String {
    let shown = list.files.iter().filter(|file| !file.path.starts_with("keys"));
    let one = |file: &ListFile| {
        format!("=== {}{}\n{}", file.path.display(), if file.executable { " *" } else { "" }, file.text)
    };
    // What follows from the version of the program is not what this is about.
    shown.map(one).collect::<String>().replace(&list.header.plan, "<plan>").replace(&list.header.plan[..10], "<id>")
}

#[test]
fn a_list_for_slurm() {
    let home = Home::new();
    let (list, _) = listed(&home, PIPELINE, &site(SITE), Format::Slurm);
    insta::assert_snapshot!(all(&list));
    let (again, _) = listed(&home, PIPELINE, &site(SITE), Format::Slurm);
    assert_eq!(list.files, again.files, "made again it is the same");
}

#[test]
fn a_list_for_htcondor() {
    let home = Home::new();
    let text = SITE.replace("scheduler: slurm", "scheduler: htcondor").replace("--exclusive", "+Long = True");
    let (list, _) = listed(&home, PIPELINE, &site(&text), Format::Htcondor);
    insta::assert_snapshot!(all(&list));
    let dag = &list.files.iter().find(|file| file.path == Path::new("campaign.dag")).unwrap().text;
    assert_eq!(condor::faults(dag), Vec::<String>::new());
}

#[test]
fn a_list_of_lines() {
    let home = Home::new();
    let (list, _) = listed(&home, PIPELINE, &Site::default(), Format::Lines);
    insta::assert_snapshot!(all(&list));
}

#[test]
fn nothing_of_this_machine_is_in_a_list() {
    let home = Home::new();
    let here = home.path("").display().to_string();
    for format in [Format::Slurm, Format::Htcondor, Format::Lines] {
        let (list, _) = listed(&home, PIPELINE, &Site::default(), format);
        for file in &list.files {
            let text = format!("{} {}", file.path.display(), file.text);
            for word in [here.trim_end_matches('/'), &crate::execute::host_name(), "/home/", "/tmp/", "/root"] {
                // A machine may be called `vm`, which is in many words.
                let found = text.split(|c: char| !(c.is_alphanumeric() || "/_.-".contains(c))).any(|part| part == word);
                assert!(!found && !text.contains(here.trim_end_matches('/')), "{word} in {}", file.path.display());
            }
        }
    }
}

#[test]
fn faults_of_a_dag_are_found() {
    let dag = "JOB a a.sub\nJOB b a.sub\nJOB a a.sub\nPARENT a CHILD b\nPARENT b CHILD a\nPARENT b CHILD c\nVAR a x=\"1\"\n\
               RETRY d 3\nPARENT CHILD a\n";
    assert_eq!(
        condor::faults(dag),
        [
            "node a is given twice",
            "line 6: there is no node c",
            "line 7: `VAR` is no line of a DAG",
            "line 8: there is no node d",
            "line 9: an edge without ends",
            "2 nodes wait for each other in a circle"
        ]
    );
}

#[test]
fn mistakes_in_site_files_are_told_with_their_place() {
    let mistakes = [
        "scheduler: pbs\n",
        "defaults: { partiton: main }\n",
        "stages:\n  fit: { walltime: 2 }\n",
        "bundle: { time: soon }\n",
        "limits: { array: many }\n",
        "defaults:\n  account: 'two words'\n",
        "environment: { 1X: a }\n",
        "program: []\n",
        "defaults: { memory: 4 }\n",
        "defaults: { options: [\"--a\\n#SBATCH --b\"] }\n",
        "requeues: 1\nrequeues: 2\n",
        "",
    ];
    let told: String = mistakes
        .iter()
        .map(|text| format!("{}\n", Site::read(Path::new("site.yaml"), (*text).to_owned()).unwrap_err()))
        .collect();
    insta::assert_snapshot!(told);
}

#[test]
fn words_survive_the_shell() {
    for word in ["plain-1.2/x", "two words", "it's", "a\"b", "$HOME `id` \\ * ; & |", "", "-n", "ä\tb"] {
        let script = format!("printf %s {}", quote(word));
        let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), word, "{word:?}");
    }
}

#[test]
fn settings_of_a_stage_come_before_those_of_all() {
    let site = site(SITE);
    assert_eq!(site.of("total").partition, Some("large".to_owned().try_into().unwrap()));
    assert_eq!(site.of("total").account, Some("juno".to_owned().try_into().unwrap()));
    assert_eq!(site.of("leaf").walltime, Some(Duration::from_secs(1800)));
    let schema = Site::schema();
    assert!(
        schema["properties"]["defaults"].is_object() && schema["$defs"]["Settings"]["properties"]["gpu"].is_object()
    );
}
