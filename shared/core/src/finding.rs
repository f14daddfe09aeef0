//! Findings: what a run reports as wrong.
//!
//! There is one finding per rule, account, Region, resource and discriminator ([`FindingKey`]), however many calls or changes show it.

use std::{
    cmp::{Ordering, Reverse},
    collections::BTreeMap,
    fmt,
};

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
    /// [`FindingKey::id`]: a hash of rule, account, Region, resource and discriminator, so it is the same in every run.
    pub id: String,
    /// The rule's id, such as `api-not-covered`.
    pub rule: String,
    /// The severity under the configuration, after steps for attempts and for effects that could not be verified.
    pub severity: Severity,
    /// The title of the rule, or its title for refused changes.
    pub title: String,
    /// One sentence about the calls or changes behind this finding, without its full stop.
    pub detail: String,
    /// What to do about it.
    pub remediation: String,
    /// Whether it is open, suppressed by an exception, or resolved.
    pub status: Status,
    /// The account in which the calls were made, or whose resource was changed.
    pub account: AccountId,
    /// The Region, likewise.
    pub region: Region,
    /// The ARN or id of the resource, or `AWS::::Account:` with the account's id.
    pub resource: String,
    /// The ARNs of roles and users that made the calls or changes, those with most of them first.
    pub principals: Bounded,
    /// The ids of the models that were called, likewise.
    pub models: Bounded,
    /// The names of the API operations, likewise.
    pub apis: Bounded,
    /// The verdict that all calls behind the finding share; `None` for findings about changes.
    pub verdict: Option<Verdict>,
    /// The strongest grade of evidence behind the calls; of changes, `none` if no effect of them could be verified.
    pub grade: Option<Grade>,
    /// The reason that all calls behind the finding share.
    pub reason: Option<Reason>,
    /// The evidence that the verdict on the latest call lacked.
    pub missing: Vec<Missing>,
    /// Whether every change behind the finding was refused: its record has an `errorCode`.
    pub attempted: bool,
    /// Whether every change was made by an administrator whom the configuration names.
    pub expected: bool,
    /// The ids of correlated findings (docs/glossary.md#correlation), sorted.
    pub linked: Vec<String>,
    /// The time of the first event; absent if no event has one.
    pub first_seen: Option<Timestamp>,
    /// The time of the latest event.
    pub last_seen: Option<Timestamp>,
    /// The number of calls or changes behind the finding. Copies of a record count once.
    pub count: u64,
    /// The `eventID` of the first and of the latest record; one id if they are the same.
    pub events: Vec<String>,
    /// The controls that changed, with their strength before and after. Only rules that compare guardrails or policies fill it.
    pub changes: Vec<ControlChange>,
    /// The effective policy that the latest call was judged against.
    pub policy: Option<JudgedAgainst>,
    /// The entries of frameworks that the rule maps to, such as `owasp-llm:LLM01`.
    pub controls: Vec<String>,
    /// How many times the finding was open again after it had been resolved or suppressed.
    pub reopened: u64,
    /// The time of the evidence that resolves the finding: a covered call, or a state that was read.
    pub resolved_at: Option<Timestamp>,
    /// The exception of the configuration that suppresses the finding.
    pub suppression: Option<Suppression>,
}

impl Finding {
    /// The order of reports: open ones first and the worst first, those of an account and Region together.
    #[must_use]
    pub fn order(&self, other: &Finding) -> Ordering {
        let worst_first = |finding: &Finding| (finding.status, Reverse(finding.severity));
        let by_account_region =
            (&self.account, &self.region, &self.rule, &self.id).cmp(&(&other.account, &other.region, &other.rule, &other.id));
        worst_first(self).cmp(&worst_first(other)).then(by_account_region)
    }
}

/// The status of a finding, as version 1 of the JSON report writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// No evidence shows yet that it is resolved.
    Open,
    /// An exception of the configuration accepts it until a date.
    Suppressed,
    /// Evidence shows that the fault is gone. The absence of further events never resolves a finding.
    Resolved,
}

