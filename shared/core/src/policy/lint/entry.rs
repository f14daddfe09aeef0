//! A lint of a policy: its level, its position in the document, and its message.

use std::fmt;

use serde::Serialize;

use crate::{
    arn::AccountId,
    enforcement::{Problem, Unclear},
    policy::effective::{Identifier, Unusable},
};

/// A possible mistake and its position.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lint {
    /// How serious it is.
    pub level: Level,
    /// The kind of mistake, such as `unknown-key`.
    pub kind: &'static str,
    /// Its position in the document, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong, as a sentence.
    pub message: String,
}

/// How serious a lint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// AWS refuses the policy, or enforces nothing.
    Error,
    /// The policy may not do what it seems to.
    Warning,
    /// Information, no mistake.
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        })
    }
}

impl Lint {
    /// Makes a lint at a pointer.
    pub(super) fn at(level: Level, kind: &'static str, pointer: String, message: impl Into<String>) -> Self {
        Lint { level, kind, pointer, message: message.into() }
    }

    /// Makes a lint from a part that can't be understood.
    pub(super) fn about(unclear: &Unclear) -> Self {
        let level = match unclear.problem {
            // AWS may accept the policy, and the word may be newer than this project, so the effect isn't certain.
            Problem::EmptyList | Problem::OddCase | Problem::UnknownWord => Level::Warning,
            _ => Level::Error,
        };
        Lint::at(level, unclear.problem.kind(), unclear.pointer.clone(), unclear.to_string())
    }
}

/// What is wrong with an identifier below a Region's key: the kind of lint and its message.
pub(super) fn about_identifier(identifier: &Identifier, management_account: Option<&AccountId>) -> Option<(&'static str, String)> {
    const FAILS: &str = "every Bedrock call of the accounts that the policy reaches fails";
    match identifier {
        Identifier::Guardrail(named) => {
            let owner = &named.key.account;
            if owner.len() != 12 || !owner.bytes().all(|byte| byte.is_ascii_digit()) {
                return Some(("malformed-identifier", format!("`{owner}` is no account: ids of accounts have twelve digits")));
            }
            let management = management_account.filter(|management| *management != owner)?;
            let message = format!(
                "the guardrail belongs to {owner}, and only one of the management account ({management}) can be enforced: with a wrong \
                 guardrail {FAILS}"
            );
            Some(("foreign-owner", message))
        }
        Identifier::Unusable { text, why } => {
            let (kind, effect) = match why {
                Unusable::Draft => ("draft-version", "enforce a numbered version".to_owned()),
                Unusable::OtherRegion => ("other-region", format!("name a guardrail of this Region, for with a wrong one {FAILS}")),
                Unusable::Malformed | Unusable::Missing => {
                    ("malformed-identifier", format!("with it {FAILS}; write arn:aws:bedrock:<region>:<account>:guardrail/<id>:<version>"))
                }
            };
            let named = if text.is_empty() { String::new() } else { format!("`{text}`: ") };
            Some((kind, format!("{named}{why}: {effect}")))
        }
    }
}

/// The text that describes what selective guarding leaves to the caller.
pub(super) fn note_of_side(side: &str) -> &'static str {
    match side {
        "system" => "callers choose what of the system prompt is evaluated: without tags, nothing is",
        _ => "callers choose what of the messages is evaluated: with tags, only what they tag is",
    }
}
