//! Names: what they may look like, which known one was meant, how a list of them reads.

/// Longest list of names that a hint spells out.
const LISTED: usize = 15;

/// Whether `name` can name an axis, a stage or a profile: it has to survive `stage.artifact` and `${axis.field}`.
pub(crate) fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The known name that `name` probably stands for.
pub(crate) fn near<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = fold(name);
    // A third of the letters may differ: `evnts`, `trianing`; two letters out of four would match anything.
    let allowed = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `` `a`, `b` and `c` ``.
pub(crate) fn list<'k>(names: impl IntoIterator<Item = &'k str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] if quoted.len() <= LISTED => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", quoted[..LISTED].join(", "), quoted.len() - LISTED),
    }
}

/// What to do about an unknown name: the near one, or all there are. `what` is their plural: "axes".
pub(crate) fn suggest<'k>(name: &str, what: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match near(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => format!("there are no {what}"),
        None => format!("the {what} are {}", list(known)),
    }
}

/// `1 task`, `12 tasks`, `1,000,000 tasks`.
pub(crate) fn count(number: u128, noun: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_near() {
        assert_eq!(near("evnts", ["events", "exposure"]), Some("events"));
        assert_eq!(near("Events", ["events"]), Some("events"));
        assert_eq!(near("train-point", ["train_point"]), Some("train_point"));
        assert_eq!(near("a", ["b"]), None);
        assert_eq!(near("colour", ["events"]), None);
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(1, "task"), "1 task");
        assert_eq!(count(1_234_567, "task"), "1,234,567 tasks");
    }
}
