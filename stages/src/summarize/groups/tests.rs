//! Statistics against numbers computed elsewhere: Python's `statistics` and exact fractions for the inverse.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::tables::{fits_csv, groups_csv};
use super::*;

const TRUTH: [f64; 3] = [15.0, 0.5, 10_000.0];
const VALUES: [[f64; 3]; 4] =
    [[15.3, 0.48, 10_020.0], [14.9, 0.51, 9990.0], [15.1, 0.5, 10_000.0], [14.5, 0.53, 9960.0]];

fn covariance() -> Vec<Vec<f64>> {
    vec![vec![0.09, -0.005, 5.0], vec![-0.005, 0.000_625, -0.4], vec![5.0, -0.4, 400.0]]
}

fn a_fit(values: [f64; 3], truth: Option<[f64; 3]>, coords: Vec<(&str, Value)>) -> GatheredFit {
    let covariance = covariance();
    let parameter = |i: usize| {
        let error = covariance[i][i].sqrt();
        FittedParameter {
            name: ["kB", "fC", "Y"][i].into(),
            value: values[i],
            error: Some(error),
            minos: Some((-error, error)),
            limits: (0.0, 20_000.0),
            at_limit: false,
            truth: truth.map(|truth| truth[i]),
            pull: truth.map(|truth| (values[i] - truth[i]) / error),
            ..FittedParameter::default()
        }
    };
    let result = FitResult {
        method: "minuit".into(),
        sources: vec!["Cs137".into()],
        valid: true,
        problem: None,
        parameters: (0..3).map(parameter).collect(),
        covariance: Some(covariance.clone()),
        minimum: 800.0,
        deviance: 790.0,
        degrees_of_freedom: 792,
        probability: Some(0.5),
        entries: BTreeMap::new(),
        by_source: BTreeMap::new(),
        calls: 150,
        ..FitResult::default()
    };
    let coords = coords.into_iter().map(|(axis, value)| (axis.into(), value)).collect();
    GatheredFit { stage: "ensemble_fit".into(), coords: Coords::new(coords), result }
}

fn ensemble() -> Vec<GatheredFit> {
    let coords = |i: usize| vec![("exposure", json!(if i < 3 { 1000 } else { 2000 })), ("replica", json!(i))];
    VALUES.iter().enumerate().map(|(i, values)| a_fit(*values, Some(TRUTH), coords(i))).collect()
}

fn close(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() < 1e-9 * expected.abs().max(1e-3), "{found} {expected}");
}

#[test]
fn known_answers() {
    let summary = summarize(&ensemble(), &[]).unwrap();
    assert!(summary.groups.is_empty());
    let chi2 = [1.090_909_090_909_09, 0.272_727_272_727_27, 0.363_636_363_636_36, 4.444_444_444_444_44];
    for (fit, expected) in summary.fits.iter().zip(chi2) {
        close(fit.chi2, expected);
    }
    let total = &summary.total;
    assert_eq!((total.fits, total.invalid, total.at_limit, total.degrees_of_freedom), (4, 0, 0, 12));
    close(total.chi2, 6.171_717_171_717_17);
    close(total.probability, 0.907_179_444_073_608_6);
    let [kb, fc, y] = total.parameters.as_slice() else { panic!("three parameters") };
    close(kb.bias, -0.05);
    close(kb.spread, 0.341_565_025_531_986_8);
    close(kb.bias_error, 0.170_782_512_765_993_4);
    assert!(kb.median_bias.unwrap().abs() < 1e-12);
    close(kb.pull_mean, -0.166_666_666_666_666_07);
    close(kb.pull_spread, 1.138_550_085_106_622_6);
    close(fc.median_error, 0.025);
    close(fc.median_bias, 0.005);
    close(y.bias, -7.5);
    close(y.median_bias, -5.0);
    close(y.spread, 25.0);
    close(y.pull_spread, 1.25);
}

