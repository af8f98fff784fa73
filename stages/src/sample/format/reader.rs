//! Reading a sample, also from files of other programs and from damaged ones.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::basic::Type;
use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use super::{HEADER_KEY, Header, LAYOUT};
use crate::sample::{Entries, Sample, SampleError, Spectrum};

/// Rows fetched from a column at a time: what a damaged row count can make us allocate at most.
const BATCH_ROWS: usize = 1 << 16;

/// The columns as they stand in the file.
struct Rows {
    source: Vec<ByteArray>,
    entry: Column,
    count: Option<Vec<i32>>,
}

enum Column {
    Cells(Vec<i32>),
    Values(Vec<f64>),
}

/// Which leaf column is what.
struct Layout {
    source: usize,
    entry: usize,
    cells: bool,
    count: Option<usize>,
}

/// Reads a sample from the bytes of a Parquet file.
pub(in crate::sample) fn read(bytes: &[u8]) -> Result<Sample, SampleError> {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    // The decoder is not written for hostile input in every corner; a panic of its means a damaged file.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(bytes)));
    let (header, rows) = decoded.unwrap_or_else(|_| Err(damaged("the decoder gave up on a damaged page")))?;
    assemble(header, &rows)
}

fn decode(bytes: bytes::Bytes) -> Result<(Option<Header>, Rows), SampleError> {
    let file = SerializedFileReader::new(bytes).map_err(parquet_error)?;
    let layout = layout(file.metadata())?;
    let header = header(file.metadata())?;
    let entry = if layout.cells { Column::Cells(Vec::new()) } else { Column::Values(Vec::new()) };
    let mut rows = Rows { source: Vec::new(), entry, count: layout.count.map(|_| Vec::new()) };
    for index in 0..file.num_row_groups() {
        let group = file.get_row_group(index).map_err(parquet_error)?;
        append(&*group, &layout, &mut rows).map_err(parquet_error)?;
    }
    Ok((header, rows))
}

fn layout(metadata: &ParquetMetaData) -> Result<Layout, SampleError> {
    let schema = metadata.file_metadata().schema_descr();
    let find = |name: &str| (0..schema.num_columns()).find(|&index| schema.column(index).path().string() == name);
    let typed = |index: usize, wanted: Type| {
        let column = schema.column(index);
        let name = column.path().string();
        if column.physical_type() != wanted {
            return Err(SampleError::Layout {
                found: format!("the column `{name}` of type {}, not {wanted}", column.physical_type()),
            });
        }
        if column.max_rep_level() > 0 || column.max_def_level() > 1 {
            return Err(SampleError::Layout { found: format!("the nested column `{name}`") });
        }
        Ok(index)
    };
    let lacking = |name: &str| SampleError::Layout { found: format!("no column `{name}`") };
    let source = typed(find("source").ok_or_else(|| lacking("source"))?, Type::BYTE_ARRAY)?;
    let count = find("count").map(|index| typed(index, Type::INT32)).transpose()?;
    match (find("n"), find("npe")) {
        (Some(n), None) => Ok(Layout { source, entry: typed(n, Type::INT32)?, cells: true, count }),
        (None, Some(npe)) => Ok(Layout { source, entry: typed(npe, Type::DOUBLE)?, cells: false, count }),
        (Some(_), Some(_)) => Err(SampleError::Layout { found: "both columns `n` and `npe`".into() }),
        (None, None) => Err(lacking("n` or `npe")),
    }
}

fn header(metadata: &ParquetMetaData) -> Result<Option<Header>, SampleError> {
    let entries = metadata.file_metadata().key_value_metadata();
    let Some(text) = entries.and_then(|all| all.iter().find(|entry| entry.key == HEADER_KEY)) else {
        return Ok(None);
    };
    let fault = |message: String| SampleError::Metadata { key: HEADER_KEY, message };
    let text = text.value.as_deref().ok_or_else(|| fault("it is empty".into()))?;
    let header: Header = serde_json::from_str(text).map_err(|error| fault(error.to_string()))?;
    if header.layout > LAYOUT {
        return Err(fault(format!("layout {} is newer than the {LAYOUT} this program knows", header.layout)));
    }
    Ok(Some(header))
}

fn append(group: &dyn RowGroupReader, layout: &Layout, rows: &mut Rows) -> Result<(), ParquetError> {
    let expected = usize::try_from(group.metadata().num_rows())
        .map_err(|_| ParquetError::General("a row group has a negative number of rows".into()))?;
    let fetch = |index: usize| group.get_column_reader(index);
    drain(get_typed_column_reader::<ByteArrayType>(fetch(layout.source)?), expected, &mut rows.source)?;
    match &mut rows.entry {
        Column::Cells(n) => drain(get_typed_column_reader::<Int32Type>(fetch(layout.entry)?), expected, n)?,
        Column::Values(npe) => drain(get_typed_column_reader::<DoubleType>(fetch(layout.entry)?), expected, npe)?,
    }
    if let (Some(index), Some(count)) = (layout.count, &mut rows.count) {
        drain(get_typed_column_reader::<Int32Type>(fetch(index)?), expected, count)?;
    }
    Ok(())
}

