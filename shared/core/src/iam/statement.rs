//! Documents and their statements.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{condition::Condition, condition::filled, pattern::matches};
use crate::json::printable;

/// A policy document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// What it says.
    pub statements: Vec<Statement>,
}

/// What a statement does to the calls that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// They may be made, unless something denies them.
    Allow,
    /// They may not.
    Deny,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Statement {
    /// What it does.
    pub effect: Effect,
    /// Whom it is about.
    pub principals: Principals,
    /// The actions, in lower case: actions have no case.
    pub actions: Names,
    /// The resources.
    pub resources: Names,
    /// All have to hold.
    pub conditions: Vec<Condition>,
}

/// Those that match some pattern, or all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Names {
    /// `NotAction`, `NotResource`: all that match none.
    pub all_but: bool,
    /// The patterns.
    pub patterns: BTreeSet<String>,
}

/// Whom a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principals {
    /// It doesn't say: that of an identity's policy is about the identity.
    NotSaid,
    /// `*`.
    Everybody,
    /// These, by kind (`AWS`, `Service`, …).
    These(BTreeSet<(String, String)>),
    /// Everybody but these.
    AllBut(BTreeSet<(String, String)>),
}

impl Document {
    /// Reads a document from JSON, from text, or from text that is URL-encoded, as IAM answers with it (RFC 3986). `None` if it is none.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self::of_statements(members.get("Statement")?)),
            Value::String(text) => {
                let plain = if text.trim_start().starts_with('{') { text.clone() } else { percent_decoded(text)? };
                let parsed: Value = serde_json::from_str(&plain).ok()?;
                Some(Self::of_statements(parsed.get("Statement")?))
            }
            _ => None,
        }
    }

    fn of_statements(statements: &Value) -> Self {
        let statements = statements.as_array().map_or(std::slice::from_ref(statements), Vec::as_slice);
        Document { statements: statements.iter().filter(|statement| statement.is_object()).map(Statement::read).collect() }
    }
}

impl Statement {
    /// Reads a statement. What is no Deny is taken for an Allow.
    #[must_use]
    pub fn read(statement: &Value) -> Self {
        let denies = statement["Effect"].as_str().is_some_and(|effect| effect.eq_ignore_ascii_case("Deny"));
        let resources = Names::read(statement, "Resource", "NotResource", |resource| printable(resource).into_owned());
        Statement {
            effect: if denies { Effect::Deny } else { Effect::Allow },
            principals: Principals::read(statement),
            actions: Names::read(statement, "Action", "NotAction", |action| printable(action).to_ascii_lowercase()).unwrap_or_default(),
            // The policy of a role (who may assume it) has none.
            resources: resources.unwrap_or_else(Names::all),
            conditions: Condition::parse_all(&statement["Condition"]),
        }
    }

    /// Whether it is about an action, in lower case.
    #[must_use]
    pub fn names_action(&self, action: &str) -> bool {
        self.actions.name(action, &|_| None)
    }

    /// Whether it is about a resource.
    #[must_use]
    pub fn names_resource(&self, resource: &str, variable: &dyn Fn(&str) -> Option<String>) -> bool {
        self.resources.name(resource, variable)
    }
}

impl Names {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Names { all_but: false, patterns: BTreeSet::from(["*".to_owned()]) }
    }

    fn read(statement: &Value, these: &str, others: &str, form: impl Fn(&str) -> String) -> Option<Self> {
        let (all_but, list) = match statement.get(others) {
            Some(list) => (true, list),
            None => (false, statement.get(these)?),
        };
        let list = list.as_array().map_or(std::slice::from_ref(list), Vec::as_slice);
        let patterns: BTreeSet<String> = list.iter().filter_map(|text| text.as_str().map(&form)).collect();
        Some(Names { all_but, patterns })
    }

    /// With a variable that has no value `Resource` names nothing. `NotResource` doesn't either, if some value would make it name this one.
    fn name(&self, text: &str, variable: &dyn Fn(&str) -> Option<String>) -> bool {
        let is_named = |pattern: &String| match pattern.contains("${").then(|| filled(pattern, variable)) {
            None => Some(matches(pattern, text)),
            Some(Some(pattern)) => Some(matches(&pattern, text)),
            Some(None) if matches(&open(pattern, variable), text) => None,
            Some(None) => Some(false),
        };
        if self.all_but {
            self.patterns.iter().all(|pattern| is_named(pattern) == Some(false))
        } else {
            self.patterns.iter().any(|pattern| is_named(pattern) == Some(true))
        }
    }
}

/// A pattern in which variables without a value can be anything.
fn open(pattern: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    const ANYTHING: &str = "\u{e002}";
    let filled = filled(pattern, &|name| variable(name).or_else(|| Some(ANYTHING.to_owned())));
    filled.unwrap_or_default().replace(ANYTHING, "*")
}

impl Default for Names {
    /// Nothing.
    fn default() -> Self {
        Names { all_but: false, patterns: BTreeSet::new() }
    }
}

impl Principals {
    fn read(statement: &Value) -> Self {
        if let Some(others) = statement.get("NotPrincipal") {
            return Principals::AllBut(by_kind(others));
        }
        match statement.get("Principal") {
            None => Principals::NotSaid,
            Some(principal) => {
                let these = by_kind(principal);
                let is_everybody = |(kind, who): &(String, String)| kind == "AWS" && who == "*";
                if these.iter().any(is_everybody) { Principals::Everybody } else { Principals::These(these) }
            }
        }
    }
}

fn by_kind(principal: &Value) -> BTreeSet<(String, String)> {
    if principal == "*" {
        return BTreeSet::from([("AWS".to_owned(), "*".to_owned())]);
    }
    let kinds = principal.as_object().into_iter().flatten();
    kinds
        .flat_map(|(kind, who)| {
            let who = who.as_array().map_or(std::slice::from_ref(who), Vec::as_slice);
            who.iter().filter_map(Value::as_str).map(move |who| (printable(kind).into_owned(), printable(who).into_owned()))
        })
        .collect()
}

/// A text that IAM answers with URL-encoded (RFC 3986).
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}