#[test]
fn groups_by_axes_and_by_fields_of_points() {
    let summary = summarize(&ensemble(), &["exposure".into()]).unwrap();
    let coords: Vec<String> = summary.groups.iter().map(|group| group.coords.to_string()).collect();
    assert_eq!(coords, [r#"{"exposure":1000}"#, r#"{"exposure":2000}"#]);
    assert_eq!(summary.groups.iter().map(|group| group.fits).collect::<Vec<_>>(), [3, 1]);

    let at = |kb: f64| vec![("point", json!({"kB": kb, "fC": 0.5}))];
    let fits = [6.45, 8.25, 6.45].map(|kb| a_fit(VALUES[0], Some(TRUTH), at(kb)));
    let summary = summarize(&fits, &["kB".into()]).unwrap();
    assert_eq!(summary.groups.iter().map(|group| group.fits).collect::<Vec<_>>(), [2, 1]);

    let error = summarize(&fits, &["exposure".into()]).unwrap_err().to_string();
    assert_eq!(error, "`by` names `exposure`, which is no axis of stage `ensemble_fit`; it has point, fC, kB");
}

#[test]
fn one_fit_has_a_bias_but_no_spread() {
    let summary = summarize(&ensemble()[..1], &[]).unwrap();
    let kb = &summary.total.parameters[0];
    close(kb.bias, 0.3);
    close(kb.pull_mean, 1.0);
    assert_eq!((kb.spread, kb.bias_error, kb.pull_spread), (None, None, None));
    assert!(!serde_json::to_string(&summary).unwrap().contains("NaN"));
}

#[test]
fn without_truth_there_is_a_spread_only() {
    let fits = VALUES.map(|values| a_fit(values, None, Vec::new()));
    let summary = summarize(&fits, &[]).unwrap();
    let y = &summary.total.parameters[2];
    close(y.spread, 25.0);
    assert_eq!((y.bias, y.median_bias, y.pull_mean), (None, None, None));
    assert_eq!((summary.total.chi2, summary.total.probability, summary.total.degrees_of_freedom), (None, None, 0));
}

#[test]
fn fits_that_are_not_valid_stay_out() {
    let mut fits = ensemble();
    fits[3].result.valid = false;
    fits[3].result.problem = Some("kB lies on its lower limit 6".into());
    fits[3].result.parameters[0].at_limit = true;
    fits[3].result.covariance = None;
    fits[2].result.valid = false;
    let total = summarize(&fits, &[]).unwrap().total;
    assert_eq!((total.fits, total.invalid, total.at_limit, total.degrees_of_freedom), (2, 2, 1, 6));
    close(total.parameters[0].bias, 0.1);
    let nothing = summarize(&[], &[]).unwrap().total;
    assert_eq!((nothing.fits, nothing.chi2), (0, None));
}

#[test]
fn tables() {
    let mut fits = ensemble();
    fits[1].coords = Coords::new(vec![("point".into(), json!({"kB": 15.0, "fC": 0.5}))]);
    fits[1].result.parameters[0].error = None;
    fits.truncate(2);
    let text = String::from_utf8(fits_csv(&summarize(&fits, &[]).unwrap()).unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "stage,exposure,replica,point.fC,point.kB,valid,problem,chi2,probability,parameter,value,error,minos_lower,\
         minos_upper,truth,pull,at_limit"
    );
    assert!(lines[1].starts_with("ensemble_fit,1000,0,,,true,,1.09"), "{}", lines[1]);
    assert!(lines[4].starts_with("ensemble_fit,,,0.5,15,true,,0.27"), "{}", lines[4]);
    assert!(lines[4].contains(",kB,14.9,,-0.3,0.3,15,"), "{}", lines[4]);
    assert_eq!(lines.len(), 7);

    let summary = summarize(&ensemble(), &["exposure".into()]).unwrap();
    let text = String::from_utf8(groups_csv(&summary).unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("exposure,fits,invalid,at_limit,chi2,degrees_of_freedom,probability,parameter,bias,"));
    assert!(lines[1].starts_with(",4,0,0,6.17"), "{}", lines[1]);
    assert!(lines[7].starts_with("2000,1,0,0,4.44"), "{}", lines[7]);
    assert!(lines[7].ends_with(",0.3,-1.6666666666666667,"), "no spread of one fit: {}", lines[7]);
    assert_eq!(lines.len(), 10);
}
