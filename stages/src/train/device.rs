//! Where a training computes: the choice in the pipeline, and what the machine lends to the task.

use mctune_engine::stage::{StageError, TaskContext};
use mctune_neural::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// On the GPU that the task was lent (`resources: {gpus: 1}`), on the processor without one.
    #[default]
    Auto,
    /// On the processor: the same bits on every machine of one architecture.
    Cpu,
    /// On the GPU that the task was lent; an error without one.
    Cuda,
}

impl DeviceChoice {
    /// The device, with a word in the log about it.
    ///
    /// # Errors
    /// If a GPU was demanded that is not there.
    pub(super) fn device(self, context: &TaskContext<'_>) -> Result<Device, StageError> {
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
        let lent = context.gpus().first().map(|name| (name, gpu(name, visible.as_deref())));
        let (device, note) = match (self, lent) {
            (Self::Cpu, _) | (Self::Auto, None) => return Ok(Device::CPU),
            (Self::Cuda, None) => {
                return Err(StageError::with_hint(
                    "`device: cuda` needs a GPU, and the task was lent none",
                    "ask for one with `resources: {gpus: 1}` on a machine that has one, or write `device: auto`",
                ));
            }
            (_, Some((name, Ok(device)))) => (device, format!("trains on GPU {name}")),
            (Self::Auto, Some((name, Err(missing)))) => {
                (Device::CPU, format!("GPU {name} cannot be used, trains on the processor: {missing}"))
            }
            (Self::Cuda, Some((name, Err(missing)))) => {
                return Err(StageError::with_hint(
                    format!("`device: cuda`: GPU {name} cannot be used: {missing}"),
                    "a program built with `--features cuda` needs NVIDIA's driver and the CUDA toolkit; or write `device: auto`",
                ));
            }
        };
        context.log(&note);
        Ok(device)
    }
}

/// The device of a name; CUDA counts those that `CUDA_VISIBLE_DEVICES` leaves, in its order.
fn gpu(name: &str, visible: Option<&str>) -> Result<Device, String> {
    let place = match visible {
        Some(list) => list.split(',').position(|other| other.trim() == name),
        None => name.parse().ok(),
    };
    let number = place.ok_or_else(|| "it is not among CUDA_VISIBLE_DEVICES".to_owned())?;
    Device::cuda(number).map_err(|missing| missing.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_counted_among_the_visible_ones() {
        let missing = |name, visible| gpu(name, visible).unwrap_err();
        assert!(missing("7", Some("0,1")).contains("CUDA_VISIBLE_DEVICES"));
        assert!(missing("GPU-a", None).contains("CUDA_VISIBLE_DEVICES"));
        // No machine has a million GPUs; with the driver missing or not built in, that is said first.
        let error = missing("1000000", None);
        assert!(error.contains("CUDA") || error.contains("driver"), "{error}");
    }
}
