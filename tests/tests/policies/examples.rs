//! The example policies in `deploy/`, and the calls that the code makes.

use std::collections::BTreeSet;

use end_to_end::deployment::ORGANIZATION;

use super::*;

/// The example in deploy/ stops the administrator of a member, and neither the StackSet nor the auditor itself.
#[test]
fn the_example_service_control_policy_protects_the_auditor() {
    let path = root().join("deploy/protect-auditor.scp.json");
    let policy: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap().replace("TRAIL_NAME", "feeds-the-auditor")).unwrap();
    let size = policy.to_string().len();
    assert!(size <= 5120, "a service control policy has at most 5,120 characters, not {size}");
    let mut deployment = Deployment::of_an_organization();
    deployment.service_control = vec![policy];
    let function = format!("arn:aws:lambda:us-east-1:{MEMBER}:function:guardrail-audit-changes");
    let rule = format!("arn:aws:events:us-east-1:{MEMBER}:rule/guardrail-audit-calls");
    let log_group = format!("arn:aws:logs:us-east-1:{MEMBER}:log-group:/aws/lambda/guardrail-audit-changes");
    let stack = format!("arn:aws:cloudformation:us-east-1:{MEMBER}:stack/StackSet-guardrail-audit-1/id");
    let trail = |name: &str| format!("arn:aws:cloudtrail:us-east-1:{MEMBER}:trail/{name}");
    let mapping = format!("arn:aws:lambda:us-east-1:{MEMBER}:event-source-mapping:11111111-2222-3333-4444-555555555555");
    let of_auditor = |who: &str| {
        let mut calls = Vec::new();
        for action in [
            "PutRolePolicy",
            "DeleteRolePolicy",
            "AttachRolePolicy",
            "DetachRolePolicy",
            "UpdateAssumeRolePolicy",
            "PutRolePermissionsBoundary",
            "DeleteRole",
            "CreateRole",
            "PassRole",
        ] {
            calls.push(call(who, &format!("iam:{action}"), &of_region(MEMBER, "changes")));
        }
        for action in [
            "UpdateFunctionCode",
            "UpdateFunctionConfiguration",
            "DeleteFunction",
            "PutFunctionConcurrency",
            "RemovePermission",
            "AddPermission",
            "InvokeFunction",
            "PutFunctionEventInvokeConfig",
            "UpdateFunctionEventInvokeConfig",
            "DeleteFunctionEventInvokeConfig",
        ] {
            calls.push(call(who, &format!("lambda:{action}"), &function));
        }
        for action in ["DisableRule", "DeleteRule", "PutRule", "RemoveTargets", "PutTargets"] {
            calls.push(call(who, &format!("events:{action}"), &rule));
        }
        for action in ["DeleteQueue", "PurgeQueue", "SetQueueAttributes", "SendMessage", "ReceiveMessage", "DeleteMessage", "AddPermission"]
        {
            calls.push(call(who, &format!("sqs:{action}"), &sqs(MEMBER, "undelivered")));
        }
        calls.push(call(who, "logs:DeleteLogGroup", &log_group));
        calls.push(call(who, "logs:PutRetentionPolicy", &log_group));
        calls.push(call(who, "cloudformation:DeleteStack", &stack));
        calls.push(call(who, "cloudformation:UpdateStack", &stack));
        for action in ["UpdateEventSourceMapping", "DeleteEventSourceMapping"] {
            calls.push(call(who, &format!("lambda:{action}"), &mapping).with("lambda:FunctionArn", &[&function]));
        }
        calls
    };
    let mut forbidden = of_auditor(&admin(MEMBER));
    for action in ["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"] {
        for name in ["feeds-the-auditor", "guardrail-audit"] {
            forbidden.push(call(&admin(MEMBER), &format!("cloudtrail:{action}"), &trail(name)));
        }
    }
    // A role with a name like StackSets' own doesn't bypass it.
    for action in ["CreateRole", "UpdateAssumeRolePolicy", "PutRolePolicy", "AttachRolePolicy", "PassRole", "DeleteRole"] {
        for name in ["stacksets-exec-0123456789abcdef", "stacksets-exec-mine"] {
            forbidden.push(call(&admin(MEMBER), &format!("iam:{action}"), &format!("arn:aws:iam::{MEMBER}:role/{name}")));
        }
    }
    check(&deployment, Decision::Denied, &forbidden);

    let mut allowed = of_auditor("arn:aws:iam::222233334444:role/stacksets-exec-0123456789abcdef");
    allowed.extend([
        put(&of_region(MEMBER, "invocations"), &[&own_key(MEMBER)]),
        call(&of_region(MEMBER, "changes"), "sqs:ReceiveMessage", &sqs(MEMBER, "undelivered")),
        call(&of_region(MEMBER, "invocations"), "sqs:SendMessage", &sqs(MEMBER, "undelivered")),
        call(&of_region(MEMBER, "changes"), "logs:PutLogEvents", &format!("{log_group}:log-stream:x")),
        assume(&of_region(MEMBER, "changes"), &role(MEMBER, "guardrail-audit-heartbeat")),
        assume(&of_region(HUB, "reconcile"), &role(MEMBER, "guardrail-audit-reader")),
        // Other resources of the account stay under the account's control.
        call(&admin(MEMBER), "lambda:UpdateFunctionCode", &format!("arn:aws:lambda:us-east-1:{MEMBER}:function:shop")),
        call(&admin(MEMBER), "iam:PutRolePolicy", "arn:aws:iam::222233334444:role/shop"),
        // This includes other trails, such as those that Control Tower keeps in members.
        call(&admin(MEMBER), "cloudtrail:UpdateTrail", &trail("aws-controltower-BaselineCloudTrail")),
        call(&admin(MEMBER), "lambda:GetFunction", &function),
        call(&admin(MEMBER), "sqs:GetQueueAttributes", &sqs(MEMBER, "calls")),
    ]);
    check(&deployment, Decision::Allowed, &allowed);
}

