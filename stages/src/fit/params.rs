//! Parameters of a fit, as under `with` of a `fit` stage and on the command line.

use std::collections::BTreeMap;

use mctune_engine::stage::ParamError;
use mctune_inference::{ensemble, importance, nested, nuts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::study::NORM;

/// Parameters of `fit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FitParams {
    /// How the parameters and their errors are found.
    pub method: Method,
    /// Counts in bins, or single values; by the model unless given: `unbinned` for an NFDE, `binned` for a TEDE.
    pub likelihood: Option<Form>,
    /// Whether an unbinned fit takes only entries in the model's window, with the density normalised there; without it all
    /// entries, normalised over everything, as in the study.
    pub window: bool,
    /// Sources to combine; all that model and data share unless given.
    pub sources: Option<Vec<String>>,
    /// What is done with the normalisations of the sources.
    pub norms: Norms,
    /// Whether the share of the entries in the model's window is fitted too; with `norms: free` or `fixed`, and a model that
    /// knows what lies outside (an NFDE trained beyond its window).
    pub use_efficiency: bool,
    /// Whether each source is fitted alone too.
    pub per_source: bool,
    /// Numbers in which the model is evaluated.
    pub precision: Precision,
    /// What is believed of a parameter beforehand; uniform within its limits unless given. Gaussian ones enter the function
    /// that Minuit minimises as constraints.
    pub priors: BTreeMap<String, Prior>,
    /// Whether to look for asymmetric errors (Minos) too; `minuit` only.
    pub minos: bool,
    /// Minuit's tolerance: the minimum is found to within 0.002 of it in -2 ln L, or better.
    pub tolerance: f64,
    /// Where to start, by parameter; the middle of its limits unless given.
    pub start: BTreeMap<String, f64>,
    /// Range in which a parameter may move, as [low, high]; the range of the model's training unless given, and never
    /// more. Free normalisations (`norm_Cs137`) move in [0.8, 1.2] unless given.
    pub limits: BTreeMap<String, (f64, f64)>,
    /// Data sets drawn at the best fit and fitted again, for the goodness of fit; none unless given.
    pub toys: u32,
    /// Rows of `posterior.parquet` at most; 0 leaves the file out.
    pub keep: u32,
    /// Settings of `method: ensemble`.
    pub ensemble: EnsembleSettings,
    /// Settings of `method: nuts`.
    pub nuts: NutsSettings,
    /// Settings of `method: nested`, also where it stands in for `importance`.
    pub nested: NestedSettings,
    /// Settings of `method: importance`.
    pub importance: ImportanceSettings,
}

/// How parameters and errors are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Migrad, Hesse and Minos.
    #[default]
    Minuit,
    /// Affine-invariant ensemble of walkers.
    Ensemble,
    /// Hamiltonian chains (No-U-Turn).
    Nuts,
    /// Nested sampling, with the evidence.
    Nested,
    /// Importance sampling around the minimum; nested sampling where its weights are bad.
    Importance,
}

impl Method {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minuit => "minuit",
            Self::Ensemble => "ensemble",
            Self::Nuts => "nuts",
            Self::Nested => "nested",
            Self::Importance => "importance",
        }
    }
}

/// What the likelihood is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Poisson counts in the model's bins.
    Binned,
    /// Single values, and their number.
    Unbinned,
}

/// What is done with the normalisations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Norms {
    /// Left out: they factorise from the shape exactly.
    #[default]
    Profiled,
    /// One parameter for each source, as in the study.
    Free,
    /// Held at 1.
    Fixed,
}

/// Numbers in which a model is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Single,
    /// 64 bits: slower, a TEDE a hundred times.
    Double,
}

impl From<Precision> for crate::density::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Single => Self::Single,
            Precision::Double => Self::Double,
        }
    }
}

/// What is believed of a parameter, always within its limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Prior {
    /// The same density everywhere.
    Uniform,
    /// The same for every factor: density 1/x.
    LogUniform,
    /// A Gaussian.
    Gaussian {
        /// Its mean, in the parameter's unit.
        mean: f64,
        /// Its standard deviation.
        sigma: f64,
    },
}

impl From<Prior> for mctune_inference::Prior {
    fn from(prior: Prior) -> Self {
        match prior {
            Prior::Uniform => Self::Uniform,
            Prior::LogUniform => Self::LogUniform,
            Prior::Gaussian { mean, sigma } => Self::Gaussian { mean, sigma },
        }
    }
}

/// Settings of the ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnsembleSettings {
    /// Walkers; an even number, at least twice as many as parameters.
    pub walkers: u32,
    /// Most steps of each walker.
    pub steps: u32,
}

/// Settings of the Hamiltonian chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NutsSettings {
    /// Chains.
    pub chains: u32,
    /// Draws of each chain for tuning, which are dropped.
    pub tune: u32,
    /// Draws of each chain that are kept.
    pub draws: u32,
}

/// Settings of nested sampling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NestedSettings {
    /// Live points.
    pub live: u32,
    /// Share of the evidence that may still be in the live points at the end.
    pub remaining: f64,
    /// Most evaluations.
    pub calls: u64,
}

/// Settings of importance sampling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImportanceSettings {
    /// Draws of a round.
    pub draws: u32,
    /// Effective draws at least.
    pub effective: f64,
}

