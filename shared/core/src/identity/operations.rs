//! The operations of evaluated requests, by their IAM actions, with the resources that they are evaluated on.

use crate::iam::{Effect, Statement, matches};

/// An operation that policies are evaluated for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// The IAM action, in lower case.
    pub(super) action: &'static str,
    /// The operation's name in findings.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Resources that it is evaluated on, one of each type.
    pub(super) resources: &'static [&'static str],
}

/// Why an operation matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// It runs a model, and its request can name a guardrail.
    Guarded,
    /// It runs a model, and guardrails don't apply to it.
    Unreachable,
    /// It changes guardrails, or what enforces and records them.
    Protected,
}

const MODELS: &[&str] = &[
    GENERIC_MODEL,
    "arn:aws:bedrock:us-east-1:222222222222:inference-profile/us.example.model-v1:0",
    "arn:aws:bedrock:us-east-1:222222222222:application-inference-profile/example",
];
/// A model that no document names.
const GENERIC_MODEL: &str = "arn:aws:bedrock:us-east-1::foundation-model/example.model-v1:0";
const PROJECT: &[&str] = &["arn:aws:bedrock:us-east-1:222222222222:project/default"];
const MANTLE: &[&str] = &["arn:aws:bedrock-mantle:us-east-1:222222222222:project/default"];
const CLAUDE: &[&str] = &["arn:aws:aws-external-anthropic:us-east-1:222222222222:workspace/example"];
const GUARDRAIL: &[&str] = &["arn:aws:bedrock:us-east-1:222222222222:guardrail/example"];
/// Resources of both kinds, because for some of these operations it isn't documented whether IAM evaluates `*` or the guardrail.
const ENFORCEMENT: &[&str] = &["*", "arn:aws:bedrock:us-east-1:222222222222:guardrail/example"];
const NO_RESOURCE: &[&str] = &["*"];
const TRAIL: &[&str] = &["arn:aws:cloudtrail:us-east-1:222222222222:trail/example"];
const ORGANIZATION_POLICY: &[&str] = &[
    "arn:aws:organizations::222222222222:policy/o-exampleorgid/bedrock_policy/p-example1",
    "arn:aws:organizations::222222222222:policy/o-exampleorgid/service_control_policy/p-example1",
    "arn:aws:organizations::222222222222:root/o-exampleorgid/r-exam",
    "*",
];

const fn operation(kind: Kind, action: &'static str, name: &'static str, resources: &'static [&'static str]) -> Operation {
    Operation { action, name, kind, resources }
}

/// The operations. Converse is authorised as InvokeModel. So is creating a response with OpenAI's Responses API, there with the account's
/// project as a further resource (docs/aws/iam.md#actions-of-bedrock). bedrock-mantle and the Claude Platform on AWS have service prefixes
/// of their own.
pub(super) const OPERATIONS: &[Operation] = &[
    operation(Kind::Guarded, "bedrock:invokemodel", "InvokeModel", MODELS),
    operation(Kind::Guarded, "bedrock:invokemodelwithresponsestream", "InvokeModelWithResponseStream", MODELS),
    operation(Kind::Unreachable, "bedrock:invokemodel", "InvokeModel on project/default (Responses API)", PROJECT),
    operation(
        Kind::Unreachable,
        "bedrock:invokemodelwithresponsestream",
        "InvokeModelWithResponseStream on project/default (Responses API)",
        PROJECT,
    ),
    operation(Kind::Unreachable, "bedrock-mantle:createinference", "bedrock-mantle:CreateInference", MANTLE),
    operation(Kind::Unreachable, "aws-external-anthropic:createinference", "aws-external-anthropic:CreateInference", CLAUDE),
    operation(Kind::Unreachable, "aws-external-anthropic:createbatchinference", "aws-external-anthropic:CreateBatchInference", CLAUDE),
    operation(Kind::Protected, "bedrock:updateguardrail", "UpdateGuardrail", GUARDRAIL),
    operation(Kind::Protected, "bedrock:deleteguardrail", "DeleteGuardrail", GUARDRAIL),
    operation(Kind::Protected, "bedrock:createguardrailversion", "CreateGuardrailVersion", GUARDRAIL),
    operation(Kind::Protected, "bedrock:putenforcedguardrailconfiguration", "PutEnforcedGuardrailConfiguration", ENFORCEMENT),
    operation(Kind::Protected, "bedrock:deleteenforcedguardrailconfiguration", "DeleteEnforcedGuardrailConfiguration", ENFORCEMENT),
    operation(Kind::Protected, "bedrock:putresourcepolicy", "PutResourcePolicy", GUARDRAIL),
    operation(Kind::Protected, "bedrock:deleteresourcepolicy", "DeleteResourcePolicy", GUARDRAIL),
    operation(Kind::Protected, "bedrock:putmodelinvocationloggingconfiguration", "PutModelInvocationLoggingConfiguration", NO_RESOURCE),
    operation(
        Kind::Protected,
        "bedrock:deletemodelinvocationloggingconfiguration",
        "DeleteModelInvocationLoggingConfiguration",
        NO_RESOURCE,
    ),
    operation(Kind::Protected, "cloudtrail:stoplogging", "StopLogging", TRAIL),
    operation(Kind::Protected, "cloudtrail:deletetrail", "DeleteTrail", TRAIL),
    operation(Kind::Protected, "cloudtrail:updatetrail", "UpdateTrail", TRAIL),
    operation(Kind::Protected, "cloudtrail:puteventselectors", "PutEventSelectors", TRAIL),
    operation(Kind::Protected, "organizations:detachpolicy", "DetachPolicy", ORGANIZATION_POLICY),
    operation(Kind::Protected, "organizations:updatepolicy", "UpdatePolicy", ORGANIZATION_POLICY),
    operation(Kind::Protected, "organizations:deletepolicy", "DeletePolicy", ORGANIZATION_POLICY),
    operation(Kind::Protected, "organizations:disablepolicytype", "DisablePolicyType", ORGANIZATION_POLICY),
    operation(Kind::Protected, "organizations:leaveorganization", "LeaveOrganization", NO_RESOURCE),
];

