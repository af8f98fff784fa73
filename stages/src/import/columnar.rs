//! Data sets as Parquet, whoever wrote them: plain columns of any number type, with or without nulls.
//!
//! The low-level column interface of the `parquet` crate, without Arrow.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::SchemaDescriptor;

use super::File;
use super::error::ImportError;
use super::rows::{Place, Rows, no_column, source_in_folder};

/// Rows fetched at a time: what a damaged row count can make us allocate at most.
const BATCH_ROWS: usize = 1 << 16;

/// Reads `bytes` into `rows`.
pub(super) fn read(bytes: &[u8], file: &File, column: &str, rows: &mut Rows) -> Result<(), ImportError> {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    // The decoder is not written for hostile input in every corner; a panic of its means a damaged file.
    catch_unwind(AssertUnwindSafe(|| decode(bytes, file, column, rows)))
        .unwrap_or_else(|_| Err(damaged(file, "the decoder gave up on a damaged page")))
}

/// Indices of the columns.
struct Columns {
    value: usize,
    count: Option<usize>,
    source: Option<usize>,
}

fn decode(bytes: bytes::Bytes, file: &File, column: &str, rows: &mut Rows) -> Result<(), ImportError> {
    let reader = SerializedFileReader::new(bytes).map_err(|error| damaged(file, &error.to_string()))?;
    let columns = Columns::find(reader.metadata().file_metadata().schema_descr(), file, column)?;
    if columns.source.is_none() {
        rows.announce(&file.source);
    }
    let mut first = 0;
    for index in 0..reader.num_row_groups() {
        let group = reader.get_row_group(index).map_err(|error| damaged(file, &error.to_string()))?;
        first += append(&*group, &columns, file, first, rows)?;
    }
    Ok(())
}

impl Columns {
    fn find(schema: &SchemaDescriptor, file: &File, column: &str) -> Result<Self, ImportError> {
        let names: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
        let find = |name: &str, accepted: &[Type]| -> Result<Option<usize>, ImportError> {
            let Some(at) = names.iter().position(|found| found == name) else { return Ok(None) };
            let column = schema.column(at);
            let wrong = |what: String| Err(ImportError::Column { file: file.shown.clone(), found: what });
            if column.max_rep_level() > 0 || column.max_def_level() > 1 {
                return wrong(format!("the nested column `{name}`, where one value a row is expected"));
            }
            if !accepted.contains(&column.physical_type()) {
                return wrong(format!("the column `{name}` of type {}", column.physical_type()));
            }
            Ok(Some(at))
        };
        let value = find(column, &[Type::DOUBLE, Type::FLOAT, Type::INT32, Type::INT64])?
            .ok_or_else(|| no_column(&file.shown, column, names.iter().map(String::as_str)))?;
        let count = find("count", &[Type::INT32, Type::INT64])?;
        let source = find("source", &[Type::BYTE_ARRAY])?;
        if source.is_some() && file.folder {
            return Err(source_in_folder(&file.shown));
        }
        Ok(Self { value, count, source })
    }
}

/// Reads one row group whose first row is row `first` of the file; returns the number of its rows.
fn append(
    group: &dyn RowGroupReader,
    columns: &Columns,
    file: &File,
    first: usize,
    rows: &mut Rows,
) -> Result<usize, ImportError> {
    let expected = usize::try_from(group.metadata().num_rows())
        .map_err(|_| damaged(file, "a row group has a negative number of rows"))?;
    let fetch = |index: usize| -> Result<Cells, ImportError> {
        let column = group.get_column_reader(index).and_then(|column| cells(column, expected));
        column.map_err(|error| damaged(file, &error.to_string()))
    };
    let values = fetch(columns.value)?;
    let counts = columns.count.map(fetch).transpose()?;
    let sources = columns.source.map(fetch).transpose()?;
    for row in 0..expected {
        let place = Place::Row(&file.shown, first + row);
        let value = values.number(row).ok_or_else(|| place.fault("the value is missing"))?;
        let count = match &counts {
            Some(counts) => counts.integer(row).ok_or_else(|| place.fault("the count is missing"))?,
            None => 1,
        };
        let source = match &sources {
            Some(sources) => sources.text(row).ok_or_else(|| place.fault("the source is missing or not UTF-8"))?,
            None => &file.source,
        };
        rows.push(source, value, count, place)?;
    }
    Ok(expected)
}

/// A column of one row group; `None` for a null.
enum Cells {
    Numbers(Vec<Option<f64>>),
    Integers(Vec<Option<i64>>),
    Texts(Vec<Option<ByteArray>>),
}

impl Cells {
    fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::Numbers(all) => all[row],
            Self::Integers(all) => all[row].map(|value| value as f64),
            Self::Texts(_) => None,
        }
    }

    fn integer(&self, row: usize) -> Option<i64> {
        if let Self::Integers(all) = self { all[row] } else { None }
    }

    fn text(&self, row: usize) -> Option<&str> {
        let Self::Texts(all) = self else { return None };
        all[row].as_ref().and_then(|bytes| std::str::from_utf8(bytes.data()).ok())
    }
}

fn cells(column: ColumnReader, rows: usize) -> Result<Cells, ParquetError> {
    Ok(match column {
        ColumnReader::DoubleColumnReader(column) => Cells::Numbers(drain(column, rows, |value| value)?),
        ColumnReader::FloatColumnReader(column) => Cells::Numbers(drain(column, rows, f64::from)?),
        ColumnReader::Int32ColumnReader(column) => Cells::Integers(drain(column, rows, i64::from)?),
        ColumnReader::Int64ColumnReader(column) => Cells::Integers(drain(column, rows, |value| value)?),
        ColumnReader::ByteArrayColumnReader(column) => Cells::Texts(drain(column, rows, |value| value)?),
        _ => return Err(ParquetError::General("a column has changed its type".into())),
    })
}

/// All rows of a column chunk.
fn drain<T: DataType, V>(
    mut column: ColumnReaderImpl<T>,
    expected: usize,
    convert: impl Fn(T::T) -> V,
) -> Result<Vec<Option<V>>, ParquetError> {
    let mut all = Vec::new();
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    while all.len() < expected {
        values.clear();
        levels.clear();
        let wanted = BATCH_ROWS.min(expected - all.len());
        let (records, _, _) = column.read_records(wanted, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            let message = format!("a column holds {} rows where {expected} were announced", all.len());
            return Err(ParquetError::General(message));
        }
        let mut present = values.drain(..);
        if levels.is_empty() {
            all.extend(present.by_ref().map(|value| Some(convert(value))));
        } else {
            // A column that may have nulls: level 1 stands for a value, 0 for none.
            all.extend(levels.iter().map(|level| (*level > 0).then(|| present.next().map(&convert)).flatten()));
        }
    }
    Ok(all)
}

fn damaged(file: &File, message: &str) -> ImportError {
    ImportError::Damaged { file: file.shown.clone(), format: "Parquet", message: message.to_owned() }
}
