//! The values of other condition keys in evaluated requests, such as the caller, network and Region. Each condition is evaluated with every
//! value that makes a difference to it.

use std::collections::BTreeSet;

use super::{guardrails::is_about_guardrail, operations::opaque};
use crate::iam::{Condition, Principals, Statement, Test, network_ends, seconds_around};

/// Condition keys that every request has (docs/aws/iam.md#conditions).
const ALWAYS_THERE: &[&str] = &[
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principaltype",
    "aws:principalisawsservice",
    "aws:userid",
    "aws:requestedregion",
    "aws:securetransport",
    "aws:currenttime",
    "aws:epochtime",
];

/// Combinations of values that are evaluated at most.
const MOST_COMBINATIONS: usize = 4096;

/// Patterns of one key that are combined with each other at most.
const MOST_PAIRS: usize = 12;

/// A question that a statement asks about a request, apart from its guardrail.
pub(super) enum Question<'s> {
    Condition(&'s Condition),
    /// Whether the caller is one of these principals.
    Principal(&'s Principals),
}

/// One condition key: for each value that makes a difference, the answers to all questions about the key.
struct Key {
    /// Whether the key identifies the caller.
    is_principal: bool,
    questions: Vec<usize>,
    classes: Vec<Vec<bool>>,
}

/// All questions of the statements, and the condition keys that answer them.
pub(super) struct Keys<'s> {
    pub(super) questions: Vec<Question<'s>>,
    keys: Vec<Key>,
    /// Whether all combinations fit into the limit.
    pub(super) is_whole: bool,
}

/// One combination of values of all keys.
pub(super) struct Combination {
    /// The answer to each question.
    pub(super) answers: Vec<bool>,
    /// A number that is equal for combinations with the same caller.
    pub(super) caller: usize,
}

impl<'s> Keys<'s> {
    /// Collects the questions of these statements. If there are too many combinations, the questions of the first statements take
    /// precedence.
    pub(super) fn of(statements: impl Iterator<Item = &'s Statement>) -> Self {
        let mut seen: BTreeSet<&Condition> = BTreeSet::new();
        let mut principals: BTreeSet<&Principals> = BTreeSet::new();
        let mut questions: Vec<Question<'s>> = Vec::new();
        let mut by_key: Vec<(&str, Vec<usize>)> = Vec::new();
        let mut keys: Vec<Key> = Vec::new();
        for statement in statements {
            if matches!(statement.principals, Principals::These(_) | Principals::AllBut(_)) && principals.insert(&statement.principals) {
                keys.push(Key { is_principal: true, questions: vec![questions.len()], classes: vec![vec![true], vec![false]] });
                questions.push(Question::Principal(&statement.principals));
            }
            for condition in statement.conditions.iter().filter(|condition| !is_about_guardrail(condition)) {
                if !seen.insert(condition) {
                    continue;
                }
                let number = questions.len();
                questions.push(Question::Condition(condition));
                if matches!(condition.test, Test::Unknown(_)) {
                    keys.push(Key { is_principal: false, questions: vec![number], classes: vec![vec![true], vec![false]] });
                } else if let Some((_, numbers)) = by_key.iter_mut().find(|(key, _)| *key == condition.key) {
                    numbers.push(number);
                } else {
                    by_key.push((&condition.key, vec![number]));
                }
            }
        }
        for (key, numbers) in by_key {
            let conditions: Vec<&Condition> = numbers
                .iter()
                .filter_map(|number| match questions.get(*number) {
                    Some(Question::Condition(condition)) => Some(*condition),
                    _ => None,
                })
                .collect();
            let classes = classes(key, &conditions);
            keys.push(Key { is_principal: is_about_caller(key), questions: numbers, classes });
        }
        let mut combinations: usize = 1;
        let mut is_whole = true;
        for key in &mut keys {
            let more = combinations.saturating_mul(key.classes.len());
            if more > MOST_COMBINATIONS {
                is_whole = false;
                key.classes.truncate(1);
            } else {
                combinations = more;
            }
        }
        Keys { questions, keys, is_whole }
    }

    /// The number of callers that the questions distinguish.
    pub(super) fn callers(&self) -> usize {
        self.keys.iter().filter(|key| key.is_principal).map(|key| key.classes.len()).product()
    }

