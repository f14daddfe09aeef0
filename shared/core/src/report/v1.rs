//! Version 1 of the JSON report, which programs read. It stands apart from the types that the auditor works with and from what the stores
//! keep, so that those can change without changing what is written.
//!
//! Fields are only ever added: `docs/report-v1.schema.json` holds every field, its type and the words that it can have, and a test fails
//! when one that stands there is gone. Whatever has to be removed or renamed begins version 2.

mod conversion;
#[cfg(test)]
mod schema;

use std::collections::BTreeMap;

use serde::Serialize;

#[cfg(test)]
use crate::verdict::{Grade, Missing, Reason, Verdict};
use crate::{
    arn::AccountId,
    finding,
    timestamp::{Day, Timestamp},
};

#[cfg(test)]
use self::schema::{Date, EnumText, Time};

/// A whole report.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report<'r> {
    /// The version of the format: 1.
    pub schema_version: u32,
    /// What made the report.
    pub tool: Tool<'r>,
    /// When it was made.
    #[cfg_attr(test, schemars(with = "Time"))]
    pub generated_at: Timestamp,
    /// What the report is limited to; absent if it is about everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Filter<'r>"))]
    pub filter: Option<Filter<'r>>,
    /// Why the report proves nothing: no record was read, or there is none of what was asked for. Absent if it does.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub incomplete: &'r [String],
    /// How many records were read, and what became of them.
    pub records: Records<'r>,
    /// The calls, by verdict.
    pub invocations: Invocations,
    /// The same calls, by all that a verdict says.
    pub coverage: Vec<CoverageRow<'r>>,
    /// The same calls by day: of the 20 worst accounts, of the 20 with most calls that weren't provably guarded, and of all others together.
    pub timeline: Vec<TimelineRow<'r>>,
    /// The evidence that is missing, by account and Region.
    pub blind: Vec<BlindRow<'r>>,
    /// The findings, worst first.
    pub findings: Vec<Finding<'r>>,
    /// The first thousand files and records that could not be read.
    pub unreadable: Vec<Unreadable<'r>>,
    /// The id of the organization; absent where it isn't known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub organization: Option<&'r str>,
    /// The names of accounts, where the organization is known.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, String>"))]
    pub accounts: &'r BTreeMap<AccountId, String>,
    /// The names of the OUs above accounts, the topmost first, where the organization is known.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Vec<String>>"))]
    pub units: &'r BTreeMap<AccountId, Vec<String>>,
    /// The configuration file that was used; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "ConfigurationFile<'r>"))]
    pub configuration: Option<ConfigurationFile<'r>>,
}

/// A configuration file, whose exceptions suppress findings.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConfigurationFile<'r> {
    /// Its path, as it was given or found.
    pub path: &'r str,
    /// Whether it was found in the working folder, and not given.
    pub was_found: bool,
    /// Its exceptions, in the order of the file. Absent if it has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception<'r>>,
}

/// An exception of the configuration, whether or not it suppresses a finding.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Exception<'r> {
    /// The rule whose findings are accepted.
    pub rule: &'r str,
    /// The ids of the accounts, OUs and roots; `*` means all.
    pub accounts: &'r [String],
    /// The Regions; empty means all.
    pub regions: &'r [String],
    /// The ARNs of roles and users; empty means all.
    pub principals: &'r [String],
    /// The last day.
    pub until: String,
    /// Whether it ended before the report was made, so that its findings are open again.
    pub has_ended: bool,
    /// Why the exception was made.
    pub reason: &'r str,
    /// Who answers for it.
    pub owner: &'r str,
    /// Where it was decided.
    pub ticket: Option<&'r str>,
}

/// What made a report.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tool<'r> {
    /// The program's name, `guardrail-audit`.
    pub name: &'r str,
    /// Its version.
    pub version: &'r str,
}

