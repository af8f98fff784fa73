//! Calibration sources as data: capsule, and for each decay the entries it leaves and how they are made.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A calibration source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceDefinition {
    /// Where the numbers come from.
    #[serde(default)]
    pub note: String,
    /// Effective capsule.
    pub capsule: CapsuleDefinition,
    /// Every decay leaves one trigger entry of each of these classes (prompt and delayed, for a neutron source).
    pub entries: Vec<EntryDefinition>,
}

/// Effective capsule: a steel sphere in a PTFE shell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapsuleDefinition {
    /// Outer radius of the steel, cm (0.2 to 10: emission points lie within 0.2 cm).
    pub steel_cm: f64,
    /// Outer radius of the PTFE, cm (from the steel's to 20).
    pub ptfe_cm: f64,
}

/// A class of trigger entries; one of its channels makes each entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryDefinition {
    /// Name of the class.
    pub name: String,
    /// Its channels.
    pub channels: Vec<ChannelDefinition>,
}

/// One way in which an entry comes about. Everything in it happens together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelDefinition {
    /// Name of the channel.
    pub name: String,
    /// Weight among the channels of its class.
    pub weight: f64,
    /// Photons, MeV (0.01 to 15): from one point, in independent isotropic directions.
    #[serde(default)]
    pub photons_mev: Vec<f64>,
    /// Whether the photons come from a neutron capture in the scintillator instead of the source.
    #[serde(default)]
    pub captured: bool,
    /// Whether a positron annihilates at rest in the capsule: two back-to-back photons of 0.511 MeV.
    #[serde(default)]
    pub annihilation: bool,
    /// Energy spectrum of a neutron: bins of (low edge in MeV, high edge in MeV, weight), flat within a bin, up to
    /// 15 MeV; no neutron without bins.
    #[serde(default)]
    pub neutron_mev: Vec<(f64, f64, f64)>,
}

/// The sources that the program ships: name and definition as JSON.
const SHIPPED: [(&str, &str); 7] = [
    ("Cs137", include_str!("../../data/generator/sources/Cs137.json")),
    ("K40", include_str!("../../data/generator/sources/K40.json")),
    ("Co60", include_str!("../../data/generator/sources/Co60.json")),
    ("AmBe", include_str!("../../data/generator/sources/AmBe.json")),
    ("AmC", include_str!("../../data/generator/sources/AmC.json")),
    ("Mn54", include_str!("../../data/generator/sources/Mn54.json")),
    ("Ge68", include_str!("../../data/generator/sources/Ge68.json")),
];

/// Names of the shipped sources.
#[must_use]
pub fn shipped_names() -> Vec<&'static str> {
    SHIPPED.iter().map(|(name, _)| *name).collect()
}

/// The shipped source called `name`.
#[must_use]
pub fn shipped(name: &str) -> Option<SourceDefinition> {
    // Read once: every task of a campaign asks.
    static READ: LazyLock<BTreeMap<&'static str, SourceDefinition>> = LazyLock::new(|| {
        SHIPPED.iter().filter_map(|(name, text)| Some((*name, serde_json::from_str(text).ok()?))).collect()
    });
    READ.get(name).cloned()
}

/// Something wrong with a source: path within it and what.
pub(crate) type Fault = (String, String);

impl SourceDefinition {
    /// What is wrong with the definition; empty when all is well.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut range = |path: String, value: f64, low: f64, high: f64| {
            if !(low..=high).contains(&value) {
                faults.push((path, format!("{value} lies outside {low} to {high}")));
            }
        };
        range("capsule.steel_cm".into(), self.capsule.steel_cm, 0.2, 10.0);
        range("capsule.ptfe_cm".into(), self.capsule.ptfe_cm, self.capsule.steel_cm, 20.0);
        for (i, class) in self.entries.iter().enumerate() {
            for (j, channel) in class.channels.iter().enumerate() {
                let path = |field: &str| format!("entries[{i}].channels[{j}].{field}");
                range(path("weight"), channel.weight, 0.0, 1e12);
                for (k, &line) in channel.photons_mev.iter().enumerate() {
                    range(path(&format!("photons_mev[{k}]")), line, 0.01, 15.0);
                }
                for (k, &(low, high, weight)) in channel.neutron_mev.iter().enumerate() {
                    range(path(&format!("neutron_mev[{k}][0]")), low, 0.0, 15.0);
                    range(path(&format!("neutron_mev[{k}][1]")), high, low, 15.0);
                    range(path(&format!("neutron_mev[{k}][2]")), weight, 0.0, 1e12);
                }
            }
        }
        let positive = |sum: f64| sum > 0.0 && sum.is_finite();
        for (i, class) in self.entries.iter().enumerate() {
            if !positive(class.channels.iter().map(|channel| channel.weight).sum()) {
                faults.push((format!("entries[{i}].channels"), "the weights add up to nothing".into()));
            }
            for (j, channel) in class.channels.iter().enumerate() {
                let bins = &channel.neutron_mev;
                if !bins.is_empty() && !positive(bins.iter().map(|bin| bin.2).sum()) {
                    let path = format!("entries[{i}].channels[{j}].neutron_mev");
                    faults.push((path, "the weights add up to nothing".into()));
                }
            }
        }
        if self.entries.is_empty() {
            faults.push(("entries".into(), "a source needs at least one class of entries".into()));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_sources_are_sound() {
        for name in shipped_names() {
            let source = shipped(name).unwrap_or_else(|| panic!("{name} cannot be read"));
            assert_eq!(source.faults(), [], "{name}");
        }
        assert!(shipped("U235").is_none());
    }

    #[test]
    fn weights_of_a_channel_and_of_its_bins_agree() {
        for name in ["AmBe", "AmC"] {
            for channel in shipped(name).unwrap().entries.iter().flat_map(|class| class.channels.clone()) {
                let bins: f64 = channel.neutron_mev.iter().map(|bin| bin.2).sum();
                assert!(channel.neutron_mev.is_empty() || (bins - channel.weight).abs() < 1e-9, "{}", channel.name);
            }
        }
    }

    #[test]
    fn faults_name_the_place_and_the_range() {
        let mut source = shipped("Cs137").unwrap();
        source.entries[0].channels[0].photons_mev.push(99.0);
        source.capsule.steel_cm = 0.6;
        let faults = source.faults();
        assert_eq!(faults[0], ("capsule.ptfe_cm".into(), "0.5 lies outside 0.6 to 20".into()));
        assert_eq!(faults[1].0, "entries[0].channels[0].photons_mev[1]");
        assert!(faults[1].1.contains("0.01 to 15"));
    }
}