/// The examples for the account of the log archive allow exactly audit-trail.
#[test]
fn the_examples_for_the_log_archive_let_the_hub_read() {
    let policy = |name: &str| -> Value {
        let text = std::fs::read_to_string(root().join("deploy").join(name)).unwrap();
        let filled = text.replace("HUB_ACCOUNT", HUB).replace("HUB_REGION", REGION).replace("TRAIL_BUCKET", "org-trail");
        let filled = filled.replace("PARTITION", "aws").replace("URL_SUFFIX", "amazonaws.com");
        serde_json::from_str(&filled.replace("TRAIL_TOPIC_ARN", "arn:aws:sns:us-east-1:444455556666:trail")).unwrap()
    };
    let key_arn = "arn:aws:kms:us-east-1:444455556666:key/k";
    let hub = Template::hub().stack(HUB, REGION, &[("TrailBucketName", "org-trail"), ("TrailKeyArn", key_arn)]);
    let decide = |resource: &str, call: &Call| {
        let principal =
            if call.context_is("aws:principalarn", &of_region(HUB, "audit-trail")) { "AuditTrailRole" } else { "FoldFindingsRole" };
        let identity = hub.properties(principal)["Policies"].as_array().unwrap().iter().map(|policy| document(&policy["PolicyDocument"]));
        Policies { identity: identity.collect(), resource: Some(document(&policy(resource))), ..Policies::default() }.decide(call)
    };
    let read =
        |who: &str| call(&of_region(HUB, who), "s3:GetObject", "arn:aws:s3:::org-trail/AWSLogs/o-1/f.json.gz").in_account("444455556666");
    let decrypt = |who: &str| call(&of_region(HUB, who), "kms:Decrypt", key_arn).with("kms:ViaService", &["s3.us-east-1.amazonaws.com"]);
    assert_eq!(decide("log-archive-bucket.policy.json", &read("audit-trail")), Decision::Allowed);
    assert_eq!(decide("log-archive-bucket.policy.json", &read("fold-findings")), Decision::Denied);
    let list = |who: &str| call(&of_region(HUB, who), "s3:ListBucket", "arn:aws:s3:::org-trail").in_account("444455556666");
    assert_eq!(decide("log-archive-bucket.policy.json", &list("audit-trail")), Decision::Allowed);
    assert_eq!(decide("log-archive-bucket.policy.json", &list("fold-findings")), Decision::Denied);
    assert_eq!(decide("log-archive-key.policy.json", &decrypt("audit-trail")), Decision::Allowed);
    assert_eq!(decide("log-archive-key.policy.json", &decrypt("fold-findings")), Decision::Denied);
    let topic = policy("log-archive-topic.policy.json");
    let policies = Policies { identity: vec![document(&full_access())], resource: Some(document(&topic)), ..Policies::default() };
    let subscribe = call(&admin(HUB), "sns:Subscribe", "arn:aws:sns:us-east-1:444455556666:trail").with("sns:Protocol", &["sqs"]);
    assert_eq!(policies.decide(&subscribe.clone().with("sns:Endpoint", &[&sqs(HUB, "trail")])), Decision::Allowed);
    assert_eq!(policies.decide(&subscribe.with("sns:Endpoint", &["arn:aws:sqs:us-east-1:444455556666:other"])), Decision::Denied);
}

