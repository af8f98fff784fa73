//! A sample entry by entry, for programs that want a column of numbers: Parquet or CSV with `source` and `npe`.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::sample::{Entries, Sample, SampleError};

const SCHEMA: &str = "message events { required binary source (STRING); required double npe; }";
/// Rows that are in memory at a time.
const ROWS_PER_GROUP: usize = 1 << 20;

/// One row for each entry, spectrum by spectrum and ascending; the entries of a cell lie at its middle, n + 0.5. The
/// rows are made as they are written: memory does not grow with their number.
pub(in crate::sample) fn write_parquet<W: Write + Send>(sample: &Sample, sink: W) -> Result<W, SampleError> {
    let failed = |error: ParquetError| SampleError::Inexpressible { message: error.to_string() };
    let schema = parse_message_type(SCHEMA).map_err(failed)?;
    let properties = WriterProperties::builder()
        .set_created_by("mctune".into())
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(None)
        .build();
    let mut file = SerializedFileWriter::new(sink, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
    for spectrum in &sample.spectra {
        let mut entries = spectrum.entries.each_npe();
        loop {
            let rows: Vec<f64> = entries.by_ref().take(ROWS_PER_GROUP).collect();
            if rows.is_empty() {
                break;
            }
            let sources = vec![ByteArray::from(spectrum.source.as_str()); rows.len()];
            let mut group = file.next_row_group().map_err(failed)?;
            put::<W, ByteArrayType>(&mut group, &sources).map_err(failed)?;
            put::<W, DoubleType>(&mut group, &rows).map_err(failed)?;
            group.close().map_err(failed)?;
        }
    }
    file.into_inner().map_err(failed)
}

fn put<W: Write + Send, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has fewer columns than the rows".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

/// The same as CSV.
pub(in crate::sample) fn write_csv<W: Write>(sample: &Sample, sink: W) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(sink);
    writer.write_record(["source", "npe"])?;
    for spectrum in &sample.spectra {
        for npe in spectrum.entries.each_npe() {
            writer.write_record([spectrum.source.as_str(), &npe.to_string()])?;
        }
    }
    Ok(writer.flush()?)
}

/// Distinct entries with their multiplicities as CSV: `source`, `n` (cells) or `npe` (values), `count`.
pub(in crate::sample) fn write_counts_csv<W: Write>(sample: &Sample, sink: W) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(sink);
    let cells = sample.spectra.iter().all(|spectrum| matches!(spectrum.entries, Entries::Cells(_)));
    writer.write_record(["source", if cells { "n" } else { "npe" }, "count"])?;
    for spectrum in &sample.spectra {
        match &spectrum.entries {
            Entries::Cells(pairs) => {
                for (n, count) in pairs {
                    writer.write_record([spectrum.source.as_str(), &n.to_string(), &count.to_string()])?;
                }
            }
            Entries::Values(values) => {
                for npe in values {
                    writer.write_record([spectrum.source.as_str(), &npe.to_string(), "1"])?;
                }
            }
        }
    }
    Ok(writer.flush()?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;
    use crate::sample::Spectrum;

    fn sample() -> Sample {
        let spectrum = |source: &str, cells: Vec<(u32, u32)>| Spectrum {
            source: source.into(),
            events: 9,
            entries: Entries::Cells(cells),
        };
        let spectra = vec![
            spectrum("Cs137", vec![(400, 2), (970, 1)]),
            spectrum("empty", Vec::new()),
            // More rows than a row group holds.
            spectrum("K40", vec![(7, 1_500_000), (8, 1)]),
        ];
        Sample { spectra, truth: BTreeMap::new() }
    }

    #[test]
    fn every_entry_has_a_row() {
        let bytes = bytes::Bytes::from(write_parquet(&sample(), Vec::new()).unwrap());
        let reader = SerializedFileReader::new(bytes).unwrap();
        assert_eq!(reader.num_row_groups(), 3);
        let mut sums: BTreeMap<String, (u64, f64)> = BTreeMap::new();
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let sum = sums.entry(row.get_string(0).unwrap().clone()).or_default();
            *sum = (sum.0 + 1, sum.1 + row.get_double(1).unwrap());
        }
        let expected = [("Cs137", (3, 1771.5)), ("K40", (1_500_001, 1_500_000.0 * 7.5 + 8.5))];
        assert_eq!(sums, expected.map(|(source, sum)| (source.to_owned(), sum)).into());
    }

    #[test]
    fn tables_as_text() {
        let mut small = sample();
        small.spectra.truncate(2);
        let mut text = Vec::new();
        write_csv(&small, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "source,npe\nCs137,400.5\nCs137,400.5\nCs137,970.5\n");
        let mut text = Vec::new();
        write_counts_csv(&small, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "source,n,count\nCs137,400,2\nCs137,970,1\n");
    }
}
