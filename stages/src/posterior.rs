//! Draws of a posterior as Parquet: one row a draw, one column for each parameter, then `log_likelihood`, `log_prior`, `weight` and
//! `chain`. Equal draws give equal bytes.
//!
//! Knows how draws are stored; how they are made is in [`crate::fit`] and the crate `mctune-inference`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use mctune_inference::Draws;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{DataType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::{Deserialize, Serialize};

/// Name of the file's metadata entry that holds [`Header`] as JSON.
const HEADER_KEY: &str = "mctune.posterior";
/// Layout of the file; readers refuse a newer one.
const LAYOUT: u32 = 1;
/// Columns beside the parameters.
const FIXED: [&str; 3] = ["log_likelihood", "log_prior", "weight"];
/// Column of the chain's number.
const CHAIN: &str = "chain";
/// Rows fetched from a column at a time: what a damaged row count can make us allocate at most.
const BATCH_ROWS: usize = 1 << 16;

/// What the rows cannot say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Layout of the file.
    layout: u32,
    /// Sampler that made the draws: `ensemble`, `nuts`, `nested`, `importance`.
    pub sampler: String,
    /// Names of the parameters, in the order of the columns.
    pub parameters: Vec<String>,
    /// True values, where they are known.
    pub truth: BTreeMap<String, f64>,
    /// Number of chains; 0 where draws are weighted.
    pub chains: u32,
}

/// Draws with what belongs to them.
#[derive(Debug, Clone, PartialEq)]
pub struct PosteriorFile {
    /// Names, sampler, truth.
    pub header: Header,
    /// The draws.
    pub draws: Draws,
}

/// A posterior cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PosteriorError {
    /// The bytes are no Parquet file, or a damaged one.
    #[error("not a readable Parquet file of posterior draws: {0}")]
    Damaged(String),
    /// A name that cannot be that of a column.
    #[error("`{0}` cannot be the name of a column")]
    Name(String),
}

impl From<ParquetError> for PosteriorError {
    fn from(error: ParquetError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl PosteriorFile {
    /// Draws of `parameters` made by `sampler`.
    #[must_use]
    pub fn new(sampler: &str, parameters: Vec<String>, truth: BTreeMap<String, f64>, draws: Draws) -> Self {
        let weighted = matches!(sampler, "nested" | "importance");
        let chains = if weighted { 0 } else { draws.chains.iter().max().map_or(0, |last| last + 1) };
        Self { header: Header { layout: LAYOUT, sampler: sampler.to_owned(), parameters, truth, chains }, draws }
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// If a parameter's name is no name of a column.
    pub fn to_parquet(&self) -> Result<Vec<u8>, PosteriorError> {
        let mut schema = String::from("message posterior {");
        for name in self.header.parameters.iter().map(String::as_str).chain(FIXED) {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return Err(PosteriorError::Name(name.to_owned()));
            }
            let _ = write!(schema, " required double {name};");
        }
        let _ = write!(schema, " required int32 {CHAIN}; }}");
        let header = serde_json::to_string(&self.header).map_err(|error| PosteriorError::Damaged(error.to_string()))?;
        let schema = Arc::new(parse_message_type(&schema)?);
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties(header)))?;
        if !self.draws.is_empty() {
            let mut group = file.next_row_group()?;
            for index in 0..self.header.parameters.len() {
                put::<DoubleType>(&mut group, &self.draws.parameter(index))?;
            }
            for column in [&self.draws.log_likelihood, &self.draws.log_prior, &self.draws.weights] {
                put::<DoubleType>(&mut group, column)?;
            }
            let chains: Vec<i32> = self.draws.chains.iter().map(|chain| i32::try_from(*chain).unwrap_or(-1)).collect();
            put::<Int32Type>(&mut group, &chains)?;
            group.close()?;
        }
        Ok(file.into_inner()?)
    }

    /// Reads what [`Self::to_parquet`] has written.
    ///
    /// # Errors
    /// If the bytes are damaged, truncated, or of another layout.
    pub fn from_parquet(bytes: &[u8]) -> Result<Self, PosteriorError> {
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        // The decoder is not written for hostile input in every corner; a panic of its means a damaged file.
        catch_unwind(AssertUnwindSafe(|| decode(bytes)))
            .unwrap_or_else(|_| Err(PosteriorError::Damaged("the decoder gave up on a damaged page".into())))
    }
}

fn put<T: DataType>(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: &[T::T]) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has fewer columns than the draws".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

fn properties(header: String) -> WriterProperties {
    WriterProperties::builder()
        .set_created_by("mctune".into())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::UNCOMPRESSED)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::PLAIN)
        // Chains and equal weights are long runs.
        .set_column_dictionary_enabled(CHAIN.into(), true)
        .set_column_dictionary_enabled("weight".into(), true)
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some(vec![KeyValue::new(HEADER_KEY.to_owned(), header)]))
        .build()
}

