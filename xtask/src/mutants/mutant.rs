//! The changes that cargo-mutants lists.

use serde::Deserialize;

/// A change that can be made in the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Mutant {
    /// `file:line:column: what is replaced by what in which function`.
    pub(super) name: String,
    pub(super) file: String,
    pub(super) genre: Genre,
    span: Span,
    pub(super) replacement: String,
}

/// The kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Genre {
    /// A function does nothing but return a value.
    FnValue,
    BinaryOperator,
    UnaryOperator,
    /// An arm goes from a match that has an arm for all the rest.
    MatchArm,
    MatchArmGuard,
    /// A field goes from a struct literal that has a base.
    StructField,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Span {
    start: Position,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Position {
    line: usize,
    column: usize,
}

impl Mutant {
    /// The line and the column of what it replaces, in characters from 1.
    pub(super) fn start(&self) -> (usize, usize) {
        (self.span.start.line, self.span.start.column)
    }

    #[cfg(test)]
    pub(super) fn new(genre: Genre, (line, column): (usize, usize), replacement: &str) -> Self {
        let name = format!("a.rs:{line}:{column}: {replacement}");
        Mutant {
            name,
            file: "a.rs".to_owned(),
            genre,
            span: Span { start: Position { line, column } },
            replacement: replacement.to_owned(),
        }
    }
}
