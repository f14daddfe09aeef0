//! The resource of a finding, as other tools name resources: a type and an id.
//!
//! [`Finding::resource`] is written for people. It holds ARNs, ids without their ARN, and words such as `effective policy` for what has no
//! name of its own. Tools join findings by resource, so each needs one type and one id that doesn't change between runs.

use std::{borrow::Cow, collections::BTreeSet};

use audit_core::{
    arn::{Arn, is_account_id, partition_of},
    finding::Finding,
    organization::{GLOBAL_REGION, global_region_of},
    report::CoverageRow,
};

/// A resource of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource<'f> {
    /// Its CloudFormation type, such as `AWS::Bedrock::Guardrail`; [`ACCOUNT`] for an account, [`OTHER`] where CloudFormation has no type.
    pub resource_type: &'static str,
    /// Its ARN where it can be known, else its id or name. An account has the id by which Security Hub knows it, `AWS::::Account:` with the
    /// twelve digits.
    pub id: Cow<'f, str>,
    /// The finding's words for the resource, where the id says something else.
    pub name: Option<&'f str>,
}

/// The type of an account, which CloudFormation has no type for.
pub const ACCOUNT: &str = "AWS::Account";

/// The type of a resource that CloudFormation has no type for.
pub const OTHER: &str = "Other";

/// The start of an account's id, as findings and Security Hub write it.
const ACCOUNT_ID: &str = "AWS::::Account:";

/// CloudFormation types by the service and the start of an ARN's resource.
const TYPES: &[(&str, &str, &str)] = &[
    ("bedrock", "agent", "AWS::Bedrock::Agent"),
    ("bedrock", "agent-alias", "AWS::Bedrock::AgentAlias"),
    ("bedrock", "application-inference-profile", "AWS::Bedrock::ApplicationInferenceProfile"),
    ("bedrock", "automated-reasoning-policy", "AWS::Bedrock::AutomatedReasoningPolicy"),
    ("bedrock", "flow", "AWS::Bedrock::Flow"),
    ("bedrock", "guardrail", "AWS::Bedrock::Guardrail"),
    ("bedrock", "prompt", "AWS::Bedrock::Prompt"),
    ("bedrock-agentcore", "gateway", "AWS::BedrockAgentCore::Gateway"),
    ("cloudtrail", "trail", "AWS::CloudTrail::Trail"),
    ("cloudtrail", "eventdatastore", "AWS::CloudTrail::EventDataStore"),
    ("dynamodb", "table", "AWS::DynamoDB::Table"),
    ("events", "rule", "AWS::Events::Rule"),
    ("firehose", "deliverystream", "AWS::KinesisFirehose::DeliveryStream"),
    ("iam", "policy", "AWS::IAM::ManagedPolicy"),
    ("iam", "role", "AWS::IAM::Role"),
    ("iam", "user", "AWS::IAM::User"),
    ("kms", "key", "AWS::KMS::Key"),
    ("lambda", "function", "AWS::Lambda::Function"),
    ("logs", "log-group", "AWS::Logs::LogGroup"),
    ("organizations", "policy", "AWS::Organizations::Policy"),
    ("sagemaker", "endpoint", "AWS::SageMaker::Endpoint"),
    ("scheduler", "schedule", "AWS::Scheduler::Schedule"),
];

/// The services of resources that findings name by type and id, such as `agent/AGENTDEMO1`, without the rest of the ARN.
const SERVICES: &[(&str, &str)] = &[
    ("agent", "bedrock"),
    ("automated-reasoning-policy", "bedrock"),
    ("flow", "bedrock"),
    ("gateway", "bedrock-agentcore"),
    ("guardrail", "bedrock"),
    ("harness", "bedrock-agentcore"),
    ("policy-engine", "bedrock-agentcore"),
    ("project", "bedrock-mantle"),
    ("role", "iam"),
    ("trail", "cloudtrail"),
    ("user", "iam"),
];

