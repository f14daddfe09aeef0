//! One finding in the format. The names are Security Hub's, and its limits are counted in characters.

use std::collections::BTreeMap;

use audit_core::{
    arn::partition_of,
    finding::{Finding, Status},
    report::v1,
    rules,
    timestamp::Timestamp,
    verdict::Verdict,
};
use serde::Serialize;

use super::{Entry, Importer, MOST_RESOURCES, default_product, finding_id, note};
use crate::{
    Export,
    classification::finding_types,
    resource::{self, account_id, resource_of, type_of_principal},
    text::cut,
};

// Characters of texts, and entries of lists, that Security Hub takes at most (docs/aws/prices-and-limits.md#security-hub). One that has more
// makes it refuse the finding.
const MOST_TITLE: usize = 256;
const MOST_DESCRIPTION: usize = 1024;
pub(super) const MOST_ID: usize = 512;
pub(super) const MOST_NOTE: usize = 512;
const MOST_RECOMMENDATION: usize = 512;
const MOST_REQUIREMENTS: usize = 32;
const MOST_VALUE: usize = 2048;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document {
    schema_version: &'static str,
    id: String,
    product_arn: String,
    product_name: &'static str,
    company_name: &'static str,
    generator_id: String,
    aws_account_id: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_observed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_observed_at: Option<Timestamp>,
    title: String,
    description: String,
    /// Security Hub reads severity and types in `FindingProviderFields`. Other readers of the format look for them here.
    severity: Severity,
    types: Vec<String>,
    finding_provider_fields: FindingProviderFields,
    compliance: Compliance,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<Remediation>,
    product_fields: BTreeMap<&'static str, String>,
    resources: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<Workflow>,
    record_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Note>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FindingProviderFields {
    severity: Severity,
    types: Vec<String>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Severity {
    label: &'static str,
    original: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Compliance {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_requirements: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    status_reasons: Vec<StatusReason>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatusReason {
    reason_code: String,
    description: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Remediation {
    recommendation: Recommendation,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Recommendation {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    r#type: &'static str,
    id: String,
    partition: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    other: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Workflow {
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Note {
    text: String,
    updated_by: String,
    updated_at: Timestamp,
}

impl Document {
    pub(super) fn of(entry: Entry<'_>, export: &Export<'_>, importer: &Importer) -> Self {
        let finding = entry.finding();
        let account = importer.account_of(finding);
        let region = export.region_of(finding);
        let is_created = matches!(entry, Entry::Created(_));
        let is_withdrawn = matches!(entry, Entry::Withdrawn(_));
        let rule = rules::find(&finding.rule);
        let severity = Severity { label: finding.severity.as_str(), original: finding.severity.as_str() };
        let types = finding_types(rule);
        let description = if finding.detail.trim().is_empty() { &finding.title } else { &finding.detail };
        Document {
            schema_version: "2018-10-08",
            id: finding_id(&finding.id),
            product_arn: default_product(account, importer.region_of(finding, export)),
            product_name: "Guardrail Audit",
            company_name: "Guardrail Audit",
            generator_id: cut(&format!("guardrail-audit/{}", finding.rule), MOST_ID).into_owned(),
            aws_account_id: account.to_owned(),
            // Records can be later than the time that a run was told, and nothing is updated before it is created.
            created_at: finding.first_seen.map_or(export.generated_at, |first_seen| first_seen.min(export.generated_at)),
            // An update counts only if this is later than in the finding that Security Hub has.
            updated_at: export.generated_at,
            first_observed_at: finding.first_seen,
            last_observed_at: finding.last_seen,
            title: cut(&finding.title, MOST_TITLE).into_owned(),
            description: cut(description, MOST_DESCRIPTION).into_owned(),
            severity: severity.clone(),
            types: types.clone(),
            finding_provider_fields: FindingProviderFields { severity, types },
            compliance: if is_withdrawn { Compliance::withdrawn() } else { Compliance::of(finding) },
            remediation: (!finding.remediation.trim().is_empty()).then(|| Remediation {
                recommendation: Recommendation {
                    text: cut(&finding.remediation, MOST_RECOMMENDATION).into_owned(),
                    url: rule.and_then(|rule| rule.references.first()).copied(),
                },
            }),
            product_fields: product_fields(finding, region),
            resources: resources(finding, region),
            // Security Hub takes this when it creates the finding, and keeps its own afterwards.
            workflow: is_created.then(|| Workflow { status: if finding.status == Status::Suppressed { "SUPPRESSED" } else { "NEW" } }),
            record_state: if is_withdrawn || finding.status == Status::Resolved { "ARCHIVED" } else { "ACTIVE" },
            note: finding.suppression.as_ref().filter(|_| is_created).map(|suppression| Note {
                text: note(finding).unwrap_or_default(),
                updated_by: cut(non_empty(&suppression.owner, "guardrail-audit"), MOST_ID).into_owned(),
                updated_at: export.generated_at,
            }),
        }
    }

    /// The finding without the texts that repeat others in full.
    pub(super) fn without_long_texts(mut self) -> Self {
        self.product_fields.clear();
        for resource in &mut self.resources {
            resource.details = None;
        }
        self
    }
}

fn non_empty<'t>(text: &'t str, otherwise: &'t str) -> &'t str {
    if text.trim().is_empty() { otherwise } else { text }
}

impl Compliance {
    /// Nothing is said any more of what the finding is about.
    fn withdrawn() -> Self {
        let description = "judged again by what is known now, the facts no longer give this finding".to_owned();
        Compliance {
            status: "NOT_AVAILABLE",
            related_requirements: Vec::new(),
            status_reasons: vec![StatusReason { reason_code: "WITHDRAWN".to_owned(), description }],
        }
    }

    fn of(finding: &Finding) -> Self {
        let status = match (finding.status, finding.verdict) {
            (Status::Resolved, _) => "PASSED",
            // Neither right nor wrong: the evidence is missing.
            (_, Some(Verdict::NotProvable)) => "NOT_AVAILABLE",
            _ => "FAILED",
        };
        let reasons = finding.missing.iter().map(|missing| StatusReason {
            reason_code: format!("MISSING_{}", missing.as_str().to_uppercase()),
            description: format!("the evidence is missing: {}", missing.as_str()),
        });
        Compliance {
            status,
            related_requirements: finding.controls.iter().take(MOST_REQUIREMENTS).cloned().collect(),
            status_reasons: reasons.collect(),
        }
    }
}

/// The fields for which the format has none of its own. Their names begin with the product's.
fn product_fields(finding: &Finding, region: &str) -> BTreeMap<&'static str, String> {
    let json = v1::Finding::from(finding);
    let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
    let all = [
        ("guardrail-audit/account", finding.account.to_string()),
        ("guardrail-audit/apis", finding.apis.to_string()),
        ("guardrail-audit/attempted", finding.attempted.to_string()),
        ("guardrail-audit/changes", finding.changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        ("guardrail-audit/count", finding.count.to_string()),
        ("guardrail-audit/events", finding.events.join(" ")),
        ("guardrail-audit/expected", finding.expected.to_string()),
        ("guardrail-audit/grade", word(json.grade)),
        ("guardrail-audit/linked", finding.linked.join(" ")),
        ("guardrail-audit/missing", json.missing.join(" ")),
        ("guardrail-audit/models", finding.models.to_string()),
        ("guardrail-audit/policy", word(finding.policy.as_ref().and_then(|policy| policy.policy.as_deref()))),
        ("guardrail-audit/principals", finding.principals.to_string()),
        ("guardrail-audit/reason", word(json.reason)),
        ("guardrail-audit/region", region.to_owned()),
        ("guardrail-audit/reopened", finding.reopened.to_string()),
        ("guardrail-audit/resource", finding.resource.clone()),
        ("guardrail-audit/rule", finding.rule.clone()),
        ("guardrail-audit/status", finding.status.as_str().to_owned()),
        ("guardrail-audit/verdict", word(json.verdict)),
    ];
    all.into_iter().filter(|(_, value)| !value.trim().is_empty()).map(|(key, value)| (key, cut(&value, MOST_VALUE).into_owned())).collect()
}

/// The account that the finding is about, the resource, and who made the calls or changes.
fn resources(finding: &Finding, of_finding: &str) -> Vec<Resource> {
    let partition = partition_of(of_finding);
    let region = Some(of_finding.to_owned()).filter(|region| !region.trim().is_empty());
    let one = |r#type, id: &str| Resource { r#type, id: cut(id, MOST_ID).into_owned(), partition, region: region.clone(), details: None };
    let mut all = vec![one("AwsAccount", &account_id(&finding.account))];
    let about = resource_of(finding, of_finding);
    if about.resource_type != resource::ACCOUNT || about.id != account_id(&finding.account) {
        all.push(one(type_in_asff(about.resource_type), &about.id));
    }
    let principals = finding.principals.shown.iter().filter(|principal| !principal.trim().is_empty());
    all.extend(principals.map(|principal| one(type_in_asff(type_of_principal(principal)), principal)));
    all.truncate(MOST_RESOURCES);
    // Security Hub cuts nothing here.
    let texts = [("Detail", &finding.detail), ("Remediation", &finding.remediation), ("Resource", &finding.resource)];
    let other: BTreeMap<_, _> =
        texts.into_iter().filter(|(_, text)| !text.trim().is_empty()).map(|(key, text)| (key, text.clone())).collect();
    if let Some(resource) = all.first_mut() {
        resource.details = (!other.is_empty()).then_some(Details { other });
    }
    all
}

/// The format's own names of types. What it has no type for is `Other`.
fn type_in_asff(resource_type: &'static str) -> &'static str {
    match resource_type {
        resource::ACCOUNT => "AwsAccount",
        "AWS::CloudTrail::Trail" => "AwsCloudTrailTrail",
        "AWS::DynamoDB::Table" => "AwsDynamoDbTable",
        "AWS::IAM::ManagedPolicy" => "AwsIamPolicy",
        "AWS::IAM::Role" => "AwsIamRole",
        "AWS::IAM::User" => "AwsIamUser",
        "AWS::KMS::Key" => "AwsKmsKey",
        "AWS::Lambda::Function" => "AwsLambdaFunction",
        "AWS::S3::Bucket" => "AwsS3Bucket",
        "AWS::SNS::Topic" => "AwsSnsTopic",
        "AWS::SQS::Queue" => "AwsSqsQueue",
        _ => "Other",
    }
}
