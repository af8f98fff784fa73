//! Errors and warnings while they are being collected: places are spans, not yet text.

use super::diagnostic::{Diagnostic, Diagnostics, Note, Severity};
use super::source::{Sources, Span};

/// Something wrong, with where and what to do about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
    pub(crate) notes: Vec<(String, Option<Span>)>,
    pub(crate) hint: Option<String>,
}

impl Problem {
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span), notes: Vec::new(), hint: None }
    }

    /// A problem of the call, not of a text: an unknown profile.
    pub(crate) fn nowhere(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, notes: Vec::new(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    pub(crate) fn note(mut self, span: Span, message: impl Into<String>) -> Self {
        self.notes.push((message.into(), Some(span)));
        self
    }

    pub(crate) fn remark(mut self, message: impl Into<String>) -> Self {
        self.notes.push((message.into(), None));
        self
    }

    fn diagnostic(self, severity: Severity, sources: &Sources) -> Diagnostic {
        let locate = |span: Option<Span>| span.and_then(|span| sources.locate(span));
        Diagnostic {
            severity,
            message: self.message,
            location: locate(self.span),
            notes: self.notes.into_iter().map(|(message, span)| Note { message, location: locate(span) }).collect(),
            hint: self.hint,
        }
    }
}

/// Everything found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) errors: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Report {
    pub(crate) fn error(&mut self, problem: Problem) {
        // One place is often reached twice, for example a parameter that two stages take.
        if !self.errors.contains(&problem) {
            self.errors.push(problem);
        }
    }

    pub(crate) fn warn(&mut self, problem: Problem) {
        self.warnings.push(problem);
    }

    /// The value, or nothing after noting down the problem.
    pub(crate) fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.error(problem)).ok()
    }

    pub(crate) fn failed(&self) -> bool {
        !self.errors.is_empty()
    }

    /// All errors in the order of the file; those without a place come first. Warnings would only be in the way: what
    /// looks unused may be used once the errors are mended.
    pub(crate) fn into_errors(self, sources: &Sources) -> Diagnostics {
        Diagnostics(finish(self.errors, Severity::Error, sources))
    }

    /// The warnings of a pipeline without errors.
    pub(crate) fn into_warnings(self, sources: &Sources) -> Vec<Diagnostic> {
        finish(self.warnings, Severity::Warning, sources)
    }
}

fn finish(mut problems: Vec<Problem>, severity: Severity, sources: &Sources) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| problem.span);
    problems.into_iter().map(|problem| problem.diagnostic(severity, sources)).collect()
}
