//! What a user sees for typical mistakes: one snapshot per theme.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::try_load;

/// A pipeline with nothing wrong; cases replace parts of it.
const BASE: &str = r#"mctune: 1
name: juno
params:
  seed: 7
  events: 1000
  sources: [Cs137, K40]
axes:
  point: { grid: { kB: {linspace: [6, 24, 3]}, fC: [0, 1] } }
  model:
    - { name: tede, epochs: 50 }
    - { name: wide, epochs: 60 }
  replica: { range: 3 }
stages:
  training:
    uses: generate
    over: [point]
    with:
      events: "${params.events}"
      sources: "${params.sources}"
      point: "${point}"
  surrogate:
    uses: train
    over: [model]
    with: "${model}"
    inputs: { train: training }
  data:
    uses: generate
    over: [replica]
    with: { events: 50 }
  fit:
    uses: fit
    over: [model, replica]
    inputs: { model: surrogate, data: data }
profiles:
  quick:
    params: { events: 100 }
    axes: { replica: { range: 2 } }
"#;

/// The base with the first occurrence of each text replaced.
fn with(replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(BASE.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "the base pipeline has no {old:?}");
        text.replacen(old, new, 1)
    })
}

/// Mistakes with what is said about them.
struct Album(String);

impl Album {
    fn new() -> Self {
        Self(String::new())
    }

    fn text(&mut self, title: &str, text: &str) {
        self.call(title, text, None, &[]);
    }

    fn edit(&mut self, title: &str, old: &str, new: &str) {
        self.text(title, &with(&[(old, new)]));
    }

    fn set(&mut self, override_text: &str) {
        self.call(&format!("--set '{override_text}'"), BASE, None, &[override_text]);
    }

    fn call(&mut self, title: &str, text: &str, profile: Option<&str>, overrides: &[&str]) {
        let start = Instant::now();
        let said = match try_load(text, profile, overrides) {
            Err(errors) => errors.to_string(),
            Ok(pipeline) => {
                let warnings: String = pipeline.warnings.iter().map(ToString::to_string).collect();
                format!("accepted\n{warnings}")
            }
        };
        assert!(start.elapsed() < Duration::from_secs(1), "{title}: {:?}", start.elapsed());
        write!(self.0, "=== {title}\n{said}\n").unwrap();
    }
}

#[test]
fn base_is_accepted() {
    for profile in [None, Some("quick")] {
        assert_eq!(try_load(BASE, profile, &[]).unwrap().warnings, []);
    }
}

#[test]
fn yaml() {
    let mut album = Album::new();
    album.text("empty file", "");
    album.text("only comments", "# a pipeline\n");
    album.text("not a map", "- a\n- b\n");
    album.edit("tab", "    uses: generate\n", "\tuses: generate\n");
    album.edit("tab deeper", "      events: \"${params.events}\"", "    \tevents: 5");
    album.edit("unclosed bracket", "over: [point]", "over: [point");
    album.edit("unclosed brace", "with: { events: 50 }", "with: { events: 50");
    album.edit("comma too many", "[Cs137, K40]", "[Cs137,, K40]");
    album.edit("comma missing", "with: { events: 50 }", "with: { events: 50 smear: true }");
    album.edit("wrong bracket", "[Cs137, K40]", "[Cs137, K40}");
    album.edit("bracket too many", "seed: 7", "seed: ]");
    album.edit("at sign", "seed: 7", "seed: @7");
    album.edit("backslash", "name: juno", "name: \"juno\\d\"");
    album.edit("list and map", "sources: [Cs137, K40]", "sources:\n    - Cs137\n    K40: 1");
    album.edit("unclosed quote", "\"${params.events}\"", "\"${params.events}");
    album.edit("indentation", "    over: [point]", "   over: [point]");
    album.edit("missing space after the colon", "uses: generate", "uses:generate");
    album.edit("colon in text", "name: juno", "name: juno: first");
    album.edit("duplicate key", "    uses: train\n", "    uses: train\n    over: [replica]\n");
    album.edit("two stages of one name", "  data:\n", "  training:\n");
    album.edit("merge key", "    with: { events: 50 }", "    with:\n      <<: *shared\n      events: 50");
    album.edit("merge key with anchor", "with: { events: 50 }", "with: { <<: &shared { events: 50 } }");
    album.edit("tag", "seed: 7", "seed: !!int 7");
    album.edit("unknown alias", "over: [replica]", "over: *axes");
    album.edit("alias of itself", "sources: [Cs137, K40]", "sources: &s [Cs137, *s]");
    album.text("two documents", &format!("{BASE}---\nmctune: 1\n"));
    album.edit("infinity", "events: 1000", "events: .inf");
    album.edit("number that is too big", "seed: 7", "seed: 99999999999999999999");
    album.edit("list as a key", "seed: 7", "[seed]: 7");
    insta::assert_snapshot!(album.0);
}

