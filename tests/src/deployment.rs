//! An organization in which Guardrail Audit is deployed, reduced to its policies: which identities and which resources have them.

use audit_core::iam::{Call, Decision, Policies, Principal};
use serde_json::{Value, json};

use crate::{
    documents::{document, full_access},
    template::{Stack, Template},
};

/// The organization of the tests.
pub const ORGANIZATION: &str = "o-exampleorgid";
/// The hub's account.
pub const HUB: &str = "111122223333";
/// A member.
pub const MEMBER: &str = "222233334444";
/// A member that forwards its events to the hub and runs no functions.
pub const FORWARDER: &str = "333344445555";
/// The management account.
pub const MANAGEMENT: &str = "999988887777";
/// The Region of all stacks.
pub const REGION: &str = "us-east-1";
/// The ARN of the hub's KMS key, as the resolved template has it.
pub const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/Key";

/// All stacks of a deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The stacks, each with its account.
    pub stacks: Vec<Stack>,
    /// The service control policies of the members.
    pub service_control: Vec<Value>,
}

impl Deployment {
    /// A hub, a member, a member that forwards, and the management account.
    #[must_use]
    pub fn of_an_organization() -> Self {
        let (hub, member) = (Template::hub(), Template::member());
        let hub = hub.stack(
            HUB,
            REGION,
            &[
                ("OrganizationId", ORGANIZATION),
                ("ManagementAccountId", MANAGEMENT),
                ("TrailBucketName", "org-trail"),
                ("SecurityHub", "true"),
            ],
        );
        let of_member = [("OrganizationId", ORGANIZATION), ("HubAccountId", HUB), ("HubRegion", REGION), ("HubKeyArn", KEY)];
        let with = |account: &str, more: &[(&str, &str)]| member.stack(account, REGION, &[&of_member, more].concat());
        let reconcile_queue = format!("https://sqs.{REGION}.amazonaws.com/{HUB}/guardrail-audit-reconcile");
        Deployment {
            stacks: vec![
                hub.nested("Member", &member),
                hub.nested("Forwarded", &member),
                hub,
                with(MEMBER, &[]),
                with(FORWARDER, &[("ForwardOnly", "true")]),
                with(MANAGEMENT, &[("ManagementAccount", "true"), ("ReconcileQueueUrl", &reconcile_queue)]),
            ],
            service_control: Vec::new(),
        }
    }

    /// A deployment in one account, without an organization.
    #[must_use]
    pub fn standalone() -> Self {
        let hub = Template::hub().stack(HUB, REGION, &[]);
        Deployment { stacks: vec![hub.nested("Member", &Template::member()), hub], service_control: Vec::new() }
    }

    /// Evaluates a call under the policies of this deployment. A role that belongs to no stack is an administrator of its account.
    #[must_use]
    pub fn decide(&self, call: &Call) -> Decision {
        let identity = match &call.principal {
            Principal::Identity(arn) => self.policies_of(arn),
            Principal::Service(_) => Vec::new(),
        };
        let in_member = matches!(&call.principal, Principal::Identity(arn) if !arn.contains(&format!(":{MANAGEMENT}:")));
        let attached = self.service_control.iter().chain([&full_access()]).map(document).collect();
        Policies {
            identity: identity.iter().map(document).collect(),
            resource: self.policy_on(&call.resource).as_ref().map(document),
            service_control: if in_member { vec![attached] } else { Vec::new() },
            ..Policies::default()
        }
        .decide(call)
    }

    /// The roles of all stacks: their ARN and their properties.
    pub fn roles(&self) -> impl Iterator<Item = (String, &Value)> {
        self.stacks.iter().flat_map(|stack| {
            stack.of_type("AWS::IAM::Role").map(|(_, role)| {
                let (path, name) = (role["Path"].as_str().unwrap(), role["RoleName"].as_str().unwrap());
                (format!("arn:aws:iam::{}:role{path}{name}", stack.account), role)
            })
        })
    }

