//! Diagrams in the languages of other programs: Graphviz and Mermaid.

use std::fmt::Write as _;

use super::{Diagram, thousands};

/// Graphviz: `dot -Tsvg`.
pub(crate) fn dot(diagram: &Diagram) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = format!("digraph {} {{\n  rankdir=LR;\n", quoted(&diagram.name));
    text.push_str(
        "  node [shape=box, style=rounded, fontname=\"Helvetica\"];\n  edge [fontname=\"Helvetica\", fontsize=10];\n",
    );
    for stage in &diagram.stages {
        let label = [&stage.stage, &stage.summary(), &stage.axes()].map(|line| line.replace('"', "\\\""));
        let lines: Vec<_> = label.iter().filter(|line| !line.is_empty()).cloned().collect();
        let _ = writeln!(text, "  {} [label=\"{}\"];", quoted(&stage.stage), lines.join("\\n"));
    }
    for edge in &diagram.edges {
        let (from, to) = (quoted(&diagram.stages[edge.from].stage), quoted(&diagram.stages[edge.to].stage));
        let gathered =
            if edge.gathers > 1 { format!(", label={}", quoted(&times(edge.gathers))) } else { String::new() };
        let _ = writeln!(text, "  {from} -> {to} [tooltip={}{gathered}];", quoted(&edge.describe()));
    }
    text.push_str("}\n");
    text
}

/// Mermaid, as GitHub and GitLab draw it inside Markdown.
pub(crate) fn mermaid(diagram: &Diagram) -> String {
    let escaped =
        |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    let mut text = String::from("flowchart LR\n");
    for (at, stage) in diagram.stages.iter().enumerate() {
        let mut label = format!("<b>{}</b><br/>{}", escaped(&stage.stage), escaped(&stage.summary()));
        if !stage.over.is_empty() {
            let _ = write!(label, "<br/>{}", escaped(&stage.axes()));
        }
        let _ = writeln!(text, "  s{at}(\"{label}\")");
    }
    for edge in &diagram.edges {
        let arrow = if edge.gathers > 1 { format!("-- \"{}\" -->", times(edge.gathers)) } else { "-->".to_owned() };
        let _ = writeln!(text, "  s{} {arrow} s{}", edge.from, edge.to);
    }
    text
}

/// `×343`: how many artifacts a gather takes.
pub(super) fn times(count: usize) -> String {
    format!("×{}", thousands(count))
}