#[test]
fn sections() {
    let mut album = Album::new();
    album.edit("version missing", "mctune: 1\n", "");
    album.edit("wrong version", "mctune: 1", "mctune: 2");
    album.edit("version as text", "mctune: 1", "mctune: latest");
    album.edit("name missing", "name: juno\n", "");
    album.edit("misspelt section", "stages:", "stagse:");
    album.edit(
        "several misspelt fields at once",
        BASE,
        &with(&[("over: [point]", "ovr: [point]"), ("    uses: train", "    use: train"), ("profiles:", "profile:")]),
    );
    album.edit("stages as a list", BASE, "mctune: 1\nname: juno\nstages:\n  - uses: generate\n");
    album.edit("no stages", BASE, "mctune: 1\nname: juno\nstages:\n");
    album.edit("name of a stage", "  data:\n", "  my.data:\n");
    album.edit("axis called params", "  replica: { range: 3 }", "  replica: { range: 3 }\n  params: [1]");
    album.edit("seed", "seed: 7", "seed: seven");
    album.edit("unused axis and parameter", "  replica: { range: 3 }", "  replica: { range: 3 }\n  spare: [1, 2]");
    album.edit("unused parameter", "  seed: 7\n", "  seed: 7\n  spare: 7\n");
    insta::assert_snapshot!(album.0);
}

#[test]
fn axes() {
    let mut album = Album::new();
    let mut axis = |title: &str, new: &str| album.edit(title, "replica: { range: 3 }", &format!("replica: {new}"));
    axis("empty list", "[]");
    axis("nothing", "");
    axis("single value", "5");
    axis("empty range", "{ range: [5, 5] }");
    axis("range of floats", "{ range: 1e3 }");
    axis("range with step 0", "{ range: [0, 5, 0] }");
    axis("unknown form", "{ linspce: [0, 1, 3] }");
    axis("two forms", "{ range: 3, linspace: [0, 1, 3] }");
    axis("linspace without count", "{ linspace: [0, 1] }");
    axis("linspace with a fractional count", "{ linspace: [0, 1, 2.5] }");
    axis("linspace of one", "{ linspace: [0, 1, 1] }");
    axis("zip of different lengths", "{ zip: { kB: [6, 12, 18], fC: [0.25, 0.5] } }");
    axis("single value in a grid", "{ grid: { kB: [6, 12], fC: 0.5 } }");
    axis("text in a grid", "{ grid: { kB: [6, high] } }");
    axis("point with another field", "{ points: [ {kB: 6, fC: 0}, {kB: 6, fc: 1} ] }");
    axis("point without a field", "{ points: [ {kB: 6, fC: 0}, {kB: 6} ] }");
    axis("points in a plain list", "[ {kB: 6, fC: 0}, {kB: 7, fC: 1} ]");
    axis("same element twice", "[1, 2, 1.0]");
    axis("same record twice", "[ {name: a, x: 1}, {name: a, x: 2} ]");
    axis("numbers and texts", "[1, a]");
    axis("texts and numbers", "[a, 1]");
    axis("true and false", "[true, false]");
    axis("huge number", "[1, 99007199254740993]");
    axis("commas in a text", "[\"a,b\"]");
    axis("reference to another axis", "{ range: \"${point.kB}\" }");
    axis("a billion points", "{ grid: { a: {range: 1000}, b: {range: 1000}, c: {range: 1000} } }");
    axis("a huge range", "{ range: 123456789012 }");
    insta::assert_snapshot!(album.0);
}