impl Default for EnsembleSettings {
    fn default() -> Self {
        Self { walkers: 32, steps: ensemble::Settings::default().most_steps as u32 }
    }
}

impl Default for NutsSettings {
    fn default() -> Self {
        let nuts::Settings { chains, tune, draws, .. } = nuts::Settings::default();
        Self { chains: chains as u32, tune: tune as u32, draws: draws as u32 }
    }
}

impl Default for NestedSettings {
    fn default() -> Self {
        let nested::Settings { live, remaining, most_calls, .. } = nested::Settings::default();
        Self { live: live as u32, remaining, calls: most_calls }
    }
}

impl Default for ImportanceSettings {
    fn default() -> Self {
        let importance::Settings { draws, least_effective, .. } = importance::Settings::default();
        Self { draws: draws as u32, effective: least_effective }
    }
}

impl Default for FitParams {
    fn default() -> Self {
        Self {
            method: Method::Minuit,
            likelihood: None,
            window: true,
            sources: None,
            norms: Norms::Profiled,
            use_efficiency: false,
            per_source: false,
            precision: Precision::Single,
            priors: BTreeMap::new(),
            minos: true,
            // Minuit's own default.
            tolerance: 0.1,
            start: BTreeMap::new(),
            limits: BTreeMap::new(),
            toys: 0,
            keep: 10_000,
            ensemble: EnsembleSettings::default(),
            nuts: NutsSettings::default(),
            nested: NestedSettings::default(),
            importance: ImportanceSettings::default(),
        }
    }
}

impl FitParams {
    /// Whether draws are left behind.
    #[must_use]
    pub fn leaves_draws(&self) -> bool {
        self.method != Method::Minuit && self.keep > 0
    }

    /// What types cannot say.
    #[must_use]
    pub fn faults(&self) -> Vec<ParamError> {
        let mut faults = Vec::new();
        if !(self.tolerance > 0.0 && self.tolerance <= 100.0) {
            faults.push(ParamError::at("tolerance", "must be above 0 and at most 100").hint("Minuit's default is 0.1"));
        }
        if let Some(sources) = &self.sources {
            if sources.is_empty() {
                faults.push(ParamError::at("sources", "is empty").hint("leave it out to fit all sources"));
            }
            for (at, source) in sources.iter().enumerate() {
                if sources[..at].contains(source) {
                    faults.push(ParamError::at(format!("sources[{at}]"), format!("`{source}` is named twice")));
                }
            }
        }
        for (name, &(low, high)) in &self.limits {
            if !(low.is_finite() && high.is_finite() && low < high) {
                let message = format!("[{low}, {high}] is no range: the lower limit must be below the upper one");
                faults.push(ParamError::at(format!("limits.{name}"), message));
            }
            if let Some(start) = self.start.get(name)
                && !(low..=high).contains(start)
            {
                let message = format!("{start} lies outside the limits [{low}, {high}]");
                faults.push(ParamError::at(format!("start.{name}"), message));
            }
            if name.starts_with(NORM) && low <= 0.0 {
                faults.push(ParamError::at(format!("limits.{name}"), "a normalisation must stay above 0"));
            }
        }
        for (name, prior) in &self.priors {
            if let Prior::Gaussian { mean, sigma } = prior
                && !(mean.is_finite() && sigma.is_finite() && *sigma > 0.0)
            {
                let message = format!("a Gaussian needs a finite mean and a width above 0, not {mean} and {sigma}");
                faults.push(ParamError::at(format!("priors.{name}"), message));
            }
        }
        if self.use_efficiency && self.norms == Norms::Profiled {
            let hint = "a normalisation that may take any value absorbs it; say `norms: free` or `norms: fixed`";
            faults.push(ParamError::at("use_efficiency", "tells nothing with `norms: profiled`").hint(hint));
        }
        faults.extend(self.settings_faults());
        faults
    }

    fn settings_faults(&self) -> Vec<ParamError> {
        let mut faults = Vec::new();
        let walkers = self.ensemble.walkers;
        if walkers < 8 || !walkers.is_multiple_of(2) {
            faults.push(ParamError::at("ensemble.walkers", format!("{walkers} is no even number of at least 8")));
        }
        let least = [
            ("ensemble.steps", self.ensemble.steps, 100),
            ("nuts.chains", self.nuts.chains, 2),
            ("nuts.tune", self.nuts.tune, 50),
            ("nuts.draws", self.nuts.draws, 50),
            ("nested.live", self.nested.live, 50),
            ("importance.draws", self.importance.draws, 100),
        ];
        for (name, value, least) in least {
            if value < least {
                faults.push(ParamError::at(name, format!("{value} is fewer than {least}")));
            }
        }
        if !(self.nested.remaining > 0.0 && self.nested.remaining < 1.0) {
            faults.push(ParamError::at("nested.remaining", "must lie between 0 and 1").hint("0.01 is usual"));
        }
        if !(self.importance.effective >= 10.0 && self.importance.effective <= f64::from(self.importance.draws)) {
            let message = format!("must lie between 10 and the {} draws of a round", self.importance.draws);
            faults.push(ParamError::at("importance.effective", message));
        }
        faults
    }
}
