//! Version 1 of the JSON report, which programs read. It stands apart from the types that the auditor works with and from what the stores
//! keep, so that those can change without changing what is written.
//!
//! Fields are only ever added: `docs/report-v1.schema.json` holds every field, its type and the words that it can have, and a test fails
//! when one that stands there is gone. Whatever has to be removed or renamed begins version 2.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    arn::AccountId,
    control_change, finding, report,
    timestamp::{Day, Timestamp},
    verdict::{self, Grade, Missing, Reason, Verdict},
};

#[cfg(test)]
use self::tests::{Date, EnumText, Time};

/// A whole report.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report<'r> {
    /// 1.
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
    /// The same calls by day: of the 20 accounts with most calls that weren't provably guarded, and of all others together.
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
}

/// What made a report.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tool<'r> {
    /// `guardrail-audit`.
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

impl<'r> From<&'r report::Report> for Report<'r> {
    fn from(report: &'r report::Report) -> Self {
        Report {
            schema_version: 1,
            tool: Tool { name: &report.tool.name, version: &report.tool.version },
            generated_at: report.generated_at,
            filter: report.filter.as_ref().map(Filter::from),
            incomplete: &report.incomplete,
            records: Records::from(&report.records),
            invocations: Invocations::from(&report.invocations),
            coverage: report.coverage.iter().map(CoverageRow::from).collect(),
            timeline: report.timeline.iter().map(TimelineRow::from).collect(),
            blind: report.blind.iter().map(BlindRow::from).collect(),
            findings: findings(&report.findings),
            unreadable: report.unreadable.iter().map(Unreadable::from).collect(),
            organization: report.organization.as_deref(),
            accounts: &report.accounts,
            units: &report.units,
            configuration: report.configuration.as_ref().map(ConfigurationFile::from),
        }
    }
}

/// Findings, as all outputs of JSON have them.
#[must_use]
pub fn findings<'r>(findings: impl IntoIterator<Item = &'r finding::Finding>) -> Vec<Finding<'r>> {
    findings.into_iter().map(Finding::from).collect()
}

impl<'r> From<&'r report::Filter> for Filter<'r> {
    fn from(filter: &'r report::Filter) -> Self {
        Filter {
            accounts: filter.accounts.iter().map(|account| &**account).collect(),
            regions: filter.regions.iter().map(|region| &**region).collect(),
            since: filter.since,
            until: filter.until,
            severity: filter.severity.map(crate::severity::Severity::as_str),
            status: filter.status.map(finding::Status::as_str),
            rules: &filter.rules,
            left_out: filter.left_out,
        }
    }
}

impl<'r> From<&'r report::ConfigurationFile> for ConfigurationFile<'r> {
    fn from(file: &'r report::ConfigurationFile) -> Self {
        ConfigurationFile { path: &file.path, was_found: file.was_found }
    }
}

impl<'r> From<&'r report::Records> for Records<'r> {
    fn from(records: &'r report::Records) -> Self {
        Records {
            read: records.read,
            judged: records.judged,
            ignored: records.ignored,
            unreadable: records.unreadable,
            duplicates: records.duplicates,
            ignored_because: &records.ignored_because,
            left_out: &records.left_out,
        }
    }
}

impl From<&verdict::Invocations> for Invocations {
    fn from(invocations: &verdict::Invocations) -> Self {
        let verdict::Invocations { compliant, violation, not_provable, not_applicable } = *invocations;
        Invocations { compliant, violation, not_provable, not_applicable }
    }
}

impl<'r> From<&'r report::CoverageRow> for CoverageRow<'r> {
    fn from(row: &'r report::CoverageRow) -> Self {
        CoverageRow {
            account: &row.account,
            region: &row.region,
            model: &row.model,
            api: &row.api,
            verdict: row.verdict.as_str(),
            grade: row.grade.as_str(),
            reason: row.reason.map(Reason::as_str),
            count: row.count,
        }
    }
}

impl<'r> From<&'r report::TimelineRow> for TimelineRow<'r> {
    fn from(row: &'r report::TimelineRow) -> Self {
        let report::TimelineRow { day, account, verdict, grade, count } = row;
        TimelineRow { day: *day, account, verdict: verdict.as_str(), grade: grade.as_str(), count: *count }
    }
}

impl<'r> From<&'r report::BlindRow> for BlindRow<'r> {
    fn from(row: &'r report::BlindRow) -> Self {
        BlindRow { account: &row.account, region: &row.region, missing: row.missing.as_str(), remedy: &row.remedy }
    }
}

impl<'r> From<&'r report::Unreadable> for Unreadable<'r> {
    fn from(unreadable: &'r report::Unreadable) -> Self {
        Unreadable { file: &unreadable.file, record: unreadable.record, reason: &unreadable.reason }
    }
}

impl<'r> From<&'r finding::Finding> for Finding<'r> {
    fn from(finding: &'r finding::Finding) -> Self {
        Finding {
            id: &finding.id,
            rule: &finding.rule,
            severity: finding.severity.as_str(),
            title: &finding.title,
            detail: &finding.detail,
            remediation: &finding.remediation,
            status: finding.status.as_str(),
            account: &finding.account,
            region: &finding.region,
            resource: &finding.resource,
            principals: finding.principals.clone().into(),
            models: finding.models.clone().into(),
            apis: finding.apis.clone().into(),
            verdict: finding.verdict.map(Verdict::as_str),
            grade: finding.grade.map(Grade::as_str),
            reason: finding.reason.map(Reason::as_str),
            missing: finding.missing.iter().copied().map(Missing::as_str).collect(),
            attempted: finding.attempted,
            expected: finding.expected,
            linked: &finding.linked,
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            count: finding.count,
            events: &finding.events,
            changes: finding.changes.iter().map(ControlChange::from).collect(),
            policy: finding.policy.as_ref().map(JudgedAgainst::from),
            controls: &finding.controls,
            reopened: finding.reopened,
            resolved_at: finding.resolved_at,
            suppression: finding.suppression.as_ref().map(Suppression::from),
        }
    }
}

