//! What of a Bedrock policy or of an account's configuration can't be understood.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A member that can't be understood: what it does to what is enforced isn't known, so nothing that rests on it is proved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unclear {
    /// Where it stands, as an RFC 6901 pointer.
    pub pointer: String,
    /// Why it can't be understood.
    pub problem: Problem,
    /// What stands there, as JSON: another value at the same place is a change.
    pub value: String,
}

/// Why a member can't be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// A key that this version doesn't know.
    UnknownKey,
    /// A key of another case than AWS documents: whether AWS compares them without case is not documented.
    OddCase,
    /// A key that stands twice in one object: which of the two AWS reads is not documented.
    DuplicateKey,
    /// A key that stands where Regions do, and isn't the code of one.
    NotARegion,
    /// Something else where an object belongs.
    NotAnObject,
    /// Something else where a text belongs.
    NotAText,
    /// Something else where a list of texts belongs.
    NotAList,
    /// A word that isn't known.
    UnknownWord,
    /// An object without the members that it is there for.
    EmptyObject,
    /// An empty list of included models: neither sure to mean all models nor sure to mean none.
    EmptyList,
    /// What is listed as a model, and is no id of one.
    NotAModelId,
    /// An inheritance operator that isn't known, stands where none belongs, or holds what it can't.
    Operator,
}

impl Problem {
    /// The kind of the lint about it.
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

/// As the end of a sentence that begins with the member.
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

/// The member, by its key or what it holds, with the problem.
impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem {
            Problem::UnknownWord | Problem::NotAModelId => write!(f, "{} {}", self.value, self.problem),
            _ => write!(f, "`{}` {}", self.name(), self.problem),
        }
    }
}

impl Unclear {
    /// At a path of keys.
    #[must_use]
    pub fn at(path: &[&str], problem: Problem, value: &Value) -> Self {
        Unclear { pointer: pointer(path), problem, value: value.to_string() }
    }

    /// Whether it stands at a place or below it. Keys are compared without case, as policies are when they are merged.
    #[must_use]
    pub fn is_below(&self, place: &str) -> bool {
        let (Some(start), rest) = (self.pointer.get(..place.len()), self.pointer.get(place.len()..)) else {
            return false;
        };
        start.eq_ignore_ascii_case(place) && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The last key on the way to it.
    fn name(&self) -> String {
        let last = self.pointer.rsplit('/').next().unwrap_or_default();
        if self.pointer.is_empty() { "the document".to_owned() } else { last.replace("~1", "/").replace("~0", "~") }
    }
}

/// An RFC 6901 pointer.
#[must_use]
pub fn pointer(path: &[&str]) -> String {
    path.iter().flat_map(|key| ["/".to_owned(), key.replace('~', "~0").replace('/', "~1")]).collect()
}
