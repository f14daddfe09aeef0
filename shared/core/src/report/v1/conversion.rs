//! Makes version 1 of a report from the auditor's own types. A field that the auditor adds isn't written until version 1 has one for it.

use super::{
    BlindRow, ConfigurationFile, ControlChange, CoverageRow, Exception, Filter, Finding, Invocations, JudgedAgainst, Records, Report,
    Suppression, TimelineRow, Tool, Unreadable, findings,
};
use crate::{
    control_change, finding, report,
    severity::Severity,
    timestamp::Timestamp,
    verdict::{self, Grade, Missing, Reason, Verdict},
};

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
            configuration: report.configuration.as_ref().map(|file| ConfigurationFile::of(file, report.generated_at)),
        }
    }
}

impl<'r> From<&'r report::Filter> for Filter<'r> {
    fn from(filter: &'r report::Filter) -> Self {
        Filter {
            accounts: filter.accounts.iter().map(|account| &**account).collect(),
            regions: filter.regions.iter().map(|region| &**region).collect(),
            since: filter.since,
            until: filter.until,
            severity: filter.severity.map(Severity::as_str),
            status: filter.status.map(finding::Status::as_str),
            rules: &filter.rules,
            left_out: filter.left_out,
        }
    }
}

impl<'r> ConfigurationFile<'r> {
    /// The configuration of a report that was made at this time.
    fn of(file: &'r report::ConfigurationFile, generated_at: Timestamp) -> Self {
        let stated = |exception: &'r report::StatedException| {
            let report::StatedException { rule, accounts, regions, principals, until, reason, owner, ticket } = exception;
            let (has_ended, until, ticket) = (until.is_over(generated_at), until.to_string(), ticket.as_deref());
            Exception { rule, accounts, regions, principals, until, has_ended, reason, owner, ticket }
        };
        ConfigurationFile { path: &file.path, was_found: file.was_found, exceptions: file.exceptions.iter().map(stated).collect() }
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