/// What a report is limited to. An absent member limits nothing.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Filter<'r> {
    /// Only these accounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<&'r str>,
    /// Only these Regions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<&'r str>,
    /// Only calls at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Time"))]
    pub since: Option<Timestamp>,
    /// Only calls before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Time"))]
    pub until: Option<Timestamp>,
    /// Only findings of at least this severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "EnumText<crate::severity::Severity>"))]
    pub severity: Option<&'static str>,
    /// Only findings of this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "EnumText<finding::Status>"))]
    pub status: Option<&'static str>,
    /// Only findings of these rules.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub rules: &'r [String],
    /// The number of findings that are left out, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "u64"))]
    pub left_out: Option<u64>,
}

/// What became of the records that were read: `read` is the sum of `judged`, `ignored` and `unreadable`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Records<'r> {
    /// All records.
    pub read: u64,
    /// Calls, evidence and changes, each counted once.
    pub judged: u64,
    /// All others that could be read.
    pub ignored: u64,
    /// Those that could not be read.
    pub unreadable: u64,
    /// Copies of calls and evidence that were read already; a part of `ignored`.
    pub duplicates: u64,
    /// The number of ignored records by why they were ignored.
    pub ignored_because: &'r BTreeMap<String, u64>,
    /// The number of files that are no logs, by kind. They hold no records. Absent if there is none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: &'r BTreeMap<String, u64>,
}

/// The number of calls, by verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Invocations {
    /// A required guardrail was in scope.
    pub compliant: u64,
    /// It was not.
    pub violation: u64,
    /// The evidence that would tell is missing.
    pub not_provable: u64,
    /// No guardrail was required.
    pub not_applicable: u64,
}

/// Calls that were judged alike.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CoverageRow<'r> {
    /// The account that was called from.
    pub account: &'r str,
    /// The Region that was called.
    pub region: &'r str,
    /// The id of a foundation model, else whatever was called.
    pub model: &'r str,
    /// The operation.
    pub api: &'r str,
    /// The verdict.
    #[cfg_attr(test, schemars(with = "EnumText<Verdict>"))]
    pub verdict: &'static str,
    /// What the verdict rests on.
    #[cfg_attr(test, schemars(with = "EnumText<Grade>"))]
    pub grade: &'static str,
    /// Why it is a violation, if it is one.
    #[cfg_attr(test, schemars(with = "Option<EnumText<Reason>>"))]
    pub reason: Option<&'static str>,
    /// The number of calls.
    pub count: u64,
}

/// The calls of a day that were judged alike.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimelineRow<'r> {
    /// The day in UTC; null for calls whose records have no time, and for those before the last 400 days with calls.
    #[cfg_attr(test, schemars(with = "Option<Date>"))]
    pub day: Option<Day>,
    /// The account that was called from, or `(others)`.
    pub account: &'r str,
    /// The verdict.
    #[cfg_attr(test, schemars(with = "EnumText<Verdict>"))]
    pub verdict: &'static str,
    /// What the verdict rests on.
    #[cfg_attr(test, schemars(with = "EnumText<Grade>"))]
    pub grade: &'static str,
    /// The number of calls.
    pub count: u64,
}

/// Evidence that is missing.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BlindRow<'r> {
    /// The account that it is missing of.
    pub account: &'r str,
    /// The Region.
    pub region: &'r str,
    /// Which evidence.
    pub missing: &'static str,
    /// How to get it.
    pub remedy: &'r str,
}

