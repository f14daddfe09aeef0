//! The result of a run, as JSON version 1 has it. Fields are only ever added.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};

use crate::{
    arn::{AccountId, Region},
    finding::{Finding, Status},
    moment::Moment,
    severity::Severity,
    telemetry::DATA_ROADS,
    verdict::{Grade, Missing, Reason, Verdict},
};

/// A whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// 1.
    pub schema_version: u32,
    /// What made it.
    pub tool: Tool,
    /// When.
    pub generated_at: Moment,
    /// What it is limited to; absent if it is about everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Why nobody should rest on it: nothing was read, or there is nothing of what was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// What was read.
    pub records: Records,
    /// The calls, by verdict.
    pub invocations: Invocations,
    /// The calls, by all that a verdict says.
    pub coverage: Vec<CoverageRow>,
    /// What could not be seen.
    pub blind: Vec<BlindRow>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be read: the first thousand.
    #[serde(default)]
    pub unreadable: Vec<Unreadable>,
    /// The names of accounts, where the organization is known.
    #[serde(default)]
    pub accounts: BTreeMap<AccountId, String>,
}

/// What a report is limited to. It says nothing about the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Only these accounts; empty means all. The same goes for the other lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountId>,
    /// Only these Regions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// Only calls at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// Only calls before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// Only findings of at least this severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Only findings of this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Only findings of these rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// How many findings are left out, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
}

impl Filter {
    /// Whether it leaves nothing out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        Filter { left_out: None, ..self.clone() } == Filter::default()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_of = |what: &str, names: &[&str]| match names {
            [] => None,
            [name] => Some(format!("{what} {name}")),
            names => Some(format!("{what}s {}", names.join(", "))),
        };
        let rules: Vec<&str> = self.rules.iter().map(String::as_str).collect();
        let parts = [
            one_of("account", &self.accounts.iter().map(AccountId::as_str).collect::<Vec<_>>()),
            one_of("Region", &self.regions.iter().map(Region::as_str).collect::<Vec<_>>()),
            self.since.map(|since| format!("calls since {since}")),
            self.until.map(|until| format!("calls until {until}")),
            self.severity.map(|severity| format!("findings of severity {severity} or worse")),
            self.status.map(|status| format!("findings of status {}", status.as_str())),
            one_of("rule", &rules).map(|rules| format!("findings of {rules}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// What made a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `guardrail-audit`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Every record that was read is accounted for: read = judged + ignored + unreadable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// All.
    pub read: u64,
    /// Calls, evidence and changes, each once.
    pub judged: u64,
    /// The others.
    pub ignored: u64,
    /// What could not be read.
    pub unreadable: u64,
    /// Copies of calls and evidence that were read already; a part of `ignored`.
    pub duplicates: u64,
    /// Why records were ignored.
    #[serde(default)]
    pub ignored_because: BTreeMap<String, u64>,
    /// Files in folders that were looked at and are no logs, by kind. They hold no records, so they count as none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, u64>,
}

/// Calls by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocations {
    /// A required guardrail was in scope.
    pub compliant: u64,
    /// It was not.
    pub violation: u64,
    /// Nobody can say.
    pub not_provable: u64,
    /// None was needed.
    pub not_applicable: u64,
}

impl Invocations {
    /// Counts calls of one verdict.
    pub fn add(&mut self, verdict: Verdict, count: u64) {
        match verdict {
            Verdict::Compliant => self.compliant += count,
            Verdict::Violation => self.violation += count,
            Verdict::NotProvable => self.not_provable += count,
            Verdict::NotApplicable => self.not_applicable += count,
        }
    }

    /// Counts the calls of another count.
    pub fn add_all(&mut self, other: &Invocations) {
        self.compliant += other.compliant;
        self.violation += other.violation;
        self.not_provable += other.not_provable;
        self.not_applicable += other.not_applicable;
    }
}

/// Calls that were judged alike. There can be tens of thousands, so their texts are shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CoverageRow {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// With which model: the bare id of a foundation model, else what was called.
    pub model: Arc<str>,
    /// By which operation.
    pub api: Arc<str>,
    /// The verdict.
    pub verdict: Verdict,
    /// What it rests on.
    pub grade: Grade,
    /// Of a violation, why.
    pub reason: Option<Reason>,
    /// How many.
    pub count: u64,
}

impl CoverageRow {
    /// Whether only the counts differ.
    #[must_use]
    pub fn is_like(&self, other: &CoverageRow) -> bool {
        let key = |row: &CoverageRow| (row.verdict, row.grade, row.reason);
        (&self.account, &self.region, &self.model, &self.api, key(self))
            == (&other.account, &other.region, &other.model, &other.api, key(other))
    }
}

/// Something that could not be seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlindRow {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// What.
    pub missing: Blindness,
    /// How to see it.
    #[serde(default)]
    pub remedy: String,
}

