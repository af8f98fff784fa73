//! Colours and the style sheets of figures.

use std::fmt::Write as _;

/// Colours of series. Okabe and Ito's palette, told apart with every common form of colour vision.
///
/// # Source
/// M. Okabe, K. Ito, "Color universal design", 2008; on dark ground the same hues, lighter (ours).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Blue.
    Blue,
    /// Vermilion.
    Vermilion,
    /// Bluish green.
    Green,
    /// Reddish purple.
    Purple,
    /// Orange.
    Orange,
    /// Sky blue.
    Sky,
    /// The colour of text.
    Ink,
    /// The colour of axes' companions: strips, guides.
    Faint,
}

impl Colour {
    const ALL: [Self; 8] =
        [Self::Blue, Self::Vermilion, Self::Green, Self::Purple, Self::Orange, Self::Sky, Self::Ink, Self::Faint];

    /// The colour of the series number `index`; six differ, then they repeat.
    #[must_use]
    pub fn nth(index: usize) -> Self {
        Self::ALL[index % 6]
    }

    /// CSS class.
    pub(super) fn class(self) -> &'static str {
        self.parts().0
    }

    /// Class, colour on light, colour on dark ground.
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Blue => ("blue", "#0072b2", "#56aee8"),
            Self::Vermilion => ("vermilion", "#d55e00", "#f58b4c"),
            Self::Green => ("green", "#009e73", "#35c99e"),
            Self::Purple => ("purple", "#b8578c", "#e59cc6"),
            Self::Orange => ("orange", "#c98a00", "#f0b440"),
            Self::Sky => ("sky", "#3c9fd4", "#9ad4f5"),
            Self::Ink => ("ink", "#1d2127", "#e4e7eb"),
            Self::Faint => ("faint", "#7a828c", "#8b949e"),
        }
    }
}

/// Grid lines on light ground.
const LIGHT_GRID: &str = "#e3e6ea";

/// Shapes and text: the same on light and dark ground.
const SHAPES: &str = ".fig text{font:12.5px system-ui,-apple-system,'Segoe UI','Liberation Sans',Arial,sans-serif;\
fill:var(--fig-ink);stroke:none}
.fig .m{text-anchor:middle}.fig .e{text-anchor:end}
.fig .axis{stroke:var(--fig-ink);stroke-width:1;fill:none}
.fig .grid{stroke:var(--fig-grid);stroke-width:1;fill:none}
.fig path.l,.fig path.b,.fig path.o{fill:none;stroke:currentColor;stroke-width:1.6;stroke-linejoin:round}
.fig path.thin{stroke-width:1}
.fig path.dash{stroke-dasharray:6 3.5}
.fig path.b{stroke-width:1.1}.fig path.b.small{stroke-width:.8;opacity:.75}
.fig path.d{fill:none;stroke:currentColor;stroke-linecap:round;stroke-width:6}
.fig path.d.small{stroke-width:3.4}
.fig path.o{stroke-width:1.1}
.fig path.a{fill:currentColor;stroke:none;opacity:.2}
.fig path.hole{fill-rule:evenodd}
.fig path.strip{fill:currentColor;stroke:none;opacity:.16}
";

/// The style sheet by which a page shows figures: light, dark and print.
#[must_use]
pub fn page_style() -> String {
    let variables = |dark: bool| {
        let mut text = String::new();
        for colour in Colour::ALL {
            let (class, light, on_dark) = colour.parts();
            let _ = write!(text, "--fig-{class}:{};", if dark { on_dark } else { light });
        }
        let grid = if dark { "#2d333b" } else { LIGHT_GRID };
        let _ = write!(text, "--fig-grid:{grid}");
        text
    };
    let classes: String = Colour::ALL
        .iter()
        .map(|colour| format!(".fig .{0}{{color:var(--fig-{0})}}", colour.class()))
        .collect::<Vec<_>>()
        .join("\n");
    format!(
        ":root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n{SHAPES}{classes}\n",
        variables(false),
        variables(true)
    )
}

/// The style sheet of a file of its own: light colours, no custom properties, which editors of SVG do not know.
#[must_use]
pub fn file_style() -> String {
    let mut style = SHAPES.replace("var(--fig-grid)", LIGHT_GRID);
    for colour in Colour::ALL {
        let (class, light, _) = colour.parts();
        style = style.replace(&format!("var(--fig-{class})"), light);
        let _ = write!(style, ".fig .{class}{{color:{light}}}");
    }
    style
}
