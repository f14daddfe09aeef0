//! The event of a finding, field by field in the order of the schema's groups. The names are the schema's, and so are the numbers.

use audit_core::{
    finding::{Finding, Status},
    framework::Framework,
    report::v1,
    rules,
    severity::Severity,
    timestamp::Timestamp,
    verdict::Verdict,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Version;
use crate::{
    Export,
    classification::{Attack, attacks, finding_types},
    resource::resource_of,
};

#[derive(Serialize)]
pub(super) struct Event<'f> {
    activity_id: u8,
    activity_name: &'static str,
    category_uid: u8,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    type_uid: u32,
    type_name: String,
    severity_id: u8,
    severity: &'static str,
    status_id: u8,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<String>,
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    count: u64,
    message: &'f str,
    metadata: Metadata<'f>,
    finding_info: FindingInfo<'f>,
    cloud: Cloud<'f>,
    compliance: Compliance<'f>,
    resources: [Resource<'f>; 1],
    remediation: Remediation<'f>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidences: Vec<Evidence<'f>>,
    unmapped: Unmapped<'f>,
}

#[derive(Serialize)]
struct Metadata<'f> {
    version: &'static str,
    product: Product<'f>,
    profiles: [&'static str; 1],
    event_code: &'f str,
    logged_time: i64,
    uid: String,
}

#[derive(Serialize)]
struct Product<'f> {
    name: &'static str,
    vendor_name: &'static str,
    uid: &'static str,
    version: &'f str,
}

#[derive(Serialize)]
struct FindingInfo<'f> {
    uid: &'f str,
    title: &'f str,
    desc: &'f str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_time: Option<i64>,
    types: Vec<String>,
    analytic: Analytic<'f>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_events: Vec<RelatedEvent<'f>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attacks: Vec<AttackOf>,
}

#[derive(Serialize)]
struct Analytic<'f> {
    uid: &'f str,
    name: &'f str,
    type_id: u8,
    r#type: &'static str,
}

#[derive(Serialize)]
struct RelatedEvent<'f> {
    uid: &'f str,
}

#[derive(Serialize)]
struct AttackOf {
    #[serde(skip_serializing_if = "Option::is_none")]
    tactic: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    technique: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_technique: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mitigation: Option<Named>,
}

#[derive(Serialize)]
struct Named {
    uid: &'static str,
    name: &'static str,
}

#[derive(Serialize)]
struct Cloud<'f> {
    provider: &'static str,
    region: &'f str,
    account: Account<'f>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<Organization<'f>>,
}

#[derive(Serialize)]
struct Organization<'f> {
    uid: &'f str,
}

#[derive(Serialize)]
struct Account<'f> {
    uid: &'f str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'f str>,
    type_id: u8,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Compliance<'f> {
    control: &'f str,
    standards: Vec<&'static str>,
    requirements: &'f [String],
    status_id: u8,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    status_details: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<String>,
}

#[derive(Serialize)]
struct Resource<'f> {
    uid: std::borrow::Cow<'f, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'f str>,
    r#type: &'static str,
    region: &'f str,
    cloud_partition: &'static str,
}

#[derive(Serialize)]
struct Remediation<'f> {
    desc: &'f str,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    references: &'static [&'static str],
}

#[derive(Serialize)]
struct Evidence<'f> {
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Actor<'f>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Record<'f>>,
}

#[derive(Serialize)]
struct Actor<'f> {
    user: User<'f>,
}

#[derive(Serialize)]
struct User<'f> {
    uid: &'f str,
}

/// The id of a CloudTrail record, under CloudTrail's name for it.
#[derive(Serialize)]
struct Record<'f> {
    #[serde(rename = "eventID")]
    event_id: &'f str,
}

#[derive(Serialize)]
struct Unmapped<'f> {
    principals: Vec<String>,
    models: Vec<String>,
    apis: Vec<String>,
    verdict: Option<&'static str>,
    grade: Option<&'static str>,
    reason: Option<&'static str>,
    missing: Vec<&'static str>,
    attempted: bool,
    expected: bool,
    linked: &'f [String],
    changes: Vec<v1::ControlChange<'f>>,
    policy: Option<v1::JudgedAgainst<'f>>,
    reopened: u64,
    suppression: Option<v1::Suppression<'f>>,
}

