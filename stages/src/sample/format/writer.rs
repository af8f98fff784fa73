//! Writing a sample.

use std::collections::BTreeSet;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::{HEADER_KEY, Header, LAYOUT, SourceHeader};
use crate::sample::{Entries, Sample, SampleError, Spectrum};

const CELLS_SCHEMA: &str =
    "message sample { required binary source (STRING); required int32 n; required int32 count; }";
const VALUES_SCHEMA: &str =
    "message sample { required binary source (STRING); required double npe; required int32 count; }";
/// One data page per column: as many rows as a sample can have in practice.
const ROWS_PER_PAGE: usize = 1 << 24;
const BYTES_PER_PAGE: usize = 1 << 28;

/// The entries of all spectra as columns; cells and values never mix.
enum Columns {
    Cells { n: Vec<i32>, count: Vec<i32> },
    Values { npe: Vec<f64> },
}

/// A sample as the bytes of a Parquet file.
pub(in crate::sample) fn write(sample: &Sample) -> Result<Vec<u8>, SampleError> {
    let header = header(sample)?;
    let columns = columns(sample)?;
    let sources = source_column(sample);
    encode(&header, &sources, &columns).map_err(|error| SampleError::Inexpressible { message: error.to_string() })
}

fn header(sample: &Sample) -> Result<String, SampleError> {
    let mut seen = BTreeSet::new();
    for spectrum in &sample.spectra {
        if !seen.insert(&spectrum.source) {
            return Err(inexpressible(format!("source `{}` appears twice", spectrum.source)));
        }
    }
    if let Some((name, value)) = sample.truth.iter().find(|(_, value)| !value.is_finite()) {
        return Err(inexpressible(format!("the true value of `{name}` is {value}")));
    }
    let source = |spectrum: &Spectrum| SourceHeader { source: spectrum.source.clone(), events: spectrum.events };
    let header =
        Header { layout: LAYOUT, truth: sample.truth.clone(), sources: sample.spectra.iter().map(source).collect() };
    serde_json::to_string(&header).map_err(|error| inexpressible(error.to_string()))
}

fn columns(sample: &Sample) -> Result<Columns, SampleError> {
    let values = sample.spectra.iter().filter(|spectrum| matches!(spectrum.entries, Entries::Values(_))).count();
    if values != 0 && values != sample.spectra.len() {
        return Err(inexpressible("some spectra hold cells and others real values".into()));
    }
    let (mut n, mut count, mut npe) = (Vec::new(), Vec::new(), Vec::new());
    for spectrum in &sample.spectra {
        match &spectrum.entries {
            Entries::Cells(cells) => append_cells(&spectrum.source, cells, &mut n, &mut count)?,
            Entries::Values(values) => append_values(&spectrum.source, values, &mut npe)?,
        }
    }
    Ok(if values == 0 { Columns::Cells { n, count } } else { Columns::Values { npe } })
}

fn append_cells(source: &str, cells: &[(u32, u32)], n: &mut Vec<i32>, count: &mut Vec<i32>) -> Result<(), SampleError> {
    let mut previous = -1;
    for (row, &(cell, multiplicity)) in cells.iter().enumerate() {
        let fault = |message: String| SampleError::Value { source_name: source.to_owned(), row, message };
        let number = |value: u32| i32::try_from(value).map_err(|_| fault(format!("{value} exceeds {}", i32::MAX)));
        let (cell, multiplicity) = (number(cell)?, number(multiplicity)?);
        if cell <= previous {
            return Err(fault(format!("cell {cell} follows cell {previous}; cells must be sorted and distinct")));
        }
        if multiplicity == 0 {
            return Err(fault(format!("cell {cell} has multiplicity 0")));
        }
        previous = cell;
        n.push(cell);
        count.push(multiplicity);
    }
    Ok(())
}

fn append_values(source: &str, values: &[f64], npe: &mut Vec<f64>) -> Result<(), SampleError> {
    for (row, &value) in values.iter().enumerate() {
        let fault = |message: String| SampleError::Value { source_name: source.to_owned(), row, message };
        if !value.is_finite() {
            return Err(fault(format!("{value} NPE is not a number of photo-electrons")));
        }
        if row > 0 && value < values[row - 1] {
            return Err(fault(format!("{value} follows {}; values must be sorted", values[row - 1])));
        }
        npe.push(value);
    }
    Ok(())
}

fn source_column(sample: &Sample) -> Vec<ByteArray> {
    let rows = |spectrum: &Spectrum| match &spectrum.entries {
        Entries::Cells(cells) => cells.len(),
        Entries::Values(values) => values.len(),
    };
    sample
        .spectra
        .iter()
        .flat_map(|spectrum| std::iter::repeat_n(ByteArray::from(spectrum.source.as_str()), rows(spectrum)))
        .collect()
}

fn encode(header: &str, sources: &[ByteArray], columns: &Columns) -> Result<Vec<u8>, ParquetError> {
    let schema = match columns {
        Columns::Cells { .. } => CELLS_SCHEMA,
        Columns::Values { .. } => VALUES_SCHEMA,
    };
    let schema = Arc::new(parse_message_type(schema)?);
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties(header)))?;
    if !sources.is_empty() {
        let mut group = file.next_row_group()?;
        put::<ByteArrayType>(&mut group, sources)?;
        match columns {
            Columns::Cells { n, count } => {
                put::<Int32Type>(&mut group, n)?;
                put::<Int32Type>(&mut group, count)?;
            }
            Columns::Values { npe } => {
                put::<DoubleType>(&mut group, npe)?;
                put::<Int32Type>(&mut group, &vec![1; npe.len()])?;
            }
        }
        group.close()?;
    }
    file.into_inner()
}

fn put<T: DataType>(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: &[T::T]) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has fewer columns than the sample".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

fn properties(header: &str) -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    WriterProperties::builder()
        .set_created_by("mctune".into())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::UNCOMPRESSED)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(true)
        .set_column_dictionary_enabled(column("n"), false)
        .set_column_encoding(column("n"), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(column("count"), false)
        .set_column_encoding(column("count"), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(column("npe"), false)
        .set_column_encoding(column("npe"), Encoding::PLAIN)
        .set_data_page_row_count_limit(ROWS_PER_PAGE)
        .set_data_page_size_limit(BYTES_PER_PAGE)
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some(vec![KeyValue::new(HEADER_KEY.to_owned(), header.to_owned())]))
        .build()
}

fn inexpressible(message: String) -> SampleError {
    SampleError::Inexpressible { message }
}
