//! What can be wrong with a data set.

/// A data set cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or folder cannot be read.
    #[error("{file} cannot be read: {source}")]
    Read {
        /// File or folder.
        file: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Of no known format by its name.
    #[error("{file} is no .csv, .parquet, .npy or .root file")]
    UnknownFormat {
        /// The file.
        file: String,
    },
    /// A folder without data.
    #[error("the folder {folder} has no .csv, .parquet, .npy or .root file")]
    NoFiles {
        /// The folder.
        folder: String,
    },
    /// Two files for one source.
    #[error("the folder {folder} has {one} and {other} for the same source")]
    TwoFiles {
        /// The folder.
        folder: String,
        /// One file.
        one: String,
        /// The other.
        other: String,
    },
    /// The bytes are not what the file's name says, or damaged.
    #[error("{file} is not a readable {format} file: {message}")]
    Damaged {
        /// The file, with a line where one is known.
        file: String,
        /// `CSV`, `Parquet`, `NumPy` or `ROOT`.
        format: &'static str,
        /// What the decoder found.
        message: String,
    },
    /// A column is missing or of a type that cannot hold what it should.
    #[error("{file} has {found}")]
    Column {
        /// The file.
        file: String,
        /// What it has instead.
        found: String,
    },
    /// One value is impossible.
    #[error("{place}: {message}")]
    Value {
        /// `Cs137.csv:17`, or `Cs137.parquet, row 17`.
        place: String,
        /// What is wrong with it.
        message: String,
    },
    /// The parameters name a source that the data do not have.
    #[error("`{setting}` names `{source_name}`, but {file} has {}", if known.is_empty() { "no source".into() } else { known.join(", ") })]
    UnknownSource {
        /// `sources` or `events`.
        setting: &'static str,
        /// The source named.
        source_name: String,
        /// File or folder.
        file: String,
        /// What it has.
        known: Vec<String>,
    },
    /// A source without a single entry.
    #[error("{file} has no entry for the source `{source_name}`")]
    EmptySource {
        /// The source.
        source_name: String,
        /// File or folder.
        file: String,
    },
    /// Fewer events than entries.
    #[error("`events` says {events} for `{source_name}`, but it has {entries} entries")]
    TooFewEvents {
        /// The source.
        source_name: String,
        /// What the parameters say.
        events: u64,
        /// What the data say.
        entries: u64,
    },
}

impl ImportError {
    pub(super) fn read(file: &str, source: std::io::Error) -> Self {
        Self::Read { file: file.to_owned(), source }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Column { .. } => Some(
                "a data set has the column `npe` (or the one that `column` names), and optionally `count` and `source`",
            ),
            Self::Damaged { message, .. } if message.contains("Disabled feature") => {
                Some("write it uncompressed, or with snappy, gzip or lz4")
            }
            Self::NoFiles { .. } | Self::UnknownFormat { .. } => Some(
                "a data set is one .csv, .parquet, .npy or .root file, or a folder with one per source: Cs137.csv, K40.csv, ...",
            ),
            _ => None,
        }
    }
}