    fn policies_of(&self, arn: &str) -> Vec<Value> {
        match self.roles().find(|(role, _)| role == arn) {
            Some((_, role)) => role["Policies"].as_array().unwrap().iter().map(|policy| policy["PolicyDocument"].clone()).collect(),
            None => vec![full_access()],
        }
    }

    /// The policy of a resource, if it has one.
    fn policy_on(&self, resource: &str) -> Option<Value> {
        let mut parts = resource.splitn(6, ':').skip(2);
        let (service, _, account, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let of_account = |stack: &&Stack| stack.account == account || account.is_empty();
        let attached = |kind: &'static str, list: &'static str, id: String| {
            let policies = self.stacks.iter().filter(of_account).flat_map(move |stack| stack.of_type(kind));
            policies
                .filter(|(_, policy)| policy[list].as_array().map_or(policy[list] == id, |ids| ids.iter().any(|one| *one == id)))
                .map(|(_, policy)| policy["PolicyDocument"].clone())
                .next()
        };
        let mut stacks = self.stacks.iter().filter(of_account);
        match service {
            "dynamodb" => {
                let name = rest.strip_prefix("table/")?;
                let mut tables = stacks.flat_map(|stack| stack.of_type("AWS::DynamoDB::Table"));
                let policy = tables.find(|(_, table)| table["TableName"] == name)?.1["ResourcePolicy"]["PolicyDocument"].clone();
                (!policy.is_null()).then_some(policy)
            }
            "kms" => {
                stacks.find_map(|stack| stack.resources.get(rest.strip_prefix("key/")?)).map(|key| key.properties["KeyPolicy"].clone())
            }
            "sqs" => attached("AWS::SQS::QueuePolicy", "Queues", format!("https://sqs.{REGION}.amazonaws.com/{account}/{rest}")),
            "sns" => attached("AWS::SNS::TopicPolicy", "Topics", resource.to_owned()),
            "s3" => attached("AWS::S3::BucketPolicy", "Bucket", rest.split('/').next()?.to_owned()),
            "events" => {
                let bus = rest.strip_prefix("event-bus/")?;
                let mut buses = stacks.flat_map(|stack| stack.of_type("AWS::Events::EventBus"));
                buses.find(|(_, candidate)| candidate["Name"] == bus).map(|(_, bus)| bus["Policy"].clone())
            }
            "lambda" => {
                let function = rest.strip_prefix("function:")?;
                let permissions = stacks.flat_map(|stack| stack.of_type("AWS::Lambda::Permission"));
                let statements = permissions.filter(|(_, permission)| permission["FunctionName"] == function);
                let statements: Vec<_> = statements.map(|(_, permission)| statement_of(permission, resource)).collect();
                (!statements.is_empty()).then(|| json!({"Version": "2012-10-17", "Statement": statements}))
            }
            "iam" => self.roles().find(|(arn, _)| arn == resource).map(|(_, role)| role["AssumeRolePolicyDocument"].clone()),
            _ => None,
        }
    }
}

/// The statement that Lambda adds to a function's policy for a permission.
fn statement_of(permission: &Value, function: &str) -> Value {
    let who = permission["Principal"].as_str().unwrap();
    let kind = if who.ends_with(".amazonaws.com") { "Service" } else { "AWS" };
    let mut conditions = json!({});
    for (property, operator, key) in [
        ("SourceArn", "ArnLike", "aws:SourceArn"),
        ("SourceAccount", "StringEquals", "aws:SourceAccount"),
        ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
        ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
        ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ] {
        if !permission[property].is_null() {
            conditions[operator][key] = json!(crate::template::text(&permission[property]));
        }
    }
    json!({"Effect": "Allow", "Principal": {kind: who}, "Action": permission["Action"], "Resource": function, "Condition": conditions})
}

/// The ARN of one of the auditor's roles.
#[must_use]
pub fn role(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:role/guardrail-audit/{name}")
}

/// A call by a principal of the organization.
#[must_use]
pub fn call(principal: &str, action: &str, resource: &str) -> Call {
    Call::by(principal, action, resource).with("aws:PrincipalOrgID", &[ORGANIZATION]).with("aws:ResourceOrgID", &[ORGANIZATION])
}
