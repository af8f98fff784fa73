//! Densities of an estimator at one parameter point, as a table and a picture. Knows no files and no engine.

use crate::density::{Condition, Density, Precision};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Series, Stroke};

/// Where a density is wanted; kNPE.
#[derive(Debug, Clone, PartialEq)]
pub enum Places {
    /// Averaged over the bins between these ascending edges.
    Bins(Vec<f64>),
    /// At single values.
    Values(Vec<f64>),
}

/// The density of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// The source.
    pub source: String,
    /// ln of the density per kNPE, by bin or value.
    pub log_densities: Vec<f64>,
}

/// Densities of some sources.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Where.
    pub places: Places,
    /// By source.
    pub sources: Vec<Predicted>,
}

/// The densest point over the sparsest that is shown.
const DECADES: f64 = 1e-6;
/// Share of a source's probability at either end that may lie outside the picture.
const TAIL: f64 = 2e-4;

/// Predicts the densities of sources, given by their indices, at `point`.
///
/// An NFDE's density is normalised over all x, a TEDE's over its bins, outside of which it is zero.
#[must_use]
pub fn predict(
    model: &dyn Density,
    point: &[f64],
    sources: &[usize],
    places: Places,
    precision: Precision,
) -> Prediction {
    let predicted = |source: &usize| {
        let condition = Condition { point: point.to_vec(), source: *source };
        let log_densities = match &places {
            Places::Values(values) => model.log_densities(&condition, values, precision),
            Places::Bins(edges) => {
                let masses = model.masses(&condition, edges, precision);
                masses.iter().zip(edges.windows(2)).map(|(mass, edge)| (mass / (edge[1] - edge[0])).ln()).collect()
            }
        };
        Predicted { source: model.sources()[*source].clone(), log_densities }
    };
    let sources = sources.iter().map(predicted).collect();
    Prediction { places, sources }
}

impl Prediction {
    /// A row for each source and bin or value: `source`, `low_knpe` and `high_knpe` or `knpe`, `density_per_knpe`,
    /// `log_density`.
    ///
    /// # Errors
    /// If the sink refuses bytes.
    pub fn write_csv<W: std::io::Write>(&self, sink: W) -> Result<(), csv::Error> {
        let mut writer = csv::Writer::from_writer(sink);
        let place: &[&str] = match self.places {
            Places::Bins(_) => &["low_knpe", "high_knpe"],
            Places::Values(_) => &["knpe"],
        };
        let header = ["source"].iter().chain(place).chain(&["density_per_knpe", "log_density"]).copied();
        writer.write_record(header)?;
        for Predicted { source, log_densities } in &self.sources {
            for (at, log_density) in log_densities.iter().enumerate() {
                let mut row = vec![source.clone()];
                match &self.places {
                    Places::Bins(edges) => row.extend([edges[at].to_string(), edges[at + 1].to_string()]),
                    Places::Values(values) => row.push(values[at].to_string()),
                }
                row.extend([log_density.exp().to_string(), log_density.to_string()]);
                writer.write_record(row)?;
            }
        }
        writer.flush()?;
        Ok(())
    }

    /// The densities over each other, logarithmic. `None` where all of them are zero.
    #[must_use]
    pub fn plot(&self) -> Option<Figure> {
        let highest =
            self.sources.iter().flat_map(|source| &source.log_densities).copied().fold(f64::NAN, f64::max).exp();
        let (low, high) = self.range()?;
        let series = self.sources.iter().enumerate().map(|(index, source)| {
            let mut values: Vec<f64> = source.log_densities.iter().map(|value| value.exp()).collect();
            let mark = match &self.places {
                Places::Bins(edges) => Mark::Steps { edges: edges.clone(), values, filled: false },
                Places::Values(at) => {
                    let mut points: Vec<(f64, f64)> = at.iter().copied().zip(values.drain(..)).collect();
                    points.sort_by(|one, other| one.0.total_cmp(&other.0));
                    Mark::Line { points, stroke: Stroke::Solid }
                }
            };
            Series::new(&source.source, Colour::nth(index), mark)
        });
        let names: Vec<&str> = self.sources.iter().map(|source| source.source.as_str()).collect();
        let y = Axis::log("density [kNPE^{\u{2212}1}]").over(highest * DECADES, 2.0 * highest);
        (highest > 0.0).then(|| Figure {
            name: "prediction".into(),
            title: names.join(", "),
            description: format!("Predicted densities of the number of photo-electrons of {}", names.join(", ")),
            width: 720.0,
            x: Axis::linear("number of photo-electrons [kNPE]").over(low, high),
            panels: vec![Panel::new(340.0, y, series.collect())],
        })
    }

