//! The guardrails that evaluated requests name: those in the documents, and for comparison others of each kind.

use std::collections::{BTreeMap, BTreeSet};

use super::operations::opaque;
use crate::{
    arn::{GuardrailKey, GuardrailVersion, GuardrailVersionArn},
    iam::{Condition, Principals, Statement, Test, with_variables},
};

/// The condition keys that name the guardrail of a request.
const KEYS: &[&str] = &["bedrock:guardrailidentifier", "bedrock-mantle:guardrailidentifier"];

/// A guardrail and an account that no document names.
const OTHER_ID: &str = "otherguardrail";
const OTHER_ACCOUNT: &str = "909090909090";
const OTHER_REGION: &str = "other-region-9";
const OTHER_VERSION: u32 = 7_777_777;
/// The account and Region for a pattern that leaves them open.
const SOME_ACCOUNT: &str = "222222222222";
const SOME_REGION: &str = "us-east-1";

/// Guardrails that are evaluated at most, because a set of them is the bits of a `u64`.
pub(super) const MOST: usize = 64;

/// The guardrail that a request names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// None.
    Nothing,
    /// A version that a document names.
    Version(GuardrailVersionArn),
    /// The DRAFT of a guardrail that a document names.
    Draft(GuardrailKey),
    /// Another version of a guardrail that a document names.
    OtherVersion(GuardrailKey),
    /// A guardrail that no document names, in the account and Region of one that a document does.
    OtherGuardrail,
    /// A guardrail in another Region.
    OtherRegion,
    /// A guardrail of another account.
    OtherAccount,
    /// A text in a document that isn't a guardrail's ARN.
    Text(String),
}

/// Whether a condition is about the guardrail.
pub(super) fn is_about_guardrail(condition: &Condition) -> bool {
    KEYS.contains(&condition.key.as_str())
}

/// Combinations of partition, Region and account for which other guardrails are evaluated at most.
const MOST_SCOPES: usize = 4;

/// Values from documents that are evaluated at most.
const MOST_VALUES: usize = 200;

/// The guardrails for requests, each with the value of its condition key; the first is a request without one, which has no value.
/// Guardrails that only the documents before or only those after the change name come before those in both. `false` if there were more than
/// evaluated.
pub(super) fn witnesses<'c>(before: &[&'c Condition], after: &[&'c Condition]) -> (Vec<(Named, Option<String>)>, bool) {
    let of = |conditions: &[&'c Condition]| -> BTreeSet<String> {
        let compared = conditions.iter().filter(|condition| condition.test != Test::Null);
        compared.flat_map(|condition| &condition.values).filter_map(|value| with_variables(value, &opaque)).collect()
    };
    let (old, new) = (&of(before), &of(after));
    let all: BTreeSet<&String> = old.union(new).collect();
    let changed = old.symmetric_difference(new).map(|value| (value, 2));
    let values: Vec<(&String, u8)> = changed.chain(old.intersection(new).map(|value| (value, 3))).take(MOST_VALUES).collect();
    // Each with a rank; the lowest are evaluated first.
    let mut witnesses: BTreeMap<Option<String>, (u8, Named)> = BTreeMap::from([(None, (0, Named::Nothing))]);
    let parsed: Vec<(Parsed, u8)> = values.iter().filter_map(|(value, rank)| Some((Parsed::of(value, &all)?, *rank))).collect();
    let mut numbers: BTreeSet<u32> = parsed.iter().filter_map(|(parsed, _)| parsed.version).collect();
    numbers.extend([0, OTHER_VERSION]);
    let unnamed = (1..=OTHER_VERSION).find(|number| !numbers.contains(number)).unwrap_or(1);
    let mut scopes: BTreeSet<[String; 3]> = values.iter().filter_map(|(value, _)| scope_of_arn(value, &all)).take(MOST_SCOPES).collect();
    for (Parsed { partition, key, version }, rank) in &parsed {
        let arn = format!("arn:{partition}:bedrock:{}:{}:guardrail/{}", key.region, key.account, key.id);
        if let Some(version) = version {
            let named = Named::Version(key.version(GuardrailVersion::Numbered(*version)));
            witnesses.insert(Some(format!("{arn}:{version}")), (*rank, named));
        }
        for other in [unnamed, OTHER_VERSION] {
            witnesses.entry(Some(format!("{arn}:{other}"))).or_insert_with(|| (*rank, Named::OtherVersion(key.clone())));
        }
        // A request for the DRAFT has the ARN without a version (docs/aws/iam.md#conditions).
        witnesses.entry(Some(arn)).or_insert_with(|| (*rank, Named::Draft(key.clone())));
    }
    if scopes.is_empty() {
        scopes.insert(["aws", SOME_REGION, SOME_ACCOUNT].map(str::to_owned));
    }
    for [partition, region, account] in &scopes {
        let mut add = |region: &str, account: &str, named: Named| {
            let arn = format!("arn:{partition}:bedrock:{region}:{account}:guardrail/{OTHER_ID}");
            for value in [format!("{arn}:1"), arn] {
                witnesses.entry(Some(value)).or_insert_with(|| (1, named.clone()));
            }
        };
        add(region, account, Named::OtherGuardrail);
        add(OTHER_REGION, account, Named::OtherRegion);
        add(region, OTHER_ACCOUNT, Named::OtherAccount);
    }
    for (value, rank) in values.iter().filter(|(value, _)| Parsed::of(value, &all).is_none()) {
        // A pattern for any guardrail, or any of an account, is covered by the other guardrails.
        let plain = value.replace(['*', '?'], "");
        if !plain.is_empty() && !value.contains("guardrail/") && !"arn:aws:bedrock:".starts_with(plain.as_str()) {
            witnesses.entry(Some(plain)).or_insert_with(|| (*rank, Named::Text((*value).clone())));
        }
    }
    let mut ranked: Vec<(u8, Named, Option<String>)> = witnesses.into_iter().map(|(value, (rank, named))| (rank, named, value)).collect();
    ranked.sort_by_key(|(rank, ..)| *rank);
    if ranked.len() > MOST {
        let conditions: BTreeSet<&Condition> = before.iter().chain(after).copied().collect();
        let mut known = BTreeSet::new();
        ranked.retain(|(rank, named, value)| {
            let actual: Vec<String> = value.iter().cloned().collect();
            let answers: Vec<Option<bool>> = conditions.iter().map(|condition| condition.holds(&actual, &opaque)).collect();
            *rank == 0 || known.insert((named.version().is_some(), answers))
        });
    }
    let is_whole = ranked.len() <= MOST && all.len() <= MOST_VALUES;
    (ranked.into_iter().take(MOST).map(|(_, named, value)| (named, value)).collect(), is_whole)
}