    /// All combinations, up to the limit.
    pub(super) fn combinations(&self) -> impl Iterator<Item = Combination> {
        let all: usize = self.keys.iter().map(|key| key.classes.len()).product();
        (0..all).map(|mut rest| {
            let mut answers = vec![false; self.questions.len()];
            let mut caller = 0;
            for key in &self.keys {
                let class = rest % key.classes.len();
                rest /= key.classes.len();
                if key.is_principal {
                    caller = caller * key.classes.len() + class;
                }
                for (question, answer) in key.questions.iter().zip(key.classes.get(class).into_iter().flatten()) {
                    if let Some(slot) = answers.get_mut(*question) {
                        *slot = *answer;
                    }
                }
            }
            Combination { answers, caller }
        })
    }
}

/// Whether a key identifies the caller.
fn is_about_caller(key: &str) -> bool {
    key.starts_with("aws:principal") || ["aws:userid", "aws:username", "aws:federatedprovider", "aws:assumedroot"].contains(&key)
}

/// The different answers that values of a key give to the questions about it. The first are those of a value that no document names.
fn classes(key: &str, conditions: &[&Condition]) -> Vec<Vec<bool>> {
    let mut candidates: Vec<Vec<String>> = vec![vec![NO_VALUE.to_owned()]];
    if !ALWAYS_THERE.contains(&key) {
        candidates.push(Vec::new());
    }
    candidates.extend(values(conditions).into_iter().map(|value| vec![value]));
    let mut found: Vec<Vec<bool>> = Vec::new();
    let mut known: BTreeSet<Vec<bool>> = BTreeSet::new();
    for candidate in candidates {
        let answers: Vec<bool> = conditions.iter().map(|one| one.holds(&candidate, &opaque).unwrap_or(false)).collect();
        if known.insert(answers.clone()) {
            found.push(answers);
        }
    }
    found
}

/// A value that no document names.
const NO_VALUE: &str = "~none~";

/// The values that may make a difference to conditions on the same key: those that documents name, with wildcards replaced, and their
/// neighbours.
fn values(conditions: &[&Condition]) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    let mut patterns: BTreeSet<String> = BTreeSet::new();
    for condition in conditions {
        for value in &condition.values {
            let named = named(value);
            match &condition.test {
                Test::Equals | Test::Binary => {
                    values.insert(named);
                }
                Test::EqualsIgnoreCase => {
                    values.extend([named.to_uppercase(), named.to_lowercase(), named]);
                }
                Test::Like => {
                    patterns.insert(named);
                }
                Test::Arn => {
                    let parts = named.splitn(6, ':').count();
                    values.insert(format!("arn:~:~:~:~:{NO_VALUE}"));
                    patterns.insert(named.clone() + &":*".repeat(6 - parts));
                }
                Test::Bool => values.extend(["true".to_owned(), "false".to_owned()]),
                Test::Numeric(_) => {
                    let number: Option<f64> = named.parse().ok();
                    values.extend(number.into_iter().flat_map(|number| [number - 0.5, number, number + 0.5]).map(|one| one.to_string()));
                }
                Test::Date(_) => values.extend(seconds_around(&named).into_iter().flatten().map(|one| one.to_string())),
                Test::Address => {
                    values.extend(network_ends(&named).into_iter().flatten().map(|end| end.to_string()));
                    values.extend(["203.0.113.201".to_owned(), "2001:db8:ffff::201".to_owned()]);
                }
                Test::Null | Test::Unknown(_) => {}
            }
        }
    }
    for pattern in &patterns {
        values.extend(["", "~7", "~"].map(|filling| pattern.replace('*', filling).replace('?', "~")));
    }
    // A value that begins as one pattern does and ends as another; joined ARNs would be none.
    if patterns.len() <= MOST_PAIRS && !conditions.iter().any(|condition| condition.test == Test::Arn) {
        for start in patterns.iter().filter_map(|pattern| pattern.split('*').next()) {
            values.extend(patterns.iter().map(|other| (start.to_owned() + &other.replace('*', "")).replace('?', "~")));
        }
    }
    values
}

/// A value with its policy variables in the form that evaluation gives them. The characters behind `${*}` and `${?}` become ordinary ones.
fn named(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        match name {
            "*" | "?" | "$" => out.push('~'),
            _ => out.extend(opaque(name.split(',').next().unwrap_or_default().trim())),
        }
        rest = behind;
    }
    out + rest
}
