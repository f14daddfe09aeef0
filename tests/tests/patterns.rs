//! The event patterns of the rules in the templates: their size, their exact text, and, evaluated by an engine, that they match what they
//! must and nothing else.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeSet, sync::LazyLock};

use audit_core::{
    api, auditor,
    change::Change,
    cloudtrail::Record,
    operations::{self, Role},
    rules::RULES,
};
use cases::Case;
use end_to_end::{
    deployment::{HUB, MEMBER, REGION},
    engine::{Client, Engine},
    template::{Template, text},
};
use serde_json::{Value, json};

const API_CALL: &str = "AWS API Call via CloudTrail";
const SERVICE_EVENT: &str = "AWS Service Event via CloudTrail";

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);

struct EventRule {
    name: String,
    /// What the function that it invokes takes.
    brings: &'static str,
    pattern: Value,
    state: String,
}

/// The rules of a member that have a pattern.
fn rules() -> Vec<EventRule> {
    let stack = Template::member().stack(MEMBER, REGION, &[]);
    let rules = stack.of_type("AWS::Events::Rule").filter(|(_, rule)| rule["EventPattern"].is_object());
    rules
        .map(|(_, rule)| {
            let function = text(&rule["Targets"][0]["Arn"]);
            let brings = [("guardrail-audit-invocations", "calls"), ("guardrail-audit-changes", "changes")];
            let (_, brings) = brings.into_iter().find(|(name, _)| function.ends_with(&format!(":{name}"))).unwrap();
            EventRule { name: text(&rule["Name"]), brings, pattern: rule["EventPattern"].clone(), state: text(&rule["State"]) }
        })
        .collect()
}

/// The rules whose pattern matches an event.
fn matching<'a>(client: &Client, rules: &'a [EventRule], event: &Value) -> Vec<&'a EventRule> {
    let event = event.to_string();
    let matches = |rule: &&EventRule| {
        let body = json!({"EventPattern": rule.pattern.to_string(), "Event": event});
        client.json("events", "AWSEvents.TestEventPattern", &body).unwrap()["Result"].as_bool().unwrap()
    };
    rules.iter().filter(matches).collect()
}

fn event(source: &str, event_source: &str, name: &str) -> Value {
    json!({"version": "0", "id": "11111111-2222-3333-4444-555555555555", "detail-type": API_CALL, "source": source, "account": MEMBER,
        "time": "2026-11-01T10:00:00Z", "region": REGION, "resources": [],
        "detail": {"eventVersion": "1.11", "eventSource": event_source, "eventName": name, "eventType": "AwsApiCall", "awsRegion": REGION,
            "recipientAccountId": MEMBER, "eventID": "66666666-2222-3333-4444-555555555555", "requestParameters": null, "readOnly": true}})
}

/// An event of a service, with the event source and the bus source of that name.
fn of(service: &str, name: &str) -> Value {
    event(&format!("aws.{service}"), &format!("{service}.amazonaws.com"), name)
}

#[test]
fn patterns_are_pinned_and_short() {
    let rules = rules();
    assert_eq!(rules.len(), 10);
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
        assert_eq!(rule.brings, if name.ends_with("calls") { "calls" } else { "changes" }, "{}", rule.name);
    }
}

/// The hub's functions for forwarded events receive from a bus of their own, with the same patterns in the same state. Members that forward
/// send their events there.
#[test]
fn forwarded_events_pass_the_same_patterns_twice() {
    let parameters = [("OrganizationId", "o-exampleorgid"), ("HubAccountId", HUB), ("HubRegion", REGION), ("ForwardOnly", "true")];
    let forwarder = Template::member().stack("333344445555", REGION, &parameters);
    let hub = Template::hub().stack(HUB, REGION, &[("OrganizationId", "o-exampleorgid")]);
    let receiver = hub.nested("Forwarded", &Template::member());
    let mut seen = 0;
    for (logical_id, rule) in forwarder.of_type("AWS::Events::Rule") {
        // The heartbeat runs on a schedule, in the account itself.
        if rule["EventPattern"].is_null() {
            continue;
        }
        let other = receiver.properties(logical_id);
        assert_eq!(rule["EventPattern"], other["EventPattern"], "{logical_id}");
        assert_eq!((&rule["State"], &rule["EventBusName"]), (&other["State"], &json!("default")), "{logical_id}");
        assert_eq!(other["EventBusName"], "guardrail-audit", "{logical_id}");
        let target = &rule["Targets"][0];
        assert_eq!(target["Arn"], "arn:aws:events:us-east-1:111122223333:event-bus/guardrail-audit", "{logical_id}");
        assert_eq!(target["RoleArn"], "arn:aws:iam::333344445555:role/guardrail-audit/guardrail-audit-forward-us-east-1", "{logical_id}");
        seen += 1;
    }
    assert_eq!(seen, 10, "every rule of events is forwarded");
}

