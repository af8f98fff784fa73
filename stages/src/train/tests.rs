//! The stage in a store of its own, on samples with one peak that moves with two parameters.

use std::collections::BTreeMap;

use mctune_engine::stage::{InputArtifact, Progress};
use serde_json::json;

use super::*;
use crate::bench::{Bench, Inputs};
use crate::density::Condition;
use crate::sample::{Entries, Sample, Spectrum};

fn sample(kb: f64, y: f64) -> Sample {
    let peak = |centre: f64| {
        let cells = (0..60).map(|k| {
            let x = (f64::from(k) - 30.0) / 10.0;
            ((centre + 4.0 * (f64::from(k) - 30.0)) as u32, (200.0 * (-0.5 * x * x).exp()) as u32)
        });
        Entries::Cells(cells.filter(|(_, count)| *count > 0).collect())
    };
    let spectra = [("Cs137", 1000.0), ("K40", 2200.0)].map(|(source, centre)| Spectrum {
        source: source.into(),
        events: 5000,
        entries: peak(centre - 5.0 * kb + 0.02 * (y - 10_000.0)),
    });
    Sample { spectra: spectra.into(), truth: BTreeMap::from([("kB".into(), kb), ("Y".into(), y)]) }
}

fn input(bench: &Bench, stage: &str, sample: &Sample) -> InputArtifact {
    bench.file(stage, vec![("point".into(), json!(sample.truth))], &sample.to_parquet().unwrap())
}

fn run(bench: &Bench, params: &TrainParams, inputs: &Inputs) -> Result<Files, StageError> {
    let watch = |progress: Progress| assert!(progress.note.starts_with("epoch") && progress.fraction <= 1.0);
    let outputs = bench.run_watched(&Train, params, inputs, &watch)?;
    let mut model = outputs.files("model");
    let mut take = |name: &str| model.remove(name).unwrap();
    let (tensors, description) = (take(TENSORS), take(DESCRIPTION));
    Ok(Files { tensors, description, curve: outputs.text("curve"), distances: outputs.text("distances") })
}

struct Files {
    tensors: Vec<u8>,
    description: Vec<u8>,
    curve: String,
    distances: String,
}

fn tede() -> TrainParams {
    serde_json::from_value(json!({
        "estimator": "tede",
        "epochs": 3,
        "batch": 4,
        "bins": {"low": 0.4, "width": 0.1, "count": 30},
        "architecture": {"embedding": {"joint": {"hidden": [8]}}, "d_model": 8, "heads": 2, "layers": 1,
                         "feed_forward": 8, "head_hidden": 8},
    }))
    .unwrap()
}

fn nfde() -> TrainParams {
    serde_json::from_value(json!({
        "estimator": "nfde",
        "epochs": 3,
        "batch": 4,
        "bins": {"low": 0.4, "width": 0.1, "count": 30},
        "architecture": {"flows": 6, "units": 5},
    }))
    .unwrap()
}

#[test]
fn trains_models_that_can_be_loaded() {
    let bench = Bench::new();
    let mut train = Vec::new();
    for kb in [6.0, 12.0, 24.0] {
        for y in [9000.0, 11_000.0] {
            train.push(input(&bench, "grid", &sample(kb, y)));
        }
    }
    let validate =
        vec![input(&bench, "anchors", &sample(10.0, 10_000.0)), input(&bench, "coverage", &sample(15.0, 9500.0))];
    let inputs = BTreeMap::from([("train".to_owned(), train), ("validate".to_owned(), validate)]);
    for (params, loss) in [(tede(), "kl"), (nfde(), "loss")] {
        let files = run(&bench, &params, &inputs).unwrap();
        assert!(files.curve.starts_with(&format!("epoch,set,metric,value\n1,train,{loss},")), "{}", files.curve);
        assert!(files.curve.contains("\n3,anchors,d2,") && files.curve.contains("\n3,coverage,dinf,"));
        assert!(files.distances.contains("\n3,coverage,K40,unbinned,"), "{}", files.distances);

        let model = crate::model::load(&files.tensors, &files.description, 1).unwrap();
        assert_eq!(model.sources(), ["Cs137", "K40"]);
        assert_eq!((model.parameters()[0].name.as_str(), model.parameters()[0].low), ("Y", 9000.0));
        let density = model.densities(&[Condition { point: vec![10_000.0, 12.0], source: 1 }]);
        assert!((density.iter().sum::<f64>() * model.bins().width - 1.0).abs() < 1e-12);
        let text = String::from_utf8(files.description).unwrap();
        assert!(text.contains("train/grid") && text.contains("validate/anchors"), "{text}");
        assert!(!text.contains(&*bench.path().to_string_lossy()));
    }
}

