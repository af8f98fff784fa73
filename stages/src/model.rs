//! Trained estimators as artifacts: which kinds there are, and how one is read.

use std::path::{Path, PathBuf};

use mctune_engine::stage::{InputArtifact, StageError, TaskContext};
use mctune_neural::{ModelFiles, Nfde, Tede};
use serde::Deserialize;

use crate::density::{BinnedDensity, Condition, Density, LogLikelihood, ParameterRange, Precision, Request};
use crate::sample::Bins;

/// File of a model's weights in its folder.
pub const TENSORS: &str = "model.safetensors";
/// File of a model's description in its folder.
pub const DESCRIPTION: &str = "model.json";

/// An artifact is not a usable model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// `model.json` cannot be read.
    #[error("model.json cannot be read: {0}")]
    Description(#[from] serde_json::Error),
    /// The estimator is of a kind this program does not know.
    #[error("model.json says kind `{kind}`, which this version does not know")]
    UnknownKind {
        /// The kind it names.
        kind: String,
    },
    /// The two files do not make an estimator.
    #[error(transparent)]
    Neural(#[from] mctune_neural::ModelError),
}

/// A model beside no pipeline cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The description is not where it should be.
    #[error(
        "{} does not exist: weights alone do not say what kind of network they are; its description lies beside the weights, \
         under the same name with the ending .json",
        path.display()
    )]
    NoDescription {
        /// Where it should be.
        path: PathBuf,
    },
    /// The two files do not make a model.
    #[error("{}: {source}", path.display())]
    Model {
        /// The weights.
        path: PathBuf,
        /// What is wrong.
        source: mctune_neural::ModelError,
    },
}

/// Where weights and description of a model lie, from what a user names: a folder with both, as `train` leaves it, or a
/// `.safetensors` file with the description beside it, under the same name with the ending `.json`.
#[must_use]
pub fn places(path: &Path) -> (PathBuf, PathBuf) {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
        (path.to_owned(), path.with_extension("json"))
    } else {
        (path.join(TENSORS), path.join(DESCRIPTION))
    }
}

/// Reads a model that lies outside a store: one of this program, or a checkpoint of the study's authors. Its files are
/// returned as this program would have written them.
///
/// # Errors
/// [`OpenError`] if there are no such files, or they do not describe an estimator.
pub fn open(tensors: &Path, description: &Path) -> Result<ModelFiles, OpenError> {
    let read = |path: &Path| std::fs::read(path).map_err(|source| OpenError::Read { path: path.to_owned(), source });
    let weights = read(tensors)?;
    if !description.exists() {
        return Err(OpenError::NoDescription { path: description.to_owned() });
    }
    mctune_neural::import(&weights, &read(description)?)
        .map_err(|source| OpenError::Model { path: tensors.to_owned(), source })
}

#[derive(Deserialize)]
struct Header {
    kind: String,
}

/// Reads a model from its two files, to be evaluated on up to `threads` threads at once. No result depends on their number.
///
/// # Errors
/// [`ModelError`] if they do not describe an estimator of a known kind.
pub fn load(tensors: &[u8], description: &[u8], threads: usize) -> Result<Box<dyn Density>, ModelError> {
    let header: Header = serde_json::from_slice(description)?;
    match header.kind.as_str() {
        "tede" => Ok(Box::new(Model::new(Tede::load(tensors, description)?.on_threads(threads)))),
        "nfde" => Ok(Box::new(Model::new(Nfde::load(tensors, description)?.on_threads(threads)))),
        _ => Err(ModelError::UnknownKind { kind: header.kind }),
    }
}

/// Reads a model from an input artifact.
///
/// # Errors
/// If the artifact is not a model, or cannot be read.
pub(crate) fn of_artifact(context: &TaskContext<'_>, input: &InputArtifact) -> Result<Box<dyn Density>, StageError> {
    let member = |name: &str| {
        let missing = || StageError::failed(format!("the model of stage `{}` has no {name}", input.stage));
        context.read_member(input, name)?.ok_or_else(missing)
    };
    load(&member(TENSORS)?, &member(DESCRIPTION)?, context.threads())
        .map_err(|error| StageError::failed(format!("the model of stage `{}`: {error}", input.stage)))
}

/// An estimator in the words of this crate.
struct Model<M> {
    model: M,
    parameters: Vec<ParameterRange>,
}

