//! Properties of axes whose elements are drawn: within bounds, and unmoved by what does not concern them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{loaded, try_load};

fn trials(sample: &str) -> Vec<Value> {
    let text = format!(
        "mctune: 1\nname: axes\naxes:\n  a: {{ sample: {sample} }}\nstages:\n  \
         s: {{ uses: command, over: [a], with: {{ run: x, outputs: {{x: x}} }} }}\n"
    );
    loaded(&text, None, &[]).axes["a"].elements.iter().map(|element| element.value.clone()).collect()
}

/// Mean and greatest gap of ascending shares between 0 and 1.
fn spread(mut shares: Vec<f64>) -> (f64, f64) {
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    shares.extend([0.0, 1.0]);
    shares.sort_by(f64::total_cmp);
    (mean, shares.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max))
}

const ALL: &str = "rate: { log_uniform: [1e-5, 1e-1] }, share: { uniform: [-1, 3] }, layers: { integer: [2, 5] }, \
                   kind: { choice: [adamw, rmsprop, sgd] }, fixed: [50, 100], wide: { integer: [32, 512, 32] }, inner: { width: { integer: [1, 2] }, name: x }";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_drawn_stays_within_its_bounds(seed in 0_u64..1 << 53, count in 1_usize..20) {
        let found = trials(&format!("{{ count: {count}, seed: {seed}, of: {{ {ALL} }} }}"));
        prop_assert_eq!(found.len(), count);
        for trial in &found {
            prop_assert!((1e-5..=1e-1).contains(&trial["rate"].as_f64().unwrap()), "{}", trial);
            prop_assert!((-1.0..=3.0).contains(&trial["share"].as_f64().unwrap()));
            prop_assert!((2..=5).contains(&trial["layers"].as_i64().unwrap()));
            prop_assert!(["adamw", "rmsprop", "sgd"].contains(&trial["kind"].as_str().unwrap()));
            let wide = trial["wide"].as_i64().unwrap();
            prop_assert!((32..=512).contains(&wide) && wide % 32 == 0);
            prop_assert_eq!(&trial["fixed"], &json!([50, 100]));
            prop_assert!(trial["inner"]["name"] == "x" && (1..=2).contains(&trial["inner"]["width"].as_i64().unwrap()));
        }
    }

    #[test]
    fn more_trials_fields_and_another_order_leave_the_others_alone(seed in 0_u64..1000, count in 1_usize..10) {
        let few = trials(&format!("{{ count: {count}, seed: {seed}, of: {{ {ALL} }} }}"));
        let many = trials(&format!("{{ seed: {seed}, of: {{ more: {{ uniform: [0, 1] }}, {ALL} }}, count: {} }}", count + 3));
        for (few, many) in few.iter().zip(&many) {
            for (name, value) in few.as_object().unwrap() {
                prop_assert_eq!(value, &many[name.as_str()]);
            }
        }
    }

    #[test]
    fn a_further_choice_only_moves_trials_that_take_it(seed in 0_u64..1000) {
        let of = |choices: &str| trials(&format!("{{ count: 30, seed: {seed}, of: {{ a: {{ choice: [{choices}] }} }} }}"));
        let (two, three) = (of("x, y"), of("z, y, x"));
        for (two, three) in two.iter().zip(&three) {
            prop_assert!(two == three || three["a"] == "z");
        }
    }
}

#[test]
fn all_of_a_range_is_reached_evenly() {
    let found = trials(&format!("{{ count: 2000, seed: 3, of: {{ {ALL} }} }}"));
    let real = |name: &str| found.iter().map(|trial| trial[name].as_f64().unwrap()).collect::<Vec<_>>();
    let shares = [
        real("rate").iter().map(|rate| (rate.log10() + 5.0) / 4.0).collect(),
        real("share").iter().map(|share| (share + 1.0) / 4.0).collect(),
    ];
    for shares in shares {
        let (mean, gap) = spread(shares);
        // Five standard errors; a gap of 12 / n among n values has a chance of about 2000 e^-12.
        assert!((mean - 0.5).abs() < 5.0 / (12.0_f64 * 2000.0).sqrt() && gap < 12.0 / 2000.0, "{mean} {gap}");
    }
    for layers in 2..=5 {
        let share = found.iter().filter(|trial| trial["layers"] == layers).count();
        assert!((400..600).contains(&share), "{layers}: {share}");
    }
    for kind in ["adamw", "rmsprop", "sgd"] {
        let share = found.iter().filter(|trial| trial["kind"] == kind).count();
        assert!((560..775).contains(&share), "{kind}: {share}");
    }
}

#[test]
fn golden_trials() {
    // Other values here change the keys of every search that somebody has run.
    let found = trials(&format!("{{ count: 2, seed: 7, of: {{ {ALL} }} }}"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&found).unwrap());
}

#[test]
fn a_trial_is_a_task_and_can_be_left_out() {
    let text = "mctune: 1\nname: axes\naxes:\n  a: { sample: { count: 3, seed: 1, of: { b: { uniform: [0, 1] } } }, exclude: 1 }\n\
                stages:\n  s: { uses: command, over: [a], with: { run: 'x ${a.b}', outputs: {x: x} } }\n";
    let pipeline = loaded(text, None, &[]);
    let coordinates: Vec<_> = pipeline.axes["a"].elements.iter().map(|element| element.coordinate.clone()).collect();
    assert_eq!(coordinates, [json!(0), json!(2)]);
    for (wrong, said) in [("${a.c}", "its fields are `b`"), ("${a}", "more than one value")] {
        let error = try_load(&text.replace("${a.b}", wrong), None, &[]).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let error = try_load(&text.replace("exclude: 1", "exclude: b"), None, &[]).unwrap_err().to_string();
    assert!(error.contains("give its number"), "{error}");
}
