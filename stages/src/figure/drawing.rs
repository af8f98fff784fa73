//! Either kind of figure, for those who only show it.

use super::corner::Corner;
use super::panel::Figure;

/// A figure of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawing {
    /// Panels over one x axis.
    Stack(Figure),
    /// Every pair of quantities.
    Corner(Corner),
}

impl Drawing {
    /// File name without extension.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Stack(figure) => &figure.name,
            Self::Corner(corner) => &corner.name,
        }
    }

    /// What it shows, in a line; with markup.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Self::Stack(figure) => &figure.title,
            Self::Corner(corner) => &corner.title,
        }
    }

    /// Its panels over one x axis, if it consists of such.
    #[must_use]
    pub fn stack(&self) -> Option<&Figure> {
        match self {
            Self::Stack(figure) => Some(figure),
            Self::Corner(_) => None,
        }
    }

    /// Width of the drawing.
    #[must_use]
    pub fn width(&self) -> f64 {
        match self {
            Self::Stack(figure) => figure.width,
            Self::Corner(corner) => corner.width,
        }
    }

    /// The drawing for a page whose style sheet contains [`super::page_style`].
    #[must_use]
    pub fn inline_svg(&self) -> String {
        match self {
            Self::Stack(figure) => figure.inline_svg(),
            Self::Corner(corner) => corner.inline_svg(),
        }
    }

    /// The drawing as a file of its own, in the light colours.
    #[must_use]
    pub fn standalone_svg(&self) -> String {
        match self {
            Self::Stack(figure) => figure.standalone_svg(),
            Self::Corner(corner) => corner.standalone_svg(),
        }
    }

    /// Everything that is drawn, as a table.
    #[must_use]
    pub fn csv(&self) -> String {
        match self {
            Self::Stack(figure) => figure.csv(),
            Self::Corner(corner) => corner.csv(),
        }
    }
}

impl From<Figure> for Drawing {
    fn from(figure: Figure) -> Self {
        Self::Stack(figure)
    }
}

impl From<Corner> for Drawing {
    fn from(corner: Corner) -> Self {
        Self::Corner(corner)
    }
}
