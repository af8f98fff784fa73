//! References in text: `${params.sources}`, `${train_point.kB}`, `${task.seed}`; `$${` is a literal `${`.

use super::problem::Problem;
use super::source::Span;
use super::tree::Text;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Literal(String),
    Reference(Path),
}

/// What stands between `${` and `}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    /// Names between the dots; at least one.
    pub(crate) names: Vec<String>,
    /// The whole reference, or the whole text where its letters cannot be told apart in the file.
    pub(crate) span: Span,
}

impl Path {
    /// As it is written in a pipeline.
    pub(crate) fn spelled(&self) -> String {
        format!("${{{}}}", self.names.join("."))
    }

    /// The first name.
    pub(crate) fn head(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// The names after the first.
    pub(crate) fn tail(&self) -> &[String] {
        self.names.get(1..).unwrap_or_default()
    }
}

/// Takes a text apart. Without any `${` the result is one literal.
///
/// # Errors
/// A reference that is not closed, or is more than names and dots.
pub(crate) fn parts(text: &Text, span: Span) -> Result<Vec<Part>, Problem> {
    let whole = &*text.text;
    // Place of the piece that starts at byte `at` and is `length` characters long.
    let place = |at: usize, length: usize| match text.offset {
        Some(offset) => span.part(offset + whole[..at].chars().count(), length),
        None => span,
    };
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = whole[at..].find("${") {
        let start = at + found;
        literal.push_str(&whole[at..start]);
        if literal.ends_with('$') {
            literal.push('{');
            at = start + 2;
            continue;
        }
        let Some(end) = whole[start..].find('}').map(|length| start + length) else {
            return Err(Problem::at(place(start, 2), "this reference is not closed")
                .hint("add the `}`; for a literal `${` write `$${`"));
        };
        let inside = &whole[start + 2..end];
        let names: Vec<String> = inside.split('.').map(str::to_owned).collect();
        let here = place(start, inside.chars().count() + 3);
        if !names.iter().all(|name| is_name(name)) {
            return Err(not_a_reference(inside, here));
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        parts.push(Part::Reference(Path { names, span: here }));
        at = end + 1;
    }
    literal.push_str(&whole[at..]);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-')
}

fn not_a_reference(inside: &str, span: Span) -> Problem {
    let problem = Problem::at(span, format!("`${{{inside}}}` is not a reference"));
    if inside.trim().is_empty() {
        problem.hint("name what is meant, such as `${params.seed}`; for a literal `${` write `$${`")
    } else if inside.trim() != inside && is_name(&inside.replace(['.', ' '], "")) {
        problem.hint(format!("write it without spaces: `${{{}}}`", inside.replace(' ', "")))
    } else {
        problem.hint(
            "a reference is names with dots, such as `${params.seed}` or `${point.kB}`; there are no expressions. \
             For a literal `${` write `$${`",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::source::SourceId;

    fn read(text: &str) -> Result<Vec<Part>, Problem> {
        let span = Span { source: SourceId(0), line: 1, column: 1, length: 9 };
        parts(&Text { text: text.into(), offset: Some(1), plain: false }, span)
    }

    fn shown(text: &str) -> Vec<String> {
        let show = |part: Part| match part {
            Part::Literal(text) => text,
            Part::Reference(path) => format!("<{}@{}+{}>", path.names.join("|"), path.span.column, path.span.length),
        };
        read(text).unwrap().into_iter().map(show).collect()
    }

    #[test]
    fn takes_text_apart() {
        assert_eq!(shown("plain $5"), ["plain $5"]);
        assert_eq!(shown(""), [""]);
        assert_eq!(shown("${a}"), ["<a@2+4>"]);
        assert_eq!(shown("x-${a.b-c}/${d}"), ["x-", "<a|b-c@4+8>", "/", "<d@13+4>"]);
        assert_eq!(shown("awk '$${n}' ${f}"), ["awk '${n}' ", "<f@14+4>"]);
    }

    #[test]
    fn refuses_expressions() {
        for text in ["${", "${a", "${}", "${a+1}", "${ a }", "${a..b}", "${a.}"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