    /// Where nearly all of the probability lies, or all values asked for.
    fn range(&self) -> Option<(f64, f64)> {
        let both = |one: (f64, f64), other: (f64, f64)| (one.0.min(other.0), one.1.max(other.1));
        match &self.places {
            Places::Values(values) => values.iter().map(|x| (*x, *x)).reduce(both),
            Places::Bins(edges) => {
                let ends = |source: &Predicted| {
                    let steps = source.log_densities.iter().zip(edges.windows(2));
                    let masses: Vec<f64> = steps.map(|(value, edge)| value.exp() * (edge[1] - edge[0])).collect();
                    let total: f64 = masses.iter().sum();
                    let reach = |masses: &mut dyn Iterator<Item = &f64>| {
                        let mut sum = 0.0;
                        masses
                            .take_while(|mass| {
                                sum += **mass;
                                sum <= TAIL * total
                            })
                            .count()
                    };
                    let (first, last) = (reach(&mut masses.iter()), reach(&mut masses.iter().rev()));
                    (total > 0.0).then(|| {
                        let margin = 4;
                        let end = (masses.len() - last + margin).min(masses.len());
                        (edges[first.saturating_sub(margin)], edges[end])
                    })
                };
                self.sources.iter().filter_map(ends).reduce(both)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    fn authors(name: &str) -> Box<dyn Density> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("neural/tests/data");
        let read = |extension: &str| std::fs::read(folder.join(format!("{name}.{extension}"))).unwrap();
        model::load(&read("safetensors"), &read("json"), 1).unwrap()
    }

    const POINT: [f64; 3] = [15.45, 0.525, 10_100.0];

    #[test]
    fn bins_of_any_width_hold_the_same_probability() {
        for name in ["tede-01bfb89", "nfde-c008830"] {
            let model = authors(name);
            let edges = |count: usize| (0..=count).map(|at| 0.4 + 16.0 * at as f64 / count as f64).collect::<Vec<_>>();
            let masses = |count: usize| -> Vec<f64> {
                let found = predict(&*model, &POINT, &[4], Places::Bins(edges(count)), Precision::Double);
                let width = 16.0 / count as f64;
                found.sources[0].log_densities.iter().map(|value| value.exp() * width).collect()
            };
            let coarse = masses(100);
            for count in [200, 800, 1300] {
                let fine = masses(count);
                let sums: Vec<f64> = fine.chunks_exact(count / 100).map(|chunk| chunk.iter().sum()).collect();
                for (coarse, fine) in coarse.iter().zip(sums) {
                    assert!((coarse - fine).abs() < 1e-12, "{name} {count}: {coarse} {fine}");
                }
            }
            let native = &model.densities(&[Condition { point: POINT.to_vec(), source: 4 }]);
            let window: f64 = masses(800).iter().sum();
            for (native, mass) in native.iter().zip(masses(800)) {
                assert!((native * 0.02 - mass / window).abs() < 1e-6, "{name} {native} {mass}");
            }
        }
    }

    #[test]
    fn tables_and_pictures() {
        let model = authors("tede-01bfb89");
        let values = Places::Values(vec![2.2, 0.9, 20.0]);
        let found = predict(&*model, &POINT, &[0, 1], values, Precision::Double);
        let mut bytes = Vec::new();
        found.write_csv(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (7, "source,knpe,density_per_knpe,log_density"));
        assert!(lines[1].starts_with("Cs137,2.2,") && lines[3] == "Cs137,20,0,-inf", "{text}");
        assert!(found.plot().unwrap().standalone_svg().contains("Cs137, K40"));
        let edges = Places::Bins((0..=40).map(|at| 0.5 + 0.05 * f64::from(at)).collect());
        let found = predict(&*model, &POINT, &[0], edges, Precision::Double);
        let (low, high) = found.range().unwrap();
        assert!(low < 0.9 && high > 1.1 && high < 1.6, "{low} {high}");
    }
}