/// Words that findings use, without a space in them, for resources that their records don't name. What they are about is the account.
const NO_NAMES: &[&str] = &["account", "deployment", "guardrail", "heartbeat", "inference-profile", "metrics", "Region"];

/// The Region in which findings about the organization belong. They name [`GLOBAL_REGION`], which is one of the commercial Regions: where all
/// other Regions and ARNs of a report are of another partition, the organization is, too.
#[must_use]
pub fn region_of_organization<'r>(coverage: &'r [CoverageRow], findings: &'r [Finding]) -> &'static str {
    let of_calls = coverage.iter().map(|row| partition_of(&row.region));
    let of_findings = findings.iter().filter(|finding| *finding.region != *GLOBAL_REGION).map(|finding| partition_of(&finding.region));
    let arns = findings.iter().flat_map(|finding| {
        let guardrail = finding.policy.as_ref().and_then(|policy| policy.identifier.as_deref());
        finding.principals.shown.iter().map(String::as_str).chain(guardrail).chain([finding.resource.as_str()])
    });
    let of_arns = arns.filter_map(Arn::parse).map(|arn| arn.partition);
    let partitions: BTreeSet<&str> = of_calls.chain(of_findings).chain(of_arns).collect();
    match partitions.first() {
        Some(partition) if partitions.len() == 1 => global_region_of(partition),
        _ => GLOBAL_REGION,
    }
}

/// The resource that a finding in this Region is about.
#[must_use]
pub fn resource_of<'f>(finding: &'f Finding, region: &str) -> Resource<'f> {
    let text = finding.resource.as_str();
    if text.starts_with(ACCOUNT_ID) {
        return Resource { resource_type: ACCOUNT, id: Cow::Borrowed(text), name: None };
    }
    if is_account_id(text) {
        return Resource { resource_type: ACCOUNT, id: Cow::Owned(format!("{ACCOUNT_ID}{text}")), name: None };
    }
    if let Some(arn) = Arn::parse(text) {
        return Resource { resource_type: type_of(&arn), id: Cow::Borrowed(text), name: None };
    }
    let service = text.split_once('/').and_then(|(kind, _)| SERVICES.iter().find(|(of, _)| *of == kind));
    if let Some((_, service)) = service {
        let partition = partition_of(region);
        let region = if *service == "iam" { "" } else { region };
        let arn = format!("arn:{partition}:{service}:{region}:{}:{text}", finding.account);
        let resource_type = Arn::parse(&arn).map_or(OTHER, |arn| type_of(&arn));
        return Resource { resource_type, id: Cow::Owned(arn), name: Some(text) };
    }
    if text.is_empty() || text.contains(' ') || NO_NAMES.contains(&text) {
        let name = Some(text).filter(|text| !text.is_empty());
        return Resource { resource_type: ACCOUNT, id: Cow::Owned(account_id(&finding.account)), name };
    }
    let is_policy = text.strip_prefix("p-").is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    Resource { resource_type: if is_policy { "AWS::Organizations::Policy" } else { OTHER }, id: Cow::Borrowed(text), name: None }
}

/// The id of an account among resources.
#[must_use]
pub fn account_id(account: &str) -> String {
    format!("{ACCOUNT_ID}{account}")
}

/// The type of a principal: the role or user behind calls and changes.
#[must_use]
pub fn type_of_principal(principal: &str) -> &'static str {
    Arn::parse(principal).map_or(OTHER, |arn| type_of(&arn))
}