/// Reads all rows of a column chunk; a null or a missing row is an error.
fn drain<T: DataType>(
    mut column: ColumnReaderImpl<T>,
    expected: usize,
    into: &mut Vec<T::T>,
) -> Result<(), ParquetError> {
    let start = into.len();
    let mut levels = Vec::new();
    let mut records = 0;
    while records < expected {
        levels.clear();
        let wanted = BATCH_ROWS.min(expected - records);
        let (read, _, _) = column.read_records(wanted, Some(&mut levels), None, into)?;
        if read == 0 {
            break;
        }
        records += read;
    }
    let values = into.len() - start;
    if records == expected && values == expected {
        return Ok(());
    }
    Err(ParquetError::General(format!("a column holds {values} values where {expected} rows were announced")))
}

fn assemble(header: Option<Header>, rows: &Rows) -> Result<Sample, SampleError> {
    let (truth, known) = header.map_or_else(Default::default, |header| (header.truth, header.sources));
    let mut spectra = Vec::with_capacity(known.len());
    let mut place = BTreeMap::new();
    for source in known {
        if place.insert(source.source.clone(), spectra.len()).is_some() {
            let message = format!("source `{}` appears twice", source.source);
            return Err(SampleError::Metadata { key: HEADER_KEY, message });
        }
        spectra.push(empty(&rows.entry, source.source, source.events));
    }
    let announced = spectra.len();
    for (range, name) in runs(&rows.source) {
        let name = std::str::from_utf8(name.data()).map_err(|_| damaged("a source name is not UTF-8"))?;
        let next = spectra.len();
        let index = *place.entry(name.to_owned()).or_insert(next);
        if index == next {
            if announced > 0 {
                let message = format!("it does not name the source `{name}` that has rows");
                return Err(SampleError::Metadata { key: HEADER_KEY, message });
            }
            spectra.push(empty(&rows.entry, name.to_owned(), 0));
        }
        collect(rows, range, &mut spectra[index])?;
    }
    spectra.iter_mut().for_each(sort);
    if announced == 0 {
        spectra.iter_mut().for_each(|spectrum| spectrum.events = spectrum.total());
    }
    Ok(Sample { spectra, truth })
}

fn empty(column: &Column, source: String, events: u64) -> Spectrum {
    let entries = match column {
        Column::Cells(_) => Entries::Cells(Vec::new()),
        Column::Values(_) => Entries::Values(Vec::new()),
    };
    Spectrum { source, events, entries }
}

/// Runs of equal source names.
fn runs(sources: &[ByteArray]) -> impl Iterator<Item = (std::ops::Range<usize>, &ByteArray)> {
    let mut start = 0;
    sources.chunk_by(|a, b| a.data() == b.data()).map(move |run| {
        let range = start..start + run.len();
        start = range.end;
        (range, &run[0])
    })
}

fn collect(rows: &Rows, range: std::ops::Range<usize>, spectrum: &mut Spectrum) -> Result<(), SampleError> {
    let multiplicity = |row: usize| rows.count.as_ref().map_or(1, |count| count[row]);
    let first = range.start;
    let name = spectrum.source.clone();
    let fault =
        move |row: usize, message: String| SampleError::Value { source_name: name.clone(), row: row - first, message };
    match (&rows.entry, &mut spectrum.entries) {
        (Column::Cells(n), Entries::Cells(cells)) => {
            cells.reserve(range.len());
            for row in range {
                let (n, count) = (n[row], multiplicity(row));
                match (u32::try_from(n), u32::try_from(count)) {
                    (Ok(n), Ok(count)) if count > 0 => cells.push((n, count)),
                    _ => return Err(fault(row, format!("cell {n} with multiplicity {count}"))),
                }
            }
        }
        (Column::Values(npe), Entries::Values(values)) => {
            values.reserve(range.len());
            for row in range {
                let (npe, count) = (npe[row], multiplicity(row));
                // Repeated real values take a row each: one row must not be able to announce a thousand million.
                if !npe.is_finite() || count != 1 {
                    return Err(fault(row, format!("{npe} NPE with multiplicity {count}; real values count once")));
                }
                values.push(npe);
            }
        }
        _ => return Err(damaged("cells and values are mixed")),
    }
    Ok(())
}

/// Sorts what another program left unsorted, and adds up equal cells.
fn sort(spectrum: &mut Spectrum) {
    match &mut spectrum.entries {
        Entries::Cells(cells) => {
            if !cells.is_sorted_by(|a, b| a.0 < b.0) {
                cells.sort_unstable();
                cells.dedup_by(|next, kept| {
                    let equal = next.0 == kept.0;
                    if equal {
                        kept.1 = kept.1.saturating_add(next.1);
                    }
                    equal
                });
            }
        }
        Entries::Values(values) => {
            if !values.is_sorted() {
                values.sort_unstable_by(f64::total_cmp);
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn parquet_error(error: ParquetError) -> SampleError {
    let message = error.to_string();
    let hint = if message.contains("Disabled feature") { "; write it without compression" } else { "" };
    damaged(&format!("{message}{hint}"))
}

fn damaged(message: &str) -> SampleError {
    SampleError::Damaged { message: message.to_owned() }
}