impl<'f> Event<'f> {
    pub(super) fn of(finding: &'f Finding, export: &Export<'f>, version: Version) -> Self {
        let (activity_id, activity_name) = activity(finding);
        let (status_id, status) = match finding.status {
            Status::Open => (1, "New"),
            Status::Suppressed => (3, "Suppressed"),
            Status::Resolved => (4, "Resolved"),
        };
        let (severity_id, severity) = match finding.severity {
            Severity::Informational => (1, "Informational"),
            Severity::Low => (2, "Low"),
            Severity::Medium => (3, "Medium"),
            Severity::High => (4, "High"),
            Severity::Critical => (5, "Critical"),
        };
        let json = v1::Finding::from(finding);
        Event {
            activity_id,
            activity_name,
            category_uid: 2,
            category_name: "Findings",
            class_uid: 2003,
            class_name: "Compliance Finding",
            type_uid: 200_300 + u32::from(activity_id),
            type_name: format!("Compliance Finding: {activity_name}"),
            severity_id,
            severity,
            status_id,
            status,
            status_detail: finding.suppression.as_ref().map(ToString::to_string),
            time: milliseconds(finding.resolved_at.or(finding.last_seen).unwrap_or(export.generated_at)),
            start_time: finding.first_seen.map(milliseconds),
            end_time: finding.last_seen.map(milliseconds),
            count: finding.count,
            message: &finding.detail,
            metadata: Metadata {
                version: version.as_str(),
                product: Product {
                    name: "Guardrail Audit",
                    vendor_name: "Guardrail Audit",
                    uid: "guardrail-audit",
                    version: &export.tool.version,
                },
                profiles: ["cloud"],
                event_code: &finding.rule,
                logged_time: milliseconds(export.generated_at),
                uid: state_id(finding),
            },
            finding_info: FindingInfo::of(finding, version),
            cloud: Cloud {
                provider: "AWS",
                region: export.region_of(finding),
                account: Account {
                    uid: &finding.account,
                    name: export.accounts.get(&finding.account).map(String::as_str).filter(|name| !name.is_empty()),
                    type_id: 10,
                    r#type: "AWS Account",
                },
                org: export.organization.map(|uid| Organization { uid }),
            },
            compliance: Compliance::of(finding, version),
            resources: [Resource::of(finding, export.region_of(finding))],
            remediation: Remediation {
                desc: &finding.remediation,
                references: rules::find(&finding.rule).map(|rule| rule.references).unwrap_or_default(),
            },
            evidences: if version >= Version::V1_5 { evidences(finding) } else { Vec::new() },
            unmapped: Unmapped {
                principals: json.principals,
                models: json.models,
                apis: json.apis,
                verdict: json.verdict,
                grade: json.grade,
                reason: json.reason,
                missing: json.missing,
                attempted: json.attempted,
                expected: json.expected,
                linked: json.linked,
                changes: json.changes,
                policy: json.policy,
                reopened: json.reopened,
                suppression: json.suppression,
            },
        }
    }
}

/// What happened to the finding. A finding that was seen once is a new one; consumers update one that they have by its id.
fn activity(finding: &Finding) -> (u8, &'static str) {
    match finding.status {
        Status::Open if finding.count <= 1 && finding.reopened == 0 => (1, "Create"),
        Status::Open | Status::Suppressed => (2, "Update"),
        Status::Resolved => (3, "Close"),
    }
}

