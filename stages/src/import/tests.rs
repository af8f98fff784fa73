//! Round trips, and what a user sees for each mistake.

use std::fs;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use tempfile::TempDir;

use super::*;

fn params(json: &serde_json::Value) -> ImportParams {
    serde_json::from_value(json.clone()).unwrap()
}

/// A folder with `files`, and what importing `path` in it gives.
fn importing(files: &[(&str, &[u8])], json: &serde_json::Value) -> Result<Sample, ImportError> {
    let home = TempDir::new().unwrap();
    for (name, bytes) in files {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let params = params(json);
    import(&home.path().join(&params.path), &params)
}

fn message(files: &[(&str, &[u8])], json: &serde_json::Value) -> String {
    importing(files, json).unwrap_err().to_string()
}

fn values(sample: &Sample, source: &str) -> Vec<f64> {
    match &sample.spectrum(source).unwrap().entries {
        Entries::Values(values) => values.clone(),
        Entries::Cells(_) => panic!("cells"),
    }
}

fn sources(sample: &Sample) -> Vec<&str> {
    sample.spectra.iter().map(|spectrum| spectrum.source.as_str()).collect()
}

/// Writes one column of a row group.
type Writing<'a> = &'a dyn Fn(&mut SerializedRowGroupWriter<'_, Vec<u8>>);

/// A Parquet file by another program: `schema` and one writing function per column.
fn foreign(schema: &str, compression: Compression, columns: &[Writing<'_>]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message data {{ {schema} }}")).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    columns.iter().for_each(|write| write(&mut group));
    group.close().unwrap();
    writer.into_inner().unwrap()
}

macro_rules! column {
    ($kind:ty, $values:expr) => {
        column!($kind, $values, None)
    };
    ($kind:ty, $values:expr, $levels:expr) => {
        &|group: &mut SerializedRowGroupWriter<'_, Vec<u8>>| {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<$kind>().write_batch($values, $levels, None).unwrap();
            column.close().unwrap();
        }
    };
}

#[test]
fn one_csv_file_with_sources_and_counts() {
    let text = b"# run 1234\nsource, npe, count, extra\nK40, 2100.5, 2, x\nCs137, 960.25, 1, y\nK40, 30, 0, z\nCs137, 940, 1, w\n";
    let sample = importing(
        &[("data.csv", text)],
        &serde_json::json!({"path": "data.csv", "events": {"K40": 10}, "truth": {"kB": 15.45}, "scale": 2.0}),
    )
    .unwrap();
    assert_eq!(sources(&sample), ["K40", "Cs137"]);
    assert_eq!(values(&sample, "K40"), [4201.0, 4201.0]);
    assert_eq!(values(&sample, "Cs137"), [1880.0, 1920.5]);
    assert_eq!((sample.spectra[0].events, sample.spectra[1].events), (10, 2));
    assert_eq!(sample.truth["kB"], 15.45);
    assert_eq!(Sample::from_parquet(&sample.to_parquet().unwrap()).unwrap(), sample);
}

#[test]
fn a_folder_with_a_file_per_source() {
    let files: &[(&str, &[u8])] =
        &[("run/K40.csv", b"npe\n2.1\n2.0\n"), ("run/Cs137.csv", b"npe\n0.96\n"), ("run/README.md", b"notes")];
    let sample = importing(files, &serde_json::json!({"path": "run", "unit": "knpe"})).unwrap();
    assert_eq!(sources(&sample), ["Cs137", "K40"]);
    assert_eq!(values(&sample, "K40"), [2000.0, 2100.0]);
    let sample = importing(files, &serde_json::json!({"path": "run", "sources": ["K40"]})).unwrap();
    assert_eq!(sources(&sample), ["K40"]);
}

#[test]
fn a_single_file_is_named_after_its_source() {
    let sample = importing(&[("Co60.csv", b"m_NPE\n7\n")], &serde_json::json!({"path": "Co60.csv", "column": "m_NPE"}));
    assert_eq!(sources(&sample.unwrap()), ["Co60"]);
}

#[test]
fn parquet_of_our_own_and_of_others() {
    let ours = Sample {
        spectra: vec![Spectrum { source: "AmC".into(), events: 3, entries: Entries::Values(vec![1.5, 2.5, 2.5]) }],
        truth: BTreeMap::new(),
    };
    let back = importing(&[("own.parquet", &ours.to_parquet().unwrap())], &serde_json::json!({"path": "own.parquet"}));
    assert_eq!(back.unwrap(), ours);

    let names: Vec<ByteArray> = ["AmC", "AmBe", "AmC"].map(ByteArray::from).to_vec();
    for compression in
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4_RAW, Compression::GZIP(Default::default())]
    {
        let bytes = foreign(
            "optional binary source (UTF8); optional float npe; required int64 count;",
            compression,
            &[
                column!(ByteArrayType, &names, Some(&[1, 1, 1])),
                column!(FloatType, &[2.5, 7.0, 0.5], Some(&[1, 1, 1])),
                column!(Int64Type, &[1, 2, 1]),
            ],
        );
        let sample = importing(&[("other.parquet", &bytes)], &serde_json::json!({"path": "other.parquet"})).unwrap();
        assert_eq!(sources(&sample), ["AmC", "AmBe"]);
        assert_eq!((values(&sample, "AmC"), values(&sample, "AmBe")), (vec![0.5, 2.5], vec![7.0, 7.0]));
    }
    let bytes = foreign("required int32 npe;", Compression::UNCOMPRESSED, &[column!(Int32Type, &[12, 11])]);
    let sample = importing(&[("d/K40.parquet", &bytes)], &serde_json::json!({"path": "d"})).unwrap();
    assert_eq!(values(&sample, "K40"), [11.0, 12.0]);
}

#[test]
fn wrong_lines_of_a_csv_file() {
    let csv = |text: &str| message(&[("d.csv", text.as_bytes())], &serde_json::json!({"path": "d.csv"}));
    assert_eq!(csv("npe\n1\nNaN\n"), "d.csv:3: the value is NaN");
    assert_eq!(csv("npe\n-4.5\n"), "d.csv:2: the value -4.5 is negative");
    assert_eq!(csv("npe\n12x\n"), "d.csv:2: `12x` in column `npe` is not a number of the right kind");
    assert_eq!(csv("npe,count\n1,-1\n"), "d.csv:2: the count -1 is negative");
    assert_eq!(csv("npe,count\n1,0.5\n"), "d.csv:2: `0.5` in column `count` is not a number of the right kind");
    assert_eq!(csv("npe,count\n1,9999999999\n"), "d.csv:2: the counts add up to more than 1073741824");
    assert_eq!(csv("source,npe\n,1\n"), "d.csv:2: the source is empty");
    assert_eq!(csv("energy,n\n1,2\n"), "d.csv has no column `npe`, only energy, n");
    let ragged = csv("npe,count\n1,1\n2\n");
    assert!(ragged.starts_with("d.csv:3 is not a readable CSV file: "), "{ragged}");
    assert_eq!(csv("npe\n"), "d.csv has no entry for the source `d`");
}

#[test]
fn wrong_parquet_files() {
    let path = &serde_json::json!({"path": "d.parquet"});
    let bytes = foreign("required double npe;", Compression::UNCOMPRESSED, &[column!(DoubleType, &[1.0, f64::NAN])]);
    assert_eq!(message(&[("d.parquet", &bytes)], path), "d.parquet, row 1: the value is NaN");
    let cut = message(&[("d.parquet", &bytes[..bytes.len() - 20])], path);
    assert!(cut.starts_with("d.parquet is not a readable Parquet file: "), "{cut}");
    let text = message(&[("d.parquet", b"npe\n1\n")], path);
    assert!(text.starts_with("d.parquet is not a readable Parquet file: "), "{text}");
    let null =
        foreign("optional double npe;", Compression::UNCOMPRESSED, &[column!(DoubleType, &[1.0], Some(&[1, 0]))]);
    assert_eq!(message(&[("d.parquet", &null)], path), "d.parquet, row 1: the value is missing");
    let names = [ByteArray::from("one")];
    let typed = foreign("required binary npe (UTF8);", Compression::UNCOMPRESSED, &[column!(ByteArrayType, &names)]);
    assert_eq!(message(&[("d.parquet", &typed)], path), "d.parquet has the column `npe` of type BYTE_ARRAY");
    let other = foreign("required double energy;", Compression::UNCOMPRESSED, &[column!(DoubleType, &[1.0])]);
    assert_eq!(message(&[("d.parquet", &other)], path), "d.parquet has no column `npe`, only energy");
}

#[test]
fn every_damaged_byte_is_an_error_or_harmless() {
    let data: Vec<f64> = (0..500).map(f64::from).collect();
    let bytes = foreign("required double npe;", Compression::SNAPPY, &[column!(DoubleType, &data)]);
    let file = File { shown: "d.parquet".into(), source: "d".into(), folder: false };
    for at in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[at] ^= 0x41;
        let _ = columnar::read(&broken, &file, "npe", &mut Rows::new(1.0));
    }
}

