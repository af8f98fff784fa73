//! Tests of the generator as a whole.

use mctune_engine::stage::{Cancel, Seed};
use serde_json::json;

use super::*;
use crate::sample::{Bins, Sample};

fn params(value: serde_json::Value) -> GenerateParams {
    serde_json::from_value(value).unwrap()
}

fn sample(params: &GenerateParams, seed: u64, threads: usize) -> Sample {
    let request = Request {
        params,
        point: params.point.unwrap(),
        seed: Seed::from_number(seed),
        threads,
        cancel: &Cancel::default(),
        on_progress: &|_| (),
    };
    Generator::default().sample(&request).unwrap()
}

const ALL: [&str; 7] = ["Cs137", "K40", "Co60", "AmBe", "AmC", "Mn54", "Ge68"];

#[test]
fn smoke() {
    let params = params(json!({"sources": ALL, "events": 20_000, "point": {"kB": 15.45, "fC": 0.525, "Y": 10_100}}));
    let sample = sample(&params, 1, 1);
    for spectrum in &sample.spectra {
        println!(
            "{} {} {:?} {}",
            spectrum.source,
            spectrum.total(),
            spectrum.mean(),
            spectrum.entries_in(&Bins::STUDY)
        );
    }
    println!("{} bytes", sample.to_parquet().unwrap().len());
}
