//! Rankings of made-up models.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

fn trial(stage: &str, number: u64, d2: f64, settings: &Value) -> Trial {
    Trial {
        stage: stage.into(),
        coords: json!({ "trial": number }),
        estimator: stage.into(),
        d2,
        best_epoch: 3,
        epochs: 9,
        train_loss: 0.25,
        settings: table::flat("", settings),
    }
}

fn ranking() -> Ranking {
    let settings = |rate: f64, kind: &str| json!({"batch": 64, "optimizer": {"learning_rate": rate, "kind": kind}});
    let failed = table::Failed { stage: "tede".into(), coords: json!({"trial": 9}) };
    let trials = vec![
        trial("tede", 0, 0.02, &settings(0.01, "adamw")),
        trial("tede", 1, 0.01, &settings(0.001, "rmsprop")),
        trial("tede", 2, f64::NAN, &settings(0.1, "adamw")),
        trial("tede", 3, 0.02, &settings(0.01, "rmsprop")),
        trial("nfde", 0, 0.015, &json!({"flows": [1, 2]})),
    ];
    Ranking::new(trials, vec![failed])
}

#[test]
fn the_closest_model_comes_first() {
    let ranking = ranking();
    let order: Vec<_> = ranking.ranked.iter().map(|row| (row.stage.as_str(), &row.coords["trial"])).collect();
    assert_eq!(
        order,
        [("tede", &json!(1)), ("nfde", &json!(0)), ("tede", &json!(0)), ("tede", &json!(3)), ("tede", &json!(2))]
    );
    assert_eq!(ranking.ranked[0].input, 1);
    assert_eq!(ranking.common["tede"], BTreeMap::from([("batch".to_owned(), json!(64))]));
    assert!(
        ranking.ranked[0].line().starts_with("1. tede[trial=1]: d2 0.01000 in epoch 3 of 9; optimizer.kind=rmsprop")
    );
}

#[test]
fn a_table_with_the_settings_that_differ() {
    let text = String::from_utf8(ranking().csv().unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "rank,stage,trial,estimator,d2,best_epoch,epochs,train_loss,optimizer.kind,optimizer.learning_rate",
            "1,tede,1,tede,0.01,3,9,0.25,rmsprop,0.001",
            "2,nfde,0,nfde,0.015,3,9,0.25,,",
        ]
    );
    assert_eq!(lines[6], ",tede,9,,,,,,,");
}

#[test]
fn a_figure_for_each_setting() {
    let figures = figures::figures(&ranking());
    let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(names, ["tede-optimizer-kind", "tede-optimizer-learning-rate"]);
    assert!(figures[0].csv().contains("0.01") && figures[1].standalone_svg().contains("best"));
    assert!(matches!(figures[0].x.scale, crate::figure::Scale::Names(_)));
}
