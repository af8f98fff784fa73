//! Diagrams as SVG: stages from left to right, edges as curves, how far each stage is.

use std::fmt::Write as _;

use mctune_stages::figure::escape;

use super::code::times;
use super::layers::{Layers, float};
use super::places::heights;
use super::{Diagram, Edge, StageBox, State};

/// Size of the stage's name and of the rest, in pixels.
const NAME_SIZE: f64 = 14.0;
const TEXT_SIZE: f64 = 11.5;
/// Least width of a stage, and space around what is written in it.
const LEAST_WIDTH: f64 = 132.0;
const PADDING: f64 = 14.0;
/// Space between columns, between stages of a column, and beside an edge that passes.
const COLUMN_GAP: f64 = 84.0;
const ROW_GAP: f64 = 26.0;
const PASSING: f64 = 18.0;
/// Space around the picture, and above it for its title.
const MARGIN: f64 = 24.0;
const TITLE: f64 = 34.0;
/// Height of the bar that tells how far a stage is.
const BAR: f64 = 4.0;

/// Colours of kinds, in the order in which kinds first appear; muted, and told apart in print and by the colour-blind.
const KIND_COLOURS: [&str; 8] =
    ["#4477aa", "#228833", "#ccbb44", "#aa3377", "#ee6677", "#66ccee", "#997700", "#777777"];

const STYLE: &str = "\
text{font-family:Inter,'Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif;fill:#1c2733}\
.title{font-size:16px;font-weight:600}.name{font-size:14px;font-weight:600}\
.text{font-size:11.5px;fill:#52606d}.gather{font-size:11px;fill:#52606d;paint-order:stroke;stroke:#fff;stroke-width:4px}\
.box{fill:#fff;stroke:#c3ccd5;stroke-width:1}.edge{fill:none;stroke:#93a1ae;stroke-width:1.5}\
.head{fill:#93a1ae}.track{fill:#e4e9ee}.done{fill:#2f9e63}.run{fill:#e08a1e}.wait{fill:#b9c3cd}";

/// Draws a diagram. The text is a function of the diagram alone.
pub(crate) fn draw(diagram: &Diagram) -> String {
    let layers = Layers::new(diagram);
    let centre = heights(&layers, &|node| match diagram.stages.get(node) {
        Some(stage) => box_height(stage) + ROW_GAP,
        None => PASSING,
    });
    let plan = Plan::new(diagram, &layers, centre);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\" role=\"img\">\n\
         <title>Pipeline {name}</title>\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"{y}\">{name}</text>\n",
        w = plan.width,
        h = plan.height,
        name = escape(&diagram.name),
        y = MARGIN + 10.0,
    );
    plan.legend(&mut svg);
    for (edge, route) in diagram.edges.iter().zip(&layers.routes) {
        plan.edge(&mut svg, edge, route);
    }
    for (at, stage) in diagram.stages.iter().enumerate() {
        plan.stage(&mut svg, at, stage);
    }
    for (edge, route) in diagram.edges.iter().zip(&layers.routes).filter(|(edge, _)| edge.gathers > 1) {
        plan.gather(&mut svg, edge, route);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Places of everything.
struct Plan<'a> {
    diagram: &'a Diagram,
    /// Column of each node.
    column: Vec<usize>,
    /// Left edge and width of each column.
    columns: Vec<(f64, f64)>,
    /// Height of each node's centre.
    centre: Vec<f64>,
    /// Kinds in the order of their colours.
    kinds: Vec<&'a str>,
    width: f64,
    height: f64,
}

