//! What can be wrong with the files of a model.

/// Files do not make a usable model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// `model.json` cannot be read.
    #[error("model.json: {0}")]
    Description(#[from] serde_json::Error),
    /// `model.json` says something that cannot be.
    #[error("model.json: {message}")]
    Invalid {
        /// What is wrong.
        message: String,
    },
    /// `model.safetensors` cannot be read.
    #[error("model.safetensors: {0}")]
    Tensors(#[from] safetensors::SafeTensorError),
    /// A tensor is missing, has another shape, or holds no finite numbers.
    #[error("model.safetensors: tensor `{name}` {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}
