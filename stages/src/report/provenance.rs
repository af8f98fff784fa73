//! From which artifacts a figure, a table or a sentence was made.
//!
//! A few artifacts are named one by one, with digest and the address by which `mctune show` finds them; of many only
//! their number is said, and the table of inputs lists them all.

use super::content::Origin;

/// More artifacts of one stage than this are counted, not named.
const NAMED: usize = 3;

/// The artifacts behind something on the page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provenance(Vec<Source>);

/// An artifact, or many of the same kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// One artifact.
    One(Origin),
    /// Several of one stage.
    Many {
        /// How many.
        count: usize,
        /// Their stage and name there: `closure_fit.fit`.
        what: String,
    },
}

impl Provenance {
    /// The artifacts of `origins`, each once, stage by stage in the order in which stages first come.
    pub fn of<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> Self {
        let mut groups: Vec<(String, Vec<&Origin>)> = Vec::new();
        for origin in origins {
            let what = format!("{}.{}", origin.stage, origin.artifact);
            match groups.iter_mut().find(|(known, _)| *known == what) {
                Some((_, found)) => found.push(origin),
                None => groups.push((what, vec![origin])),
            }
        }
        let mut sources = Vec::new();
        for (what, mut found) in groups {
            let mut seen = std::collections::BTreeSet::new();
            found.retain(|origin| seen.insert((origin.address(), origin.digest.as_str())));
            if found.len() > NAMED {
                sources.push(Source::Many { count: found.len(), what });
            } else {
                sources.extend(found.into_iter().cloned().map(Source::One));
            }
        }
        Self(sources)
    }

    /// Its parts; none where nothing is known.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn few_are_named_and_many_counted() {
        let origin = |stage: &str, replica: u32| Origin {
            stage: stage.into(),
            coords: vec![("replica".into(), json!(replica))],
            artifact: "fit".into(),
            digest: format!("{replica:064}"),
        };
        let all: Vec<Origin> =
            (0..4).map(|replica| origin("many", replica)).chain([origin("one", 7), origin("one", 7)]).collect();
        let found = Provenance::of(&all);
        let [Source::Many { count: 4, what }, Source::One(one)] = found.sources() else { panic!("{found:?}") };
        assert_eq!((what.as_str(), one.address().as_str()), ("many.fit", "one[replica=7].fit"));
        assert!(Provenance::of([]).sources().is_empty());
    }
}
