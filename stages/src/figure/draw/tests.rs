use super::super::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol, page_style};

fn figure(panels: Vec<Panel>) -> Figure {
    Figure {
        name: "small".into(),
        title: "A <small> figure".into(),
        description: "Two & a half points".into(),
        width: 200.0,
        x: Axis::linear("E [MeV]").over(0.0, 2.0),
        panels,
    }
}

fn points(values: &[(f64, f64)]) -> Mark {
    let points = values.iter().map(|(x, y)| Point::with_error(*x, *y, 0.5)).collect();
    Mark::Points { points, symbol: Symbol::Disc }
}

fn small() -> Figure {
    let line = Mark::Line { points: vec![(0.0, 1.0), (2.0, 3.0)], stroke: Stroke::Solid };
    let series = vec![
        Series::new("model", Colour::Blue, line),
        Series::new("data", Colour::Ink, points(&[(0.5, 1.5), (1.5, 2.5)])),
    ];
    figure(vec![Panel::new(80.0, Axis::linear("y").over(0.0, 4.0), series)])
}

/// A look at the whole text: a change of it changes artifacts and asks for a new `VERSION` of the report.
#[test]
fn a_small_figure_to_the_byte() {
    assert_eq!(small().inline_svg(), include_str!("small.svg").trim_end());
}

#[test]
fn files_carry_their_style_and_pages_do_not() {
    let file = small().standalone_svg();
    assert!(file.contains("<style>") && file.contains(r#" width="200" height="#));
    assert!(!file.contains("var("), "editors of SVG do not know custom properties");
    assert!(!small().inline_svg().contains("<style>"));
    assert!(page_style().contains("prefers-color-scheme:dark"));
}

#[test]
fn text_is_escaped_and_described() {
    let svg = small().inline_svg();
    assert!(svg.contains(r#"<title id="small-t">A &lt;small&gt; figure</title>"#));
    assert!(svg.contains(r#"<desc id="small-d">Two &amp; a half points</desc>"#));
}

/// All coordinates stay near the drawing, whatever the data are.
#[test]
fn odd_numbers_do_no_harm() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, f64::MAX, -f64::MAX, f64::MIN_POSITIVE, 5e-324];
    let pairs: Vec<(f64, f64)> = odd.iter().flat_map(|x| odd.iter().map(|y| (*x, *y))).collect();
    let marks = [
        points(&pairs),
        Mark::Line { points: pairs.clone(), stroke: Stroke::Dashed },
        Mark::Band(pairs.iter().map(|(x, y)| (*x, *y, *x)).collect()),
        Mark::Steps { edges: odd.to_vec(), values: odd[1..].to_vec(), filled: true },
        Mark::Strip(f64::NAN, f64::INFINITY),
        Mark::Level(f64::NAN),
        Mark::Moment(f64::INFINITY),
    ];
    for axis in [Axis::linear("y"), Axis::log("y"), Axis::names("y", vec!["a".into()])] {
        for x in [Axis::linear("x"), Axis::log("x"), Axis::linear("x").over(f64::NAN, 1.0)] {
            for mark in &marks {
                let series = vec![Series::new("odd", Colour::Green, mark.clone())];
                let mut figure = figure(vec![Panel::new(80.0, axis.clone(), series)]);
                figure.x = x.clone();
                let svg = figure.inline_svg();
                for path in svg.split(" d=\"").skip(1) {
                    let data = path.split('"').next().unwrap();
                    assert!(!data.contains("NaN") && !data.contains("inf"), "{data}");
                    let numbers = data.split(|c: char| !matches!(c, '0'..='9' | '.' | '-')).filter(|n| !n.is_empty());
                    assert!(numbers.into_iter().all(|n| n.parse::<f64>().unwrap().abs() < 1000.0), "{data}");
                }
            }
        }
    }
}

#[test]
fn gaps_break_lines_and_histograms() {
    let broken = Mark::Line {
        points: vec![(0.0, 1.0), (0.5, 1.0), (1.0, f64::NAN), (1.5, 1.0), (2.0, 1.0)],
        stroke: Stroke::Solid,
    };
    let svg = figure(vec![Panel::new(
        80.0,
        Axis::linear("y").over(0.0, 2.0),
        vec![Series::new("b", Colour::Blue, broken).hidden()],
    )])
    .inline_svg();
    let data = svg.split(r#"<path class="l" d=""#).nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(data.matches('M').count(), 2);
}

#[test]
fn stacked_panels_share_the_x_axis() {
    let panel = |label: &str| {
        Panel::new(60.0, Axis::linear(label), vec![Series::new("s", Colour::Blue, points(&[(1.0, 1.0)]))])
    };
    let svg = figure(vec![panel("top"), panel("bottom")]).inline_svg();
    assert_eq!(svg.matches("E [MeV]").count(), 1);
    assert_eq!(svg.matches("<clipPath").count(), 2);
    assert_eq!(svg.matches(">s</text>").count(), 1, "the legend names a series once");
}

#[test]
fn an_empty_figure_is_still_a_figure() {
    let svg = figure(vec![]).inline_svg();
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
    let svg = figure(vec![Panel::new(60.0, Axis::log("y"), vec![])]).inline_svg();
    assert!(svg.contains("class=\"axis\""));
}