#[test]
fn samples() {
    let mut album = Album::new();
    let mut sample =
        |title: &str, new: &str| album.edit(title, "replica: { range: 3 }", &format!("replica: {{ sample: {new} }}"));
    sample("no seed", "{ count: 3, of: { a: { uniform: [0, 1] } } }");
    sample("no trials", "{ count: 0, seed: 1, of: { a: { uniform: [0, 1] } } }");
    sample("misspelt field", "{ cuont: 3, seed: 1, of: { a: { uniform: [0, 1] } } }");
    sample("nothing is drawn", "{ count: 3, seed: 1, of: { a: 5, b: { c: 6 } } }");
    sample("no fields", "{ count: 3, seed: 1, of: {} }");
    sample("misspelt distribution", "{ count: 3, seed: 1, of: { a: { log_unifrom: [1, 2] } } }");
    sample("one bound", "{ count: 3, seed: 1, of: { a: { uniform: 1 } } }");
    sample("bounds in the wrong order", "{ count: 3, seed: 1, of: { a: { uniform: [1, 0] } } }");
    sample("logarithm of zero", "{ count: 3, seed: 1, of: { a: { log_uniform: [0, 1] } } }");
    sample("integers with a point", "{ count: 3, seed: 1, of: { a: { integer: [0.5, 2] } } }");
    sample("integers that miss their end", "{ count: 3, seed: 1, of: { a: { integer: [1, 6, 2] } } }");
    sample("one choice", "{ count: 3, seed: 1, of: { a: { choice: [x] } } }");
    sample("a choice twice", "{ count: 3, seed: 1, of: { a: { choice: [x, y, x] } } }");
    sample("two distributions", "{ count: 3, seed: 1, of: { a: { uniform: [0, 1], choice: [2, 3] } } }");
    sample("a billion trials", "{ count: 1000000000, seed: 1, of: { a: { uniform: [0, 1] } } }");
    insta::assert_snapshot!(album.0);
}

#[test]
fn stages() {
    let mut album = Album::new();
    album.edit("misspelt kind", "uses: train", "uses: trian");
    album.edit("misspelt axis without a near name", "over: [point]", "over: [space]");
    album.edit("unknown kind", "uses: train", "uses: simulate");
    album.edit("no kind", "    uses: train\n", "");
    album.edit("misspelt axis", "over: [point]", "over: [points]");
    album.edit("axis twice", "over: [model, replica]", "over: [model, replica, model]");
    album.edit(
        "a billion tasks",
        BASE,
        &with(&[
            ("range: 3", "range: 100000"),
            ("[model, replica]", "[model, replica, big]"),
            ("  replica:", "  big: { range: 5000 }\n  replica:"),
        ]),
    );
    album.edit("parameters as a text", "with: { events: 50 }", "with: events");
    album.edit("parameters from an axis of numbers", "with: { events: 50 }", "with: \"${replica}\"");
    insta::assert_snapshot!(album.0);
}

#[test]
fn references() {
    let mut album = Album::new();
    album.edit("misspelt parameter", "${params.events}", "${params.evnts}");
    album.edit("forgotten params", "${params.events}", "${events}");
    album.edit("field of a number", "${params.events}", "${params.events.max}");
    album.edit("circle of params", "  events: 1000\n", "  events: \"${params.few}\"\n  few: \"${params.events}\"\n");
    album.edit("parameter of itself", "  events: 1000\n", "  events: { a: \"${params.events}\" }\n");
    album.edit("axis of another stage", "with: { events: 50 }", "with: { events: \"${model.epochs}\" }");
    album.edit("misspelt axis", "\"${point}\"", "\"${pint}\"");
    album.edit("misspelt field of a point", "point: \"${point}\"", "point: { kB: \"${point.kb}\" }");
    album.edit("field of a scalar axis", "with: { events: 50 }", "with: { events: \"${replica.number}\" }");
    album.edit(
        "field that one record lacks",
        BASE,
        &with(&[("epochs: 60", "rate: 0.1"), ("with: \"${model}\"", "with: { epochs: \"${model.epochs}\" }")]),
    );
    album.edit("list inside a text", "sources: \"${params.sources}\"", "sources: [\"source ${params.sources}\"]");
    album.edit("point inside a text", "point: \"${point}\"", "point: \"at ${point}\"");
    album.edit("expression", "${params.events}", "${params.events * 2}");
    album.edit("not closed", "${params.events}", "${params.events");
    album.edit("task field", "${params.events}", "${task.id}");
    album.edit("axis in params", "  events: 1000\n", "  events: \"${replica}\"\n");
    insta::assert_snapshot!(album.0);
}

