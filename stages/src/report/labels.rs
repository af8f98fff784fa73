//! Names as physicists write them: k_B, ¹³⁷Cs, units, and the coordinates of a task in words.

use std::collections::BTreeMap;

use mctune_engine::coords::plain;
use serde_json::Value;

/// Units of the parameters, and how names are set. Labels carry the markup of the figure layer.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    units: BTreeMap<String, String>,
}

impl Labels {
    /// Labels with `units` by parameter name; parameters of the study have theirs unless told otherwise.
    #[must_use]
    pub fn new(units: &BTreeMap<String, String>) -> Self {
        let known = [
            // Birks' constant as the study counts it (arXiv:2507.23297): 6..24 mean 6e-3..24e-3.
            ("kB", "10^{\u{2212}3} g cm^{\u{2212}2} MeV^{\u{2212}1}"),
            ("Y", "MeV^{\u{2212}1}"),
        ];
        let mut all: BTreeMap<String, String> =
            known.into_iter().map(|(name, unit)| (name.to_owned(), unit.to_owned())).collect();
        all.extend(units.iter().map(|(name, unit)| (name.clone(), unit.clone())));
        Self { units: all }
    }

    /// `kB` as k with a lowered B: one small letter and capitals after it. Other names stay as they are.
    #[must_use]
    pub fn parameter(&self, name: &str) -> String {
        let mut letters = name.chars();
        let first = letters.next().filter(char::is_ascii_lowercase);
        let rest = letters.as_str();
        match first {
            Some(first) if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                format!("{first}_{{{rest}}}")
            }
            _ => name.to_owned(),
        }
    }

    /// A parameter with its unit, for axes and table heads; `before` stands in front: `fitted`.
    #[must_use]
    pub fn quantity(&self, before: &str, name: &str) -> String {
        let unit = self.units.get(name).filter(|unit| !unit.is_empty());
        let unit = unit.map_or_else(String::new, |unit| format!(" [{unit}]"));
        format!("{before}{}{unit}", self.parameter(name))
    }

    /// Coordinates in words: `k_B 6.9, f_C 0.075, Y 8100, replica 3`.
    #[must_use]
    pub fn coords(&self, coords: &[(String, Value)]) -> String {
        let mut words = Vec::new();
        for (axis, value) in coords {
            match value {
                Value::Object(fields) => {
                    let mut fields: Vec<_> = fields.iter().collect();
                    fields.sort_by_key(|(name, _)| rank(name));
                    words.extend(fields.into_iter().map(|(name, field)| self.word(name, &plain(field))));
                }
                other => words.push(self.word(axis, &plain(other))),
            }
        }
        words.join(", ")
    }

    /// A parameter point in words.
    #[must_use]
    pub fn point(&self, point: &BTreeMap<String, f64>) -> String {
        let mut fields: Vec<_> = point.iter().collect();
        fields.sort_by_key(|(name, _)| rank(name));
        let words: Vec<String> = fields.into_iter().map(|(name, value)| self.word(name, &format!("{value}"))).collect();
        words.join(", ")
    }

    fn word(&self, name: &str, value: &str) -> String {
        format!("{} {}", self.parameter(name), value.replace('-', "\u{2212}"))
    }
}

/// `Cs137` as ¹³⁷Cs: letters and a mass number. Other names stay as they are.
#[must_use]
pub fn source(name: &str) -> String {
    let digits = name.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    let letters = &name[..name.len() - digits.len()];
    let nuclide = !digits.is_empty() && (1..=2).contains(&letters.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if nuclide { format!("^{{{digits}}}{letters}") } else { name.to_owned() }
}

/// A name as part of a file name and an element id: letters, digits, `-`, `_` and `.`; everything else becomes `-`.
#[must_use]
pub fn slug(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let slug: String = text.chars().map(|letter| if plain(letter) { letter } else { '-' }).collect();
    let slug = slug.trim_matches(|letter| matches!(letter, '-' | '.'));
    if slug.is_empty() { "figure".to_owned() } else { slug.to_owned() }
}

/// The study's parameters in its own order, others after them by name.
fn rank(name: &str) -> (usize, String) {
    let known = ["kB", "fC", "Y"].iter().position(|known| *known == name);
    (known.unwrap_or(usize::MAX), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_set_as_in_print() {
        let labels = Labels::new(&BTreeMap::from([("Y".to_owned(), "1/MeV".to_owned())]));
        assert_eq!(labels.parameter("kB"), "k_{B}");
        assert_eq!(labels.parameter("sigma"), "sigma");
        assert_eq!(labels.quantity("fitted ", "Y"), "fitted Y [1/MeV]");
        assert_eq!(labels.quantity("", "fC"), "f_{C}");
        assert_eq!(source("Cs137"), "^{137}Cs");
        assert_eq!(source("AmBe"), "AmBe");
        assert_eq!(source("data2024x"), "data2024x");
        assert_eq!(slug("../a b/c"), "a-b-c");
        assert_eq!(slug("..."), "figure");
    }

    #[test]
    fn coordinates_in_words() {
        let coords = [("p".to_owned(), json!({"Y": 8100.0, "fC": 0.075, "kB": -6.9})), ("replica".into(), json!(3))];
        assert_eq!(Labels::default().coords(&coords), "k_{B} \u{2212}6.9, f_{C} 0.075, Y 8100, replica 3");
    }
}