/// What can't be seen of an account and Region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blindness {
    /// What the trails record.
    Telemetry,
    /// Evaluations: the trails don't record them.
    EvaluationsNotRecorded,
    /// Roads to a model that are data events: the trails don't record some of them.
    DataEventsNotRecorded,
    /// What guardrails did: model invocation logging is off.
    InvocationLogsOff,
    /// Which keys guardrails are encrypted with, so that a change of a key can't be told to matter.
    GuardrailKeys,
    /// What guardrails hold, so that a change of something that they may hold can't be told to matter.
    GuardrailContents,
    /// What an identity's policy said before, so that a change of it can't be told to loosen it.
    IdentityPolicies,
    /// Where evidence is kept, so that a change of a bucket, log group or key can't be told to matter.
    LogStores,
    /// Calls that only their invocation logs tell of: nobody judged them.
    CallsNotRead,
    /// What guardrails did, where invocation logs leave answers to objects of their own.
    LogBodies,
    /// The older part of CloudTrail's event history: there were more events since the last look than the hub reads in one.
    EventHistory,
    /// What is needed for verdicts.
    #[serde(untagged)]
    Evidence(Missing),
}

/// The selectors of all roads to a model that are data events.
static SELECT_DATA_ROADS: LazyLock<String> = LazyLock::new(|| {
    let kinds: Vec<&str> = DATA_ROADS.iter().map(|road| road.event.resource_type).collect();
    let (last, others) = kinds.split_last().unwrap_or((&"", &[]));
    format!("add data event selectors for {} and {last}", others.join(", "))
});

impl Blindness {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Blindness::Evidence(missing) => missing.as_str(),
            Blindness::Telemetry => "telemetry",
            Blindness::EvaluationsNotRecorded => "evaluations_not_recorded",
            Blindness::DataEventsNotRecorded => "data_events_not_recorded",
            Blindness::InvocationLogsOff => "invocation_logs_off",
            Blindness::GuardrailKeys => "guardrail_keys",
            Blindness::GuardrailContents => "guardrail_contents",
            Blindness::IdentityPolicies => "identity_policies",
            Blindness::LogStores => "log_stores",
            Blindness::CallsNotRead => "calls_not_read",
            Blindness::LogBodies => "log_bodies",
            Blindness::EventHistory => "event_history",
        }
    }

    /// How to see it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Blindness::Evidence(missing) => missing.remedy(),
            Blindness::Telemetry => "read the trails' selectors and status (GetEventSelectors, GetTrailStatus) into world/telemetry/",
            Blindness::EvaluationsNotRecorded => {
                "add a data event selector for AWS::Bedrock::Guardrail to a trail: $1.00 per million events"
            }
            Blindness::DataEventsNotRecorded => &SELECT_DATA_ROADS,
            Blindness::CallsNotRead => "give the CloudTrail records of the same time too; a call without one may be missing from the trail",
            Blindness::LogBodies => {
                "they are not read: let CloudTrail record evaluations (a data event selector for AWS::Bedrock::Guardrail)"
            }
            Blindness::GuardrailKeys | Blindness::GuardrailContents => "read the guardrails (GetGuardrail) into world/guardrails/",
            Blindness::IdentityPolicies => "read the policies of roles, users and groups into world/iam/",
            Blindness::LogStores => "read the trails (DescribeTrails, GetEventSelectors) and invocation logging into world/telemetry/",
            Blindness::EventHistory => {
                "event history holds more events than are read in one look (5,000): let the hub read the organization's trail, or look more often"
            }
            Blindness::InvocationLogsOff => "switch model invocation logging on (PutModelInvocationLoggingConfiguration)",
        }
    }
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unreadable {
    /// The file.
    pub file: String,
    /// The number of the record in it, from 1; absent if it is the file itself.
    pub record: Option<u64>,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_says_what_it_leaves_in() {
        let time = Moment::parse("2026-11-01T00:00:00Z");
        let filter = Filter {
            accounts: vec!["222233334444".into()],
            regions: vec!["us-east-1".into(), "eu-west-1".into()],
            since: time,
            severity: Some(Severity::Critical),
            rules: vec!["api-not-covered".to_owned()],
            ..Filter::default()
        };
        assert_eq!(
            filter.to_string(),
            "account 222233334444, Regions us-east-1, eu-west-1, calls since 2026-11-01T00:00:00Z, findings of severity CRITICAL or worse, \
             findings of rule api-not-covered"
        );
        assert!(!filter.is_everything() && Filter { left_out: Some(0), ..Filter::default() }.is_everything());
    }

    #[test]
    fn what_is_missing_is_one_word_in_json() {
        for (blindness, json) in [
            (Blindness::Evidence(Missing::EffectivePolicy), r#""effective_policy""#),
            (Blindness::EvaluationsNotRecorded, r#""evaluations_not_recorded""#),
            (Blindness::CallsNotRead, r#""calls_not_read""#),
        ] {
            assert_eq!(serde_json::to_string(&blindness).unwrap(), json);
            assert_eq!(serde_json::from_str::<Blindness>(json).unwrap(), blindness);
            assert_eq!(format!("\"{}\"", blindness.as_str()), json);
        }
    }
}
