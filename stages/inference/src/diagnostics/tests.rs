//! ArviZ's numbers on the same chains, and chains whose memory is known.

use rand::RngExt as _;
use rand_distr::StandardNormal;
use serde_json::Value;

use super::*;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn agree_with_arviz() {
    let data: Value = serde_json::from_str(include_str!("../../tests/data/arviz.json")).unwrap();
    for (name, case) in data["chains"].as_object().unwrap() {
        let chains: Vec<Vec<f64>> = case["values"].as_array().unwrap().iter().map(numbers).collect();
        let found = [
            ("rhat", rhat(&chains)),
            ("ess_bulk", effective_bulk(&chains)),
            ("ess_tail", effective_tail(&chains)),
            ("ess_mean", effective_mean(&chains)),
            ("ess_quantile_30", effective_quantile(&chains, 0.3)),
        ];
        for (what, found) in found {
            // ArviZ gives no R-hat for one chain; split in two it has one.
            let Some(expected) = case[what].as_f64() else { continue };
            assert!((found / expected - 1.0).abs() < 1e-6, "{name} {what}: {found} {expected}");
        }
    }
}

/// x_t = a x_{t-1} + noise has tau = (1 + a) / (1 - a).
#[test]
fn autocorrelation_time_of_an_autoregressive_chain() {
    let mut stream = crate::stream((7, 1));
    for memory in [0.0, 0.5, 0.9] {
        let mut x = 0.0;
        let mut chain = || {
            x = memory * x + (1.0_f64 - memory * memory).sqrt() * stream.sample::<f64, _>(StandardNormal);
            x
        };
        let chains: Vec<Vec<f64>> = (0..8).map(|_| (0..10_000).map(|_| chain()).collect()).collect();
        let exact = (1.0 + memory) / (1.0 - memory);
        let found = mean_autocorrelation_time(&chains);
        assert!((found / exact - 1.0).abs() < 0.08, "{memory}: {found} {exact}");
    }
    assert_eq!(autocorrelation_time(&[1.0; 10]), f64::INFINITY);
}

#[test]
fn the_worst_parameter_is_named() {
    let mixing = |parameter: &str, rhat, ess_bulk, ess_tail| Mixing {
        parameter: parameter.into(),
        rhat,
        ess_bulk,
        ess_tail,
        autocorrelation_time: 1.0,
    };
    let judge = |all: &[Mixing]| judge(all, Criteria::default()).map(|problem| problem.to_string());
    assert_eq!(judge(&[mixing("a", 1.005, 500.0, 450.0)]), None);
    assert_eq!(
        judge(&[mixing("a", 1.02, 500.0, 450.0), mixing("b", 1.2, 9.0, 9.0)]).unwrap(),
        "the chains have not mixed: R-hat of b is 1.200, above 1.01"
    );
    assert_eq!(
        judge(&[mixing("a", 1.0, 500.0, 450.0), mixing("b", 1.0, 900.0, 99.0)]).unwrap(),
        "the chains are too short: b has 99 effective draws, fewer than 400"
    );
    assert!(judge(&[mixing("a", f64::NAN, 500.0, 450.0)]).is_some());
}
