//! Fits with the authors' own TEDE (commit 01bfb89 of NeuroMCT) to the Asimov data set, beside theirs.
//!
//! Reference numbers: the authors' likelihood and iminuit, in double precision, on the same weights and the same
//! histograms; eight parameters there (five normalisations), three here.
#![expect(clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]
#![expect(clippy::inconsistent_digit_grouping, reason = "reference numbers as they were printed")]

use std::path::Path;

use mctune_stages::density::Density;
use mctune_stages::fit::likelihood::{BinnedPoisson, SourceCounts, normalisation_deviance};
use mctune_stages::fit::objective::Objective;
use mctune_stages::fit::{FitParams, fit};
use mctune_stages::model;
use mctune_stages::sample::Sample;

fn read(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn authors_model() -> Box<dyn Density> {
    let tensors = read("neural/tests/data/tede-01bfb89.safetensors");
    model::load(&tensors, &read("neural/tests/data/tede-01bfb89.json"), 1).unwrap()
}

fn asimov() -> Sample {
    Sample::from_parquet(&read("../pipelines/data/asimov-nfde-centre.parquet")).unwrap()
}

/// Scaled parameters and five normalisations, and -2 ln lambda there (`tede_on_nfde_hist`, `chi2`).
const REFERENCE_VALUES: [([f64; 3], [f64; 5], f64); 4] = [
    ([0.525, 0.525, 0.525], [1.0; 5], 437.488_472_643_735_7),
    ([0.5, 0.5, 0.5], [1.0; 5], 3250.512_474_324_205),
    (
        [0.504_824_539_638_715_5, 0.552_073_305_427_590_7, 0.509_532_767_753_641_5],
        [
            1.141_655_911_640_863_8,
            1.034_470_942_590_737,
            1.020_485_049_368_372_8,
            0.936_036_016_860_739_6,
            1.016_353_435_974_669,
        ],
        1206.340_087_554_786_8,
    ),
    (
        [0.474_018_820_440_721_97, 0.588_046_406_415_549_7, 0.844_353_998_143_732_9],
        [
            0.923_765_615_092_129_8,
            0.942_831_501_593_057_5,
            0.967_323_895_311_669_1,
            0.931_081_519_719_792_9,
            0.955_004_484_828_584_1,
        ],
        216_705.923_915_766_4,
    ),
];

#[test]
fn likelihood_values_agree() {
    let (model, sample) = (authors_model(), asimov());
    let counts = |source: &String| {
        let counts = sample.spectrum(source).unwrap().histogram(&model.bins());
        SourceCounts { source: source.clone(), counts: counts.iter().map(|d| *d as f64).collect(), outside: 0 }
    };
    let data: Vec<SourceCounts> = model.sources().iter().map(counts).collect();
    let entries: Vec<f64> = data.iter().map(|data| data.counts.iter().sum()).collect();
    let likelihood = BinnedPoisson::new(&*model, data).unwrap();
    for (scaled, norms, expected) in REFERENCE_VALUES {
        let point = model.parameters().iter().zip(scaled).map(|(p, u)| p.low + u * (p.high - p.low)).collect();
        let shape = likelihood.values(&[point]).unwrap()[0];
        let norms: f64 = entries.iter().zip(norms).map(|(entries, norm)| normalisation_deviance(*entries, norm)).sum();
        // Our network computes in single precision; so near the best fit an absolute, far from it a relative bound.
        let difference = (shape + norms - expected).abs();
        eprintln!("{difference} of {expected}");
        assert!(difference < 0.05 + 1e-5 * expected, "{} {expected}", shape + norms);
    }
}

#[test]
fn best_fit_and_errors_agree() {
    let value = [15.110_385_667_395_446, 0.551_471_092_205_822_6, 10_076.474_108_162_438];
    let error = [0.294_202_856_609_485_86, 0.025_812_941_809_415_617, 19.866_391_470_414_097];
    let minos = [[-0.015_695_961, 0.017_447_452], [-0.026_662_491, 0.025_810_965], [-0.004_804_461, 0.005_285_151]];
    let correlation = [[1.0, -0.871, 0.9844], [-0.871, 1.0, -0.9341], [0.9844, -0.9341, 1.0]];
    let start = std::time::Instant::now();
    let mut stream = mctune_inference::stream((1, 2));
    let found = fit(&*authors_model(), &asimov(), &FitParams::default(), &mut stream).unwrap().result;
    eprintln!("{:?} {:#?}", start.elapsed(), found);
    assert!(found.valid);
    assert!((found.minimum - 436.092_453_013).abs() < 0.05, "{}", found.minimum);
    let covariance = found.covariance.unwrap();
    for (i, parameter) in found.parameters.iter().enumerate() {
        assert!((parameter.value - value[i]).abs() < 0.02 * error[i], "{} {}", parameter.value, value[i]);
        let (low, high) = parameter.limits;
        let (lower, upper) = parameter.minos.unwrap();
        assert!((lower / (high - low) - minos[i][0]).abs() < 0.02 * -minos[i][0]);
        assert!((upper / (high - low) - minos[i][1]).abs() < 0.02 * minos[i][1]);
        eprintln!("{}", parameter.error.unwrap() / error[i]);
        for j in 0..3 {
            let found = covariance[i][j] / (covariance[i][i] * covariance[j][j]).sqrt();
            assert!((found - correlation[i][j]).abs() < 0.02);
        }
    }
}
