//! The rules' patterns: short enough, pinned, and, asked of an engine, matching what they must and nothing else.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeSet, sync::LazyLock};

use audit_core::{api, auditor, cloudtrail::Record, rules::RULES, world::World};
use end_to_end::{
    deployment::{HUB, MEMBER, REGION},
    engine::{Client, Engine},
    template::{Template, root, text},
};
use serde_json::{Value, json};

const API_CALL: &str = "AWS API Call via CloudTrail";
const SERVICE_EVENT: &str = "AWS Service Event via CloudTrail";

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);

struct EventRule {
    name: String,
    queue: String,
    pattern: Value,
    state: String,
}

/// The rules of a member that have a pattern.
fn rules() -> Vec<EventRule> {
    let stack = Template::member().stack(MEMBER, REGION, &[]);
    let rules = stack.of_type("AWS::Events::Rule").filter(|(_, rule)| rule["EventPattern"].is_object());
    rules
        .map(|(_, rule)| EventRule {
            name: text(&rule["Name"]),
            queue: text(&rule["Targets"][0]["Arn"]).rsplit('-').next().unwrap().to_owned(),
            pattern: rule["EventPattern"].clone(),
            state: text(&rule["State"]),
        })
        .collect()
}

fn matches(client: &Client, rule: &EventRule, event: &Value) -> bool {
    let body = json!({"EventPattern": rule.pattern.to_string(), "Event": event.to_string()});
    client.json("events", "AWSEvents.TestEventPattern", &body).unwrap()["Result"].as_bool().unwrap()
}

/// The rules that match an event.
fn matching<'a>(client: &Client, rules: &'a [EventRule], event: &Value) -> Vec<&'a EventRule> {
    rules.iter().filter(|rule| matches(client, rule, event)).collect()
}

fn event(source: &str, event_source: &str, name: &str) -> Value {
    json!({"version": "0", "id": "11111111-2222-3333-4444-555555555555", "detail-type": API_CALL, "source": source, "account": MEMBER,
        "time": "2026-11-01T10:00:00Z", "region": REGION, "resources": [],
        "detail": {"eventVersion": "1.11", "eventSource": event_source, "eventName": name, "eventType": "AwsApiCall", "awsRegion": REGION,
            "recipientAccountId": MEMBER, "eventID": "66666666-2222-3333-4444-555555555555", "requestParameters": null, "readOnly": true}})
}

/// An event of a service, whose event source and bus source go by its name.
fn of(service: &str, name: &str) -> Value {
    event(&format!("aws.{service}"), &format!("{service}.amazonaws.com"), name)
}

#[test]
fn patterns_are_pinned_and_short() {
    let rules = rules();
    assert_eq!(rules.len(), 8);
    for rule in &rules {
        let pattern = rule.pattern.to_string();
        assert!(pattern.len() < 2048, "{}: {} characters", rule.name, pattern.len());
        assert_eq!(rule.state, "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", "{}", rule.name);
        assert!(!pattern.contains("readOnly") && !pattern.contains("managementEvent"), "{} filters calls by what they do", rule.name);
        for pinned in [&rule.pattern["source"], &rule.pattern["detail-type"], &rule.pattern["detail"]["eventSource"]] {
            let pinned = pinned.as_array().unwrap();
            assert!(!pinned.is_empty() && pinned.iter().all(Value::is_string), "{}: {pinned:?}", rule.name);
        }
        assert!(rule.pattern["detail"]["eventName"].as_array().is_some_and(|names| !names.is_empty()), "{}", rule.name);
        for source in rule.pattern["source"].as_array().unwrap() {
            assert!(source.as_str().unwrap().starts_with("aws."), "{}: anyone may put events from {source}", rule.name);
        }
        let name = rule.name.strip_prefix("guardrail-audit-").unwrap();
        assert_eq!(rule.queue, if name.ends_with("calls") { "calls" } else { "changes" }, "{}", rule.name);
    }
}