#[test]
fn wrong_files_and_sources() {
    let one: &[(&str, &[u8])] = &[("run/K40.csv", b"npe\n1\n")];
    assert_eq!(
        message(one, &serde_json::json!({"path": "run", "sources": ["Cs137"]})),
        "`sources` names `Cs137`, but run has K40"
    );
    assert_eq!(
        message(one, &serde_json::json!({"path": "run", "events": {"Cs137": 4}})),
        "`events` names `Cs137`, but run has K40"
    );
    assert_eq!(
        message(one, &serde_json::json!({"path": "run", "events": {"K40": 0}})),
        "`events` says 0 for `K40`, but it has 1 entries"
    );
    let missing = message(one, &serde_json::json!({"path": "nowhere.csv"}));
    assert!(missing.starts_with("nowhere.csv cannot be read: "), "{missing}");
    assert_eq!(
        message(&[("d.txt", b"")], &serde_json::json!({"path": "d.txt"})),
        "d.txt is no .csv, .parquet, .npy or .root file"
    );
    assert_eq!(
        message(&[("run/a.txt", b"")], &serde_json::json!({"path": "run"})),
        "the folder run has no .csv, .parquet, .npy or .root file"
    );
    assert_eq!(
        message(&[("run/a.csv", b"npe\n1\n"), ("run/a.parquet", b"")], &serde_json::json!({"path": "run"})),
        "the folder run has a.csv and a.parquet for the same source"
    );
    assert_eq!(
        message(&[("run/a.csv", b"npe,source\n1,b\n")], &serde_json::json!({"path": "run"})),
        "run/a.csv has a column `source`, though in a folder the file's name says the source"
    );
}

