//! Goodness of fit.

/// Expected entries below which neighbouring bins are merged before the deviance is compared with chi-square.
///
/// Source: the usual rule that chi-square approximates well from five expected entries on (Cochran 1954, Biometrics 10, 417).
pub const MERGED_EXPECTATION: f64 = 5.0;