/// The hub's copy for forwarded events listens on its own bus, by the same patterns in the same state; members that forward send them there.
#[test]
fn forwarded_events_pass_the_same_patterns_twice() {
    let parameters = [("OrganizationId", "o-exampleorgid"), ("HubAccountId", HUB), ("HubRegion", REGION), ("ForwardOnly", "true")];
    let forwarder = Template::member().stack("333344445555", REGION, &parameters);
    let hub = Template::hub().stack(HUB, REGION, &[("OrganizationId", "o-exampleorgid")]);
    let receiver = hub.nested("Forwarded", &Template::member());
    let mut seen = 0;
    for (logical_id, rule) in forwarder.of_type("AWS::Events::Rule") {
        let other = receiver.properties(logical_id);
        assert_eq!(rule["EventPattern"], other["EventPattern"], "{logical_id}");
        assert_eq!((&rule["State"], &rule["EventBusName"]), (&other["State"], &json!("default")), "{logical_id}");
        assert_eq!(other["EventBusName"], "guardrail-audit", "{logical_id}");
        let target = &rule["Targets"][0];
        assert_eq!(target["Arn"], "arn:aws:events:us-east-1:111122223333:event-bus/guardrail-audit", "{logical_id}");
        assert_eq!(target["RoleArn"], "arn:aws:iam::333344445555:role/guardrail-audit/guardrail-audit-forward-us-east-1", "{logical_id}");
        seen += 1;
    }
    assert_eq!(seen, 8, "the heartbeat is not beaten where nothing is judged");
}

/// Every recorded event of `events/` that matters reaches the right queue, and the others none.
#[test]
fn recorded_events_reach_their_queue() {
    let client = ENGINE.client(MEMBER);
    let (rules, wanted) = (rules(), auditor::wanted());
    let (mut judged, mut ignored) = (0, 0);
    for file in event_files() {
        for event in envelopes(&file) {
            let record = event["detail"].to_string();
            let name = event["detail"]["eventName"].as_str().unwrap();
            let queues: BTreeSet<_> = matching(&client, &rules, &event).iter().map(|rule| rule.queue.clone()).collect();
            let record: Record<'_> = serde_json::from_str(&record).unwrap();
            let is_call = api::Reach::of(&record).is_some() || name == api::APPLY_GUARDRAIL;
            let by_service = event["detail-type"] == SERVICE_EVENT;
            // The end of a stream is told a second time, as an event of the service; it is no call.
            let expected = match (is_call, wanted.wants(name)) {
                (true, _) if !by_service => Some("calls"),
                (false, true) => Some("changes"),
                _ => None,
            };
            assert_eq!(queues.iter().map(String::as_str).collect::<Vec<_>>(), Vec::from_iter(expected), "{name} in {file}");
            *(if expected.is_some() { &mut judged } else { &mut ignored }) += 1;
        }
    }
    println!("{judged} events reach a queue, {ignored} none");
    assert!(judged > 100 && ignored > 0, "{judged} and {ignored} events say little");
}

/// Whatever an audit rule says reveals it, a rule of the template brings to the queue that it is judged from.
#[test]
fn what_reveals_a_finding_reaches_a_queue() {
    let client = ENGINE.client(MEMBER);
    let template = rules();
    let sources: BTreeSet<_> = template.iter().flat_map(|rule| rule.pattern["source"].as_array().unwrap().iter().map(text)).collect();
    let arrives = |name: &str, queue: &str| {
        sources.iter().any(|source| {
            let service = source.trim_start_matches("aws.");
            let mut event = of(service, name);
            let mut found = matching(&client, &template, &event);
            if found.is_empty() {
                event["detail-type"] = json!(SERVICE_EVENT);
                found = matching(&client, &template, &event);
            }
            found.iter().any(|rule| rule.queue == queue)
        })
    };
    for name in api::operations() {
        assert!(arrives(name, "calls"), "no rule brings the call {name}");
    }
    for name in World::operations() {
        assert!(arrives(name, "changes"), "no rule brings the change {name}");
    }
    for rule in RULES {
        for name in rule.revealed_by {
            assert!(arrives(name, "calls") || arrives(name, "changes"), "no rule brings {name}, which reveals {}", rule.id);
        }
    }
}

