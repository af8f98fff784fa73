//! What fills the input slots of a task.

use std::sync::Arc;

use crate::artifact::Artifact;
use crate::coords::Coords;

/// One artifact that fills an input slot, with the coordinates of the task that left it.
#[derive(Debug, Clone, PartialEq)]
pub struct InputArtifact {
    /// Producing stage.
    pub stage: Arc<str>,
    /// Name of the artifact there.
    pub artifact: String,
    /// File name under which it is handed out.
    pub file_name: String,
    /// Coordinates of the producing task: the truth of a test point, the exposure of a replica.
    pub coords: Coords,
    /// Whether the slot takes several artifacts here: of several stages, or gathered over an axis (even of length one).
    pub gathered: bool,
    /// What it contains.
    pub content: Artifact,
}

/// An artifact that a slot goes without, because the task that was to leave it failed (`min_success`).
#[derive(Debug, Clone, PartialEq)]
pub struct MissingInput {
    /// Producing stage.
    pub stage: Arc<str>,
    /// Name of the artifact there.
    pub artifact: String,
    /// Coordinates of the task that failed.
    pub coords: Coords,
}
