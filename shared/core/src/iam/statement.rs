//! Policy documents and their statements.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{condition::Condition, condition::filled, pattern::matches};
use crate::json::printable;

/// A policy document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Its statements.
    pub statements: Vec<Statement>,
}

/// The effect of a statement on the requests that it applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// They are allowed, unless another statement denies them.
    Allow,
    /// They are denied.
    Deny,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Statement {
    /// Its effect.
    pub effect: Effect,
    /// The principals that it applies to.
    pub principals: Principals,
    /// The actions, in lower case, because actions have no case.
    pub actions: Names,
    /// The resources that it applies to.
    pub resources: Names,
    /// The conditions, which must all hold.
    pub conditions: Vec<Condition>,
}

/// A set of names, given by patterns: those that match one, or those that match none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Names {
    /// Whether the set is of the names that match no pattern: `NotAction`, `NotResource`.
    pub all_but: bool,
    /// The patterns.
    pub patterns: BTreeSet<String>,
}

/// The principals that a statement applies to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principals {
    /// The statement names none. In an identity's policy it applies to that identity.
    NotSaid,
    /// Everybody (`*`).
    Everybody,
    /// These principals, by type (`AWS`, `Service`, …).
    These(BTreeSet<(String, String)>),
    /// Everybody except these.
    AllBut(BTreeSet<(String, String)>),
}

impl Document {
    /// Parses a document from JSON, from a string of JSON, or from a URL-encoded string as IAM returns it (RFC 3986). `None` if it is no
    /// document.
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
    /// Parses a statement. Any effect other than Deny is read as Allow.
    #[must_use]
    pub fn read(statement: &Value) -> Self {
        let denies = statement["Effect"].as_str().is_some_and(|effect| effect.eq_ignore_ascii_case("Deny"));
        let resources = Names::read(statement, "Resource", "NotResource", |resource| printable(resource).into_owned());
        Statement {
            effect: if denies { Effect::Deny } else { Effect::Allow },
            principals: Principals::read(statement),
            actions: Names::read(statement, "Action", "NotAction", |action| printable(action).to_ascii_lowercase()).unwrap_or_default(),
            // A role's trust policy, which decides who may assume it, has no resources.
            resources: resources.unwrap_or_else(Names::all),
            conditions: Condition::parse_all(&statement["Condition"]),
        }
    }

    /// Whether the statement's actions include this one, given in lower case.
    #[must_use]
    pub fn names_action(&self, action: &str) -> bool {
        self.actions.name(action, &|_| None)
    }

    /// Whether the statement's resources include this one.
    #[must_use]
    pub fn names_resource(&self, resource: &str, variable: &dyn Fn(&str) -> Option<String>) -> bool {
        self.resources.name(resource, variable)
    }
}

impl Names {
    /// The set of all names.
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

    /// Whether the set contains a name. A pattern with a variable that has no value matches nothing in `Resource`; in `NotResource` it
    /// counts as matching if some value would make it match, so that the statement doesn't apply.
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

/// The pattern with wildcards in place of variables that have no value.
fn open(pattern: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    const ANYTHING: &str = "\u{e002}";
    let filled = filled(pattern, &|name| variable(name).or_else(|| Some(ANYTHING.to_owned())));
    filled.unwrap_or_default().replace(ANYTHING, "*")
}

impl Default for Names {
    /// The empty set.
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

/// Decodes a URL-encoded text, as IAM returns policy documents (RFC 3986).
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