/// A finding.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding<'r> {
    /// The same for the same rule, account, Region and resource in every run.
    pub id: &'r str,
    /// The rule's id.
    pub rule: &'r str,
    /// How bad it is.
    #[cfg_attr(test, schemars(with = "EnumText<crate::severity::Severity>"))]
    pub severity: &'static str,
    /// What is wrong, in general.
    pub title: &'r str,
    /// What happened.
    pub detail: &'r str,
    /// What to do.
    pub remediation: &'r str,
    /// Whether it is open, suppressed by an exception or resolved by evidence.
    #[cfg_attr(test, schemars(with = "EnumText<finding::Status>"))]
    pub status: &'static str,
    /// The account that is concerned.
    pub account: &'r str,
    /// The Region that is concerned.
    pub region: &'r str,
    /// The resource that is concerned.
    pub resource: &'r str,
    /// The principals with most calls or changes; the last member of a longer list is `and N more`.
    pub principals: Vec<String>,
    /// The models, likewise.
    pub models: Vec<String>,
    /// The operations, likewise.
    pub apis: Vec<String>,
    /// Of calls, the verdict.
    #[cfg_attr(test, schemars(with = "Option<EnumText<Verdict>>"))]
    pub verdict: Option<&'static str>,
    /// Of calls, what the verdict rests on.
    #[cfg_attr(test, schemars(with = "Option<EnumText<Grade>>"))]
    pub grade: Option<&'static str>,
    /// Of violations, why they are.
    #[cfg_attr(test, schemars(with = "Option<EnumText<Reason>>"))]
    pub reason: Option<&'static str>,
    /// Of calls that are not provable, which evidence is missing.
    #[cfg_attr(test, schemars(with = "Vec<EnumText<Missing>>"))]
    pub missing: Vec<&'static str>,
    /// Whether it is about changes that were refused.
    pub attempted: bool,
    /// Whether all changes were made by administrators whom the configuration names.
    pub expected: bool,
    /// The ids of findings that belong together with this one.
    pub linked: &'r [String],
    /// The time of the first event, if an event has one.
    #[cfg_attr(test, schemars(with = "Option<Time>"))]
    pub first_seen: Option<Timestamp>,
    /// The time of the latest event.
    #[cfg_attr(test, schemars(with = "Option<Time>"))]
    pub last_seen: Option<Timestamp>,
    /// The number of calls or changes.
    pub count: u64,
    /// The ids of the first and the latest event.
    pub events: &'r [String],
    /// Of what got weaker, what changed.
    pub changes: Vec<ControlChange<'r>>,
    /// The effective policy that the latest call was judged against.
    pub policy: Option<JudgedAgainst<'r>>,
    /// The entries of frameworks that it is evidence about.
    pub controls: &'r [String],
    /// How often it was resolved or suppressed, and came back.
    pub reopened: u64,
    /// When evidence showed that all is right again.
    #[cfg_attr(test, schemars(with = "Option<Time>"))]
    pub resolved_at: Option<Timestamp>,
    /// The exception that suppresses it.
    pub suppression: Option<Suppression<'r>>,
}

/// A control that changed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ControlChange<'r> {
    /// Which control.
    pub control: &'r str,
    /// `input` or `output` of a guardrail's control, `system` or `messages` of guarding.
    pub side: Option<&'r str>,
    /// What it did before the change.
    pub before: Option<&'r str>,
    /// What it does after the change.
    pub after: Option<&'r str>,
}

/// An effective policy.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JudgedAgainst<'r> {
    /// `described`, `computed` or `last_valid`.
    pub basis: &'r str,
    /// Since when the policy holds; null if nothing else is known to have held before.
    #[cfg_attr(test, schemars(with = "Option<Time>"))]
    pub since: Option<Timestamp>,
    /// The guardrail version that the policy names for the Region.
    pub identifier: Option<&'r str>,
    /// The id of the policy that set it, if the effective policy was computed.
    pub policy: Option<&'r str>,
    /// The root, OU or account that the policy is attached to.
    pub attached_to: Option<&'r str>,
}

/// An exception, as far as it concerns a finding.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Suppression<'r> {
    /// The last day.
    pub until: &'r str,
    /// Why the exception was made.
    pub reason: &'r str,
    /// Who answers for it.
    pub owner: &'r str,
    /// Where it was decided.
    pub ticket: Option<&'r str>,
}

/// A file or record that could not be read.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unreadable<'r> {
    /// The file.
    pub file: &'r str,
    /// The number of the record in it, from 1; null if it is the file itself.
    pub record: Option<u64>,
    /// Why it could not be read.
    pub reason: &'r str,
}

/// Findings, as all outputs of JSON have them.
#[must_use]
pub fn findings<'r>(findings: impl IntoIterator<Item = &'r finding::Finding>) -> Vec<Finding<'r>> {
    findings.into_iter().map(Finding::from).collect()
}

#[cfg(test)]
mod tests;