#[test]
fn parameters_are_checked() {
    let faults =
        |json: &serde_json::Value| Import.check(&params(json)).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(faults(&serde_json::json!({"path": "a.csv"})), [""; 0]);
    assert_eq!(
        faults(&serde_json::json!({"path": "", "scale": 0})),
        ["path: is empty", "scale: 0 is not a factor above 0"]
    );
    assert_eq!(faults(&serde_json::json!({"path": "a", "sources": []})), ["sources: is empty"]);
    assert_eq!(
        faults(&serde_json::json!({"path": "a", "sources": ["K40", "K40"]})),
        ["sources[1]: `K40` is named twice"]
    );
    assert!(serde_json::from_value::<ImportParams>(serde_json::json!({"path": "a", "units": "npe"})).is_err());
}

/// The data set in `pipelines/data`: entries in the study's window and highest bin by source, as the authors' program
/// counts them (`hist_nfde` of the reference fits).
#[test]
fn the_asimov_data_set() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/data/asimov-nfde-centre.parquet");
    let json = serde_json::json!({"path": "asimov-nfde-centre.parquet", "truth": {"kB": 15.45}});
    let sample = import(&path, &params(&json)).unwrap();
    let expected = [
        ("Cs137", 9544, 28, 1443),
        ("K40", 9742, 95, 925),
        ("Co60", 9998, 176, 658),
        ("AmBe", 9994, 160, 440),
        ("AmC", 9981, 160, 448),
    ];
    assert_eq!(sources(&sample), expected.map(|(source, ..)| source));
    for (source, entries, bin, highest) in expected {
        let spectrum = sample.spectrum(source).unwrap();
        let histogram = spectrum.histogram(&crate::sample::Bins::STUDY);
        assert_eq!(spectrum.total(), 10_000);
        assert_eq!((histogram.iter().sum::<u64>(), histogram[bin]), (entries, highest), "{source}");
        assert_eq!(histogram.iter().max(), Some(&highest), "{source}");
    }
}