impl<'f> FindingInfo<'f> {
    fn of(finding: &'f Finding, version: Version) -> Self {
        let rule = rules::find(&finding.rule);
        FindingInfo {
            uid: &finding.id,
            title: &finding.title,
            desc: &finding.detail,
            created_time: finding.first_seen.map(milliseconds),
            first_seen_time: finding.first_seen.map(milliseconds),
            last_seen_time: finding.last_seen.map(milliseconds),
            modified_time: finding.resolved_at.or(finding.last_seen).map(milliseconds),
            types: finding_types(rule),
            analytic: Analytic { uid: &finding.rule, name: rule.map_or(&finding.title, |rule| rule.title), type_id: 1, r#type: "Rule" },
            related_events: finding.events.iter().map(|uid| RelatedEvent { uid }).collect(),
            attacks: rule.into_iter().flat_map(attacks).map(|attack| AttackOf::from(attack, version)).collect(),
        }
    }
}

impl AttackOf {
    fn from(attack: Attack, version: Version) -> Self {
        let none = AttackOf { tactic: None, technique: None, sub_technique: None, mitigation: None };
        match attack {
            Attack::Technique { control, tactic } => {
                let tactic = Some(Named { uid: tactic.id, name: tactic.name });
                let named = Some(Named { uid: control.id, name: control.title });
                if control.id.contains('.') {
                    AttackOf { tactic, sub_technique: named, ..none }
                } else {
                    AttackOf { tactic, technique: named, ..none }
                }
            }
            Attack::LeftOpen { control, technique, name } => AttackOf {
                technique: Some(Named { uid: technique, name }),
                mitigation: (version >= Version::V1_5).then_some(Named { uid: control.id, name: control.title }),
                ..none
            },
        }
    }
}

impl<'f> Compliance<'f> {
    fn of(finding: &'f Finding, version: Version) -> Self {
        let mut standards: Vec<&'static str> = Vec::new();
        for framework in finding.controls.iter().filter_map(|control| Framework::parse(control.split_once(':')?.0)) {
            if !standards.contains(&framework.title()) {
                standards.push(framework.title());
            }
        }
        let (status_id, status) = match (finding.status, finding.verdict) {
            (Status::Resolved, _) => (1, "Pass"),
            // What can't be proved is neither right nor wrong, and consumers refuse 0 for "unknown".
            (_, Some(Verdict::NotProvable)) => (2, "Warning"),
            _ => (3, "Fail"),
        };
        let reason = finding.reason.map(audit_core::verdict::Reason::as_str);
        let details: Vec<&'static str> = reason.into_iter().chain(finding.missing.iter().map(|missing| missing.as_str())).collect();
        let is_one_text = version < Version::V1_5;
        Compliance {
            control: &finding.rule,
            standards,
            requirements: &finding.controls,
            status_id,
            status,
            status_detail: (is_one_text && !details.is_empty()).then(|| details.join(", ")),
            status_details: if is_one_text { Vec::new() } else { details },
        }
    }
}

impl<'f> Resource<'f> {
    fn of(finding: &'f Finding, region: &'f str) -> Self {
        let resource = resource_of(finding, region);
        Resource {
            uid: resource.id,
            name: resource.name,
            r#type: resource.resource_type,
            region,
            cloud_partition: audit_core::arn::partition_of(region),
        }
    }
}

/// Who made the calls or changes, and the records that show it.
fn evidences(finding: &Finding) -> Vec<Evidence<'_>> {
    let actors = finding.principals.shown.iter().map(|uid| Evidence { actor: Some(Actor { user: User { uid } }), data: None });
    let records = finding.events.iter().map(|event_id| Evidence { actor: None, data: Some(Record { event_id }) });
    actors.chain(records).collect()
}

/// Times of OCSF are milliseconds since 1970. No validator notices another unit.
fn milliseconds(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(1000)
}

/// An id of the finding in its state. Two runs that see the same give the same event, and consumers drop the copy. All of the finding counts:
/// if it is open again after an exception has ended, or a violation after it could not be proved, that is no copy.
fn state_id(finding: &Finding) -> String {
    // A finding is made of texts, numbers and lists, which can always be written as JSON.
    let state = serde_json::to_vec(finding).unwrap_or_default();
    hex::encode(Sha256::digest(state).into_iter().take(16).collect::<Vec<u8>>())
}
