//! What is reported: one finding per rule, account, Region and resource, however often it was seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    arn::{AccountId, PolicyId, Region, TargetId},
    control_change::ControlChange,
    severity::Severity,
    timestamp::Timestamp,
    verdict::{Grade, Missing, Reason, Verdict},
};

/// A finding (docs/formats.md#a-finding). Two runs over the same set of records give the same findings, byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The same for the same rule, account, Region, resource and discriminator, in every run.
    pub id: String,
    /// The rule's id.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, in general.
    pub title: String,
    /// What was seen.
    pub detail: String,
    /// The way back.
    pub remediation: String,
    /// Where it stands.
    pub status: Status,
    /// The account that is concerned.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// What is concerned.
    pub resource: String,
    /// Roles and users, those with most calls first.
    pub principals: Bounded,
    /// Models, likewise.
    pub models: Bounded,
    /// Operations, likewise.
    pub apis: Bounded,
    /// Of calls: the verdict.
    pub verdict: Option<Verdict>,
    /// What it rests on.
    pub grade: Option<Grade>,
    /// Why.
    pub reason: Option<Reason>,
    /// Of calls that are not provable, what is missing.
    pub missing: Vec<Missing>,
    /// A change that was refused.
    pub attempted: bool,
    /// Made by a principal who may.
    pub expected: bool,
    /// Findings of the same story.
    pub linked: Vec<String>,
    /// The time of the first event; absent if no event has one.
    pub first_seen: Option<Timestamp>,
    /// The time of the latest event.
    pub last_seen: Option<Timestamp>,
    /// How many calls or changes.
    pub count: u64,
    /// The ids of the first and the latest event.
    pub events: Vec<String>,
    /// For weakening: what changed.
    pub changes: Vec<ControlChange>,
    /// The policy that it was judged against.
    pub policy: Option<JudgedAgainst>,
    /// Ids in the frameworks that the rule maps to.
    pub controls: Vec<String>,
    /// How often it was resolved, or suppressed, and came back.
    pub reopened: u64,
    /// When evidence showed that all is right again.
    pub resolved_at: Option<Timestamp>,
    /// The exception that suppresses it.
    pub suppression: Option<Suppression>,
}

/// Where a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// To be dealt with.
    Open,
    /// The team lives with it for a while.
    Suppressed,
    /// Evidence shows that all is right again.
    Resolved,
}

impl Status {
    /// All.
    pub const ALL: [Status; 3] = [Status::Open, Status::Suppressed, Status::Resolved];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Open => "OPEN",
            Status::Suppressed => "SUPPRESSED",
            Status::Resolved => "RESOLVED",
        }
    }

    /// By its word, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(word))
    }
}

/// The effective policy that a finding's latest call was judged against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedAgainst {
    /// `described`, `computed` or `last_valid`.
    pub basis: String,
    /// From when that policy held; absent if from the beginning.
    pub since: Option<Timestamp>,
    /// The guardrail version that it names for the Region.
    pub identifier: Option<String>,
    /// The policy that set it, if it was computed.
    pub policy: Option<PolicyId>,
    /// Where that is attached.
    pub attached_to: Option<TargetId>,
}

/// An exception, as far as it concerns a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The last day.
    pub until: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it was decided.
    pub ticket: Option<String>,
}

/// The first of a list, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Bounded {
    /// At most [`Bounded::MOST`].
    pub shown: Vec<String>,
    /// Those left out.
    pub more: usize,
}

impl Bounded {
    /// How many are shown.
    pub const MOST: usize = 10;

    /// The most frequent, ties by name.
    #[must_use]
    pub fn of(counts: &BTreeMap<String, u64>) -> Self {
        let mut names: Vec<(&String, &u64)> = counts.iter().collect();
        names.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
        let more = names.len().saturating_sub(Self::MOST);
        Bounded { shown: names.into_iter().take(Self::MOST).map(|(name, _)| name.clone()).collect(), more }
    }
}

impl std::fmt::Display for Bounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown.join(", "))?;
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

/// In JSON, a list whose last member is "and N more" if there are more.
impl From<Bounded> for Vec<String> {
    fn from(bounded: Bounded) -> Self {
        let more = (bounded.more > 0).then(|| format!("and {} more", bounded.more));
        bounded.shown.into_iter().chain(more).collect()
    }
}

impl From<Vec<String>> for Bounded {
    fn from(mut shown: Vec<String>) -> Self {
        let more = shown.last().and_then(|last| last.strip_prefix("and ")?.strip_suffix(" more")?.parse().ok());
        if more.is_some() {
            shown.pop();
        }
        Bounded { shown, more: more.unwrap_or(0) }
    }
}

/// What makes two findings one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingKey {
    /// The rule's id.
    pub rule: &'static str,
    /// The account that is concerned.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// What is concerned.
    pub resource: String,
    /// What the rule sets findings apart by.
    pub discriminator: String,
}

impl FindingKey {
    /// The finding's id: the first 16 bytes of a SHA-256 over the key, in hex.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hasher = Sha256::new();
        for part in [self.rule, &self.account, &self.region, &self.resource, &self.discriminator] {
            // Lengths keep parts from running into each other.
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hex::encode(hasher.finalize().into_iter().take(16).collect::<Vec<u8>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(account: &str, region: &str) -> FindingKey {
        FindingKey { rule: "r", account: account.into(), region: region.into(), resource: "x".into(), discriminator: String::new() }
    }

    #[test]
    fn an_id_is_the_same_in_every_run_and_another_for_another_key() {
        assert_eq!(key("1", "us-east-1").id(), key("1", "us-east-1").id());
        assert_ne!(key("1", "us-east-1").id(), key("1u", "s-east-1").id());
        assert_eq!(key("1", "us-east-1").id().len(), 32);
    }

    #[test]
    fn lists_are_bounded_and_say_so() {
        let counts: BTreeMap<String, u64> = (0..12).map(|n| (format!("p{n:02}"), if n == 7 { 5 } else { 1 })).collect();
        let bounded = Bounded::of(&counts);
        assert_eq!((bounded.shown[0].as_str(), bounded.shown[1].as_str(), bounded.more), ("p07", "p00", 2));
        let json = serde_json::to_string(&bounded).unwrap();
        assert!(json.ends_with("\"and 2 more\"]"), "{json}");
        assert_eq!(serde_json::from_str::<Bounded>(&json).unwrap(), bounded);
    }
}
