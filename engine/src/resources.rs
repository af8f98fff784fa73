//! What tasks take of a machine while they run: cores, memory, GPUs. A budget of the run, never part of a key.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::graph::Graph;

/// Amounts of what tasks share: what a task takes, what a run may use, what is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Processor cores.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// GPUs.
    pub gpus: u32,
}

impl Default for Resources {
    /// What a task takes unless its stage says otherwise: one core, and no memory or GPU that would have to be counted.
    fn default() -> Self {
        Self { cpus: 1, memory: 0, gpus: 0 }
    }
}

/// One of the amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Processor cores.
    Cpus,
    /// Memory.
    Memory,
    /// GPUs.
    Gpus,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cpus, Self::Memory, Self::Gpus];
}

impl Resources {
    /// A budget of cores with nothing to count besides them.
    #[must_use]
    pub fn cores(cpus: u32) -> Self {
        Self { cpus, ..Self::default() }
    }

    /// The amount of `resource`.
    #[must_use]
    pub fn of(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Cpus => u64::from(self.cpus),
            Resource::Memory => self.memory,
            Resource::Gpus => u64::from(self.gpus),
        }
    }

    /// What of `demand` is more than there is here.
    pub fn lacking(self, demand: Self) -> impl Iterator<Item = Resource> {
        Resource::ALL.into_iter().filter(move |&resource| demand.of(resource) > self.of(resource))
    }

    /// What a task that asks for `self` gets of `budget`: a core is a thread more, and a task does with fewer.
    #[must_use]
    pub fn within(self, budget: Self) -> Self {
        Self { cpus: self.cpus.clamp(1, budget.cpus.max(1)), ..self }
    }

    /// Takes `demand` away.
    pub fn take(&mut self, demand: Self) {
        self.cpus = self.cpus.saturating_sub(demand.cpus);
        self.memory = self.memory.saturating_sub(demand.memory);
        self.gpus = self.gpus.saturating_sub(demand.gpus);
    }

    /// Gives `demand` back.
    pub fn give(&mut self, demand: Self) {
        self.cpus += demand.cpus;
        self.memory += demand.memory;
        self.gpus += demand.gpus;
    }
}

/// A stage asks for more than the run has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stage `{stage}` needs {} a task, but this run has {}", Amount(*.resource, *.needed), Amount(*.resource, *.available))]
pub struct TooLarge {
    /// The stage.
    pub stage: String,
    /// What is lacking.
    pub resource: Resource,
    /// How much a task needs.
    pub needed: u64,
    /// How much there is.
    pub available: u64,
}

/// Checks that every task could run within `budget`.
///
/// # Errors
/// [`TooLarge`] for the first stage whose tasks never could.
pub fn check(graph: &Graph, budget: Resources) -> Result<(), TooLarge> {
    for (_, node) in graph.stages() {
        let demand = node.decl.resources.within(budget);
        if let Some(resource) = budget.lacking(demand).next() {
            return Err(TooLarge {
                stage: node.name().to_owned(),
                resource,
                needed: demand.of(resource),
                available: budget.of(resource),
            });
        }
    }
    Ok(())
}

struct Amount(Resource, u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.1 == 1;
        match self.0 {
            Resource::Cpus => write!(f, "{} {}", self.1, if one { "core" } else { "cores" }),
            Resource::Memory => write!(f, "{} of memory", size(self.1)),
            Resource::Gpus if self.1 == 0 => f.write_str("no GPU"),
            Resource::Gpus => write!(f, "{} {}", self.1, if one { "GPU" } else { "GPUs" }),
        }
    }
}

/// Units of sizes by name: powers of ten, and of two.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Bytes of a size as people write it: `4 GB`, `512MiB`, `1.5 GB`, `1000`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim());
    let factor = match UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => 1,
        None => return Err(format!("`{text}` is no size: there is no unit `{unit}`")),
    };
    let bytes = number.parse::<f64>().map_err(|_| format!("`{text}` is no size"))? * factor as f64;
    if !(bytes.is_finite() && (1.0..=9e18).contains(&bytes)) {
        return Err(format!("`{text}` is no possible size"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 9e18")]
    Ok(bytes.round() as u64)
}

/// A size as people read it: `4 GB`, `1.5 GB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let (unit, factor) = UNITS[..5].iter().rev().find(|(_, factor)| bytes >= *factor).unwrap_or(&UNITS[0]);
    let text = format!("{:.2}", bytes as f64 / *factor as f64);
    format!("{} {unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [
            ("4 GB", 4_000_000_000),
            ("512MiB", 512 << 20),
            ("1.5gb", 1_500_000_000),
            ("1000", 1000),
            (" 2 TB ", 2_000_000_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "4 GiBB", "-4 GB", "1.2.3 GB", "0", "1e3 GB", "99999999999 TB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert_eq!([size(4_000_000_000), size(1_500_000), size(12)], ["4 GB", "1.5 MB", "12 B"]);
    }

    #[test]
    fn a_task_does_with_fewer_cores_but_not_with_less_of_anything_else() {
        let budget = Resources { cpus: 2, memory: 100, gpus: 0 };
        let demand = Resources { cpus: 8, memory: 50, gpus: 1 }.within(budget);
        assert_eq!(demand.cpus, 2);
        assert_eq!(budget.lacking(demand).collect::<Vec<_>>(), [Resource::Gpus]);
        let error = TooLarge { stage: "train".into(), resource: Resource::Gpus, needed: 1, available: 0 };
        assert_eq!(error.to_string(), "stage `train` needs 1 GPU a task, but this run has no GPU");
    }
}
