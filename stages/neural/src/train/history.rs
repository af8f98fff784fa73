//! What is known of each epoch of a training, and its tables.

use serde::{Deserialize, Serialize};

use crate::metrics::{Distances, mean};

/// What a training's loss and score are called and made of; it follows from the estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measure {
    /// Divergence of histograms; judged by distances on bins.
    #[serde(rename = "kl")]
    Binned,
    /// Negative log-likelihood of entries; judged by distances of entries.
    #[serde(rename = "loss")]
    Unbinned,
}

/// Mean distances of a model to the spectra of one source in one validation set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceDistances {
    /// Name of the set.
    pub set: String,
    /// Name of the source.
    pub source: String,
    /// Distances on the bins of the model.
    pub binned: Distances,
    /// Distances of the entries themselves.
    pub unbinned: Distances,
}

/// One epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Number, from 1.
    pub epoch: usize,
    /// What loss and score are.
    pub measure: Measure,
    /// Mean loss over the training set.
    pub loss: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Distances to the validation sets, set by set and source by source.
    pub validation: Vec<SourceDistances>,
}

impl EpochRecord {
    /// Distances by which the epoch is judged, per validation set: means over its sources.
    #[must_use]
    pub fn sets(&self) -> Vec<(&str, Distances)> {
        let mut names: Vec<&str> = Vec::new();
        for row in &self.validation {
            if !names.contains(&row.set.as_str()) {
                names.push(&row.set);
            }
        }
        let of = |name: &str| mean(self.validation.iter().filter(|row| row.set == name).map(|row| self.judged(row)));
        names.into_iter().map(|name| (name, of(name))).collect()
    }

    /// Mean distance d2 over the validation sets, kNPE^(1/2); none without validation.
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        let sets = self.sets();
        (!sets.is_empty()).then(|| sets.iter().map(|(_, distances)| distances.d2).sum::<f64>() / sets.len() as f64)
    }

    fn judged<'a>(&self, row: &'a SourceDistances) -> &'a Distances {
        match self.measure {
            Measure::Binned => &row.binned,
            Measure::Unbinned => &row.unbinned,
        }
    }
}

/// The learning curve as CSV with the columns epoch, set, metric, value: for `train` the loss (`kl` of a TEDE, `loss` of
/// an NFDE) and `learning_rate`; for each validation set `d1`, `d2` and `dinf`, by which the epochs are judged.
#[must_use]
pub fn curve_csv(history: &[EpochRecord]) -> String {
    let mut text = String::from("epoch,set,metric,value\n");
    for record in history {
        let epoch = record.epoch;
        let name = if record.measure == Measure::Binned { "kl" } else { "loss" };
        text.push_str(&format!("{epoch},train,{name},{}\n", record.loss));
        text.push_str(&format!("{epoch},train,learning_rate,{}\n", record.learning_rate));
        for (set, distances) in record.sets() {
            for (metric, value) in named(&distances) {
                text.push_str(&format!("{epoch},{},{metric},{value}\n", quoted(set)));
            }
        }
    }
    text
}

/// All distances as CSV with the columns epoch, set, source, form (`binned` or `unbinned`), d1, d2, dinf.
#[must_use]
pub fn distances_csv(history: &[EpochRecord]) -> String {
    let mut text = String::from("epoch,set,source,form,d1,d2,dinf\n");
    for record in history {
        for row in &record.validation {
            for (form, Distances { d1, d2, dinf }) in [("binned", &row.binned), ("unbinned", &row.unbinned)] {
                let (set, source) = (quoted(&row.set), quoted(&row.source));
                text.push_str(&format!("{},{set},{source},{form},{d1},{d2},{dinf}\n", record.epoch));
            }
        }
    }
    text
}

fn named(distances: &Distances) -> [(&'static str, f64); 3] {
    [("d1", distances.d1), ("d2", distances.d2), ("dinf", distances.dinf)]
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_an_epoch() {
        let row = |set: &str, source: &str, d: f64| SourceDistances {
            set: set.into(),
            source: source.into(),
            binned: Distances { d1: d, d2: 2.0 * d, dinf: 3.0 * d },
            unbinned: Distances { d1: 10.0 * d, d2: 20.0 * d, dinf: 30.0 * d },
        };
        let validation = vec![row("a,b", "Cs137", 1.0), row("a,b", "K40", 3.0), row("c", "Cs137", 0.5)];
        let mut record =
            EpochRecord { epoch: 4, measure: Measure::Binned, loss: 0.25, learning_rate: 1e-3, validation };
        assert_eq!(record.score(), Some(2.5));
        let curve = curve_csv(std::slice::from_ref(&record));
        assert!(curve.contains("4,train,kl,0.25\n4,train,learning_rate,0.001\n4,\"a,b\",d1,2\n"), "{curve}");
        record.measure = Measure::Unbinned;
        assert_eq!(record.score(), Some(25.0));
        let table = distances_csv(&[record]);
        assert!(table.contains("\n4,\"a,b\",K40,unbinned,30,60,90\n"), "{table}");
    }
}