impl<'r> From<&'r control_change::ControlChange> for ControlChange<'r> {
    fn from(change: &'r control_change::ControlChange) -> Self {
        ControlChange {
            control: &change.control,
            side: change.side.as_deref(),
            before: change.before.as_deref(),
            after: change.after.as_deref(),
        }
    }
}

impl<'r> From<&'r finding::JudgedAgainst> for JudgedAgainst<'r> {
    fn from(policy: &'r finding::JudgedAgainst) -> Self {
        JudgedAgainst {
            basis: &policy.basis,
            since: policy.since,
            identifier: policy.identifier.as_deref(),
            policy: policy.policy.as_deref(),
            attached_to: policy.attached_to.as_deref(),
        }
    }
}

impl<'r> From<&'r finding::Suppression> for Suppression<'r> {
    fn from(suppression: &'r finding::Suppression) -> Self {
        Suppression {
            until: &suppression.until,
            reason: &suppression.reason,
            owner: &suppression.owner,
            ticket: suppression.ticket.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, fs, marker::PhantomData, path::Path};

    use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
    use serde_json::Value;

    use super::*;
    use crate::{finding::Status, severity::Severity};

    /// A text that is one of the words of an enumeration.
    pub(super) struct EnumText<T>(PhantomData<T>);

    macro_rules! words {
        ($($of:ty),*) => {
            $(impl JsonSchema for EnumText<$of> {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($of).into()
                }
                fn inline_schema() -> bool {
                    true
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    let words: Vec<&str> = <$of>::ALL.iter().map(|one| one.as_str()).collect();
                    json_schema!({"type": "string", "enum": words})
                }
            })*
        };
    }
    words!(Severity, Status, Verdict, Grade, Reason, Missing);

    /// A time in RFC 3339.
    pub(super) struct Time;

    impl JsonSchema for Time {
        fn schema_name() -> Cow<'static, str> {
            "Time".into()
        }
        fn inline_schema() -> bool {
            true
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "format": "date-time"})
        }
    }

    /// A date in RFC 3339.
    pub(super) struct Date;

    impl JsonSchema for Date {
        fn schema_name() -> Cow<'static, str> {
            "Date".into()
        }
        fn inline_schema() -> bool {
            true
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "format": "date"})
        }
    }

    fn schema() -> Value {
        // Of what is written, not of what could be read: a field is always there unless it is left out on purpose.
        let generator = SchemaSettings::default().for_serialize().into_generator();
        serde_json::to_value(generator.into_root_schema_for::<Report<'static>>()).unwrap()
    }

    /// What the first schema says and the second one doesn't, as paths. Descriptions are for people.
    fn lost(before: &Value, after: &Value, path: &str) -> Vec<String> {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => {
                let said = before.iter().filter(|(key, value)| *key != "description" || value.is_object());
                said.flat_map(|(key, value)| lost(value, after.get(key).unwrap_or(&Value::Null), &format!("{path}/{key}"))).collect()
            }
            (Value::Array(before), Value::Array(after)) => {
                before.iter().filter(|value| !after.contains(value)).map(|value| format!("{path}: {value}")).collect()
            }
            _ => (before != after).then(|| format!("{path}: {before}")).into_iter().collect(),
        }
    }

    #[test]
    fn no_field_type_or_word_of_version_1_is_ever_lost() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report-v1.schema.json");
        let schema = schema();
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let written = fs::read_to_string(&path).unwrap_or_default();
        if !written.is_empty() {
            // Not even UPDATE_DOCS takes a field away.
            assert_eq!(lost(&serde_json::from_str(&written).unwrap(), &schema, ""), [""; 0], "programs rest on these");
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &text).unwrap();
        } else {
            assert!(written == text, "docs/report-v1.schema.json is not current: run the tests with UPDATE_DOCS=1");
        }
    }

    #[test]
    fn a_field_that_is_removed_renamed_or_of_another_type_is_noticed() {
        let schema = schema();
        assert_eq!(lost(&schema, &schema, ""), [""; 0]);
        let without = |pointer: &str, key: &str| {
            let mut changed = schema.clone();
            changed.pointer_mut(pointer).unwrap().as_object_mut().unwrap().shift_remove(key).unwrap();
            lost(&schema, &changed, "")
        };
        assert_eq!(without("/properties", "blind").len(), 1);
        assert_eq!(without("/$defs/Finding/properties", "reopened").len(), 1);
        let mut other = schema.clone();
        *other.pointer_mut("/$defs/Finding/properties/count/type").unwrap() = "string".into();
        assert_eq!(lost(&schema, &other, ""), ["/$defs/Finding/properties/count/type: \"integer\""]);
        let mut fewer = schema.clone();
        fewer.pointer_mut("/$defs/Finding/properties/status/enum").unwrap().as_array_mut().unwrap().pop();
        assert_eq!(lost(&schema, &fewer, ""), ["/$defs/Finding/properties/status/enum: \"RESOLVED\""]);
        let mut described = schema.clone();
        *described.pointer_mut("/$defs/Finding/description").unwrap() = "otherwise".into();
        assert_eq!(lost(&schema, &described, ""), [""; 0]);
        // What is there always may not become absent.
        let mut optional = schema.clone();
        optional.pointer_mut("/required").unwrap().as_array_mut().unwrap().pop();
        assert_eq!(lost(&schema, &optional, "").len(), 1);
    }
}