/// `numpy.save` of four numbers in each type.
#[test]
fn numpy_arrays() {
    let file = |descr: &str, shape: &str, data: &[u8]| -> Vec<u8> {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        while !(header.len() + 11).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), data].concat()
    };
    let doubles: Vec<u8> = [960.5_f64, 940.0, 30.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let floats: Vec<u8> = [960.5_f32, 940.0].iter().flat_map(|x| x.to_be_bytes()).collect();
    let integers: Vec<u8> = [960_i32, 940].iter().flat_map(|x| x.to_le_bytes()).collect();
    let found = importing(
        &[
            ("run/Cs137.npy", &file("<f8", "(3,)", &doubles)),
            ("run/K40.npy", &file(">f4", "(2,)", &floats)),
            ("run/AmC.npy", &file("<i4", "(2,)", &integers)),
        ],
        &serde_json::json!({"path": "run", "scale": 2.0}),
    )
    .unwrap();
    assert_eq!(sources(&found), ["AmC", "Cs137", "K40"]);
    assert_eq!(values(&found, "Cs137"), [60.0, 1880.0, 1921.0]);
    assert_eq!((values(&found, "K40"), values(&found, "AmC")), (vec![1880.0, 1921.0], vec![1880.0, 1920.0]));

    let refused = |bytes: &[u8]| message(&[("Cs137.npy", bytes)], &serde_json::json!({"path": "Cs137.npy"}));
    let whole = file("<f8", "(3,)", &doubles);
    for (bytes, expected) in [
        (whole[..whole.len() - 4].to_vec(), "3 numbers take 24 bytes, but it has 20: it is truncated"),
        (whole[..40].to_vec(), "the header is cut off"),
        (file("<f8", "(3, 1)", &doubles), "it has the shape (3, 1), not one dimension"),
        (file("<c16", "(3,)", &doubles), "it holds `<c16`, not floating-point numbers or integers"),
        (b"npe\n1\n".to_vec(), "it does not begin as a .npy file does"),
    ] {
        assert_eq!(refused(&bytes), format!("Cs137.npy is not a readable NumPy file: {expected}"));
    }
    let nan: Vec<u8> = [960.5_f64, f64::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(refused(&file("<f8", "(2,)", &nan)), "Cs137.npy, row 1: the value is NaN");
}

/// Files that uproot wrote (`data/make_root.py`).
fn unpacked(packed: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

fn trec() -> Vec<u8> {
    unpacked(include_bytes!("data/trec.root.gz"))
}

#[test]
fn root_trees() {
    let trec = &trec()[..];
    let expected: Vec<f64> = (0..300).map(|i| 900.0 + 7.25 * f64::from(i)).collect();
    let read = |name: &str, bytes: &[u8], json: serde_json::Value| importing(&[(name, bytes)], &json);
    let asked = |column: &str| serde_json::json!({"path": "Cs137.root", "tree": "TRec", "column": column});
    let found = read("Cs137.root", trec, asked("m_NPE")).unwrap();
    assert_eq!((sources(&found), values(&found, "Cs137")), (vec!["Cs137"], expected.clone()));
    assert_eq!(values(&read("Cs137.root", trec, asked("m_charge")).unwrap(), "Cs137"), expected);
    let whole: Vec<f64> = expected.iter().map(|value| value.floor()).collect();
    for column in ["hits", "id"] {
        assert_eq!(values(&read("Cs137.root", trec, asked(column)).unwrap(), "Cs137"), whole, "{column}");
    }
    let lz4 = &unpacked(include_bytes!("data/lz4.root.gz"));
    let scaled = serde_json::json!({"path": "K40.root", "column": "m_NPE", "scale": 0.5});
    let found = values(&read("K40.root", lz4, scaled).unwrap(), "K40");
    assert_eq!((found.len(), found[0], found[899]), (900, 450.0, 0.5 * expected[299]));
}

#[test]
fn what_is_wrong_with_a_root_file_is_said() {
    let trec = &trec()[..];
    let refused = |bytes: &[u8], json: serde_json::Value| message(&[("Cs137.root", bytes)], &json);
    let asked =
        |tree: Option<&str>, column: &str| serde_json::json!({"path": "Cs137.root", "tree": tree, "column": column});
    assert_eq!(refused(trec, asked(None, "m_NPE")), "Cs137.root has the trees TRec, TSim: `tree` must say which");
    assert_eq!(refused(trec, asked(Some("T"), "m_NPE")), "Cs137.root has no tree `T`, only TRec, TSim");
    assert_eq!(
        refused(trec, asked(Some("TRec"), "npe")),
        "Cs137.root has no branch `npe` in tree `TRec`, only m_NPE, m_charge, hits, id, vertex"
    );
    assert_eq!(
        refused(trec, asked(Some("TRec"), "vertex")),
        "Cs137.root has the branch `vertex` of arrays, where one number an entry is expected"
    );
    let error = refused(&trec[..trec.len() - 100], asked(Some("TRec"), "m_NPE"));
    assert!(error.starts_with("Cs137.root is not a readable ROOT file: it should have"), "{error}");
    assert!(error.ends_with("it is truncated"), "{error}");
    assert!(refused(b"rootless", asked(None, "x")).contains("Cs137.root"));
    // Damage anywhere is an error or other numbers, never a panic.
    for at in (0..trec.len()).step_by(7) {
        let mut damaged = trec.to_vec();
        damaged[at] ^= 0xff;
        let _ = importing(&[("Cs137.root", &damaged)], &asked(Some("TRec"), "m_NPE"));
    }
}