fn type_of(arn: &Arn<'_>) -> &'static str {
    match arn.service {
        // These ARNs have no type in front of the name.
        "s3" => return if arn.resource.contains('/') { OTHER } else { "AWS::S3::Bucket" },
        "sns" => return "AWS::SNS::Topic",
        "sqs" => return "AWS::SQS::Queue",
        "bedrock-agentcore" if arn.resource.contains("/target/") => return "AWS::BedrockAgentCore::GatewayTarget",
        _ => {}
    }
    let kind = arn.resource.split(['/', ':']).next().unwrap_or_default();
    TYPES.iter().find(|(service, of, _)| *service == arn.service && *of == kind).map_or(OTHER, |(_, _, name)| name)
}

#[cfg(test)]
mod tests {
    use audit_core::{config::Configuration, finding::FindingKey, rules::RULES};

    use super::*;

    fn finding(resource: &str, region: &str) -> Finding {
        let key = FindingKey {
            rule: RULES[0].id,
            account: "222233334444".into(),
            region: region.into(),
            resource: resource.to_owned(),
            discriminator: String::new(),
        };
        RULES[0].finding(key, &Configuration::default())
    }

    #[test]
    fn an_organization_is_where_its_calls_and_resources_are() {
        let of_organization = || finding("p-invalid", GLOBAL_REGION);
        let guardrail = |partition: &str| finding(&format!("arn:{partition}:bedrock:r:1:guardrail/abc"), GLOBAL_REGION);
        for (findings, region) in [
            (vec![of_organization()], GLOBAL_REGION),
            (vec![of_organization(), guardrail("aws-us-gov")], "us-gov-west-1"),
            (vec![of_organization(), finding("x", "cn-north-1")], "cn-northwest-1"),
            (vec![of_organization(), finding("x", "cn-north-1"), guardrail("aws")], GLOBAL_REGION),
        ] {
            assert_eq!(region_of_organization(&[], &findings), region);
        }
    }

    #[test]
    fn each_way_of_naming_a_resource_has_a_type_and_an_id() {
        let account = "AWS::::Account:222233334444";
        for (resource, region, resource_type, id, name) in [
            (account, "us-east-1", ACCOUNT, account, None),
            ("999900001111", "us-east-1", ACCOUNT, "AWS::::Account:999900001111", None),
            ("effective policy", "us-east-1", ACCOUNT, account, Some("effective policy")),
            ("heartbeat", "us-east-1", ACCOUNT, account, Some("heartbeat")),
            ("", "us-east-1", ACCOUNT, account, None),
            (
                "arn:aws:bedrock:us-east-1:111122223333:guardrail/abc",
                "us-east-1",
                "AWS::Bedrock::Guardrail",
                "arn:aws:bedrock:us-east-1:111122223333:guardrail/abc",
                None,
            ),
            (
                "agent/A1",
                "us-gov-west-1",
                "AWS::Bedrock::Agent",
                "arn:aws-us-gov:bedrock:us-gov-west-1:222233334444:agent/A1",
                Some("agent/A1"),
            ),
            ("user/dana", "cn-north-1", "AWS::IAM::User", "arn:aws-cn:iam::222233334444:user/dana", Some("user/dana")),
            (
                "gateway/g/target/t",
                "us-east-1",
                "AWS::BedrockAgentCore::GatewayTarget",
                "arn:aws:bedrock-agentcore:us-east-1:222233334444:gateway/g/target/t",
                Some("gateway/g/target/t"),
            ),
            ("arn:aws:logs:us-east-1:1:log-group:x", "us-east-1", "AWS::Logs::LogGroup", "arn:aws:logs:us-east-1:1:log-group:x", None),
            ("arn:aws:s3:::logs", "us-east-1", "AWS::S3::Bucket", "arn:aws:s3:::logs", None),
            ("arn:aws:new:us-east-1:1:thing/x", "us-east-1", OTHER, "arn:aws:new:us-east-1:1:thing/x", None),
            ("p-searchovrd1", "us-east-1", "AWS::Organizations::Policy", "p-searchovrd1", None),
            ("guardrail-audit-calls", "us-east-1", OTHER, "guardrail-audit-calls", None),
        ] {
            let finding = finding(resource, region);
            assert_eq!(resource_of(&finding, region), Resource { resource_type, id: id.into(), name }, "{resource}");
        }
    }
}
