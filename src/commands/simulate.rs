//! `mctune simulate`: spectra of one parameter point, without a pipeline.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use mctune_engine::stage::{Cancel, Seed};
use mctune_stages::generate::{Constants, GenerateParams, Generator, Point, Request, SourceDefinition};
use mctune_stages::sample::{self, Sample};
use serde::Deserialize;
use serde_json::json;

use super::{note, say, say_json};
use crate::args::{SampleForm, SimulateArgs};
use crate::exit::{Code, Usage};

/// What `--detector` may say: the same words as under `with` of a `generate` stage.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct DetectorFile {
    constants: Constants,
    define: BTreeMap<String, SourceDefinition>,
}

pub(crate) fn simulate(args: &SimulateArgs) -> anyhow::Result<Code> {
    let format = FileFormat::of(&args.output)?;
    refuse_existing(&args.output)?;
    if let Some(plot) = &args.plot {
        refuse_existing(plot)?;
    }
    let detector = args.detector.as_deref().map_or_else(|| Ok(DetectorFile::default()), detector)?;
    let params = GenerateParams {
        sources: args.source.clone(),
        point: Point { kb: args.kb, fc: args.fc, yield_per_mev: args.yield_per_mev },
        events: args.events,
        constants: detector.constants,
        define: detector.define,
    };
    let faults = params.faults();
    if !faults.is_empty() {
        let line = |fault: &mctune_engine::stage::ParamError| {
            fault.hint.as_ref().map_or_else(|| fault.to_string(), |hint| format!("{fault} ({hint})"))
        };
        return Err(Usage(faults.iter().map(line).collect::<Vec<_>>().join("\n")).into());
    }
    let sample = generate(&params, args)?;
    write(&sample, &args.output, format, args.form)?;
    if let Some(plot) = &args.plot {
        let figure = sample::plot(&sample).context("no entry to draw")?;
        write_text(plot, &figure.standalone_svg())?;
    }
    show(&sample, args)
}

fn generate(params: &GenerateParams, args: &SimulateArgs) -> anyhow::Result<Sample> {
    let threads = threads(args.jobs);
    let bar = ProgressBar::new(1000);
    bar.set_style(
        ProgressStyle::with_template("{elapsed:>4} {wide_bar:.green/dim} {msg}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let cancel = Cancel::default();
    let request = Request {
        params,
        seed: Seed::from_number(args.seed),
        threads,
        cancel: &cancel,
        on_progress: &|progress| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 1000")]
            bar.set_position((progress.fraction.clamp(0.0, 1.0) * 1000.0) as u64);
            bar.set_message(progress.note);
        },
    };
    let sample = Generator::default().sample(&request)?;
    bar.finish_and_clear();
    Ok(sample)
}

/// Threads to use: as many as were asked for, or one for each core.
pub(super) fn threads(jobs: Option<u32>) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    jobs.map_or_else(all, |jobs| jobs as usize)
}

/// By the name's ending.
#[derive(Clone, Copy)]
enum FileFormat {
    Parquet,
    Csv,
}

impl FileFormat {
    fn of(path: &Path) -> Result<Self, Usage> {
        match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("parquet") => Ok(Self::Parquet),
            Some("csv") => Ok(Self::Csv),
            _ => Err(Usage(format!("{}: the name must end in .parquet or .csv", path.display()))),
        }
    }
}

/// Refuses names that say no format.
pub(super) fn check_name(path: &Path) -> Result<(), Usage> {
    FileFormat::of(path).map(drop)
}

pub(super) fn refuse_existing(path: &Path) -> Result<(), Usage> {
    if path.exists() {
        return Err(Usage(format!("{} exists already; remove it or choose another place", path.display())));
    }
    Ok(())
}

/// Writes a sample, made whole before it gets its name.
pub(super) fn write_as(sample: &Sample, path: &Path, form: SampleForm) -> anyhow::Result<()> {
    write(sample, path, FileFormat::of(path)?, form)
}

fn write(sample: &Sample, path: &Path, format: FileFormat, form: SampleForm) -> anyhow::Result<()> {
    write_whole(path, |sink| fill(sample, sink, format, form))
}

/// Writes a file, made whole before it gets its name.
pub(super) fn write_whole(
    path: &Path,
    fill: impl FnOnce(BufWriter<&File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(beside).with_context(|| format!("cannot create {}", beside.display()))?;
    // A temporary file is its owner's alone; this one becomes an ordinary file, as the umask has it.
    let unfinished = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(beside)
        .with_context(|| format!("cannot write into {}", beside.display()))?;
    fill(BufWriter::new(unfinished.as_file())).with_context(|| format!("cannot write {}", path.display()))?;
    unfinished.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Writes a text, made whole before it gets its name.
pub(super) fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    write_whole(path, |mut sink| {
        sink.write_all(text.as_bytes())?;
        Ok(sink.flush()?)
    })
}

fn fill(sample: &Sample, mut sink: BufWriter<&File>, format: FileFormat, form: SampleForm) -> anyhow::Result<()> {
    use std::io::Write as _;
    match (format, form) {
        (FileFormat::Parquet, SampleForm::Counts) => sink.write_all(&sample.to_parquet()?)?,
        (FileFormat::Parquet, SampleForm::Events) => sink = sample.write_events(sink)?,
        (FileFormat::Csv, SampleForm::Counts) => sample.write_csv(&mut sink)?,
        (FileFormat::Csv, SampleForm::Events) => sample.write_events_csv(&mut sink)?,
    }
    Ok(sink.flush()?)
}

fn show(sample: &Sample, args: &SimulateArgs) -> anyhow::Result<Code> {
    if args.json {
        let spectra: Vec<_> = sample.spectra.iter().map(described).collect();
        say_json(&json!({"path": args.output, "plot": args.plot, "seed": args.seed, "truth": sample.truth,
                         "spectra": spectra}))?;
    } else {
        sample.spectra.iter().for_each(|spectrum| note(&line(spectrum)));
        for path in [Some(&args.output), args.plot.as_ref()].into_iter().flatten() {
            say(&format!("{}\n", path.display()));
        }
    }
    Ok(Code::Done)
}

/// A spectrum in machine-readable output.
pub(super) fn described(spectrum: &sample::Spectrum) -> serde_json::Value {
    json!({"source": spectrum.source, "decays": spectrum.events, "entries": spectrum.total(),
           "mean_npe": spectrum.mean().map(|mean| 1e3 * mean)})
}

/// A line on a spectrum.
pub(super) fn line(spectrum: &sample::Spectrum) -> String {
    let mean = spectrum.mean().map_or_else(String::new, |mean| format!(", mean {:.1} photo-electrons", 1e3 * mean));
    format!("{}: {} entries{mean}\n", spectrum.source, spectrum.total())
}

fn detector(path: &Path) -> anyhow::Result<DetectorFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_yaml::from_str(&text).map_err(|error| Usage(format!("{}: {error}", path.display())).into())
}