#[test]
fn the_bytes_of_this_version_are_known() {
    let bench = Bench::new();
    let grid = [(6.0, 9000.0), (6.0, 9500.0), (12.0, 9000.0), (12.0, 9500.0)];
    let train = grid.map(|(kb, y)| input(&bench, "grid", &sample(kb, y))).to_vec();
    let validate = vec![input(&bench, "anchors", &sample(10.0, 9200.0))];
    let inputs = BTreeMap::from([("train".to_owned(), train), ("validate".to_owned(), validate)]);
    let digest = |bytes: &[u8]| blake3::hash(bytes).to_hex()[..12].to_owned();
    let digests = |params: &TrainParams| {
        let files = run(&bench, params, &inputs).unwrap();
        [digest(&files.tensors), digest(files.curve.as_bytes()), digest(files.distances.as_bytes())]
    };
    // Other bytes ask for a new VERSION.
    assert_eq!(
        (Train::VERSION, digests(&tede()), digests(&nfde())),
        (
            4,
            ["fda1700d11da", "975901806988", "ca5fabc71e5b"].map(str::to_owned),
            ["5b99f98f0b4a", "ebbb705195ab", "265aa8a18a35"].map(str::to_owned)
        )
    );
}

#[test]
fn a_gpu_that_cannot_be_used_is_named() {
    let bench = Bench::new();
    let grid = [(6.0, 9000.0), (6.0, 9500.0), (12.0, 9000.0), (12.0, 9500.0)];
    let train = grid.map(|(kb, y)| input(&bench, "grid", &sample(kb, y))).to_vec();
    let inputs = BTreeMap::from([("train".to_owned(), train)]);
    let params = |device| {
        let mut params = tede();
        params.device = device;
        params
    };
    // No machine has so many GPUs; without the driver or the feature, that is said first.
    let lent = ["999999".to_owned()];
    let (result, log) = bench.run_lent(&Train, &params(DeviceChoice::Auto), &inputs, &lent);
    assert!(log.contains("999999") && log.contains("trains on the processor"), "{log}");
    let files = result.unwrap().files("model");
    assert_eq!(files, bench.run(&Train, &params(DeviceChoice::Cpu), &inputs).unwrap().files("model"));
    let refused = bench.run_lent(&Train, &params(DeviceChoice::Cuda), &inputs, &lent).0.err().unwrap().to_string();
    assert!(refused.contains("device: cuda") && refused.contains("999999"), "{refused}");
    let refused = bench.run(&Train, &params(DeviceChoice::Cuda), &inputs).err().unwrap().to_string();
    assert!(refused.contains("lent none"), "{refused}");
}

#[test]
fn a_parameter_that_never_changes_is_refused() {
    let bench = Bench::new();
    let train = vec![input(&bench, "grid", &sample(6.0, 9000.0)), input(&bench, "grid", &sample(6.0, 9500.0))];
    let error = run(&bench, &tede(), &BTreeMap::from([("train".to_owned(), train)])).err().unwrap();
    assert!(error.to_string().contains("kB = 6"), "{error}");
}

#[test]
fn defaults_follow_the_estimator() {
    let params = |value| serde_json::from_value::<TrainParams>(value).unwrap();
    let tede = params(json!({"estimator": "tede", "optimizer": {"beta1": 0.5}}));
    assert_eq!((tede.config.batch, tede.config.optimizer.beta1, tede.config.optimizer.beta2), (64, 0.5, 0.929));
    let nfde = params(json!({"estimator": "nfde", "optimizer": {"beta1": 0.5}, "patience": 7}));
    assert_eq!((nfde.config.batch, nfde.config.optimizer.beta1, nfde.config.optimizer.beta2), (50, 0.5, 0.901));
    assert_eq!((nfde.config.patience, nfde.config.resample), (Some(7), false));
    assert_eq!(params(json!({"estimator": "tede", "patience": null})).config.patience, None);
    let plain = serde_json::to_value(&nfde).unwrap();
    assert!(plain["architecture"].get("start").is_none(), "keys of trainings from before it could be chosen stay");
    let stretched = params(json!({"estimator": "nfde", "architecture": {"start": "stretched"}}));
    assert_eq!(serde_json::to_value(&stretched).unwrap()["architecture"]["start"], "stretched");
    for params in [tede, nfde, stretched] {
        // The canonical form spells out everything, and reads back as the same.
        let canonical = serde_json::to_value(&params).unwrap();
        assert_eq!(canonical["optimizer"]["epsilon"], 1e-8);
        assert_eq!(serde_json::from_value::<TrainParams>(canonical).unwrap(), params);
    }
}

#[test]
fn settings_are_checked_where_they_stand() {
    let paths = |value: serde_json::Value| -> Vec<String> {
        let params: TrainParams = serde_json::from_value(value).unwrap();
        Train.check(&params).into_iter().map(|error| error.path).collect()
    };
    let wrong = json!({"estimator": "tede", "architecture": {"heads": 3, "dropout": 1, "flows": 4},
                       "optimizer": {"beta1": 1}, "bins": {"width": 0}});
    let expected = ["architecture.flows", "architecture.heads", "architecture.dropout", "optimizer.beta1", "bins"];
    assert_eq!(paths(wrong), expected);
    let wrong = json!({"estimator": "nfde", "architecture": {"heads": 3, "flows": 0}, "epochs": 0,
                       "schedule": {"kind": "plateau", "factor": 2}});
    assert_eq!(paths(wrong), ["architecture.heads", "architecture.flows", "epochs", "schedule.factor"]);
    assert!(serde_json::from_value::<TrainParams>(json!({"estimator": "tede", "epoch": 3})).is_err());
}