/// The actions that run a model.
pub(super) const INFERENCE: &[&str] = &[
    "bedrock:invokemodel",
    "bedrock:invokemodelwithresponsestream",
    "bedrock-mantle:createinference",
    "aws-external-anthropic:createinference",
    "aws-external-anthropic:createbatchinference",
];

/// A reading action of each service: a Deny that includes it is about all use of the service, not about changes.
const READING: &[&str] = &[
    "bedrock:listfoundationmodels",
    "bedrock-mantle:listmodels",
    "aws-external-anthropic:listworkspaces",
    "cloudtrail:describetrails",
    "organizations:describeorganization",
];

/// The types of Bedrock resources that models are run through.
const MODEL_TYPES: &[&str] = &[
    "foundation-model",
    "inference-profile",
    "application-inference-profile",
    "provisioned-model",
    "custom-model",
    "custom-model-deployment",
    "imported-model",
    "prompt-router",
    "default-prompt-router",
    "endpoint",
];

impl Operation {
    /// The service prefix of the action.
    pub(super) fn service(&self) -> &'static str {
        self.action.split(':').next().unwrap_or_default()
    }

    /// Whether the operation can be requested on a resource of this type.
    pub(super) fn can_be_on(&self, resource: &str) -> bool {
        let mut parts = resource.splitn(6, ':').skip(2);
        let (Some(service), Some(named)) = (parts.next(), parts.nth(2)) else {
            return false;
        };
        let kind = named.split(['/', ':']).next().unwrap_or_default();
        match self.kind {
            Kind::Guarded => ["bedrock", "sagemaker"].contains(&service) && MODEL_TYPES.contains(&kind),
            Kind::Unreachable | Kind::Protected => self.resources.iter().any(|own| {
                let mut own = own.splitn(6, ':').skip(2);
                own.next() == Some(service) && own.nth(2).and_then(|named| named.split('/').next()) == Some(kind)
            }),
        }
    }

    /// Whether a Deny names this operation, rather than everything.
    pub(super) fn is_meant_by(&self, statement: &Statement) -> bool {
        // A Deny of inference on every model stops the Responses API too, but isn't about it.
        if self.kind == Kind::Unreachable && self.resources == PROJECT {
            return !statement.names_resource(GENERIC_MODEL, &opaque);
        }
        let of_service = |name: &&String| name.split(':').next().is_some_and(|service| service != "*" && matches(service, self.service()));
        let by_action =
            !statement.actions.all_but && statement.actions.patterns.iter().filter(of_service).any(|name| matches(name, self.action));
        let of_resource = |name: &String| name.split(':').nth(2) == Some(self.service());
        let by_resource = !statement.resources.all_but && statement.resources.patterns.iter().all(of_resource);
        by_action || by_resource && !statement.resources.patterns.is_empty()
    }

    /// Whether a Deny is about all use of the service, reading included.
    pub(super) fn is_read_too_by(&self, statement: &Statement) -> bool {
        let reading = READING.iter().filter(|action| action.split(':').next() == Some(self.service()));
        reading.into_iter().any(|action| statement.names_action(action)) && statement.names_resource("*", &opaque)
    }
}

