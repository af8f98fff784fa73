//! `mctune fit`: one data set with one model, without a pipeline.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use mctune_engine::stage::{ParamError, Seed};
use mctune_stages::fit::result::{FitResult, FittedParameter};
use mctune_stages::fit::{self, FitParams, Fitted};
use mctune_stages::import::{self, ImportParams};
use mctune_stages::sample::Sample;
use serde_json::{Map, Value, json};

use super::simulate::{self, refuse_existing};
use super::{note, say, say_json};
use crate::args::FitArgs;
use crate::estimator;
use crate::exit::{Code, Usage};

pub(crate) fn fit(args: &FitArgs) -> anyhow::Result<Code> {
    refuse_existing(&args.output)?;
    let params = params(args)?;
    let model = estimator::open(&args.model, simulate::threads(args.jobs))?;
    let sample = data(args)?;
    let mut stream = fit::stream(&Seed::from_number(args.seed));
    let start = Instant::now();
    let found = fit::fit(&*model, &sample, &params, &mut stream).map_err(|error| {
        let hint = error.hint().map_or_else(String::new, |hint| format!("\nhelp: {hint}"));
        Usage(format!("{}: {error}{hint}", args.data.display()))
    })?;
    let Fitted { mut result, posterior } = found;
    result.seconds = Some(start.elapsed().as_secs_f64());
    write(args, &result, posterior.as_ref())?;
    show(args, &result)?;
    Ok(if result.valid { Code::Done } else { Code::TasksFailed })
}

/// Settings of the file, then those of the command line.
fn params(args: &FitArgs) -> anyhow::Result<FitParams> {
    let mut settings: Map<String, Value> = match &args.config {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_yaml::from_str(&text).map_err(|error| Usage(format!("{}: {error}", path.display())))?
        }
        None => Map::new(),
    };
    let given = [
        ("method", args.method.as_ref().map(|method| json!(method))),
        ("likelihood", args.likelihood.as_ref().map(|form| json!(form))),
        ("sources", args.source.as_ref().map(|sources| json!(sources))),
        ("norms", args.norms.as_ref().map(|norms| json!(norms))),
        ("per_source", args.per_source.then_some(json!(true))),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            settings.insert(name.into(), value);
        }
    }
    let params: FitParams =
        serde_json::from_value(Value::Object(settings)).map_err(|error| Usage(error.to_string()))?;
    refuse(&params.faults())?;
    Ok(params)
}

fn refuse(faults: &[ParamError]) -> Result<(), Usage> {
    if faults.is_empty() {
        return Ok(());
    }
    let line =
        |fault: &ParamError| fault.hint.as_ref().map_or_else(|| fault.to_string(), |hint| format!("{fault} ({hint})"));
    Err(Usage(faults.iter().map(line).collect::<Vec<_>>().join("\n")))
}

fn data(args: &FitArgs) -> anyhow::Result<Sample> {
    let own = args.column.is_none() && args.data.extension().is_some_and(|extension| extension == "parquet");
    // A sample of ours keeps its truth and its multiplicities.
    if own
        && let Ok(sample) =
            std::fs::read(&args.data).map_err(anyhow::Error::from).and_then(|bytes| Ok(Sample::from_parquet(&bytes)?))
    {
        return Ok(sample);
    }
    let mut settings = json!({ "path": args.data, "scale": args.scale });
    for (name, value) in [("column", &args.column), ("tree", &args.tree), ("unit", &args.unit)] {
        if let Some(value) = value {
            settings[name] = json!(value);
        }
    }
    let params: ImportParams = serde_json::from_value(settings).map_err(|error| Usage(error.to_string()))?;
    refuse(&params.faults())?;
    let imported = import::import(&args.data, &params).map_err(|error| {
        let hint = error.hint().map_or_else(String::new, |hint| format!("\nhelp: {hint}"));
        Usage(format!("{error}{hint}"))
    })?;
    Ok(imported)
}

/// The folder appears whole or not at all.
fn write(
    args: &FitArgs,
    result: &FitResult,
    posterior: Option<&mctune_stages::posterior::PosteriorFile>,
) -> anyhow::Result<()> {
    let beside = args.output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = || format!("cannot write {}", args.output.display());
    std::fs::create_dir_all(beside).with_context(failed)?;
    let unfinished = tempfile::Builder::new().prefix(".mctune-fit-").tempdir_in(beside).with_context(failed)?;
    let mut json = serde_json::to_vec_pretty(result)?;
    json.push(b'\n');
    std::fs::write(unfinished.path().join("summary.json"), json).with_context(failed)?;
    if let Some(posterior) = posterior {
        std::fs::write(unfinished.path().join("posterior.parquet"), posterior.to_parquet()?).with_context(failed)?;
    }
    std::fs::rename(unfinished.path(), &args.output).with_context(failed)?;
    // What had this name is now the result.
    let _ = unfinished.keep();
    open_to_others(&args.output).with_context(failed)
}

/// A temporary folder is its owner's alone; the result is an ordinary one.
fn open_to_others(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

fn show(args: &FitArgs, result: &FitResult) -> anyhow::Result<()> {
    if args.json {
        return say_json(result);
    }
    let mut text = String::new();
    for parameter in &result.parameters {
        let _ = writeln!(text, "{}", line(parameter));
    }
    let goodness = result.probability.map_or_else(String::new, |p| format!(", probability {p:.3}"));
    let _ = writeln!(
        text,
        "deviance {:.1} for {} degrees of freedom{goodness}; {} evaluations, {:.2} s",
        result.deviance,
        result.degrees_of_freedom,
        result.calls,
        result.seconds.unwrap_or(0.0)
    );
    if let Some(posterior) = &result.posterior {
        if let Some(reason) = &posterior.fallback {
            let _ = writeln!(text, "nested sampling instead of importance sampling: {reason}");
        }
        if let Some((evidence, error)) = posterior.log_evidence.zip(posterior.log_evidence_error) {
            let _ = writeln!(text, "ln Z = {evidence:.2} +- {error:.2}");
        }
    }
    if let Some(problem) = &result.problem {
        let _ = writeln!(text, "not valid: {problem}");
    }
    note(&text);
    say(&format!("{}\n", args.output.display()));
    Ok(())
}

fn line(parameter: &FittedParameter) -> String {
    // Two digits of the error say how many of the value matter.
    let digits = parameter.error.filter(|error| *error > 0.0).map_or(6, |error| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 12")]
        let digits = (1.0 - error.log10().floor()).clamp(0.0, 12.0) as usize;
        digits
    });
    let error = parameter.error.map_or_else(|| " (no error)".into(), |error| format!(" +- {error:.digits$}"));
    let interval = parameter
        .interval
        .map_or_else(String::new, |(low, high)| format!("   68 %: {low:.digits$} to {high:.digits$}"));
    format!("{} = {:.digits$}{error}{interval}", parameter.name, parameter.value)
}