/// The partition, Region and account of the guardrails that a pattern matches, if it matches guardrails. A part that it leaves open is
/// taken from other values.
fn scope_of_arn(value: &str, all: &BTreeSet<&String>) -> Option<[String; 3]> {
    let (head, _) = value.rsplit_once("guardrail/")?;
    let part = |head: &str, number: usize| {
        let part = head.split(':').nth(number)?;
        (!part.is_empty() && !part.contains(['*', '?', '$'])).then(|| part.to_owned())
    };
    let anywhere =
        |number: usize| part(head, number).or_else(|| all.iter().find_map(|other| part(other.rsplit_once("guardrail/")?.0, number)));
    let account = anywhere(4).filter(|account| account.bytes().all(|byte| byte.is_ascii_digit()));
    Some([
        anywhere(1).unwrap_or_else(|| "aws".to_owned()),
        anywhere(3).unwrap_or_else(|| SOME_REGION.to_owned()),
        account.unwrap_or_else(|| SOME_ACCOUNT.to_owned()),
    ])
}

/// A guardrail made from a value of a document.
struct Parsed {
    partition: String,
    key: GuardrailKey,
    version: Option<u32>,
}

impl Parsed {
    /// Makes a guardrail that a value matches, whose wildcards it replaces. `None` if the value isn't about guardrails.
    fn of(value: &str, all: &BTreeSet<&String>) -> Option<Self> {
        let (_, tail) = value.rsplit_once("guardrail/")?;
        let (id, version) = tail.split_once(':').map_or((tail, None), |(id, version)| (id, Some(version)));
        let id = id.replace(['*', '?'], "");
        let [partition, region, account] = scope_of_arn(value, all)?;
        let key = GuardrailKey { account: account.as_str().into(), region: region.as_str().into(), id: id.as_str().into() };
        (!id.is_empty()).then(|| Parsed { partition, key, version: version.and_then(|version| version.parse().ok()) })
    }
}

impl Named {
    /// The guardrail version, if a document names it.
    pub(crate) fn version(&self) -> Option<GuardrailVersionArn> {
        match self {
            Named::Version(named) => Some(named.clone()),
            Named::Draft(key) => Some(key.version(GuardrailVersion::Draft)),
            _ => None,
        }
    }

    /// The text that ends a sentence about the request.
    pub(super) fn in_words(&self) -> String {
        match self {
            Named::Nothing => "without a guardrail".to_owned(),
            Named::Version(named) => format!("with version {} of guardrail {}", named.version, named.key.id),
            Named::Draft(key) => format!("with the DRAFT of guardrail {}", key.id),
            Named::OtherVersion(key) => format!("with any other version of guardrail {}", key.id),
            Named::OtherGuardrail => "with another guardrail of the account".to_owned(),
            Named::OtherRegion => "with a guardrail of another Region".to_owned(),
            Named::OtherAccount => "with a guardrail of another account".to_owned(),
            Named::Text(value) => format!("with guardrail {value}"),
        }
    }
}

/// Whether a statement has a condition on the guardrail.
pub(super) fn asks_for_guardrail(statement: &Statement) -> bool {
    statement.conditions.iter().any(|condition| is_about_guardrail(condition) && !matches!(condition.test, Test::Unknown(_)))
        && !matches!(statement.principals, Principals::AllBut(_))
}
