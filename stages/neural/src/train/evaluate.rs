//! How far a model is from the validation spectra.

use super::data::{Spectra, TrainingData};
use crate::kernels::softmax::density;
use crate::metrics::{Distances, distances};
use crate::tede::layout::Layout;
use crate::tede::network::{Join, PackedWeights, Workspace, forward};

/// Conditions evaluated at once.
const CHUNK: usize = 64;

/// Mean distances per validation set.
pub(crate) fn validation(
    layout: &Layout,
    weights: &PackedWeights,
    data: &TrainingData,
    join: &Join<'_>,
) -> Vec<(String, Distances)> {
    data.validation
        .iter()
        .filter(|set| !set.spectra.is_empty())
        .map(|set| {
            let (mut low, mut high) = (Vec::new(), Vec::new());
            let middle = set.spectra.len() / 2;
            join.both(
                || low = range(layout, weights, data, &set.spectra, 0..middle),
                || high = range(layout, weights, data, &set.spectra, middle..set.spectra.len()),
            );
            low.append(&mut high);
            (set.name.clone(), mean(&low))
        })
        .collect()
}

/// Mean of d2 over the sets.
pub(crate) fn mean_d2(validation: &[(String, Distances)]) -> Option<f64> {
    let sum: f64 = validation.iter().map(|(_, distances)| distances.d2).sum();
    (!validation.is_empty()).then(|| sum / validation.len() as f64)
}

fn range(
    layout: &Layout,
    weights: &PackedWeights,
    data: &TrainingData,
    spectra: &Spectra,
    conditions: std::ops::Range<usize>,
) -> Vec<Distances> {
    let mut workspace = Workspace::default();
    let mut model = vec![0.0; data.bins.count];
    let mut found = Vec::with_capacity(conditions.len());
    let indices: Vec<usize> = conditions.collect();
    for chunk in indices.chunks(CHUNK) {
        let scaled: Vec<f32> = chunk.iter().flat_map(|&index| data.scaled(spectra.point(index))).collect();
        let sources: Vec<usize> = chunk.iter().map(|&index| spectra.source(index)).collect();
        forward(layout, weights, &scaled, &sources, &mut workspace);
        for (logits, &index) in workspace.logits.chunks_exact(data.bins.count).zip(chunk) {
            density(logits, layout.config.temperature, data.bins.width, &mut model);
            let counts: Vec<f64> = spectra.counts(index).iter().map(|count| f64::from(*count)).collect();
            found.push(distances(&model, &counts, data.bins.width));
        }
    }
    found
}

fn mean(all: &[Distances]) -> Distances {
    let n = all.len() as f64;
    let average = |field: fn(&Distances) -> f64| all.iter().map(field).sum::<f64>() / n;
    Distances { d1: average(|d| d.d1), d2: average(|d| d.d2), dinf: average(|d| d.dinf) }
}
