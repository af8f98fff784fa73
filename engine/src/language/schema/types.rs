//! The fields of the language with what they are for, as types whose schemas are derived.
#![expect(dead_code, reason = "only the schemas of these types are used")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value;

/// One thing, or a list.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// A simulation-based-inference campaign.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct PipelineFile {
    /// Version of the pipeline language.
    #[schemars(extend("const" = 1))]
    mctune: u64,
    /// Name of the campaign.
    name: String,
    /// What it is about.
    description: Option<String>,
    /// Further files whose sections belong to the pipeline; paths start at this file.
    include: Option<OneOrMany<String>>,
    /// Values to refer to as `${params.NAME}`. `seed` is the seed of all random streams.
    params: Option<BTreeMap<String, Value>>,
    /// Named lists of values or points; a stage has one task for each combination of the axes it runs over.
    axes: Option<BTreeMap<String, Axis>>,
    /// The steps of the campaign, by name.
    stages: Option<BTreeMap<String, Stage>>,
    /// Named changes, chosen with `--profile`.
    profiles: Option<BTreeMap<String, Profile>>,
}

/// A file that a pipeline includes: sections that belong to the pipeline as if they stood in it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct IncludedFile {
    /// Version of the pipeline language.
    #[schemars(extend("const" = 1))]
    mctune: Option<u64>,
    /// What it is about.
    description: Option<String>,
    /// Further files; paths start at this file.
    include: Option<OneOrMany<String>>,
    /// Values to refer to as `${params.NAME}`.
    params: Option<BTreeMap<String, Value>>,
    /// Named lists of values or points.
    axes: Option<BTreeMap<String, Axis>>,
    /// Steps of the campaign, by name.
    stages: Option<BTreeMap<String, Stage>>,
    /// Named changes, chosen with `--profile`.
    profiles: Option<BTreeMap<String, Profile>>,
}

/// A named list of values or points.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Axis {
    /// Numbers, texts, or named records.
    List(Vec<Element>),
    /// Whole numbers, as Python's `range`.
    Range(RangeAxis),
    /// Evenly spaced numbers.
    Linspace(LinspaceAxis),
    /// All combinations of the values of its fields, the first field slowest.
    Grid(GridAxis),
    /// The first values of all fields, then the second ones, and so on.
    Zip(ZipAxis),
    /// Points written one by one.
    Points(PointsAxis),
    /// Trials drawn at random.
    Sample(SampleAxis),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Element {
    Number(f64),
    Text(String),
    Record(Record),
}

