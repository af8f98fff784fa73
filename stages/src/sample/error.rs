//! What can be wrong with a sample or its file.

/// A sample cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The bytes are no Parquet file, or a damaged one.
    #[error("not a readable Parquet file: {message}")]
    Damaged {
        /// What the decoder found.
        message: String,
    },
    /// A Parquet file, but not one with the columns of a sample.
    #[error(
        "the Parquet file has {found}; a sample has the columns `source`, `n` (cells) or `npe` (values), and `count`"
    )]
    Layout {
        /// What it has instead.
        found: String,
    },
    /// The file's metadata is not that of a sample.
    #[error("the metadata `{key}` of the sample cannot be read: {message}")]
    Metadata {
        /// Name of the metadata entry.
        key: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A number in the file or in the sample is impossible.
    #[error("source `{source_name}`, row {row}: {message}")]
    Value {
        /// Source the row belongs to.
        source_name: String,
        /// Row within that source, from 0.
        row: usize,
        /// What is wrong with it.
        message: String,
    },
    /// The spectra cannot stand in one file.
    #[error("the sample cannot be written: {message}")]
    Inexpressible {
        /// Why.
        message: String,
    },
}