/// Whether a statement can decide about any of the operations.
pub(super) fn matters(statement: &Statement) -> bool {
    let wanted = |operation: &&Operation| operation.kind != Kind::Protected || statement.effect == Effect::Deny;
    has_our_resources(statement) && OPERATIONS.iter().filter(wanted).any(|operation| statement.names_action(operation.action))
}

/// Whether a statement applies to running models.
pub(super) fn is_about_inference(statement: &Statement) -> bool {
    inference_actions(statement).next().is_some()
}

/// Whether a statement applies to operations of [`Kind::Protected`].
pub(super) fn is_about_protection(statement: &Statement) -> bool {
    OPERATIONS.iter().any(|operation| operation.kind == Kind::Protected && statement.names_action(operation.action))
}

/// The actions of inference that a statement applies to.
pub(super) fn inference_actions(statement: &Statement) -> impl Iterator<Item = &'static str> {
    INFERENCE.iter().copied().filter(|action| statement.names_action(action))
}

/// Whether one of a statement's resources can be a resource of the operations.
fn has_our_resources(statement: &Statement) -> bool {
    statement.resources.all_but || statement.resources.patterns.iter().any(|resource| is_ours(resource))
}

/// Whether a pattern can match a resource of the operations.
pub(super) fn is_ours(resource: &str) -> bool {
    const SERVICES: &[&str] = &["bedrock", "bedrock-mantle", "aws-external-anthropic", "sagemaker", "cloudtrail", "organizations"];
    let service = resource.split(':').nth(2).unwrap_or("*");
    service.contains(['*', '?', '$']) || SERVICES.contains(&service)
}

