//! The columns of a table of findings. The command line and the hub choose columns and their order; heading and cell stand here once.

use std::borrow::Cow;

use crate::{finding::Finding, timestamp::Timestamp};

/// A column of a table of findings.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The heading. Programs look a cell up by it, so a heading never changes.
    pub heading: &'static str,
    /// The cell of a finding; empty if the finding has no such value.
    pub cell: fn(&Finding) -> Cow<'_, str>,
}

macro_rules! columns {
    ($($name:ident: $heading:literal, $cell:expr;)*) => {
        $(
            #[doc = concat!("The column `", $heading, "`.")]
            pub const $name: Column = Column { heading: $heading, cell: $cell };
        )*
    };
}

columns! {
    ID: "id", |finding| (&finding.id).into();
    RULE: "rule", |finding| (&finding.rule).into();
    SEVERITY: "severity", |finding| finding.severity.as_str().into();
    STATUS: "status", |finding| finding.status.as_str().into();
    ACCOUNT: "account", |finding| finding.account.as_str().into();
    REGION: "region", |finding| finding.region.as_str().into();
    RESOURCE: "resource", |finding| (&finding.resource).into();
    PRINCIPALS: "principals", |finding| finding.principals.to_string().into();
    MODELS: "models", |finding| finding.models.to_string().into();
    APIS: "apis", |finding| finding.apis.to_string().into();
    VERDICT: "verdict", |finding| finding.verdict.map_or("", |verdict| verdict.as_str()).into();
    GRADE: "grade", |finding| finding.grade.map_or("", |grade| grade.as_str()).into();
    REASON: "reason", |finding| finding.reason.map_or("", |reason| reason.as_str()).into();
    COUNT: "count", |finding| finding.count.to_string().into();
    FIRST_SEEN: "first_seen", |finding| time(finding.first_seen);
    LAST_SEEN: "last_seen", |finding| time(finding.last_seen);
    REOPENED: "reopened", |finding| finding.reopened.to_string().into();
    ATTEMPTED: "attempted", |finding| finding.attempted.to_string().into();
    EXPECTED: "expected", |finding| finding.expected.to_string().into();
    RESOLVED_AT: "resolved_at", |finding| time(finding.resolved_at);
    MISSING: "missing", |finding| finding.missing.iter().map(|missing| missing.as_str()).collect::<Vec<_>>().join(", ").into();
    LINKED: "linked", |finding| finding.linked.join(", ").into();
    CONTROLS: "controls", |finding| finding.controls.join(", ").into();
    POLICY: "policy", |finding| finding.policy.as_ref().map(ToString::to_string).unwrap_or_default().into();
    SUPPRESSION: "suppression", |finding| finding.suppression.as_ref().map(ToString::to_string).unwrap_or_default().into();
    CHANGES: "changes", |finding| finding.changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ").into();
    TITLE: "title", |finding| (&finding.title).into();
    DETAIL: "detail", |finding| (&finding.detail).into();
    REMEDIATION: "remediation", |finding| (&finding.remediation).into();
}

/// The columns of findings as CSV, before [`ACCOUNT_NAME`]. New ones are added at the end, for programs that count columns.
pub const CSV: &[Column] = &[
    ID,
    RULE,
    SEVERITY,
    STATUS,
    ACCOUNT,
    REGION,
    RESOURCE,
    PRINCIPALS,
    MODELS,
    APIS,
    VERDICT,
    GRADE,
    REASON,
    COUNT,
    FIRST_SEEN,
    LAST_SEEN,
    TITLE,
    DETAIL,
    REMEDIATION,
    ATTEMPTED,
    EXPECTED,
    REOPENED,
    RESOLVED_AT,
    MISSING,
    LINKED,
    CONTROLS,
    POLICY,
    SUPPRESSION,
    CHANGES,
];

/// The heading of the last column of findings as CSV: the account's name, where the organization is known.
pub const ACCOUNT_NAME: &str = "account_name";

fn time(time: Option<Timestamp>) -> Cow<'static, str> {
    time.map_or(Cow::Borrowed(""), |time| time.to_string().into())
}