/// The operations that the code calls, by the names in its errors.
fn operations_in(modules: &[&str]) -> BTreeSet<String> {
    let named = |module: &&str| -> Vec<String> {
        let sources = root().join("shared/aws/src");
        let below = walkdir::WalkDir::new(sources.join(module)).into_iter().filter_map(Result::ok).map(walkdir::DirEntry::into_path);
        let files = below.filter(|path| path.is_file()).chain([sources.join(module).with_extension("rs")]);
        let source: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let names = source.split("failed(").skip(1).filter_map(|rest| rest.trim_start_matches("format!(").strip_prefix('"'));
        names.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect()).collect()
    };
    modules.iter().flat_map(named).filter(|name: &String| !name.is_empty()).collect()
}

/// The example is enough for `snapshot` and `doctor`: it allows the calls that they make and no others, and it allows no change.
#[test]
fn the_snapshot_policy_is_what_is_asked() {
    let text_of_policy = std::fs::read_to_string(root().join("deploy/snapshot.policy.json")).unwrap();
    let policy: Value = serde_json::from_str(&text_of_policy.replace("PARTITION", "aws")).unwrap();
    let mut granted = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        let actions = statement["Action"].as_array().cloned().unwrap_or_else(|| vec![statement["Action"].clone()]);
        granted.extend(actions.iter().map(|action| text(action).split_once(':').unwrap().1.to_owned()));
    }
    let mut asked = operations_in(&["state", "snapshot", "doctor"]);
    // It needs no permission.
    assert!(asked.remove("GetCallerIdentity"));
    // Only the hub asks AWS for validation errors of policies.
    for of_hub in ["ListAccountsWithInvalidEffectivePolicy", "ListEffectivePolicyValidationErrors"] {
        assert!(asked.remove(of_hub));
    }
    // `doctor` counts targets, and reports where it may not.
    asked.insert("ListTargetsByRule".to_owned());
    assert_eq!(granted, asked);
    let reads = |name: &String| ["Get", "List", "Describe", "Lookup"].iter().any(|start| name.starts_with(start)) || name == "AssumeRole";
    assert!(granted.iter().all(reads), "{granted:?}");

    // The role trusts the principals that the account allows to assume it.
    let trust = json!({"Version": "2012-10-17", "Statement":
        [{"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{MEMBER}:root")}, "Action": "sts:AssumeRole"}]});
    let decide = |action: &str, resource: &str| {
        let resource_policy = (action == "sts:AssumeRole").then(|| document(&trust));
        let policies = Policies { identity: vec![document(&policy)], resource: resource_policy, ..Policies::default() };
        policies.decide(&Call::by(&admin(MEMBER), action, resource))
    };
    let assumed = format!("arn:aws:iam::{MEMBER}:role/guardrail-audit-snapshot");
    for (action, resource) in [
        ("bedrock:GetGuardrail", bedrock(MEMBER, "guardrail/abcd1234efgh")),
        ("bedrock:GetInferenceProfile", bedrock(MEMBER, "application-inference-profile/abcd1234efgh")),
        ("cloudtrail:GetTrailStatus", format!("arn:aws:cloudtrail:us-east-1:{MEMBER}:trail/organization")),
        ("events:ListTargetsByRule", format!("arn:aws:events:us-east-1:{MEMBER}:rule/guardrail-audit-calls")),
        ("organizations:DescribePolicy", "*".to_owned()),
        ("sts:AssumeRole", assumed),
    ] {
        assert_eq!(decide(action, &resource), Decision::Allowed, "{action}");
    }
    for (action, resource) in [
        ("sts:AssumeRole", format!("arn:aws:iam::{MEMBER}:role/admin")),
        ("bedrock:UpdateGuardrail", bedrock(MEMBER, "guardrail/abcd1234efgh")),
        ("bedrock:InvokeModel", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0".to_owned()),
        ("bedrock:GetPrompt", bedrock(MEMBER, "prompt/abcd1234efgh")),
        ("s3:GetObject", "arn:aws:s3:::logs/key".to_owned()),
    ] {
        assert_eq!(decide(action, &resource), Decision::Denied, "{action}");
    }
}