fn decode(bytes: bytes::Bytes) -> Result<PosteriorFile, PosteriorError> {
    let file = SerializedFileReader::new(bytes)?;
    let facts = file.metadata().file_metadata();
    let damaged = |what: &str| PosteriorError::Damaged(what.to_owned());
    let entries = facts.key_value_metadata().into_iter().flatten();
    let text = entries.filter(|entry| entry.key == HEADER_KEY).find_map(|entry| entry.value.as_deref());
    let text = text.ok_or_else(|| damaged("it lacks the metadata `mctune.posterior`"))?;
    let header: Header = serde_json::from_str(text).map_err(|error| PosteriorError::Damaged(error.to_string()))?;
    if header.layout > LAYOUT {
        return Err(damaged("its layout is newer than this program"));
    }
    let schema = facts.schema_descr();
    let wanted = header.parameters.iter().map(String::as_str).chain(FIXED).chain([CHAIN]);
    let expected: Vec<(&str, Type)> =
        wanted.map(|name| (name, if name == CHAIN { Type::INT32 } else { Type::DOUBLE })).collect();
    let same = expected.len() == schema.num_columns()
        && expected.iter().zip(schema.columns()).all(|((name, physical), column)| {
            column.path().string() == *name && column.physical_type() == *physical && column.max_def_level() == 0
        });
    if !same {
        return Err(damaged("its columns are not those of its metadata"));
    }
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); expected.len() - 1];
    let mut chains: Vec<i32> = Vec::new();
    for index in 0..file.num_row_groups() {
        let group = file.get_row_group(index)?;
        let rows = usize::try_from(group.metadata().num_rows()).map_err(|_| damaged("a negative number of rows"))?;
        for (at, column) in columns.iter_mut().enumerate() {
            drain(get_typed_column_reader::<DoubleType>(group.get_column_reader(at)?), rows, column)?;
        }
        drain(get_typed_column_reader::<Int32Type>(group.get_column_reader(expected.len() - 1)?), rows, &mut chains)?;
    }
    let rows = chains.len();
    let dimension = header.parameters.len();
    let mut fixed = columns.split_off(dimension).into_iter();
    let mut next = || fixed.next().unwrap_or_default();
    let draws = Draws {
        points: (0..rows).map(|row| columns.iter().map(|column| column[row]).collect()).collect(),
        log_likelihood: next(),
        log_prior: next(),
        weights: next(),
        chains: chains.into_iter().map(|chain| u32::try_from(chain).unwrap_or(0)).collect(),
    };
    Ok(PosteriorFile { header, draws })
}

fn drain<T: DataType>(
    mut column: ColumnReaderImpl<T>,
    expected: usize,
    into: &mut Vec<T::T>,
) -> Result<(), ParquetError> {
    let goal = into.len() + expected;
    while into.len() < goal {
        let (records, _, _) = column.read_records(BATCH_ROWS.min(goal - into.len()), None, None, into)?;
        if records == 0 {
            return Err(ParquetError::General(format!("a column holds fewer than the {expected} rows announced")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> PosteriorFile {
        let rows = 900_u32;
        let at = |row: u32| f64::from(row) / 7.0;
        let draws = Draws {
            points: (0..rows).map(|row| vec![15.0 + at(row), 0.5 - at(row)]).collect(),
            log_likelihood: (0..rows).map(|row| -at(row)).collect(),
            log_prior: vec![-3.5; rows as usize],
            weights: vec![1.0 / f64::from(rows); rows as usize],
            chains: (0..rows).map(|row| row / 300).collect(),
        };
        PosteriorFile::new("nuts", vec!["kB".into(), "fC".into()], BTreeMap::from([("kB".into(), 15.45)]), draws)
    }

    #[test]
    fn reads_back_what_was_written() {
        let file = file();
        assert_eq!(file.header.chains, 3);
        let bytes = file.to_parquet().unwrap();
        assert_eq!(PosteriorFile::from_parquet(&bytes).unwrap(), file);
        assert_eq!(bytes, self::file().to_parquet().unwrap());
        let empty = PosteriorFile::new("nested", vec!["kB".into()], BTreeMap::new(), Draws::default());
        assert_eq!(PosteriorFile::from_parquet(&empty.to_parquet().unwrap()).unwrap(), empty);
    }

    #[test]
    fn damage_is_an_error_never_a_panic() {
        let bytes = file().to_parquet().unwrap();
        for length in (0..bytes.len()).step_by(977).chain(bytes.len() - 60..bytes.len()) {
            assert!(PosteriorFile::from_parquet(&bytes[..length]).is_err(), "first {length} bytes");
        }
        for at in (0..bytes.len()).step_by(331) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x81;
            let _ = PosteriorFile::from_parquet(&damaged);
        }
    }

    #[test]
    fn names_that_are_no_columns_are_refused() {
        let mut file = file();
        file.header.parameters[1] = "f C;".into();
        assert!(matches!(file.to_parquet(), Err(PosteriorError::Name(_))));
    }
}