/// The value of a policy variable in evaluated requests: a text that no other variable has, the same before and after, and valid in an ARN.
#[expect(clippy::unnecessary_wraps, reason = "as policies ask for variables")]
pub(super) fn opaque(variable: &str) -> Option<String> {
    Some(format!("<{}>", variable.to_ascii_lowercase().replace(':', "-")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    const MODEL: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0";
    const ORG: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/org";
    const BUCKET: &str = "arn:aws:s3:::bucket/*";
    const PROJECTS: &str = "arn:aws:bedrock:*:*:project/*";

    fn statement(effect: &str, actions: (&str, Value), resources: (&str, Value)) -> Statement {
        let ((action_key, actions), (resource_key, resources)) = (actions, resources);
        Statement::read(&json!({"Effect": effect, action_key: actions, resource_key: resources}))
    }

    fn deny(action: &str, resource: &str) -> Statement {
        statement("Deny", ("Action", json!(action)), ("Resource", json!(resource)))
    }

    fn allow(action: &str, resource: &str) -> Statement {
        Statement { effect: Effect::Allow, ..deny(action, resource) }
    }

    fn named(name: &str) -> &'static Operation {
        OPERATIONS.iter().find(|operation| operation.name == name).unwrap()
    }

    #[test]
    fn a_denial_means_what_it_names() {
        let of = |actions: (&str, Value), resources: (&str, Value)| statement("Deny", actions, resources);
        let everything = || ("Action", json!("*"));
        let responses = "InvokeModel on project/default (Responses API)";
        for (operation, statement, is_meant) in [
            ("UpdateGuardrail", deny("bedrock:UpdateGuardrail", "*"), true),
            ("DeleteGuardrail", deny("bedrock:UpdateGuardrail", "*"), false),
            ("UpdateGuardrail", deny("bedrock:*", "*"), true),
            ("StopLogging", deny("bedrock:*", "*"), false),
            ("UpdateGuardrail", deny("bed*:*Guardrail", "*"), true),
            ("UpdateGuardrail", deny("*", "*"), false),
            ("UpdateGuardrail", deny("*:UpdateGuardrail", "*"), false),
            ("UpdateGuardrail", of(("NotAction", json!("bedrock:UpdateGuardrail")), ("Resource", json!("*"))), false),
            ("UpdateGuardrail", of(("NotAction", json!("s3:*")), ("Resource", json!(ORG))), true),
            ("UpdateGuardrail", of(everything(), ("Resource", json!(ORG))), true),
            ("StopLogging", of(everything(), ("Resource", json!(ORG))), false),
            ("UpdateGuardrail", of(everything(), ("Resource", json!([ORG, BUCKET]))), false),
            ("UpdateGuardrail", of(everything(), ("Resource", json!([]))), false),
            ("UpdateGuardrail", of(everything(), ("NotResource", json!(ORG))), false),
            (responses, deny("bedrock:InvokeModel", PROJECTS), true),
            (responses, deny("bedrock:InvokeModel", "*"), false),
            ("InvokeModel", deny("bedrock:InvokeModel", "*"), true),
            ("bedrock-mantle:CreateInference", deny("bedrock-mantle:*", "*"), true),
            ("bedrock-mantle:CreateInference", deny("bedrock:*", "*"), false),
        ] {
            assert_eq!(named(operation).is_meant_by(&statement), is_meant, "{operation}: {statement:?}");
        }
    }

    #[test]
    fn a_denial_of_reading_is_about_the_whole_service() {
        for (operation, statement, is_read_too) in [
            ("UpdateGuardrail", deny("bedrock:*", "*"), true),
            ("UpdateGuardrail", deny("bedrock:Update*", "*"), false),
            ("UpdateGuardrail", deny("bedrock:*", ORG), false),
            ("UpdateGuardrail", deny("cloudtrail:*", "*"), false),
            ("StopLogging", deny("cloudtrail:*", "*"), true),
            ("LeaveOrganization", deny("*", "*"), true),
            ("LeaveOrganization", deny("organizations:LeaveOrganization", "*"), false),
        ] {
            assert_eq!(named(operation).is_read_too_by(&statement), is_read_too, "{operation}: {statement:?}");
        }
    }

    #[test]
    fn an_operation_is_asked_about_on_resources_of_its_types() {
        let in_mantle = "arn:aws:bedrock-mantle:us-east-1:222233334444:project/p";
        for (operation, resource, can_be) in [
            ("InvokeModel", MODEL, true),
            ("InvokeModel", "arn:aws:bedrock:us-east-1:222233334444:provisioned-model/p", true),
            ("InvokeModel", "arn:aws:sagemaker:us-east-1:222233334444:endpoint/e", true),
            ("InvokeModel", "arn:aws:s3:us-east-1:222233334444:foundation-model/m", false),
            ("InvokeModel", ORG, false),
            ("InvokeModel", "*", false),
            ("InvokeModel", "arn:aws:bedrock", false),
            ("UpdateGuardrail", ORG, true),
            ("UpdateGuardrail", MODEL, false),
            ("UpdateGuardrail", "arn:aws:s3:us-east-1:111122223333:guardrail/org", false),
            ("PutEnforcedGuardrailConfiguration", ORG, true),
            ("StopLogging", "arn:aws:cloudtrail:us-east-1:111122223333:trail/t", true),
            ("StopLogging", ORG, false),
            ("bedrock-mantle:CreateInference", in_mantle, true),
            ("InvokeModel on project/default (Responses API)", in_mantle, false),
            ("InvokeModel on project/default (Responses API)", "arn:aws:bedrock:us-east-1:222233334444:project/p", true),
            ("LeaveOrganization", ORG, false),
        ] {
            assert_eq!(named(operation).can_be_on(resource), can_be, "{operation} on {resource}");
        }
    }

    #[test]
    fn a_statement_matters_by_effect_action_and_resource() {
        let not_on = |resource: &str| statement("Deny", ("Action", json!("bedrock:UpdateGuardrail")), ("NotResource", json!(resource)));
        for (statement, can_decide) in [
            (allow("bedrock:InvokeModel", "*"), true),
            (allow("bedrock-mantle:CreateInference", "*"), true),
            (allow("bedrock:UpdateGuardrail", "*"), false),
            (deny("bedrock:UpdateGuardrail", "*"), true),
            (deny("bedrock:UpdateGuardrail", ORG), true),
            (deny("bedrock:UpdateGuardrail", BUCKET), false),
            (not_on(BUCKET), true),
            (deny("s3:*", "*"), false),
            (deny("*", "arn:aws:*:*:*:*"), true),
        ] {
            assert_eq!(matters(&statement), can_decide, "{statement:?}");
        }
        let about = |statement: Statement| (is_about_inference(&statement), is_about_protection(&statement));
        assert_eq!(about(deny("bedrock:InvokeModel", "*")), (true, false));
        assert_eq!(about(deny("bedrock:UpdateGuardrail", "*")), (false, true));
        assert_eq!(about(deny("bedrock:*", "*")), (true, true));
        assert_eq!(about(deny("s3:*", "*")), (false, false));
        let mantle = deny("bedrock-mantle:*", "*");
        assert_eq!(inference_actions(&mantle).collect::<Vec<_>>(), ["bedrock-mantle:createinference"]);
    }

    #[test]
    fn each_action_of_inference_is_asked_about() {
        let asked = OPERATIONS.iter().filter(|operation| operation.kind != Kind::Protected).map(|operation| operation.action);
        assert_eq!(asked.collect::<BTreeSet<_>>(), INFERENCE.iter().copied().collect());
        for operation in OPERATIONS {
            assert_eq!(operation.action, operation.action.to_lowercase());
            assert!(READING.iter().any(|action| action.split(':').next() == Some(operation.service())), "{}", operation.action);
        }
    }
}