/// The reader role may make every call by which the hub's code reads an account.
#[test]
fn whatever_the_code_reads_the_reader_may_read() {
    let operations = operations_in(&["state"]);
    assert!(operations.len() > 15, "{operations:?}");
    let deployment = Deployment::of_an_organization();
    let reader = role(MANAGEMENT, "guardrail-audit-reader");
    let mut resources =
        ["guardrail/x", "agent/x", "flow/x", "application-inference-profile/x"].map(|resource| bedrock(MANAGEMENT, resource)).to_vec();
    resources.extend(["*".to_owned(), format!("arn:aws:cloudtrail:us-east-1:{MANAGEMENT}:trail/org")]);
    for operation in operations {
        let services = ["bedrock", "organizations", "cloudtrail"];
        let allowed = |service: &str, resource: &String| {
            deployment.decide(&call(&reader, &format!("{service}:{operation}"), resource)) == Decision::Allowed
        };
        assert!(
            services.iter().any(|service| resources.iter().any(|resource| allowed(service, resource))),
            "the reader may not {operation}"
        );
    }
}

/// An example for people who look after the hub, filled in.
fn example(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join("deploy").join(name)).unwrap();
    let filled = text.replace("PARTITION", "aws").replace("HUB_REGION", REGION).replace("HUB_ACCOUNT", HUB);
    serde_json::from_str(&filled.replace("HUB_KEY_ARN", KEY).replace("URL_SUFFIX", "amazonaws.com")).unwrap()
}

/// The example lets whoever reads the hub do what `--hub` does, and nothing else.
#[test]
fn the_example_for_readers_of_the_hub_lets_them_read_and_change_nothing() {
    let policy = example("hub-reader.policy.json");
    let hub = Template::hub().stack(HUB, REGION, &[]);
    let decide = |call: &Call| {
        // A key's own policy has to let the account's policies decide.
        let resource = call.action.starts_with("kms:").then(|| document(&hub.properties("Key")["KeyPolicy"]));
        Policies { identity: vec![document(&policy)], resource, ..Policies::default() }.decide(call)
    };
    let reader = format!("arn:aws:iam::{HUB}:role/reads-the-hub");
    let list = |prefix: &str| call(&reader, "s3:ListBucket", WORLD).with("s3:prefix", &[prefix]);
    let mut allowed =
        vec![list("world/"), list("world/organization"), key(&reader, "kms:Decrypt", "dynamodb"), key(&reader, "kms:Decrypt", "s3")];
    // S3 asks so whether an object is missing or forbidden.
    allowed.push(call(&reader, "s3:ListBucket", WORLD));
    allowed.extend(
        [FINDINGS, NOTES, OBSERVATIONS]
            .into_iter()
            .flat_map(|table| ["dynamodb:Query", "dynamodb:GetItem"].map(|action| call(&reader, action, table))),
    );
    allowed.extend(
        [
            "world/organization@20261101T000000Z.json",
            "configuration/guardrail-audit.toml",
            "sealed/222233334444/0/calls",
            "bundles/organization",
        ]
        .map(|path| world(&reader, "s3:GetObject", path)),
    );
    allowed.push(call(&reader, "lambda:ListEventSourceMappings", "*"));
    allowed.extend(["sqs:GetQueueUrl", "sqs:GetQueueAttributes"].map(|action| call(&reader, action, &sqs(HUB, "folds.fifo"))));
    for call in allowed {
        assert_eq!(decide(&call), Decision::Allowed, "{call:?}");
    }
    let mut denied = vec![key(&reader, "kms:Decrypt", "sns"), list("state/"), world(&reader, "s3:GetObject", "state/x")];
    denied.extend(["sqs:ReceiveMessage", "sqs:PurgeQueue", "sqs:SendMessage"].map(|action| call(&reader, action, &sqs(HUB, "folds.fifo"))));
    for action in ["PutItem", "UpdateItem", "DeleteItem", "Scan", "BatchWriteItem", "DeleteTable"] {
        denied.extend([FINDINGS, NOTES, OBSERVATIONS].map(|table| call(&reader, &format!("dynamodb:{action}"), table)));
    }
    denied.extend(["s3:PutObject", "s3:DeleteObject"].map(|action| world(&reader, action, "configuration/guardrail-audit.toml")));
    denied.push(world(&reader, "s3:PutObject", "sealed/222233334444/0/calls"));
    for call in denied {
        assert_eq!(decide(&call), Decision::Denied, "{call:?}");
    }
}