impl<'a> Plan<'a> {
    fn new(diagram: &'a Diagram, layers: &Layers, mut centre: Vec<f64>) -> Self {
        let mut column = vec![0; layers.nodes];
        let mut columns = Vec::new();
        let mut left = MARGIN;
        for (at, nodes) in layers.columns.iter().enumerate() {
            nodes.iter().for_each(|&node| column[node] = at);
            let widths = nodes.iter().filter_map(|&node| diagram.stages.get(node)).map(box_width);
            let width = widths.fold(LEAST_WIDTH, f64::max);
            columns.push((left, width));
            left += width + COLUMN_GAP;
        }
        centre.iter_mut().for_each(|height| *height += MARGIN + TITLE - ROW_GAP / 2.0);
        let bottom = |(at, stage): (usize, &StageBox)| centre[at] + box_height(stage) / 2.0;
        let lowest = diagram.stages.iter().enumerate().map(bottom).fold(0.0, f64::max);
        let passing = centre.iter().skip(diagram.stages.len()).copied().fold(0.0, f64::max) + PASSING / 2.0;
        let mut kinds: Vec<&str> = Vec::new();
        for stage in &diagram.stages {
            if !kinds.contains(&stage.kind.as_str()) {
                kinds.push(&stage.kind);
            }
        }
        let width = (left - COLUMN_GAP + MARGIN).max(text_width(&diagram.name, 16.0) + 2.0 * MARGIN);
        Self { diagram, column, columns, centre, kinds, width, height: lowest.max(passing) + MARGIN }
    }

    fn colour(&self, kind: &str) -> &'static str {
        let at = self.kinds.iter().position(|known| *known == kind).unwrap_or(0);
        KIND_COLOURS[at % KIND_COLOURS.len()]
    }

    fn stage(&self, svg: &mut String, at: usize, stage: &StageBox) {
        let (left, width) = self.columns[self.column[at]];
        let height = box_height(stage);
        let top = self.centre[at] - height / 2.0;
        let over: Vec<_> = stage.over.iter().map(|(name, length)| format!("{name} ({length})")).collect();
        let title = format!("{}: {}; {}", stage.stage, stage.summary(), over.join(" × "));
        let _ = writeln!(svg, "<g><title>{}</title>", escape(title.trim_end_matches("; ")));
        let _ = writeln!(
            svg,
            "<rect class=\"box\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"7\"/>\
             <path d=\"M{x:.1} {top:.1}h-3a7 7 0 0 0 -7 7v{inner:.1}a7 7 0 0 0 7 7h3z\" transform=\"translate(5 0)\" fill=\"{colour}\"/>",
            x = left + 5.0,
            inner = height - 14.0,
            colour = self.colour(&stage.kind),
        );
        let mut y = top + PADDING - 3.0;
        let lines = [("name", stage.stage.clone()), ("text", stage.summary()), ("text", stage.axes())];
        for (class, line) in lines.iter().filter(|(_, line)| !line.is_empty()) {
            y += if *class == "name" { NAME_SIZE } else { TEXT_SIZE + 4.5 };
            let _ = writeln!(
                svg,
                "<text class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
                left + PADDING + 4.0,
                escape(line)
            );
        }
        if let Some(state) = stage.state {
            bar(svg, state, (left + PADDING + 4.0, top + height - PADDING), width - 2.0 * PADDING - 4.0);
        }
        svg.push_str("</g>\n");
    }

    /// Where an edge enters and leaves a node, from left to right.
    fn ends(&self, node: usize) -> [(f64, f64); 2] {
        let (left, width) = self.columns[self.column[node]];
        [(left, self.centre[node]), (left + width, self.centre[node])]
    }

    fn edge(&self, svg: &mut String, edge: &Edge, route: &[usize]) {
        let from = &self.diagram.stages[edge.from].stage;
        let to = &self.diagram.stages[edge.to].stage;
        let title = format!("{to} takes {} of {from}", edge.describe());
        let _ = write!(svg, "<g><title>{}</title><path class=\"edge\" d=\"", escape(&title));
        let (mut x, mut y) = self.ends(edge.from)[1];
        let _ = write!(svg, "M{x:.1} {y:.1}");
        for &node in &route[1..] {
            let [(enter, height), (leave, _)] = self.ends(node);
            let last = node == edge.to;
            // Room for the arrow's head.
            let enter = if last { enter - 7.0 } else { enter };
            let middle = f64::midpoint(x, enter);
            let _ = write!(svg, "C{middle:.1} {y:.1} {middle:.1} {height:.1} {enter:.1} {height:.1}");
            if !last {
                let _ = write!(svg, "H{leave:.1}");
            }
            (x, y) = (if last { enter } else { leave }, height);
        }
        let _ = writeln!(svg, "\"/><path class=\"head\" d=\"M{:.1} {:.1}l-8 -4v8z\"/></g>", x + 7.0, y);
    }

    /// How many artifacts a gather takes, where its edge begins to leave the producer.
    fn gather(&self, svg: &mut String, edge: &Edge, route: &[usize]) {
        let (x, y) = self.ends(edge.from)[1];
        let [(enter, height), _] = self.ends(route[1]);
        // A third of the way along the curve, where edges of one stage have parted and the target is still far.
        let t: f64 = 0.42;
        let s = 1.0 - t;
        let middle = f64::midpoint(x, enter);
        let at_x = s.powi(3) * x + 3.0 * s * t * middle + t.powi(3) * enter;
        let at_y = (s.powi(3) + 3.0 * s.powi(2) * t) * y + (3.0 * s * t.powi(2) + t.powi(3)) * height;
        let _ = writeln!(
            svg,
            "<text class=\"gather\" text-anchor=\"middle\" x=\"{at_x:.1}\" y=\"{:.1}\">{}</text>",
            at_y + 4.0,
            times(edge.gathers)
        );
    }

    /// What the colours of the bars mean.
    fn legend(&self, svg: &mut String) {
        if self.diagram.stages.iter().all(|stage| stage.state.is_none()) {
            return;
        }
        let mut x = MARGIN + text_width(&self.diagram.name, 16.0) + 28.0;
        let y = MARGIN + 9.0;
        for (class, label) in [("done", "done"), ("run", "to run"), ("wait", "waits")] {
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"16\" height=\"{BAR}\" rx=\"2\"/>\
                 <text class=\"text\" x=\"{:.1}\" y=\"{y:.1}\">{label}</text>",
                y - 6.0,
                x + 21.0
            );
            x += 21.0 + text_width(label, TEXT_SIZE) + 18.0;
        }
    }
}

