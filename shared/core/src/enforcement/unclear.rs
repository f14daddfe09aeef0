//! Parts of a Bedrock policy, or of an account's configuration, that can't be understood.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A member that can't be understood. Its effect on the enforcement isn't known, so nothing that rests on the enforcement is proved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unclear {
    /// Its position, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// Why it can't be understood.
    pub problem: Problem,
    /// Its value as JSON. Another value at the same position is a change.
    pub value: String,
}

/// Why a member can't be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// An unknown key.
    UnknownKey,
    /// A key in another case than AWS documents. Whether AWS compares keys without case is not documented.
    OddCase,
    /// A key that occurs twice in one object. Which of them AWS reads is not documented.
    DuplicateKey,
    /// A key in the position of a Region that isn't a Region's code.
    NotARegion,
    /// A value that should be an object.
    NotAnObject,
    /// A value that should be a string.
    NotAText,
    /// A value that should be a list of strings.
    NotAList,
    /// An unknown word.
    UnknownWord,
    /// An object that lacks the members it exists for.
    EmptyObject,
    /// An empty list of included models, which may stand for all models or for none.
    EmptyList,
    /// An entry in a list of models that isn't the id of a model.
    NotAModelId,
    /// An inheritance operator that isn't known, isn't allowed at its position, or has an invalid value.
    Operator,
}

impl Problem {
    /// The kind of the lint that reports it.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Problem::UnknownKey => "unknown-key",
            Problem::OddCase => "odd-case",
            Problem::DuplicateKey => "duplicate-key",
            Problem::NotARegion => "unknown-region",
            Problem::NotAnObject => "not-an-object",
            Problem::NotAText | Problem::NotAList => "wrong-type",
            Problem::UnknownWord => "unknown-value",
            Problem::EmptyObject => "empty-object",
            Problem::EmptyList => "empty-list",
            Problem::NotAModelId => "not-a-model-id",
            Problem::Operator => "unknown-operator",
        }
    }
}

/// The end of a sentence that begins with the member.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::UnknownKey => "is no key that we know: what it does is not known either",
            Problem::OddCase => "is written in another case than AWS documents, and whether AWS takes it is not documented",
            Problem::DuplicateKey => "stands twice here, and which of the two AWS reads is not documented",
            Problem::NotARegion => "doesn't look like the code of a Region",
            Problem::NotAnObject => "is not an object, and an object is expected here",
            Problem::NotAText => "is not a text, and a text is expected here",
            Problem::NotAList => "is not a list of texts, and a list of texts is expected here",
            Problem::UnknownWord => "is a word that we don't know here",
            Problem::EmptyObject => "is empty: what it means without its members is not documented",
            Problem::EmptyList => "is empty: whether that means all models or none is not sure, so write [\"ALL\"], or the models",
            Problem::NotAModelId => "is not the id of a model (`vendor.model`, without wildcards): what it means is not known",
            Problem::Operator => "is no inheritance operator that means something here",
        })
    }
}

/// The member, by its key or its value, with the problem.
impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem {
            Problem::UnknownWord | Problem::NotAModelId => write!(f, "{} {}", self.value, self.problem),
            _ => write!(f, "`{}` {}", self.name(), self.problem),
        }
    }
}

impl Unclear {
    /// Makes one from a path of keys.
    #[must_use]
    pub fn at(path: &[&str], problem: Problem, value: &Value) -> Self {
        Unclear { pointer: pointer(path), problem, value: value.to_string() }
    }

    /// Whether it is at a position or below it. Keys are compared without case, because merging policies ignores case.
    #[must_use]
    pub fn is_below(&self, pointer: &str) -> bool {
        let (Some(start), rest) = (self.pointer.get(..pointer.len()), self.pointer.get(pointer.len()..)) else {
            return false;
        };
        start.eq_ignore_ascii_case(pointer) && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The last key of its path.
    fn name(&self) -> String {
        let last = self.pointer.rsplit('/').next().unwrap_or_default();
        if self.pointer.is_empty() { "the document".to_owned() } else { last.replace("~1", "/").replace("~0", "~") }
    }
}

/// Joins a path to a JSON pointer (RFC 6901).
#[must_use]
pub fn pointer(path: &[&str]) -> String {
    path.iter().flat_map(|key| ["/".to_owned(), key.replace('~', "~0").replace('/', "~1")]).collect()
}