/// Every recorded event of `events/` that is judged reaches the right function, and no other event reaches that of calls.
#[test]
fn recorded_events_reach_their_function() {
    let client = ENGINE.client(MEMBER);
    let rules = rules();
    let (mut judged, mut ignored) = (0, 0);
    for case in Case::all().unwrap() {
        let in_case = format!("in {}/{}", case.rule(), case.name());
        for event in envelopes(&case) {
            let record = event["detail"].to_string();
            let name = event["detail"]["eventName"].as_str().unwrap();
            let brought: BTreeSet<_> = matching(&client, &rules, &event).iter().map(|rule| rule.brings).collect();
            let record: Record<'_> = serde_json::from_str(&record).unwrap();
            let is_call = operations::OperationCoverage::of(&record).is_some() || name == api::APPLY_GUARDRAIL;
            // The end of a stream is recorded a second time, as an event of the service; it is no call.
            let expected = match (is_call, Change::from_record(&record)) {
                (true, _) if event["detail-type"] == API_CALL => Some("calls"),
                (false, Some(_)) => Some("changes"),
                _ => None,
            };
            match expected {
                Some(kind) => assert_eq!(brought, BTreeSet::from([kind]), "{name} {in_case}"),
                // Changes that no rule concerns yet may arrive as well; a call that isn't one must not, unless no pattern can distinguish
                // its name from a new call's.
                None => assert!(!brought.contains("calls") || api::runs_something_by_its_name(name), "{name} {in_case}"),
            }
            *(if expected.is_some() { &mut judged } else { &mut ignored }) += 1;
        }
    }
    println!("{judged} events are judged, {ignored} are not");
    assert!(judged > 100 && ignored > 0, "{judged} and {ignored} events say little");
}

/// Every operation that the auditor judges is brought by a rule of the template to the function that judges it.
#[test]
fn what_is_judged_reaches_its_function() {
    let client = ENGINE.client(MEMBER);
    let template = rules();
    let brought_to = |service: &str, name: &str| {
        let mut event = of(service, name);
        event["detail"]["requestParameters"] =
            json!({"bucketName": "logs", "key": "AWSLogs/222233334444/x.json.gz", "tableName": "guardrail-audit-findings"});
        let mut found = matching(&client, &template, &event);
        if found.is_empty() {
            event["detail-type"] = json!(SERVICE_EVENT);
            found = matching(&client, &template, &event);
        }
        found.iter().map(|rule| rule.brings).collect::<BTreeSet<_>>()
    };
    let mut brought = BTreeSet::new();
    for (service, name) in operations::calls().map(|(service, name, _)| (service, name)).chain([("bedrock", api::APPLY_GUARDRAIL)]) {
        assert!(brought_to(service, name).contains("calls"), "no rule brings the call {name}");
        brought.insert(name);
    }
    for (service, operation) in operations::changes() {
        // Lambda's event names end with the date of the API.
        let name = if service == "lambda" { format!("{operation}20150331v2") } else { operation.to_owned() };
        assert!(brought_to(service, &name).contains("changes"), "no rule brings the change {name} of {service}");
        brought.insert(operation);
    }
    for rule in RULES {
        for name in rule.revealed_by {
            assert!(brought.contains(name), "nothing brings {name}, which reveals {}", rule.id);
        }
    }
    for name in brought {
        assert!(auditor::wanted().wants(name), "{name} is brought and not looked at");
    }
}