/// The catalogue of ways around guardrails, service by service.
#[test]
#[expect(clippy::too_many_lines, reason = "a list of events")]
fn the_catalogue_reaches_a_queue() {
    let client = ENGINE.client(MEMBER);
    let rules = rules();
    let changes: &[(&str, &[&str])] = &[
        (
            "bedrock",
            &[
                "UpdateGuardrail",
                "DeleteGuardrail",
                "CreateGuardrail",
                "CreateGuardrailVersion",
                "PutEnforcedGuardrailConfiguration",
                "DeleteEnforcedGuardrailConfiguration",
                "PutResourcePolicy",
                "DeleteResourcePolicy",
                "TagResource",
                "UntagResource",
                "UpdateAutomatedReasoningPolicy",
                "DeleteAutomatedReasoningPolicy",
                "CreateAgent",
                "UpdateAgent",
                "PrepareAgent",
                "CreateAgentAlias",
                "UpdateAgentAlias",
                "CreateFlow",
                "UpdateFlow",
                "CreateFlowVersion",
                "UpdateFlowAlias",
                "CreatePrompt",
                "UpdatePrompt",
                "CreateKnowledgeBase",
                "CreateDataSource",
                "CreateInferenceProfile",
                "CreatePromptRouter",
                "PutFoundationModelEntitlement",
                "CreateFoundationModelAgreement",
                "PutUseCaseForModelAccess",
                "CreateProvisionedModelThroughput",
                "CreateModelImportJob",
                "CreateMarketplaceModelEndpoint",
                "RegisterMarketplaceModelEndpoint",
                "CreateCustomModelDeployment",
                "PutModelInvocationLoggingConfiguration",
                "DeleteModelInvocationLoggingConfiguration",
            ],
        ),
        (
            "organizations",
            &[
                "AttachPolicy",
                "DetachPolicy",
                "CreatePolicy",
                "UpdatePolicy",
                "DeletePolicy",
                "EnablePolicyType",
                "DisablePolicyType",
                "MoveAccount",
                "RemoveAccountFromOrganization",
                "LeaveOrganization",
                "CloseAccount",
                "CreateAccount",
                "AcceptHandshake",
                "InviteAccountToOrganization",
                "PutResourcePolicy",
                "DeleteResourcePolicy",
                "RegisterDelegatedAdministrator",
                "DeregisterDelegatedAdministrator",
                "CreateOrganizationalUnit",
                "DeleteOrganizationalUnit",
                "EnableAWSServiceAccess",
                "DisableAWSServiceAccess",
            ],
        ),
        (
            "iam",
            &[
                "PutRolePolicy",
                "PutUserPolicy",
                "PutGroupPolicy",
                "CreatePolicyVersion",
                "SetDefaultPolicyVersion",
                "AttachRolePolicy",
                "AttachUserPolicy",
                "AttachGroupPolicy",
                "DetachRolePolicy",
                "DetachUserPolicy",
                "DetachGroupPolicy",
                "DeleteRolePolicy",
                "DeleteUserPolicy",
                "DeleteGroupPolicy",
                "PutRolePermissionsBoundary",
                "DeleteRolePermissionsBoundary",
                "CreateServiceSpecificCredential",
                "UpdateServiceSpecificCredential",
                "ResetServiceSpecificCredential",
                "CreateUser",
                "CreateAccessKey",
                "CreateLoginProfile",
                "UpdateAssumeRolePolicy",
                "DeleteRole",
            ],
        ),
        ("kms", &["DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "RevokeGrant", "UpdateAlias", "DeleteImportedKeyMaterial"]),
        ("logs", &["DeleteLogGroup", "DeleteLogStream", "PutRetentionPolicy", "DeleteSubscriptionFilter"]),
        (
            "cloudtrail",
            &[
                "StopLogging",
                "StartLogging",
                "CreateTrail",
                "DeleteTrail",
                "UpdateTrail",
                "PutEventSelectors",
                "PutInsightSelectors",
                "RegisterOrganizationDelegatedAdmin",
                "DeregisterOrganizationDelegatedAdmin",
            ],
        ),
        (
            "s3",
            &[
                "DeleteBucket",
                "PutBucketPolicy",
                "PutBucketLifecycle",
                "PutBucketLifecycleConfiguration",
                "PutBucketVersioning",
                "PutBucketEncryption",
            ],
        ),
        (
            "events",
            &[
                "DisableRule",
                "DeleteRule",
                "PutRule",
                "RemoveTargets",
                "PutTargets",
                "RemovePermission",
                "PutPermission",
                "DeleteEventBus",
                "UpdateEventBus",
            ],
        ),
        (
            "lambda",
            &[
                "UpdateFunctionCode20150331v2",
                "UpdateFunctionConfiguration20150331v2",
                "DeleteFunction20150331",
                "PutFunctionConcurrency20171031",
                "RemovePermission20150331v2",
                "AddPermission20150331v2",
                "DeleteEventSourceMapping20150331",
                "UpdateEventSourceMapping20150331",
            ],
        ),
        ("sqs", &["DeleteQueue", "SetQueueAttributes", "PurgeQueue", "RemovePermission", "AddPermission"]),
        (
            "dynamodb",
            &["DeleteTable", "UpdateTable", "UpdateTimeToLive", "UpdateContinuousBackups", "PutResourcePolicy", "DeleteResourcePolicy"],
        ),
        ("sns", &["DeleteTopic", "Unsubscribe", "SetTopicAttributes", "RemovePermission"]),
        ("cloudformation", &["DeleteStack", "UpdateStack", "ExecuteChangeSet", "DeleteStackInstances", "DeleteStackSet", "UpdateStackSet"]),
        ("account", &["EnableRegion", "DisableRegion"]),
    ];
    for (service, names) in changes {
        for name in *names {
            let found = matching(&client, &rules, &of(service, name));
            assert!(!found.is_empty() && found.iter().all(|rule| rule.queue == "changes"), "{service} {name}");
        }
    }
    for name in ["EffectivePolicyValidation", "CreateAccountResult", "CloseAccountResult"] {
        let mut event = of("organizations", name);
        event["detail-type"] = json!(SERVICE_EVENT);
        assert_eq!(matching(&client, &rules, &event).len(), 1, "{name}");
    }
    // What would switch a rule off reaches the queue by two rules, so that no rule is the only witness of its own end.
    for (service, name) in [
        ("events", "DisableRule"),
        ("events", "DeleteRule"),
        ("events", "RemoveTargets"),
        ("events", "PutRule"),
        ("events", "PutTargets"),
        ("lambda", "DeleteFunction20150331"),
        ("lambda", "PutFunctionConcurrency20171031"),
        ("lambda", "DeleteEventSourceMapping20150331"),
        ("sqs", "DeleteQueue"),
        ("sqs", "SetQueueAttributes"),
        ("cloudtrail", "StopLogging"),
        ("cloudtrail", "DeleteTrail"),
        ("cloudtrail", "PutEventSelectors"),
        ("cloudformation", "DeleteStack"),
        ("iam", "UpdateAssumeRolePolicy"),
        ("iam", "DeleteRolePolicy"),
    ] {
        assert_eq!(matching(&client, &rules, &of(service, name)).len(), 2, "{service} {name}");
    }
}

#[test]
fn unknown_operations_of_the_runtime_are_calls() {
    let client = ENGINE.client(MEMBER);
    let rules = rules();
    let host = |name: &str, host: &str| {
        let mut event = of("bedrock", name);
        event["detail"]["tlsDetails"] = json!({"tlsVersion": "TLSv1.3", "clientProvidedHostHeader": host});
        matching(&client, &rules, &event).iter().map(|rule| rule.name.clone()).collect::<Vec<_>>()
    };
    let unknown = ["guardrail-audit-unknown-calls"];
    assert_eq!(host("ThinkAloud", "bedrock-runtime.us-east-1.amazonaws.com"), unknown);
    assert_eq!(host("ThinkAloud", "bedrock-runtime-fips.us-east-1.amazonaws.com"), unknown);
    assert_eq!(host("ThinkAloud", "vpce-1-2.bedrock-runtime.us-east-1.vpce.amazonaws.com"), unknown);
    assert_eq!(host("ThinkAloud", "bedrock.us-east-1.amazonaws.com"), [""; 0]);
    for name in ["CountTokens", "InvokeGuardrailChecks", "GetAsyncInvoke", "ListAsyncInvokes"] {
        assert_eq!(host(name, "bedrock-runtime.us-east-1.amazonaws.com"), [""; 0], "{name} runs no model");
    }
    assert_eq!(host("Converse", "bedrock-runtime.us-east-1.amazonaws.com"), ["guardrail-audit-calls"], "known ones come once");
    // What one of the two rules names, the other leaves to it.
    let names = |logical_id: &str| {
        Template::member().stack(MEMBER, REGION, &[]).properties(logical_id)["EventPattern"]["detail"]["eventName"].clone()
    };
    let known: BTreeSet<_> = names("CallsRule").as_array().unwrap().iter().map(text).filter(|name| name != "CreateInference").collect();
    let left: BTreeSet<_> = names("UnknownCallsRule")[0]["anything-but"].as_array().unwrap().iter().map(text).collect();
    assert!(left.is_superset(&known), "{:?}", known.difference(&left));
    assert_eq!(left.len() - known.len(), 4);
}

#[test]
fn events_of_others_match_nothing() {
    let client = ENGINE.client(MEMBER);
    let rules = rules();
    let mut others = vec![
        // The same names elsewhere.
        of("sagemaker", "InvokeEndpoint"),
        of("sagemaker-runtime", "InvokeModel"),
        of("wafv2", "PutResourcePolicy"),
        of("secretsmanager", "PutResourcePolicy"),
        of("fms", "PutPolicy"),
        of("iot", "AttachPolicy"),
        of("iot", "DetachPolicy"),
        of("ecr", "TagResource"),
        of("bedrock-agentcore", "CreateAgentRuntime"),
        // Other names here.
        of("bedrock", "ListFoundationModels"),
        of("bedrock", "GetGuardrail"),
        of("bedrock", "ListGuardrails"),
        of("bedrock", "GetFoundationModelAvailability"),
        of("bedrock-mantle", "CountTokens"),
        of("bedrock-mantle", "ListModels"),
        of("iam", "GetRole"),
        of("iam", "ListUsers"),
        of("iam", "TagRole"),
        of("sts", "AssumeRole"),
        of("kms", "Decrypt"),
        of("kms", "GenerateDataKey"),
        of("kms", "CreateGrant"),
        of("s3", "GetObject"),
        of("s3", "PutObject"),
        of("s3", "GetBucketPolicy"),
        of("logs", "CreateLogStream"),
        of("logs", "DescribeLogGroups"),
        of("cloudtrail", "LookupEvents"),
        of("cloudtrail", "GetTrailStatus"),
        of("events", "ListRules"),
        of("events", "PutEvents"),
        of("lambda", "Invoke"),
        of("lambda", "GetFunction20150331v2"),
        of("lambda", "CreateFunction20150331"),
        of("sqs", "SendMessage"),
        of("sqs", "ReceiveMessage"),
        of("dynamodb", "PutItem"),
        of("dynamodb", "DescribeTable"),
        of("sns", "Publish"),
        of("cloudformation", "DescribeStacks"),
        of("cloudformation", "CreateStack"),
        of("organizations", "ListAccounts"),
        of("organizations", "DescribeEffectivePolicy"),
        of("account", "ListRegions"),
        of("ec2", "RunInstances"),
        of("ec2", "DescribeInstances"),
        of("signin", "ConsoleLogin"),
    ];
    // Anyone may put an event from a source of his own, and say in it what he likes.
    others.push(event("custom.bedrock", "bedrock.amazonaws.com", "Converse"));
    others.push(event("bedrock", "bedrock.amazonaws.com", "UpdateGuardrail"));
    // A record of another service in an envelope of Bedrock, and the other way round.
    others.push(event("aws.bedrock", "s3.amazonaws.com", "Converse"));
    others.push(event("aws.s3", "bedrock.amazonaws.com", "Converse"));
    for kind in ["AWS Service Event via CloudTrail", "AWS Console Sign In via CloudTrail", "AWS Insight via CloudTrail", "Object Created"] {
        let mut event = of("bedrock", "Converse");
        event["detail-type"] = json!(kind);
        others.push(event);
    }
    for event in &others {
        let found: Vec<_> = matching(&client, &rules, event).iter().map(|rule| rule.name.clone()).collect();
        let (source, name) = (&event["source"], &event["detail"]["eventName"]);
        assert!(found.is_empty(), "{source} {name} ({}) is matched by {found:?}", event["detail-type"]);
    }
}

fn event_files() -> Vec<String> {
    let mut files = Vec::new();
    let folders = |path: &std::path::Path| {
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    for rule in folders(&root().join("events")) {
        for case in folders(&rule) {
            let file = case.join("event.json");
            if file.exists() {
                files.push(file.to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// The EventBridge envelopes of a file; invocation logs come another way.
fn envelopes(file: &str) -> Vec<Value> {
    let content: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let events = if let Value::Array(events) = content { events } else { vec![content] };
    events.into_iter().filter(|event| event["detail"].is_object()).collect()
}
