//! Properties of axes: how many elements, in which order, each once.

use std::collections::HashSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{loaded, try_load};

/// A pipeline with one axis.
fn with_axis(axis: &str) -> String {
    format!(
        "mctune: 1\nname: axes\naxes:\n  a: {axis}\nstages:\n  \
         s: {{ uses: command, over: [a], with: {{ run: x, outputs: {{x: x}} }} }}\n"
    )
}

fn coordinates(axis: &str) -> Vec<Value> {
    let pipeline = loaded(&with_axis(axis), None, &[]);
    pipeline.axes["a"].elements.iter().map(|element| element.coordinate.clone()).collect()
}

/// Different finite numbers with few decimals, as people write them.
fn values(most: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::hash_set(-5000_i32..5000, 1..=most)
        .prop_map(|whole| whole.into_iter().map(|value| f64::from(value) / 100.0).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_grid_is_the_product_with_the_first_field_slowest(fields in prop::collection::vec(values(5), 1..4)) {
        let mut text = String::from("{ grid: {");
        for (number, values) in fields.iter().enumerate() {
            write!(text, " f{number}: {values:?},").unwrap();
        }
        text.push_str(" } }");
        let points = coordinates(&text);
        prop_assert_eq!(points.len(), fields.iter().map(Vec::len).product::<usize>());
        for (position, point) in points.iter().enumerate() {
            let mut rest = position;
            let mut expected = Map::new();
            for (number, values) in fields.iter().enumerate().rev() {
                expected.insert(format!("f{number}"), values[rest % values.len()].into());
                rest /= values.len();
            }
            prop_assert_eq!(point, &Value::Object(expected));
        }
        let different: HashSet<String> = points.iter().map(Value::to_string).collect();
        prop_assert_eq!(different.len(), points.len());
    }

    #[test]
    fn a_zip_goes_in_step(values in values(20)) {
        let doubled: Vec<f64> = values.iter().map(|value| value * 2.0).collect();
        let points = coordinates(&format!("{{ zip: {{ x: {values:?}, y: {doubled:?} }} }}"));
        prop_assert_eq!(points.len(), values.len());
        for (point, value) in points.iter().zip(&values) {
            prop_assert_eq!(point["y"].as_f64().unwrap(), point["x"].as_f64().unwrap() * 2.0);
            prop_assert_eq!(point["x"].as_f64(), Some(*value));
        }
    }

    #[test]
    fn ranges_are_those_of_python(start in -50_i64..50, stop in -50_i64..50, step in -7_i64..7) {
        let text = with_axis(&format!("{{ range: [{start}, {stop}, {step}] }}"));
        let mut expected = Vec::new();
        let mut at = start;
        while step != 0 && (if step > 0 { at < stop } else { at > stop }) {
            expected.push(Value::from(at));
            at += step;
        }
        match try_load(&text, None, &[]) {
            Ok(pipeline) => {
                let found: Vec<_> = pipeline.axes["a"].elements.iter().map(|element| element.coordinate.clone()).collect();
                prop_assert_eq!(found, expected);
            }
            Err(_) => prop_assert!(expected.is_empty()),
        }
    }

    #[test]
    fn a_linspace_rises_evenly_and_hits_its_ends(low in -1000_i32..1000, span in 1_i32..1000, count in 2_usize..60, scale in 0_i32..4) {
        let unit = 10_f64.powi(scale);
        let (low, high) = (f64::from(low) / unit, f64::from(low + span) / unit);
        let found: Vec<f64> =
            coordinates(&format!("{{ linspace: [{low}, {high}, {count}] }}")).iter().filter_map(Value::as_f64).collect();
        prop_assert_eq!(found.len(), count);
        prop_assert_eq!((found[0], found[count - 1]), (low, high));
        let step = (high - low) / (count - 1) as f64;
        for pair in found.windows(2) {
            prop_assert!((pair[1] - pair[0] - step).abs() < 1e-9 * step.abs() + 1e-12);
        }
    }

    #[test]
    fn an_element_twice_is_refused(values in values(10), again in any::<prop::sample::Index>()) {
        let mut repeated = values.clone();
        repeated.push(values[again.index(values.len())]);
        let accepted = |values: &[f64]| try_load(&with_axis(&format!("{values:?}")), None, &[]).is_ok();
        prop_assert!(accepted(&values));
        prop_assert!(!accepted(&repeated));
    }
}

#[test]
fn whole_and_real_numbers_do_not_mix() {
    assert_eq!(coordinates("[1, 2, 3]"), [1, 2, 3].map(Value::from));
    assert_eq!(coordinates("[1, 2.5]"), [1.0, 2.5].map(Value::from));
    assert_eq!(coordinates("[-0.0, 1]"), [0.0, 1.0].map(Value::from));
}