/// Conversely, every operation that the patterns of changes name is kept, for the service or one of the services that the pattern matches.
#[test]
fn patterns_of_changes_name_only_what_is_judged() {
    let mut seen = 0;
    for rule in rules().iter().filter(|rule| rule.brings == "changes") {
        let sources = rule.pattern["detail"]["eventSource"].as_array().unwrap();
        let sources: BTreeSet<&str> = sources.iter().map(|source| operations::source(source.as_str().unwrap())).collect();
        let kept: Vec<&str> = operations::changes().filter(|(source, _)| sources.contains(source)).map(|(_, name)| name).collect();
        for name in rule.pattern["detail"]["eventName"].as_array().unwrap() {
            let is_kept = match (name.as_str(), name["prefix"].as_str()) {
                (Some(name), _) => kept.contains(&audit_core::cloudtrail::wanted::operation(name)),
                (_, Some(prefix)) => kept.iter().any(|kept| kept.starts_with(prefix)),
                _ => panic!("{}: {name}", rule.name),
            };
            assert!(is_kept, "{}: {name} is delivered, and nothing looks at it", rule.name);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} names say little");
}

#[test]
fn data_events_match_only_where_they_concern_evidence() {
    let client = ENGINE.client(MEMBER);
    let rules = rules();
    let brought_to = |service: &str, name: &str, parameters: Value| {
        let mut event = of(service, name);
        event["detail"]["requestParameters"] = parameters;
        matching(&client, &rules, &event).len()
    };
    assert_eq!(brought_to("s3", "DeleteObject", json!({"bucketName": "b", "key": "AWSLogs/222233334444/CloudTrail/x.json.gz"})), 1);
    assert_eq!(brought_to("s3", "DeleteObject", json!({"bucketName": "b", "key": "prefix/AWSLogs/222233334444/x"})), 1);
    assert_eq!(brought_to("s3", "DeleteObjects", json!({"bucketName": "aws-cloudtrail-logs-222233334444-abc"})), 1);
    assert_eq!(brought_to("dynamodb", "DeleteItem", json!({"tableName": "guardrail-audit-observations"})), 1);
    assert_eq!(
        brought_to("dynamodb", "UpdateItem", json!({"tableName": "arn:aws:dynamodb:us-east-1:1:table/guardrail-audit-findings"})),
        1
    );
    assert_eq!(brought_to("s3", "DeleteObject", json!({"bucketName": "shop", "key": "basket/1"})), 0);
    assert_eq!(brought_to("s3", "PutObject", json!({"bucketName": "b", "key": "AWSLogs/222233334444/x"})), 0);
    assert_eq!(brought_to("dynamodb", "DeleteItem", json!({"tableName": "orders"})), 0);
}

/// The known ways to bypass guardrails, service by service.
#[test]
#[expect(clippy::too_many_lines, reason = "a list of events")]
fn known_bypasses_reach_a_function() {
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
                "CreateFlow",
                "UpdateFlow",
                "CreateFlowVersion",
                "UpdateFlowAlias",
                "CreateInferenceProfile",
                "CreatePromptRouter",
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
                "PutResourcePolicy",
                "DeleteResourcePolicy",
                "RegisterDelegatedAdministrator",
                "DeregisterDelegatedAdministrator",
                "CreateOrganizationalUnit",
                "DeleteOrganizationalUnit",
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
                "PutFunctionEventInvokeConfig20190925",
                "UpdateFunctionEventInvokeConfig20190925",
                "DeleteFunctionEventInvokeConfig20190925",
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
            assert!(!found.is_empty() && found.iter().all(|rule| rule.brings == "changes"), "{service} {name}");
        }
    }
    let mut event = of("organizations", "EffectivePolicyValidation");
    event["detail-type"] = json!(SERVICE_EVENT);
    assert_eq!(matching(&client, &rules, &event).len(), 1);
    // An operation that switches a rule off arrives by two rules, so that no rule is the only one to report its own end.
    for (service, name) in [
        ("events", "DisableRule"),
        ("events", "DeleteRule"),
        ("events", "RemoveTargets"),
        ("events", "PutRule"),
        ("events", "PutTargets"),
        ("lambda", "DeleteFunction20150331"),
        ("lambda", "PutFunctionConcurrency20171031"),
        ("lambda", "UpdateFunctionEventInvokeConfig20190925"),
        ("lambda", "DeleteFunctionEventInvokeConfig20190925"),
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

/// An operation that runs no model according to the table reaches the function of calls only where no pattern can distinguish it from a new
/// operation.
#[test]
fn only_calls_reach_the_function_of_calls() {
    let client = ENGINE.client(MEMBER);
    let rules: Vec<_> = rules().into_iter().filter(|rule| rule.brings == "calls").collect();
    let is_telling = |name: &str| !api::runs_nothing_by_its_name(name) || api::runs_something_by_its_name(name);
    for (service, name, role) in operations::all().filter(|(service, name, _)| operations::is_bedrocks(service) && is_telling(name)) {
        let is_call = matches!(role, Role::Runs(_) | Role::Evaluates);
        let found = matching(&client, &rules, &of(service, name)).len();
        if is_call {
            assert_eq!(found, 1, "{service} {name} comes once");
        } else if !api::runs_something_by_its_name(name) {
            assert_eq!(found, 0, "{service} {name}: {role:?}");
        }
    }
}

#[test]
fn unknown_operations_are_calls_where_they_are_judged_as_such() {
    let client = ENGINE.client(MEMBER);
    let rules: Vec<_> = rules().into_iter().filter(|rule| rule.brings == "calls").collect();
    let found = |service: &str, name: &str, host: &str| {
        let mut event = of(service, name);
        event["detail"]["tlsDetails"] = json!({"tlsVersion": "TLSv1.3", "clientProvidedHostHeader": host});
        let record = event["detail"].to_string();
        let is_judged = operations::OperationCoverage::of(&serde_json::from_str(&record).unwrap()).is_some();
        let is_brought = !matching(&client, &rules, &event).is_empty();
        assert_eq!(is_judged, is_brought, "{service} {name} at {host}");
        is_judged
    };
    let runtime = "bedrock-runtime.us-east-1.amazonaws.com";
    for host in [
        runtime,
        "bedrock-runtime-fips.us-east-1.amazonaws.com",
        "vpce-1-2.bedrock-runtime.us-east-1.vpce.amazonaws.com",
        "bedrock-agent-runtime.us-east-1.amazonaws.com",
    ] {
        assert!(found("bedrock", "ThinkAloud", host), "{host}");
        assert!(!found("bedrock", "GetThought", host), "{host}");
    }
    assert!(!found("bedrock", "ThinkAloud", "bedrock.us-east-1.amazonaws.com"));
    assert!(found("bedrock-mantle", "ThinkAloud", "bedrock-mantle.us-east-1.api.aws"));
    assert!(!found("bedrock-mantle", "ListThoughts", "bedrock-mantle.us-east-1.api.aws"));
    for service in ["bedrock", "bedrock-mantle", "bedrock-agentcore", "aws-external-anthropic"] {
        for name in
            ["InvokeSwarm", "ConverseAgain", "GenerateImages", "StartSimulation", "RunPlan", "CreateChatCompletion", "CreateNewResponse"]
        {
            assert!(found(service, name, "x.amazonaws.com"), "{service} {name}");
        }
        for name in
            ["GetInvoke", "CancelInvoke", "DeleteInvoke", "RenderPrompt", "ListModels", "GetResponse", "DeleteResponse", "CountTokens"]
        {
            assert!(!found(service, name, runtime), "{service} {name}");
        }
    }
}

#[test]
fn events_of_others_match_nothing() {
    let client = ENGINE.client(MEMBER);
    let rules = rules();
    let mut others = vec![
        // The same event names of other services.
        of("sagemaker", "InvokeEndpoint"),
        of("sagemaker-runtime", "InvokeModel"),
        of("wafv2", "PutResourcePolicy"),
        of("secretsmanager", "PutResourcePolicy"),
        of("fms", "PutPolicy"),
        of("iot", "AttachPolicy"),
        of("iot", "DetachPolicy"),
        of("ecr", "TagResource"),
        of("bedrock-agentcore", "CreateAgentRuntime"),
        // Other event names of the same services.
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
    // Anyone may put an event from a source of their own, with any content.
    others.push(event("custom.bedrock", "bedrock.amazonaws.com", "Converse"));
    others.push(event("bedrock", "bedrock.amazonaws.com", "UpdateGuardrail"));
    // A record of another service in an envelope of Bedrock, and the reverse.
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

/// The EventBridge envelopes of a case. Invocation logs are delivered in another way.
fn envelopes(case: &Case) -> impl Iterator<Item = Value> {
    case.events().unwrap().into_iter().filter(|event| event["detail"].is_object())
}
