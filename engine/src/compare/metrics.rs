//! The numbers in artifacts: leaves of JSON, cells of CSV.

use std::collections::BTreeMap;

use mctune_cache::{ReadError, Store};
use serde::Serialize;
use serde_json::Value;

use crate::artifact::{Artifact, Shape, Tree};

/// Larger files are data, not metrics.
const LARGEST: u64 = 4 << 20;
/// Most numbers taken from one file.
const MOST: usize = 20_000;

/// A number that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// Label of the task.
    pub task: String,
    /// Its artifact.
    pub artifact: String,
    /// Where in it: `fit.kB.value`, `[3].bias` for a row of a table, with the file in front for folders.
    pub path: String,
    /// In the first run.
    pub a: f64,
    /// In the second run.
    pub b: f64,
}

type Numbers = BTreeMap<String, f64>;

/// Numbers at the same places of two artifacts: how many there are, and those that differ. Task and artifact are left empty.
pub(super) fn differing(
    (in_a, in_b): (&Store, &Store),
    a: &Artifact,
    b: &Artifact,
) -> Result<(usize, Vec<Metric>), ReadError> {
    let (a, b) = (numbers(in_a, a)?, numbers(in_b, b)?);
    let both: Vec<_> = a.into_iter().filter_map(|(path, a)| b.get(&path).map(|&b| (path, a, b))).collect();
    let count = both.len();
    let different = both.into_iter().filter(|(_, a, b)| a.to_bits() != b.to_bits());
    let metric = |(path, a, b)| Metric { task: String::new(), artifact: String::new(), path, a, b };
    Ok((count, different.map(metric).collect()))
}

fn numbers(store: &Store, artifact: &Artifact) -> Result<Numbers, ReadError> {
    match artifact.shape {
        Shape::File if artifact.bytes <= LARGEST => Ok(of_bytes(&store.read(&artifact.digest)?)),
        Shape::File => Ok(Numbers::new()),
        Shape::Tree => {
            let listing = store.read(&artifact.digest)?;
            let tree = Tree::parse(&listing).map_err(|_| ReadError::Damaged { digest: artifact.digest })?;
            let mut all = Numbers::new();
            for (path, member) in tree.files.iter().filter(|(_, member)| member.bytes <= LARGEST) {
                let own = of_bytes(&store.read(&member.digest)?);
                all.extend(own.into_iter().map(|(place, number)| (format!("{path}: {place}"), number)));
            }
            Ok(all)
        }
    }
}

/// The numbers of a JSON or CSV text; none for anything else.
fn of_bytes(bytes: &[u8]) -> Numbers {
    let mut numbers = Numbers::new();
    if let Ok(tree) = serde_json::from_slice::<Value>(bytes) {
        leaves(&tree, "", &mut numbers);
    } else if std::str::from_utf8(bytes).is_ok() {
        cells(bytes, &mut numbers);
    }
    numbers
}

fn leaves(tree: &Value, path: &str, numbers: &mut Numbers) {
    match tree {
        Value::Number(number) if numbers.len() < MOST => {
            numbers.extend(number.as_f64().map(|number| (path.to_owned(), number)));
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, numbers);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| leaves(item, &format!("{path}[{at}]"), numbers));
        }
        _ => {}
    }
}

/// Cells of a table with a header; rows are counted from 1. What has rows of different length is no table.
fn cells(bytes: &[u8], numbers: &mut Numbers) {
    let mut reader = csv::Reader::from_reader(bytes);
    let Ok(header) = reader.headers().cloned() else { return };
    if header.len() < 2 {
        return;
    }
    let mut found = Numbers::new();
    for (row, record) in reader.records().enumerate() {
        let Ok(record) = record else { return };
        for (name, cell) in header.iter().zip(&record) {
            if found.len() < MOST
                && let Ok(number) = cell.trim().parse::<f64>()
            {
                found.insert(format!("[{}].{name}", row + 1), number);
            }
        }
    }
    numbers.append(&mut found);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_json_and_csv_have_paths() {
        let paths = |text: &str| of_bytes(text.as_bytes()).into_iter().collect::<Vec<_>>();
        let json = r#"{"fit": {"kB": [15.5, "x"], "ok": true}, "n": 3}"#;
        assert_eq!(paths(json), [("fit.kB[0]".to_owned(), 15.5), ("n".to_owned(), 3.0)]);
        let csv = "name,bias\na,0.5\nb,-1e-3\n";
        assert_eq!(paths(csv), [("[1].bias".to_owned(), 0.5), ("[2].bias".to_owned(), -1e-3)]);
        assert_eq!(paths("a,b\n1,2\n3\n"), [], "rows of different length");
        assert_eq!(paths("just text\n1\n"), []);
        assert_eq!(of_bytes(&[0xff, 0, 1]), Numbers::new());
    }
}
