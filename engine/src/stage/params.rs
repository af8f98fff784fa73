//! Typing of stage parameters, with errors that say where.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Something wrong with one parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct ParamError {
    /// Path inside `with`: `events`, `geometry.r1`, `sources[2]`; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ParamError {
    /// An error at `path`.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reads `params` as a `T`.
///
/// # Errors
/// One error with the path of the parameter and serde's description of what is wrong. Unknown fields are reported
/// here too, but the language front end finds them first, against the schema, and names the near ones.
pub fn typed<T: DeserializeOwned>(params: &Value) -> Result<T, Vec<ParamError>> {
    // The path of a mistake is followed only where there is one: that costs more than the reading itself.
    if let Ok(typed) = T::deserialize(params) {
        return Ok(typed);
    }
    serde_path_to_error::deserialize(params).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        vec![ParamError::at(path, error.inner().to_string())]
    })
}