#[test]
fn parameters() {
    let mut album = Album::new();
    let mut data = |title: &str, new: &str| album.edit(title, "with: { events: 50 }", &format!("with: {new}"));
    data("misspelt parameter", "{ evnts: 50 }");
    data("several at once", "{ events: 0, colour: red, detector: { radios: 5 } }");
    data("missing parameter", "{ smear: true }");
    data("text for a number", "{ events: many }");
    data("quoted number", "{ events: \"50\" }");
    data("float for a whole number", "{ events: 1e4 }");
    data("fraction for a whole number", "{ events: 0.5 }");
    data("negative", "{ events: -5 }");
    data("underscore in a number", "{ events: 10_000 }");
    data("leading zero", "{ events: 0050 }");
    data("no for false", "{ events: 5, smear: no }");
    data("list for a map", "{ events: 5, detector: [1, 2] }");
    data("unknown variant", "{ events: 5, sources: [Cs137, K4O] }");
    data("number out of the type's range", "{ events: 5, detector: { layers: 300 } }");
    data("out of range", "{ events: 5, detector: { radius: -1 } }");
    data("field of a tagged alternative", "{ events: 5, detector: { cut: { kind: above, low: 1, high: 2 } } }");
    data("list for the fields of a map", "{ events: 5, detector: { cut: [above, 1] } }");
    data("list of parameters", "[5]");
    data("no parameters at all", "");
    album.edit("bad value in params", "events: 1000", "events: few");
    album.edit("bad value in a record", "epochs: 60", "epochs: sixty");
    album.edit("misspelt field in a record", "{ name: wide, epochs: 60 }", "{ name: wide, epocs: 60 }");
    album.edit("bad value on a computed axis", "linspace: [6, 24, 3]", "linspace: [6, 36, 3]");
    album.edit("bad value of one element", "replica: { range: 3 }", "replica: [0, 5, 7]");
    album.edit(
        "bad element of an axis",
        BASE,
        &with(&[("replica: { range: 3 }", "replica: [5, 0, 7]"), ("events: 50", "events: \"${replica}\"")]),
    );
    insta::assert_snapshot!(album.0);
}

#[test]
fn inputs() {
    let mut album = Album::new();
    album.edit("misspelt stage", "train: training", "train: trainig");
    album.edit("misspelt input", "{ train: training }", "{ train: training, validat: data }");
    album.edit("missing input", "{ model: surrogate, data: data }", "{ model: surrogate }");
    album.edit("no inputs at all", "    inputs: { train: training }\n", "");
    album.edit("stage without input name", "inputs: { train: training }", "inputs: training");
    album.edit("unknown artifact", "data: data", "data: data.events");
    album.edit("artifact of the wrong type", "data: data", "data: data.facts");
    album.edit("stage of the wrong type", "model: surrogate, data", "model: training, data");
    album.edit("gather into one", "over: [model, replica]", "over: [replica]");
    album.edit("two where one is wanted", "data: data", "data: [data, training]");
    album.edit("same artifact twice", "train: training", "train: [training, training.sample]");
    album.edit("reference in inputs", "train: training", "train: \"${params.stage}\"");
    album.edit("circle", "    with: { events: 50 }", "    with: { events: 50 }\n    inputs: { fits: fit }");
    album.edit(
        "circle of commands",
        BASE,
        "mctune: 1\nname: circle\nstages:\n  a: { uses: command, with: {run: a, outputs: {x: x}}, inputs: {c: c} }\n  b: { uses: command, with: {run: b, outputs: {x: x}}, inputs: {a: a} }\n  c: { uses: command, with: {run: c, outputs: {x: x}}, inputs: {b: b, c: c.x} }\n",
    );
    insta::assert_snapshot!(album.0);
}

#[test]
fn profiles_and_overrides() {
    let mut album = Album::new();
    album.call("unknown profile", BASE, Some("quik"), &[]);
    album.edit("unknown field", "    axes: { replica: { range: 2 } }", "    axis: { replica: { range: 2 } }");
    album.edit("unknown axis", "axes: { replica: { range: 2 } }", "axes: { replicas: { range: 2 } }");
    album.edit("unknown parameter", "params: { events: 100 }", "params: { event: 100 }");
    album.edit("unknown stage", "params: { events: 100 }", "stages: { trainng: { with: { events: 5 } } }");
    album.edit("other field of a stage", "params: { events: 100 }", "stages: { training: { over: [model] } }");
    let bad = with(&[("params: { events: 100 }", "params: { events: none }")]);
    album.call("bad value in the chosen profile", &bad, Some("quick"), &[]);
    album.set("params.sed=8");
    album.set("params.seed");
    album.set("params.seed=");
    album.set("seed=8");
    album.set("param.seed=8");
    album.set("name=other");
    album.set("axes.replicas=[1]");
    album.set("axes.replica={range: 0}");
    album.set("axes.replica=[1, 2");
    album.set("stages.data.with.evnts=5");
    album.set("stages.data.uses=train");
    album.set("stages.dta.with.events=5");
    album.set("stages..with.events=5");
    album.set("params.events=lots");
    insta::assert_snapshot!(album.0);
}

