//! Writes the authors' Asimov data set as a sample: `asimov IN.safetensors OUT.parquet`.
//!
//! The input holds, per source, 10 000 quantiles in kNPE of a density learned at one parameter point. Kept so that the
//! file in `pipelines/data` can be made again; see the README there.

use anyhow::{Context, Result, bail, ensure};
use mctune_stages::sample::{Entries, Sample, Spectrum};
use serde_json::Value;

/// Order of the sources in the file.
const SOURCES: [&str; 5] = ["Cs137", "K40", "Co60", "AmBe", "AmC"];
const NPE_PER_KNPE: f64 = 1000.0;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else { bail!("usage: asimov IN.safetensors OUT.parquet") };
    let bytes = std::fs::read(input).with_context(|| format!("reading {input}"))?;
    // safetensors: length of the header (u64, little-endian), header as JSON, data.
    let (length, rest) = bytes.split_first_chunk::<8>().context("no header")?;
    let (header, data) =
        rest.split_at_checked(u64::from_le_bytes(*length) as usize).context("the header is cut off")?;
    let header: Value = serde_json::from_slice(header)?;
    let spectrum = |source: &&str| -> Result<Spectrum> {
        let tensor = &header[*source];
        ensure!(tensor["dtype"] == "F64", "{source} is not stored in double precision");
        let offset = |at: usize| tensor["data_offsets"][at].as_u64().context("no offsets");
        let bytes = data.get(offset(0)? as usize..offset(1)? as usize).context("the data are cut off")?;
        let mut npe: Vec<f64> =
            bytes.as_chunks::<8>().0.iter().map(|value| f64::from_le_bytes(*value) * NPE_PER_KNPE).collect();
        npe.sort_unstable_by(f64::total_cmp);
        Ok(Spectrum { source: (*source).to_owned(), events: npe.len() as u64, entries: Entries::Values(npe) })
    };
    let truth = [("kB", 15.45), ("fC", 0.525), ("Y", 10_100.0)].map(|(name, value)| (name.to_owned(), value)).into();
    let sample = Sample { spectra: SOURCES.iter().map(spectrum).collect::<Result<_>>()?, truth };
    std::fs::write(output, sample.to_parquet()?).with_context(|| format!("writing {output}"))
}