/// A named record: `${axis}` stands for its fields, `${axis.name}` for its name.
#[derive(JsonSchema)]
struct Record {
    /// What the record is called in task names.
    name: String,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RangeAxis {
    /// `stop`, `[start, stop]` or `[start, stop, step]`.
    range: OneOrMany<i64>,
    /// Values that are left out.
    exclude: Option<Value>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LinspaceAxis {
    /// First value, last value, number of values.
    linspace: (f64, f64, u64),
    /// Values that are left out.
    exclude: Option<Value>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GridAxis {
    /// Fields of the points, each with its values.
    grid: BTreeMap<String, Numbers>,
    /// Points that are left out: `{ kB: 6 }` means all points with this kB.
    exclude: Option<Value>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ZipAxis {
    /// Fields of the points, each with as many values.
    zip: BTreeMap<String, Numbers>,
    /// Points that are left out.
    exclude: Option<Value>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PointsAxis {
    /// The points, all with the same fields.
    points: Vec<BTreeMap<String, f64>>,
    /// Points that are left out.
    exclude: Option<Value>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SampleAxis {
    /// Trials with fields drawn from distributions; `${axis}` stands for all fields of a trial.
    sample: Sample,
    /// Numbers of trials that are left out.
    exclude: Option<Value>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Sample {
    /// Number of trials; more of them leave the first ones as they are.
    count: u64,
    /// Seed of what is drawn.
    seed: u64,
    /// Fields, each drawn from its distribution; maps hold further fields, anything else is the same in all trials.
    of: BTreeMap<String, Drawn>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Drawn {
    Uniform(Uniform),
    LogUniform(LogUniform),
    Integer(Integer),
    Choice(Choice),
    Other(Value),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Uniform {
    /// Lowest and highest value, all between equally likely.
    uniform: (f64, f64),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LogUniform {
    /// Lowest and highest value, above 0; equally likely in the logarithm.
    log_uniform: (f64, f64),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Integer {
    /// Lowest and highest whole number, both possible; a third number is the distance between values.
    #[schemars(length(min = 2, max = 3))]
    integer: Vec<i64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Choice {
    /// Values, equally likely.
    choice: Vec<Value>,
}

/// Numbers: a list, a range or evenly spaced.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Numbers {
    List(Vec<f64>),
    Range(Range),
    Linspace(Linspace),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Range {
    /// `stop`, `[start, stop]` or `[start, stop, step]`.
    range: OneOrMany<i64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Linspace {
    /// First value, last value, number of values.
    linspace: (f64, f64, u64),
}

/// A step of the campaign.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Stage {
    /// Stage kind.
    uses: String,
    /// Axes it runs over: one task for each combination of their values.
    over: Option<OneOrMany<String>>,
    /// Combinations of axis values that have no task: `{ model: nfde, exposure: [1000, 2000] }`, or a list of such maps.
    exclude: Option<OneOrMany<BTreeMap<String, Value>>>,
    /// Parameters: a map, a reference to a record, or a list of these, later ones winning.
    with: Option<Value>,
    /// Input slots, each with the stage whose artifacts fill it. Shared axes are matched, axes that only the producer has
    /// are gathered, axes that only this stage has are broadcast.
    inputs: Option<BTreeMap<String, Input>>,
    /// Label of the random streams; the stage's name unless given.
    stream: Option<String>,
    /// What a task takes of the machine. In no key.
    resources: Option<Resources>,
    /// How often a task that failed is tried again. In no key.
    retries: Option<Retries>,
    /// Longest time a task may take: `90 s`, `10 min`. In no key.
    timeout: Option<String>,
}

/// `stage`, `stage.artifact`, a list of these, or a map with conditions.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
    Gather(Gather),
}

/// A gather that may do without some of its tasks.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Gather {
    /// `stage`, `stage.artifact`, or a list of these.
    from: OneOrMany<String>,
    /// How many of the gathered tasks must have succeeded: a share such as `0.9` or `90%`, or a number such as `900`.
    min_success: Option<MinSuccess>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum MinSuccess {
    Number(#[schemars(extend("exclusiveMinimum" = 0))] f64),
    Percent(#[schemars(extend("pattern" = "^[0-9.]+ *%$"))] String),
}

/// What a task takes of the machine.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Resources {
    /// Processor cores; a task does with fewer.
    #[schemars(range(min = 1, max = 65536))]
    cpus: Option<u32>,
    /// Memory with its unit: `4 GB`, `512 MiB`.
    memory: Option<String>,
    /// GPUs.
    #[schemars(range(max = 65536))]
    gpus: Option<u32>,
}

/// How often a task that failed is tried again.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Retries {
    Times(#[schemars(range(max = 100))] u32),
    Waiting(RetriesWaiting),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RetriesWaiting {
    /// How often.
    #[schemars(range(max = 100))]
    times: u32,
    /// Time before the first repetition, doubled before each further one: `10 s`.
    wait: Option<String>,
}

/// Changes to a pipeline.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Profile {
    /// What it is for.
    description: Option<String>,
    /// Params that get other values.
    params: Option<BTreeMap<String, Value>>,
    /// Axes that get other values.
    axes: Option<BTreeMap<String, Axis>>,
    /// Stages with other parameters, or executed in another way.
    stages: Option<BTreeMap<String, StageChange>>,
}

/// Changes to a stage.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StageChange {
    /// Parameters, merged field by field into those of the stage.
    with: Option<Value>,
    /// What a task takes of the machine.
    resources: Option<Resources>,
    /// How often a task that failed is tried again.
    retries: Option<Retries>,
    /// Longest time a task may take.
    timeout: Option<String>,
}
