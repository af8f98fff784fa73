//! Samples as Parquet: one file, one row group per sample, rows sorted by source and entry.
//!
//! The low-level column interface of the `parquet` crate, without Arrow: the file has three flat required columns, and
//! nothing in it depends on the time, the host or the version of the library. Sizes: `n` and `count` as bit-packed
//! differences, `source` as run-length codes of a dictionary, no statistics, no page index.

mod events;
mod reader;
mod writer;

use serde::{Deserialize, Serialize};

pub(super) use events::{write_counts_csv, write_csv as write_events_csv, write_parquet as write_events_parquet};
pub(super) use reader::read;
pub(super) use writer::write;

/// Name of the file's metadata entry that holds [`Header`] as JSON.
const HEADER_KEY: &str = "mctune.sample";
/// Layout of the file; readers refuse a newer one.
const LAYOUT: u32 = 1;

/// What the rows cannot say: the truth, and the events of each source, in order (a spectrum may be empty).
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    layout: u32,
    truth: std::collections::BTreeMap<String, f64>,
    sources: Vec<SourceHeader>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SourceHeader {
    source: String,
    events: u64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write as _;
    use std::process::Command;

    use crate::sample::{Entries, Sample, SampleError, Spectrum};

    fn spectrum(source: &str, entries: Entries) -> Spectrum {
        Spectrum { source: source.into(), events: 12, entries }
    }

    fn simulated() -> Sample {
        let peak = |low: u32, step: u32| Entries::Cells((0..2000).map(|i| (low + i * step, 1 + i % 7)).collect());
        Sample {
            spectra: vec![
                spectrum("K40", peak(400, 1)),
                spectrum("Cs137", peak(10, 2)),
                spectrum("empty", Entries::Cells(Vec::new())),
                spectrum("AmBe", peak(0, 8)),
            ],
            truth: BTreeMap::from([("kB".into(), 15.45), ("fC".into(), 0.1 + 0.2), ("Y".into(), 10_100.0)]),
        }
    }

    fn measured() -> Sample {
        let values = vec![399.999, 400.0, 400.0, 12_345.678_901_234];
        Sample { spectra: vec![spectrum("Cs137", Entries::Values(values))], truth: BTreeMap::new() }
    }

    #[test]
    fn reads_back_what_was_written() {
        for sample in [simulated(), measured(), Sample::default()] {
            assert_eq!(Sample::from_parquet(&sample.to_parquet().unwrap()).unwrap(), sample);
        }
    }

    #[test]
    fn bytes_are_stable() {
        let digest = |sample: &Sample| blake3::hash(&sample.to_parquet().unwrap()).to_hex()[..16].to_owned();
        assert_eq!(
            [digest(&simulated()), digest(&measured())],
            ["7df12d08b6eb6bd3", "610b90ded8723357"],
            "the format changed: raise VERSION of every stage that writes samples"
        );
    }

    #[test]
    fn truncated_and_flipped_bytes_are_errors_or_samples_never_panics() {
        let bytes = simulated().to_parquet().unwrap();
        for length in (0..bytes.len()).step_by(61).chain(bytes.len() - 300..bytes.len()) {
            assert!(Sample::from_parquet(&bytes[..length]).is_err(), "first {length} bytes");
        }
        let tail = bytes.len() - 600;
        for at in (0..tail).step_by(17).chain(tail..bytes.len()) {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let _ = Sample::from_parquet(&damaged);
            }
        }
    }

    #[test]
    fn refuses_what_the_format_cannot_hold() {
        let two = |a, b| Sample { spectra: vec![a, b], truth: BTreeMap::new() };
        let cells = || Entries::Cells(vec![(1, 1)]);
        let refused = [
            two(spectrum("a", cells()), spectrum("b", Entries::Values(vec![1.0]))),
            two(spectrum("a", cells()), spectrum("a", cells())),
            two(spectrum("a", cells()), spectrum("b", Entries::Cells(vec![(5, 1), (5, 1)]))),
            two(spectrum("a", cells()), spectrum("b", Entries::Cells(vec![(5, 0)]))),
            two(spectrum("a", cells()), spectrum("b", Entries::Cells(vec![(u32::MAX, 1)]))),
            Sample { spectra: vec![spectrum("a", Entries::Values(vec![f64::NAN]))], truth: BTreeMap::new() },
            Sample { spectra: vec![spectrum("a", Entries::Values(vec![2.0, 1.0]))], truth: BTreeMap::new() },
            Sample { spectra: Vec::new(), truth: BTreeMap::from([("kB".into(), f64::INFINITY)]) },
        ];
        for sample in refused {
            assert!(sample.to_parquet().is_err(), "{sample:?}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let error = Sample::from_parquet(b"PAR1 no parquet at all").unwrap_err();
        assert!(matches!(error, SampleError::Damaged { .. }), "{error}");
    }

    /// Other programs read the file: pandas and pyarrow see the same columns. Skipped, visibly, where Python lacks
    /// them; `MCTUNE_TEST_PYTHON` names another interpreter.
    #[test]
    fn pyarrow_reads_it() {
        let python = std::env::var("MCTUNE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
        let has = Command::new(&python).args(["-c", "import pandas, pyarrow"]).output();
        if !has.is_ok_and(|output| output.status.success()) {
            println!(
                "skipped: `{python}` lacks pandas or pyarrow (`make test` installs them; or set MCTUNE_TEST_PYTHON)"
            );
            return;
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&simulated().to_parquet().unwrap()).unwrap();
        let script = "import sys, json, pyarrow.parquet as pq\n\
            t = pq.read_table(sys.argv[1])\n\
            h = json.loads(t.schema.metadata[b'mctune.sample'])\n\
            print(t.num_rows, sum(t['n'].to_pylist()), sum(t['count'].to_pylist()), sorted(set(t['source'].to_pylist())), h['truth']['kB'])\n\
            import pandas\n\
            f = pandas.read_parquet(sys.argv[1])\n\
            print(list(f.columns), f.groupby('source')['count'].sum()['Cs137'])";
        let output = Command::new(&python).args(["-c", script]).arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let sum_n: u64 = (0..2000_u64).map(|i| 400 + i + 10 + 2 * i + 8 * i).sum();
        let sum_count: u64 = 3 * (0..2000_u64).map(|i| 1 + i % 7).sum::<u64>();
        let expected = format!(
            "6000 {sum_n} {sum_count} ['AmBe', 'Cs137', 'K40'] 15.45\n['source', 'n', 'count'] {}",
            sum_count / 3
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected);
    }
}
