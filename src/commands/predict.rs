//! `mctune predict`: densities of a trained model, without a pipeline.

use std::path::Path;

use anyhow::Context as _;
use mctune_stages::density::{Density, Precision};
use mctune_stages::prediction::{Places, Prediction, predict as densities};
use serde_json::json;

use super::{say, say_json, simulate};
use crate::args::{Digits, PredictArgs};
use crate::estimator;
use crate::exit::{Code, Usage};

/// More bins than any plot or table has a use for.
const MOST_BINS: f64 = 1e6;

pub(crate) fn predict(args: &PredictArgs) -> anyhow::Result<Code> {
    if args.output.extension().is_none_or(|extension| extension != "csv") {
        return Err(Usage(format!("{}: the name must end in .csv", args.output.display())).into());
    }
    for path in [Some(&args.output), args.plot.as_ref()].into_iter().flatten() {
        simulate::refuse_existing(path)?;
    }
    let model = estimator::open(&args.model, simulate::threads(None))?;
    let (point, sources) = (estimator::point(&*model, &args.point)?, estimator::sources(&*model, &args.point)?);
    let places = match (&args.bins, &args.at) {
        (Some(bins), _) => Places::Bins(edges(bins)?),
        (None, Some(path)) => Places::Values(values(path)?),
        (None, None) => Places::Bins(own_edges(&*model)),
    };
    let precision = match args.precision {
        Digits::Single => Precision::Single,
        Digits::Double => Precision::Double,
    };
    let prediction = densities(&*model, &point, &sources, places, precision);
    // Drawn first: a table without the picture that was asked for would stand in the way of a second try.
    let drawing = args.plot.as_ref().map(|_| prediction.plot().context("all densities are zero there")).transpose()?;
    simulate::write_whole(&args.output, |sink| Ok(prediction.write_csv(sink)?))?;
    if let (Some(plot), Some(figure)) = (&args.plot, drawing) {
        simulate::write_whole(plot, |mut sink| {
            Ok(std::io::Write::write_all(&mut sink, figure.standalone_svg().as_bytes())?)
        })?;
    }
    show(&prediction, &*model, &point, args)
}

fn own_edges(model: &dyn Density) -> Vec<f64> {
    let bins = model.bins();
    (0..=bins.count).map(|index| bins.edge(index)).collect()
}

/// Edges of `LOW:HIGH:WIDTH`.
fn edges(text: &str) -> Result<Vec<f64>, Usage> {
    let numbers: Option<Vec<f64>> =
        text.split(':').map(|part| part.trim().parse().ok().filter(|number: &f64| number.is_finite())).collect();
    let Some([low, high, width]) = numbers.as_deref() else {
        return Err(Usage(format!("--bins {text}: write LOW:HIGH:WIDTH in kNPE, such as 0.4:16.4:0.02")));
    };
    let count = (high - low) / width;
    if !(*width > 0.0 && count >= 0.5) {
        return Err(Usage(format!("--bins {text}: HIGH must lie above LOW, and WIDTH must be positive")));
    }
    if count > MOST_BINS {
        return Err(Usage(format!("--bins {text}: {count:.0} bins are more than the {MOST_BINS} that are possible")));
    }
    if (count - count.round()).abs() > 1e-6 * count.max(1.0) {
        return Err(Usage(format!("--bins {text}: {low} to {high} are no whole number of bins of {width}")));
    }
    let count = count.round();
    let bins = std::iter::successors(Some(0.0), |index| Some(index + 1.0)).take_while(|index| *index <= count);
    Ok(bins.map(|index| (low * (count - index) + high * index) / count).collect())
}

/// The values of a CSV file, in kNPE, in its order.
fn values(path: &Path) -> anyhow::Result<Vec<f64>> {
    let shown = path.display();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_path(path)
        .with_context(|| format!("cannot read {shown}"))?;
    let header = reader.headers().with_context(|| format!("cannot read {shown}"))?.clone();
    let column = header.iter().enumerate().find_map(|(at, name)| match name {
        "npe" => Some((at, 1000.0)),
        "knpe" => Some((at, 1.0)),
        _ => None,
    });
    let Some((column, scale)) = column else {
        let found: Vec<&str> = header.iter().collect();
        return Err(Usage(format!("{shown} has no column `npe` or `knpe`; it has {}", found.join(", "))).into());
    };
    let mut values = Vec::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("cannot read {shown}"))?;
        let text = record.get(column).unwrap_or_default();
        let line = record.position().map_or(0, csv::Position::line);
        let number: f64 = text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| Usage(format!("{shown}:{line}: `{text}` is not a finite number")))?;
        values.push(number / scale);
    }
    if values.is_empty() {
        return Err(Usage(format!("{shown} has no values")).into());
    }
    Ok(values)
}

fn show(prediction: &Prediction, model: &dyn Density, point: &[f64], args: &PredictArgs) -> anyhow::Result<Code> {
    let rows: usize = prediction.sources.iter().map(|source| source.log_densities.len()).sum();
    if args.json {
        let names = model.parameters().iter().map(|range| range.name.clone());
        let point: serde_json::Map<_, _> = names.zip(point.iter().map(|value| json!(value))).collect();
        say_json(&json!({"path": args.output, "plot": args.plot, "kind": model.kind(), "point": point, "rows": rows}))?;
    } else {
        for path in [Some(&args.output), args.plot.as_ref()].into_iter().flatten() {
            say(&format!("{}\n", path.display()));
        }
    }
    Ok(Code::Done)
}

#[cfg(test)]
mod tests {
    use super::edges;

    #[test]
    fn bins_are_read_as_written() {
        let found = edges("0.4:16.4:0.02").unwrap();
        assert_eq!((found.len(), found[0], found[1], found[800]), (801, 0.4, 0.42, 16.4));
        for (wrong, said) in [
            ("0.4:16.4", "LOW:HIGH:WIDTH"),
            ("0.4:x:1", "LOW:HIGH:WIDTH"),
            ("2:1:0.5", "above LOW"),
            ("1:2:-0.5", "positive"),
            ("1:2:0.3", "no whole number"),
            ("0:1:1e-9", "more than"),
            ("0:inf:1", "LOW:HIGH:WIDTH"),
        ] {
            let error = edges(wrong).unwrap_err().to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
