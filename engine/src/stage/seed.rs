//! Seeds of tasks: a pure function of the campaign seed, the stage's stream label and the task's coordinates.

use serde_json::Value;

use crate::coords::Coords;

/// 256 bits from which a task derives all its random streams.
///
/// Depends on the *values* of the task's axes, never on positions in lists, threads or time, so that adding a grid
/// point leaves the other points' random numbers alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seed([u8; 32]);

const CONTEXT: &str = "mctune 2026-11 task seed v1";

impl Seed {
    /// What a task sees whose kind draws no random numbers.
    pub const NONE: Self = Self([0; 32]);

    /// Seed of the task at `coords` of a stage with stream label `stream`.
    #[must_use]
    pub fn of_task(campaign: u64, stream: &str, coords: &Coords) -> Self {
        let mut hasher = blake3_field_hasher();
        hasher.field(&campaign.to_le_bytes());
        hasher.field(stream.as_bytes());
        hasher.value(&coords.canonical());
        Self(hasher.finish())
    }

    /// A seed made from a number, for use outside a pipeline and in tests.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self::of_task(number, "", &Coords::default())
    }

    /// Two 64-bit words for one random stream of the task, named by a label and any number of byte strings
    /// (parameter values, chunk numbers): `Pcg32::new(words.0, words.1)`.
    #[must_use]
    pub fn stream(&self, label: &str, parts: &[&[u8]]) -> (u64, u64) {
        let mut hasher = blake3_field_hasher();
        hasher.field(&self.0);
        hasher.field(label.as_bytes());
        for part in parts {
            hasher.field(part);
        }
        let bytes = hasher.finish();
        let word = |at: usize| {
            let mut buffer = [0; 8];
            buffer.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(buffer)
        };
        (word(0), word(8))
    }

    /// A number below 2^53, which every language reads exactly.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.stream("number", &[]).0 >> 11
    }
}

/// Hashes a sequence of length-prefixed fields; unambiguous whatever the fields contain.
struct FieldHasher(mctune_cache::Hasher);

fn blake3_field_hasher() -> FieldHasher {
    // The context is hashed once, not for each of a million seeds.
    static BEGUN: std::sync::OnceLock<mctune_cache::Hasher> = std::sync::OnceLock::new();
    FieldHasher(BEGUN.get_or_init(|| mctune_cache::Hasher::new_derive_key(CONTEXT)).clone())
}

impl FieldHasher {
    fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// A JSON value; numbers enter as the bytes of their f64, so that `6` and `6.0` agree.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.field(b"null"),
            Value::Bool(flag) => self.field(if *flag { b"true" } else { b"false" }),
            Value::Number(number) => {
                self.field(b"number");
                self.field(&number.as_f64().unwrap_or(f64::NAN).to_bits().to_le_bytes());
            }
            Value::String(text) => {
                self.field(b"text");
                self.field(text.as_bytes());
            }
            Value::Array(items) => {
                self.field(b"list");
                self.field(&(items.len() as u64).to_le_bytes());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(fields) => {
                self.field(b"map");
                self.field(&(fields.len() as u64).to_le_bytes());
                for (name, field) in fields {
                    self.field(name.as_bytes());
                    self.value(field);
                }
            }
        }
    }

    fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn coords(kb: &Value, replica: u64) -> Coords {
        Coords::new(vec![("point".into(), json!({"kB": kb})), ("replica".into(), json!(replica))])
    }

    #[test]
    fn depends_on_values_not_on_how_they_are_written() {
        assert_eq!(Seed::of_task(1, "a", &coords(&json!(6), 2)), Seed::of_task(1, "a", &coords(&json!(6.0), 2)));
        assert_ne!(Seed::of_task(1, "a", &coords(&json!(6), 2)), Seed::of_task(1, "a", &coords(&json!(6), 3)));
        assert_ne!(Seed::of_task(1, "a", &coords(&json!(6), 2)), Seed::of_task(1, "b", &coords(&json!(6), 2)));
        assert_ne!(Seed::of_task(1, "a", &coords(&json!(6), 2)), Seed::of_task(2, "a", &coords(&json!(6), 2)));
    }

    #[test]
    fn streams_of_one_task_differ() {
        let seed = Seed::from_number(7);
        assert_ne!(seed.stream("x", &[b"ab", b"c"]), seed.stream("x", &[b"a", b"bc"]));
        assert_ne!(seed.stream("x", &[]), seed.stream("y", &[]));
        assert!(seed.number() < 1 << 53);
    }

    #[test]
    fn golden_stream_words() {
        // Changing this changes every generated event: it needs a new format version.
        let words = Seed::of_task(20_250_731, "training", &coords(&json!(6.9), 0)).stream("photons", &[b"Cs137"]);
        assert_eq!(words, (5_689_523_737_621_242_303, 16_236_224_943_326_124_711));
    }
}