/// A bar of what is done, to be run and waiting.
fn bar(svg: &mut String, state: State, (left, top): (f64, f64), width: f64) {
    let all = float((state.done + state.to_run + state.waiting).max(1));
    let _ = write!(
        svg,
        "<rect class=\"track\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>"
    );
    let mut x = left;
    for (class, count) in [("done", state.done), ("run", state.to_run), ("wait", state.waiting)] {
        let length = width * float(count) / all;
        if count > 0 {
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\"/>"
            );
        }
        x += length;
    }
    svg.push('\n');
}

fn box_height(stage: &StageBox) -> f64 {
    let axes = if stage.over.is_empty() { 0.0 } else { TEXT_SIZE + 4.5 };
    let bar = if stage.state.is_some() { BAR + 7.0 } else { 0.0 };
    2.0 * PADDING - 5.0 + NAME_SIZE + TEXT_SIZE + 4.5 + axes + bar
}

fn box_width(stage: &StageBox) -> f64 {
    let lines = [
        text_width(&stage.stage, NAME_SIZE) * 1.06,
        text_width(&stage.summary(), TEXT_SIZE),
        text_width(&stage.axes(), TEXT_SIZE),
    ];
    lines.into_iter().fold(0.0, f64::max) + 2.0 * PADDING + 8.0
}

/// Width of a text, on the wide side: which font the reader has is not known.
fn text_width(text: &str, size: f64) -> f64 {
    let wide = |letter: char| match letter {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '(' | ')' | '\u{202f}' | '\'' => 0.3,
        'f' | 't' | 'r' | ' ' | '-' => 0.38,
        'm' | 'w' | 'M' | 'W' => 0.88,
        letter if letter.is_uppercase() => 0.7,
        _ => 0.58,
    };
    text.chars().map(wide).sum::<f64>() * size
}
