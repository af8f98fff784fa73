use std::collections::BTreeMap;

use super::super::content::Origin;
use super::super::demo;
use super::*;
use crate::figure::Drawing;

#[test]
fn a_corner_for_each_data_set_with_all_its_estimators() {
    let content = demo::content();
    let section = section(&content.posteriors, &content.fits, &Labels::default()).unwrap();
    let figures: Vec<_> = section.figures().collect();
    assert_eq!(figures.len(), 1, "two estimators, one data set");
    let Drawing::Corner(corner) = figures[0] else { panic!("a corner") };
    assert_eq!((corner.axes.len(), corner.diagonal.len(), corner.pairs.len()), (3, 3, 3));
    let names: Vec<&str> = corner.pairs[0].iter().map(|series| series.name.as_str()).collect();
    assert_eq!(names.iter().filter(|name| **name == "truth").count(), 2);
    assert_eq!(names.iter().filter(|name| **name == "best fit").count(), 2, "{names:?}");
    assert!(corner.csv().lines().count() > 300);
}

#[test]
fn the_numbers_are_those_of_weighted_draws() {
    let entry = PosteriorEntry {
        origin: Origin { stage: "fit".into(), ..Origin::default() },
        sampler: "nested".into(),
        names: vec!["a".into(), "b".into()],
        columns: vec![vec![1.0, 2.0, 4.0], vec![0.0, 1.0, 5.0]],
        weights: vec![0.5, 0.25, 0.25],
        log_density: vec![-3.0, -1.0, -2.0],
        truth: BTreeMap::new(),
    };
    assert_eq!((entry.mean(0), entry.spread(0)), (2.0, 1.5_f64.sqrt()));
    assert!((entry.effective() - 1.0 / 0.375).abs() < 1e-12);
    assert_eq!((entry.quantile(0, 0.5), entry.quantile(0, 0.51), entry.quantile(0, 1.0)), (1.0, 2.0, 4.0));
    assert_eq!(entry.best(&[]), Some((vec![2.0, 1.0], false)));
    let constant = PosteriorEntry { columns: vec![vec![1.0; 3], vec![0.0, 1.0, 5.0]], ..entry };
    assert!(section(&[constant], &[], &Labels::default()).is_none(), "nothing to draw");
}