/// The example lets whoever runs the hub do what `hub rebuild`, `redrive`, `tell-again` and `pause` do, and write nothing by themselves.
#[test]
fn the_example_for_operators_of_the_hub_lets_them_run_it_and_write_nothing() {
    let policy = example("hub-operator.policy.json");
    let hub = Template::hub().stack(
        HUB,
        REGION,
        &[("OrganizationId", ORGANIZATION), ("ManagementAccountId", MANAGEMENT), ("SecurityHub", "true")],
    );
    let member = Template::member();
    let decide = |call: &Call| Policies { identity: vec![document(&policy)], ..Policies::default() }.decide(call);
    let operator = format!("arn:aws:iam::{HUB}:role/runs-the-hub");
    let function = |name: &str| format!("arn:aws:lambda:{REGION}:{HUB}:function:guardrail-audit-{name}");
    let mapping = format!("arn:aws:lambda:{REGION}:{HUB}:event-source-mapping:11111111-2222-3333-4444-555555555555");
    let of_mapping = |action: &str, name: &str| call(&operator, action, &mapping).with("lambda:FunctionArn", &[&function(name)]);
    let mut allowed: Vec<Call> =
        ["fold-findings", "send-alerts"].iter().map(|name| call(&operator, "lambda:InvokeFunction", &function(name))).collect();
    allowed.push(of_mapping("lambda:UpdateEventSourceMapping", "fold-findings"));
    let mut denied = vec![
        call(&operator, "lambda:InvokeFunction", &function("report")),
        call(&operator, "lambda:UpdateFunctionCode", &function("fold-findings")),
        call(&operator, "lambda:PutFunctionConcurrency", &function("fold-findings")),
        // The stream of facts lives a day: who stopped it would lose what it tells of.
        of_mapping("lambda:UpdateEventSourceMapping", "route-observations"),
        of_mapping("lambda:UpdateEventSourceMapping", "send-alerts"),
        of_mapping("lambda:DeleteEventSourceMapping", "fold-findings"),
    ];
    // Dead letters are taken where they are, and sent to where they came from.
    let stacks = [hub.nested("Member", &member), hub.nested("Forwarded", &member), hub];
    let mut queues = 0;
    for (_, queue) in stacks.iter().flat_map(|stack| stack.of_type("AWS::SQS::Queue")) {
        let name = queue["QueueName"].as_str().unwrap();
        let arn = format!("arn:aws:sqs:{REGION}:{HUB}:{name}");
        let (takes, puts) = (["ReceiveMessage", "DeleteMessage"], ["SendMessage"]);
        let (may, may_not): (&[&str], &[&str]) = match name.trim_start_matches("guardrail-audit-") {
            "trail-dead" | "reconcile-dead" | "folds-dead.fifo" => (&takes, &["SendMessage", "PurgeQueue"]),
            "trail" | "reconcile" | "folds.fifo" => (&puts, &["ReceiveMessage", "DeleteMessage", "PurgeQueue"]),
            // Events of calls and changes are nobody's to make up.
            _ => (&[], &["SendMessage", "ReceiveMessage", "DeleteMessage", "PurgeQueue"]),
        };
        allowed.extend(may.iter().map(|action| call(&operator, &format!("sqs:{action}"), &arn)));
        denied.extend(may_not.iter().map(|action| call(&operator, &format!("sqs:{action}"), &arn)));
        queues += 1;
    }
    assert!(queues > 9, "{queues}");
    for table in [FINDINGS, NOTES, OBSERVATIONS] {
        denied.extend(["PutItem", "UpdateItem", "DeleteItem"].map(|action| call(&operator, &format!("dynamodb:{action}"), table)));
    }
    for call in allowed {
        assert_eq!(decide(&call), Decision::Allowed, "{call:?}");
    }
    for call in denied {
        assert_eq!(decide(&call), Decision::Denied, "{call:?}");
    }
}