/// What the estimators have in common.
trait Estimator: Send + Sync {
    const KIND: &'static str;
    fn parameters(&self) -> &[mctune_neural::ParameterRange];
    fn sources(&self) -> &[String];
    fn bins(&self) -> mctune_neural::Bins;
    fn densities(&self, conditions: &[mctune_neural::Condition<'_>]) -> Vec<f64>;
    fn in_double(&self, conditions: &[mctune_neural::Condition<'_>]) -> Vec<f64>;
    fn log_densities(&self, at: mctune_neural::Condition<'_>, values: &[f64], precision: Precision) -> Vec<f64>;
    fn log_likelihoods(&self, requests: &[mctune_neural::Request<'_>], precision: Precision) -> Vec<LogLikelihood>;
    fn log_likelihood_values(&self, requests: &[mctune_neural::Request<'_>], precision: Precision) -> Vec<f64>;
    fn cdf(&self, at: mctune_neural::Condition<'_>, values: &[f64]) -> Vec<f64>;
    fn masses(&self, at: mctune_neural::Condition<'_>, edges: &[f64], precision: Precision) -> Vec<f64>;
    fn quantiles(&self, at: mctune_neural::Condition<'_>, shares: &[f64]) -> Vec<f64>;
}

/// Both estimators have methods of these names.
macro_rules! estimator {
    ($model:ident, $kind:literal, $in_double:ident, $masses:expr) => {
        impl Estimator for $model {
            const KIND: &'static str = $kind;
            fn parameters(&self) -> &[mctune_neural::ParameterRange] {
                self.parameters()
            }
            fn sources(&self) -> &[String] {
                self.sources()
            }
            fn bins(&self) -> mctune_neural::Bins {
                self.bins()
            }
            fn densities(&self, conditions: &[mctune_neural::Condition<'_>]) -> Vec<f64> {
                self.densities(conditions)
            }
            fn in_double(&self, conditions: &[mctune_neural::Condition<'_>]) -> Vec<f64> {
                self.$in_double(conditions)
            }
            fn log_likelihood_values(&self, requests: &[mctune_neural::Request<'_>], precision: Precision) -> Vec<f64> {
                self.log_likelihood_values(requests, precision)
            }
            fn log_densities(
                &self,
                at: mctune_neural::Condition<'_>,
                values: &[f64],
                precision: Precision,
            ) -> Vec<f64> {
                self.log_densities(at, values, precision)
            }
            fn log_likelihoods(
                &self,
                requests: &[mctune_neural::Request<'_>],
                precision: Precision,
            ) -> Vec<LogLikelihood> {
                self.log_likelihoods(requests, precision)
            }
            fn cdf(&self, at: mctune_neural::Condition<'_>, values: &[f64]) -> Vec<f64> {
                self.cdf(at, values)
            }
            fn masses(&self, at: mctune_neural::Condition<'_>, edges: &[f64], precision: Precision) -> Vec<f64> {
                $masses(self, at, edges, precision)
            }
            fn quantiles(&self, at: mctune_neural::Condition<'_>, shares: &[f64]) -> Vec<f64> {
                self.quantiles(at, shares)
            }
        }
    };
}
estimator!(Tede, "tede", densities_in_double, Tede::masses);
// Its distribution function is computed in double precision anyway.
estimator!(Nfde, "nfde", densities, |model: &Nfde, at, edges, _| model.masses(at, edges));

impl<M: Estimator> Model<M> {
    fn new(model: M) -> Self {
        let range = |range: &mctune_neural::ParameterRange| ParameterRange {
            name: range.name.clone(),
            low: range.low,
            high: range.high,
        };
        let parameters = model.parameters().iter().map(range).collect();
        Self { model, parameters }
    }
}

fn at(condition: &Condition) -> mctune_neural::Condition<'_> {
    mctune_neural::Condition { point: &condition.point, source: condition.source }
}

fn asked<'a>(request: &Request<'a>) -> mctune_neural::Request<'a> {
    let Request { condition, values, weights, window } = *request;
    mctune_neural::Request { condition: at(condition), values, weights, window }
}

impl<M: Estimator> BinnedDensity for Model<M> {
    fn sources(&self) -> &[String] {
        self.model.sources()
    }

    fn parameters(&self) -> &[ParameterRange] {
        &self.parameters
    }

    fn bins(&self) -> Bins {
        let mctune_neural::Bins { low, width, count } = self.model.bins();
        Bins { low, width, count }
    }

    fn densities(&self, conditions: &[Condition]) -> Vec<f64> {
        self.model.densities(&conditions.iter().map(at).collect::<Vec<_>>())
    }

    fn densities_in_double(&self, conditions: &[Condition]) -> Vec<f64> {
        self.model.in_double(&conditions.iter().map(at).collect::<Vec<_>>())
    }
}

impl<M: Estimator> Density for Model<M> {
    fn kind(&self) -> &'static str {
        M::KIND
    }

    fn log_densities(&self, condition: &Condition, values: &[f64], precision: Precision) -> Vec<f64> {
        self.model.log_densities(at(condition), values, precision)
    }

    fn log_likelihoods(&self, requests: &[Request<'_>], precision: Precision) -> Vec<LogLikelihood> {
        self.model.log_likelihoods(&requests.iter().map(asked).collect::<Vec<_>>(), precision)
    }

    fn log_likelihood_values(&self, requests: &[Request<'_>], precision: Precision) -> Vec<f64> {
        self.model.log_likelihood_values(&requests.iter().map(asked).collect::<Vec<_>>(), precision)
    }

    fn cdf(&self, condition: &Condition, values: &[f64]) -> Vec<f64> {
        self.model.cdf(at(condition), values)
    }

    fn masses(&self, condition: &Condition, edges: &[f64], precision: Precision) -> Vec<f64> {
        self.model.masses(at(condition), edges, precision)
    }

    fn quantiles(&self, condition: &Condition, shares: &[f64]) -> Vec<f64> {
        self.model.quantiles(at(condition), shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_leave_no_trace() {
        for name in ["tede-01bfb89", "nfde-c008830"] {
            let read = |extension: &str| {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("neural/tests/data");
                std::fs::read(folder.join(format!("{name}.{extension}"))).unwrap()
            };
            let on = |threads| load(&read("safetensors"), &read("json"), threads).unwrap();
            let (one, three) = (on(1), on(3));
            let point = |at: usize| vec![7.0 + 0.3 * at as f64, 0.02 * at as f64, 9000.0 + 50.0 * at as f64];
            let conditions: Vec<Condition> = (0..40).map(|at| Condition { point: point(at), source: at % 5 }).collect();
            assert_eq!(one.densities(&conditions), three.densities(&conditions), "{name}");
            let values: Vec<f64> = (0..9000).map(|at| 0.5 + 1.7e-3 * f64::from(at)).collect();
            let weights = vec![1.0; values.len()];
            let window = Some((0.4, 16.4));
            let requests: Vec<Request<'_>> = conditions
                .iter()
                .map(|condition| Request { condition, values: &values[..1500], weights: &weights[..1500], window })
                .collect();
            for precision in [Precision::Single, Precision::Double] {
                let log_densities = |model: &dyn Density| model.log_densities(&conditions[7], &values, precision);
                assert_eq!(log_densities(&*one), log_densities(&*three), "{name}");
                let (a, b) = (one.log_likelihoods(&requests, precision), three.log_likelihoods(&requests, precision));
                assert_eq!(a, b, "{name}");
                let values = |model: &dyn Density| model.log_likelihood_values(&requests, precision);
                assert_eq!(values(&*one), values(&*three), "{name}");
            }
        }
    }

    #[test]
    fn both_kinds_are_read_and_agree_with_themselves() {
        for (name, kind) in [("tede-01bfb89", "tede"), ("nfde-c008830", "nfde")] {
            let read = |extension: &str| {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("neural/tests/data");
                std::fs::read(folder.join(format!("{name}.{extension}"))).unwrap()
            };
            let model = load(&read("safetensors"), &read("json"), 1).unwrap();
            assert_eq!((model.kind(), model.sources().len()), (kind, 5));
            let condition = Condition { point: vec![14.0, 0.5, 10_000.0], source: 2 };
            let density = model.densities(std::slice::from_ref(&condition));
            let middles: Vec<f64> = (0..800).map(|bin| 0.41 + 0.02 * f64::from(bin)).collect();
            let window = Some((0.4, 16.4));
            let ask = Request { condition: &condition, values: &middles[100..101], weights: &[2.0], window };
            for precision in [Precision::Single, Precision::Double] {
                let (whole, alone) =
                    (model.log_likelihoods(&[ask], precision), model.log_likelihood_values(&[ask], precision));
                assert!((whole[0].value - alone[0]).abs() < 1e-9, "{kind}: {} {}", whole[0].value, alone[0]);
            }
            let found = model.log_likelihoods(&[ask], Precision::Double)[0].value;
            assert!((found - 2.0 * density[100].ln()).abs() < 0.02, "{kind}: {found} {}", density[100].ln());
            let cdf = model.cdf(&condition, &[16.4])[0];
            assert!(cdf > 0.99 && cdf < 1.0 + 1e-12, "{cdf}");
            assert!((model.quantiles(&condition, &[0.0, 1.0])[1] - 16.4).abs() < 0.021);
        }
        let error = load(&[], br#"{"kind": "kde"}"#, 1).err().unwrap().to_string();
        assert!(error.contains("kde"), "{error}");
    }
}