#[test]
fn execution() {
    let mut album = Album::new();
    let mut train = |title: &str, new: &str| {
        album.edit(title, "    uses: train\n", &format!("    uses: train\n    {new}\n"));
    };
    train("unknown resource", "resources: { cpus: 2, cores: 3 }");
    train("cores in words", "resources: { cpus: many }");
    train("no core", "resources: { cpus: 0 }");
    train("memory without a unit", "resources: { memory: 4 }");
    train("memory in an unknown unit", "resources: { memory: 4 Gb/s }");
    train("half a GPU", "resources: { gpus: 0.5 }");
    train("resources as a number", "resources: 4");
    train("retries of a kind that computes", "retries: 3");
    train("timeout without a unit", "timeout: 90");
    train("timeout in an unknown unit", "timeout: 10 mn");
    train("no time", "timeout: 0 s");
    let mut command = |title: &str, new: &str| {
        let data = "    uses: generate\n    over: [replica]\n    with: { events: 50 }\n";
        let changed = format!(
            "    uses: generate\n    over: [replica]\n    with: {{ events: 50 }}\n  tool:\n    uses: command\n    with: {{ run: tool, outputs: {{ x: x }} }}\n    {new}\n"
        );
        album.edit(title, data, &changed);
    };
    command("retries without a number", "retries: { wait: 5 s }");
    command("retries in words", "retries: often");
    command("misspelt field of retries", "retries: { times: 3, pause: 5 s }");
    insta::assert_snapshot!(album.0);
}

#[test]
fn exclusions_and_gathers() {
    let mut album = Album::new();
    let mut fit = |title: &str, new: &str| {
        album.edit(title, "    over: [model, replica]\n", &format!("    over: [model, replica]\n    exclude: {new}\n"));
    };
    fit("axis that the stage lacks", "{ point: 1 }");
    fit("misspelt axis", "{ modl: tede }");
    fit("record that the axis lacks", "{ model: nfde }");
    fit("list of values", "[tede]");
    fit("nothing in particular", "[{}]");
    fit("map for a record", "{ model: { name: tede } }");
    album.edit(
        "field that points lack",
        "    over: [point]\n",
        "    over: [point]\n    exclude: [{ point: { kB: 6, fc: 0 } }]\n",
    );
    album.edit("number for a point", "    over: [point]\n", "    over: [point]\n    exclude: { point: 6 }\n");
    album.edit("every value of an axis", "{ range: 3 }", "{ range: 3, exclude: [0, 1, 2] }");
    album.edit("value that the axis lacks", "{ range: 3 }", "{ range: 3, exclude: 7 }");
    let mut gather = |title: &str, new: &str| album.edit(title, "train: training", &format!("train: {new}"));
    gather("no producer", "{ min_success: 0.9 }");
    gather("misspelt field", "{ from: training, min_sucess: 0.9 }");
    gather("more than all", "{ from: training, min_success: 1.5 }");
    gather("none", "{ from: training, min_success: 0 }");
    gather("in words", "{ from: training, min_success: most }");
    gather("more than there are", "{ from: training, min_success: 7 }");
    album.edit("where nothing is gathered", "data: data }", "data: { from: data, min_success: 0.9 } }");
    insta::assert_snapshot!(album.0);
}

/// Aliases or references that double at every step.
fn bomb(first: &str, step: impl Fn(usize) -> String) -> String {
    let lines: String = (1..40).map(step).collect();
    with(&[("params:\n", &format!("params:\n{first}{lines}"))])
}

#[test]
fn bombs_are_refused_at_once() {
    let mut album = Album::new();
    let aliases = bomb("  b0: &b0 [lol, lol]\n", |level| format!("  b{level}: &b{level} [*b{0}, *b{0}]\n", level - 1));
    album.text("aliases", &aliases);
    let references = bomb("  b0: [lol, lol]\n", |level| {
        format!("  b{level}: [\"${{params.b{0}}}\", \"${{params.b{0}}}\"]\n", level - 1)
    });
    album.text("references", &references);
    album.text("nesting", &with(&[("seed: 7", &format!("seed: {}", "[".repeat(200)))]));
    let nested = format!("seed: {}{}", "[".repeat(200), "]".repeat(200));
    album.text("closed nesting", &with(&[("seed: 7", &nested)]));
    let nested: String = (0..100).map(|level| format!("{}a:\n", " ".repeat(level + 2))).collect();
    album.text("block nesting", &with(&[("  seed: 7\n", &nested)]));
    album.text("deep nesting", &with(&[("seed: 7", &format!("seed: {}", "[".repeat(100_000)))]));
    let lines: Vec<&str> =
        album.0.lines().filter(|line| line.starts_with("===") || line.starts_with("error")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
