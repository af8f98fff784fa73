//! Labels: `^{...}` is raised, `_{...}` lowered; everything else is text. One source serves SVG, HTML and plain text.

use std::fmt::Write as _;

use super::number::pixel;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Base,
    Raised,
    Lowered,
}

/// `text` with the five characters that mean something to XML and HTML replaced.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML 1.0 has no control characters, not even as references.
            control if control.is_control() && !matches!(control, '\n' | '\t') => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// A label as HTML, with `<sup>` and `<sub>`; everything else escaped.
#[must_use]
pub fn html(label: &str) -> String {
    let mut out = String::new();
    for (level, text) in parts(label) {
        let text = escape(&text);
        match level {
            Level::Base => out.push_str(&text),
            Level::Raised => out.push_str(&format!("<sup>{text}</sup>")),
            Level::Lowered => out.push_str(&format!("<sub>{text}</sub>")),
        }
    }
    out
}

/// A label as the inside of an SVG `<text>`.
pub(super) fn svg(label: &str) -> String {
    let mut out = String::new();
    let mut shift = 0.0;
    for (level, text) in parts(label) {
        let text = escape(&text);
        // Shifts accumulate along a text, and each is in units of its own font size.
        let (target, size) = match level {
            Level::Base => (0.0, 1.0),
            Level::Raised => (-0.36, 0.74),
            Level::Lowered => (0.2, 0.74),
        };
        let step: f64 = (target - shift) / size;
        shift = target;
        if level == Level::Base && step == 0.0 {
            out.push_str(&text);
        } else if level == Level::Base {
            let _ = write!(out, r#"<tspan dy="{step:.2}em">{text}</tspan>"#);
        } else {
            let _ = write!(out, r#"<tspan dy="{step:.2}em" font-size="{size}em">{text}</tspan>"#);
        }
    }
    out
}

/// A label without markup, for descriptions and file contents.
pub(super) fn plain(label: &str) -> String {
    parts(label).into_iter().map(|(_, text)| text).collect()
}

/// Estimated width of a label at a font size; errs on the wide side, since the reader's font is not known here.
pub(super) fn width(label: &str, font_size: f64) -> f64 {
    parts(label)
        .iter()
        .map(|(level, text)| {
            let size = if *level == Level::Base { 1.0 } else { 0.74 };
            text.chars().map(advance).sum::<f64>() * size
        })
        .sum::<f64>()
        * font_size
}

fn advance(character: char) -> f64 {
    match character {
        'i' | 'j' | 'l' | '|' | '.' | ',' | ':' | ';' | '\'' | '!' | ' ' => 0.31,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' => 0.38,
        'm' | 'w' | 'M' | 'W' | '%' => 0.9,
        '0'..='9' => 0.59,
        'A'..='Z' | '+' | '=' | super::number::MINUS => 0.68,
        _ => 0.58,
    }
}

/// One line of SVG text.
pub(super) struct Line<'a> {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) class: &'a str,
    pub(super) label: &'a str,
}

impl Line<'_> {
    pub(super) fn write(&self, out: &mut String) {
        let (x, y) = (pixel(self.x), pixel(self.y));
        let _ = write!(out, r#"<text class="{}" x="{x}" y="{y}">{}</text>"#, self.class, svg(self.label));
    }
}

fn parts(label: &str) -> Vec<(Level, String)> {
    let mut parts: Vec<(Level, String)> = Vec::new();
    let mut rest = label;
    while let Some(at) = rest.find("^{").into_iter().chain(rest.find("_{")).min() {
        let Some(length) = rest[at + 2..].find('}') else { break };
        if at > 0 {
            parts.push((Level::Base, rest[..at].to_owned()));
        }
        let level = if rest[at..].starts_with('^') { Level::Raised } else { Level::Lowered };
        parts.push((level, rest[at + 2..at + 2 + length].to_owned()));
        rest = &rest[at + 3 + length..];
    }
    if !rest.is_empty() {
        parts.push((Level::Base, rest.to_owned()));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_three_forms() {
        let label = "E^{2} <MeV> x_{0}!";
        assert_eq!(html(label), "E<sup>2</sup> &lt;MeV&gt; x<sub>0</sub>!");
        assert_eq!(plain(label), "E2 <MeV> x0!");
        assert_eq!(
            svg("10^{3} a"),
            r#"10<tspan dy="-0.49em" font-size="0.74em">3</tspan><tspan dy="0.36em"> a</tspan>"#
        );
    }

    #[test]
    fn unfinished_markup_is_text() {
        assert_eq!(html("a^{2"), "a^{2");
        assert_eq!(html("^{}"), "<sup></sup>");
        assert_eq!(html(""), "");
    }

    #[test]
    fn control_characters_do_not_reach_xml() {
        assert_eq!(escape("a\u{0}b\u{1b}'\""), "a\u{fffd}b\u{fffd}&#39;&quot;");
    }
}