impl Status {
    /// All statuses, in the order of reports.
    pub const ALL: [Status; 3] = [Status::Open, Status::Suppressed, Status::Resolved];

    /// Its name in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Open => "OPEN",
            Status::Suppressed => "SUPPRESSED",
            Status::Resolved => "RESOLVED",
        }
    }

    /// Parses a name of [`Status::as_str`], in upper or lower case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(word))
    }
}

/// The effective policy that a finding's latest call was judged against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedAgainst {
    /// `described` if AWS answered the effective policy itself, `computed` if it was merged from the attached policies, `last_valid` if the
    /// current one is invalid and the last valid one holds.
    pub basis: String,
    /// The time from which that policy was in force; `None` if it is not known to have been another.
    pub since: Option<Timestamp>,
    /// The `identifier` (ARN and version of a guardrail) that the policy names for the Region.
    pub identifier: Option<String>,
    /// The attached policy that the identifier comes from; `None` if the effective policy was described.
    pub policy: Option<PolicyId>,
    /// The root, organizational unit or account that this policy is attached to.
    pub attached_to: Option<TargetId>,
}

/// The phrase in tables, such as `described: arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:3`.
impl fmt::Display for JudgedAgainst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.basis, self.identifier.as_deref().unwrap_or("no guardrail"))?;
        if let Some(policy) = &self.policy {
            write!(f, " by {policy}")?;
        }
        if let Some(target) = &self.attached_to {
            write!(f, " on {target}")?;
        }
        Ok(())
    }
}

/// The fields of an exception that a suppressed finding repeats, so that its reader needn't have the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The last day on which it holds, as `YYYY-MM-DD` (UTC).
    pub until: String,
    /// Why the team accepts the finding.
    pub reason: String,
    /// The person or team that answers for the exception.
    pub owner: String,
    /// The ticket in which it was decided.
    pub ticket: Option<String>,
}

/// Who accepts the finding, until when, and why.
impl fmt::Display for Suppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accepted until {} by {}: {}", self.until, self.owner, self.reason)?;
        if let Some(ticket) = &self.ticket { write!(f, " ({ticket})") } else { Ok(()) }
    }
}

/// The first names of a list, and the number of those that are left out. It keeps a finding small however many callers there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Bounded {
    /// The first names, at most [`Bounded::MOST`].
    pub shown: Vec<String>,
    /// The number of names that are left out.
    pub more: usize,
}

impl Bounded {
    /// The number of names that are kept.
    pub const MOST: usize = 10;

    /// Keeps the names with the highest counts. Equal counts are ordered by name, so that runs agree.
    #[must_use]
    pub fn of(counts: &BTreeMap<String, u64>) -> Self {
        let mut names: Vec<(&String, &u64)> = counts.iter().collect();
        names.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
        let more = names.len().saturating_sub(Self::MOST);
        Bounded { shown: names.into_iter().take(Self::MOST).map(|(name, _)| name.clone()).collect(), more }
    }
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown.join(", "))?;
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

/// In JSON, a list of strings. If names were left out, its last string is "and N more".
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

/// The identity of a finding: what has an equal key is folded into one finding. Another field here gives every finding another id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingKey {
    /// The rule's id, such as `api-not-covered`.
    pub rule: &'static str,
    /// The account in which the calls were made, or whose resource was changed.
    pub account: AccountId,
    /// The Region, likewise.
    pub region: Region,
    /// The ARN or id of the resource, or `AWS::::Account:` with the account's id.
    pub resource: String,
    /// A text by which the rule separates findings that agree in all other fields; often empty.
    pub discriminator: String,
}

impl FindingKey {
    /// The finding's id: the first 16 bytes of a SHA-256 over the key, in hex.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hasher = Sha256::new();
        for part in [self.rule, &self.account, &self.region, &self.resource, &self.discriminator] {
            // The length before each part keeps ("1", "us") and ("1u", "s") from giving one hash.
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
