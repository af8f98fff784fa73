use super::super::demo;
use super::deviance::{poisson_interval, signed_deviance};
use super::*;
use crate::sample::{Entries, Sample};

#[test]
fn deviance_has_the_sign_of_the_difference() {
    assert_eq!(signed_deviance(100.0, 100.0), 0.0);
    let (above, below) = (signed_deviance(110.0, 100.0), signed_deviance(90.0, 100.0));
    assert!((above - 1.0).abs() < 0.05 && (below + 1.0).abs() < 0.05);
    assert!((signed_deviance(0.0, 2.0) + 2.0).abs() < 1e-12);
}

#[test]
fn pulls_cover_every_bin_once() {
    let counts = [1.0, 0.0, 30.0, 2.0, 11.0, 3.0];
    let expected = [4.0, 4.0, 25.0, 5.0, 6.0, 2.0];
    let found = pulls(&counts, &expected);
    assert_eq!(found.iter().map(|run| (run.0, run.1)).collect::<Vec<_>>(), [(0, 3), (3, 6)]);
    assert!(pulls(&[1.0], &[1.0]).is_empty());
}

#[test]
fn poisson_intervals() {
    // Exact central intervals: 0: [0, 1.841], 1: [0.173, 3.300], 10: [6.891, 14.267].
    for (count, low, high) in [(0.0, 0.0, 1.841), (1.0, 0.173, 3.300), (10.0, 6.891, 14.267)] {
        let found = poisson_interval(count);
        assert!((found.0 - low).abs() < 0.02 && (found.1 - high).abs() < 0.04, "{count}: {found:?}");
    }
}

#[test]
fn a_figure_for_each_source_with_a_pull_panel_for_each_point() {
    let content = demo::content();
    let sections = sections(&content.spectra, &Labels::default());
    assert_eq!(sections.len(), 1);
    let figures: Vec<_> = sections[0].figures().collect();
    assert_eq!(figures.len(), 7, "five sources and the pulls of all bins for two estimators");
    assert!(figures[..5].iter().all(|figure| figure.stack().unwrap().panels.len() == 4));
}

#[test]
fn without_an_estimator_there_are_no_pulls() {
    let mut content = demo::content();
    content.spectra.iter_mut().for_each(|sample| sample.overlays.clear());
    let sections = sections(&content.spectra, &Labels::default());
    assert!(sections[0].figures().all(|figure| figure.stack().unwrap().panels.len() == 1));
}

#[test]
fn an_empty_spectrum_is_left_out() {
    let spectrum = Spectrum { source: "Cs137".into(), events: 0, entries: Entries::Cells(Vec::new()) };
    let sample = Sample { spectra: vec![spectrum], ..Sample::default() };
    let shown =
        ShownSample { origin: Origin { stage: "data".into(), ..Origin::default() }, sample, overlays: Vec::new() };
    assert_eq!(sections(&[shown], &Labels::default())[0].figures().count(), 0);
}
