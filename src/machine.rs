//! What this machine has to offer a run: cores, memory, GPUs.

use std::path::Path;

use mctune_engine::resources::Resources;

use crate::args::BudgetArgs;
use crate::exit::Usage;

/// What a run may use.
pub(crate) struct Budget {
    pub(crate) resources: Resources,
    /// Names of the GPUs, as `CUDA_VISIBLE_DEVICES` names them.
    pub(crate) gpus: Vec<String>,
}

/// The budget that the arguments ask for; what they do not mention is all there is.
pub(crate) fn budget(args: &BudgetArgs) -> anyhow::Result<Budget> {
    let mut gpus = visible_gpus(std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref(), || count_gpus(Path::new("/")));
    if let Some(count) = args.gpus {
        if count > gpus.len() {
            let message = format!("--gpus {count}: this machine shows {} GPUs of NVIDIA", gpus.len());
            return Err(Usage(message).into());
        }
        gpus.truncate(count);
    }
    let resources = Resources {
        cpus: args.jobs.unwrap_or_else(cores),
        memory: args.memory.unwrap_or_else(|| memory(Path::new("/"))),
        gpus: u32::try_from(gpus.len()).unwrap_or(u32::MAX),
    };
    Ok(Budget { resources, gpus })
}

fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1))
}

/// Bytes of memory: of the machine, or of the container if that has less. Everything, if the system does not say.
fn memory(root: &Path) -> u64 {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let machine = read("proc/meminfo").lines().find_map(|line| {
        let kilobytes = line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?;
        Some(kilobytes.parse::<u64>().ok()? * 1024)
    });
    // `max` means no limit.
    let container = read("sys/fs/cgroup/memory.max").trim().parse::<u64>().ok();
    machine.into_iter().chain(container).min().unwrap_or(u64::MAX)
}

/// GPUs that programs started from here would see.
fn visible_gpus(variable: Option<&str>, count: impl FnOnce() -> usize) -> Vec<String> {
    match variable {
        Some(list) => list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        None => (0..count()).map(|number| number.to_string()).collect(),
    }
}

/// Number of NVIDIA's devices, which its driver lists.
fn count_gpus(root: &Path) -> usize {
    std::fs::read_dir(root.join("proc/driver/nvidia/gpus")).map_or(0, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_from_its_files() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!((memory(root.path()), count_gpus(root.path())), (u64::MAX, 0));
        write("proc/meminfo", "MemTotal:       16384 kB\nMemFree:         1000 kB\n");
        write("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: H200\n");
        write("sys/fs/cgroup/memory.max", "max\n");
        assert_eq!((memory(root.path()), count_gpus(root.path())), (16384 * 1024, 1));
        write("sys/fs/cgroup/memory.max", "1048576\n");
        assert_eq!(memory(root.path()), 1_048_576);
    }

    #[test]
    fn gpus_are_those_that_programs_would_see() {
        assert_eq!(visible_gpus(None, || 2), ["0", "1"]);
        assert_eq!(visible_gpus(Some("3, GPU-abc"), || 8), ["3", "GPU-abc"]);
        assert!(visible_gpus(Some(""), || 8).is_empty());
    }
}
