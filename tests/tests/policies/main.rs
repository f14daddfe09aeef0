//! Evaluates the policies of both templates: calls that the product makes are allowed, and a list of others is refused.

#![expect(clippy::unwrap_used, reason = "tests")]

mod everything;
mod examples;

use audit_core::iam::{Call, Decision, Policies};
use end_to_end::{
    deployment::{Deployment, FORWARDER, HUB, KEY, MANAGEMENT, MEMBER, REGION, call, role},
    documents::{document, full_access},
    template::{Template, root, text},
};
use serde_json::{Value, json};

const OBSERVATIONS: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/guardrail-audit-observations";
const FINDINGS: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/guardrail-audit-findings";
const NOTES: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/guardrail-audit-notes";
const WORLD: &str = "arn:aws:s3:::guardrail-audit-world-111122223333-us-east-1";
const BUS: &str = "arn:aws:events:us-east-1:111122223333:event-bus/guardrail-audit";

fn of_region(account: &str, function: &str) -> String {
    role(account, &format!("guardrail-audit-{function}-{REGION}"))
}

fn sqs(account: &str, queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{account}:guardrail-audit-{queue}")
}

fn security_hub(resource: &str) -> String {
    format!("arn:aws:securityhub:{REGION}:{HUB}:{resource}")
}

fn bedrock(account: &str, resource: &str) -> String {
    format!("arn:aws:bedrock:{REGION}:{account}:{resource}")
}

fn put(principal: &str, keys: &[&str]) -> Call {
    call(principal, "dynamodb:PutItem", OBSERVATIONS).with("dynamodb:LeadingKeys", keys)
}

fn own_key(account: &str) -> String {
    format!("{account}#us-east-1#2026-11-01T10")
}

/// The partition key of what the hub itself read of an account.
fn hub_key(account: &str) -> String {
    format!("hub#{}", own_key(account))
}

fn key(principal: &str, action: &str, service: &str) -> Call {
    call(principal, action, KEY).with("kms:ViaService", &[&format!("{service}.us-east-1.amazonaws.com")])
}

fn admin(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/admin")
}

fn assume(principal: &str, role: &str) -> Call {
    call(principal, "sts:AssumeRole", role)
}

fn world(principal: &str, action: &str, path: &str) -> Call {
    call(principal, action, &format!("{WORLD}/{path}")).in_account(HUB)
}

fn list_world(principal: &str, prefix: &str) -> Call {
    call(principal, "s3:ListBucket", WORLD).in_account(HUB).with("s3:prefix", &[prefix])
}

fn check(deployment: &Deployment, expected: Decision, calls: &[Call]) {
    let wrong: Vec<_> = calls.iter().filter(|call| deployment.decide(call) != expected).collect();
    assert!(wrong.is_empty(), "not {expected:?}: {wrong:#?}");
}

#[test]
fn members_report_their_own_evidence() {
    let mut calls = Vec::new();
    for account in [MEMBER, MANAGEMENT, HUB] {
        for function in ["invocations", "changes"] {
            let auditor = of_region(account, function);
            calls.push(put(&auditor, &[&own_key(account)]));
            for action in ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"] {
                calls.push(key(&auditor, action, "dynamodb"));
            }
            let table = "guardrail-audit-observations";
            calls.push(key(&auditor, "kms:Decrypt", "dynamodb").with("kms:EncryptionContext:aws:dynamodb:tableName", &[table]));
            calls.push(call(&auditor, "sqs:SendMessage", &sqs(account, "undelivered")));
            calls.push(call(&auditor, "organizations:DescribeEffectivePolicy", "*"));
            calls.push(call(&auditor, "bedrock:ListEnforcedGuardrailsConfiguration", "*"));
            let group = format!("arn:aws:logs:{REGION}:{account}:log-group:/aws/lambda/guardrail-audit-{function}:log-stream:x");
            calls.push(call(&auditor, "logs:PutLogEvents", &group));
        }
        let changes = of_region(account, "changes");
        for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"] {
            calls.push(call(&changes, action, &sqs(account, "undelivered")));
        }
        // The resource policy of the enforced guardrail allows its use to the organization. It isn't part of the templates, so it isn't evaluated here.
        calls.push(call(&changes, "bedrock:GetGuardrail", &bedrock(MANAGEMENT, "guardrail/abcd1234efgh")).in_account(account));
        calls.push(call(&changes, "bedrock:GetResourcePolicy", &bedrock(account, "guardrail/abcd1234efgh")));
        calls.push(call(&changes, "bedrock:GetAgent", &bedrock(account, "agent/ABCDEFGHIJ")));
        calls.push(call(&changes, "bedrock:GetFlow", &bedrock(account, "flow/ABCDEFGHIJ")));
        calls.push(call(&changes, "bedrock:GetModelInvocationLoggingConfiguration", "*"));
        calls.push(call(&changes, "cloudtrail:DescribeTrails", "*"));
        calls.push(assume(&changes, &role(account, "guardrail-audit-heartbeat")));
    }
    calls.push(call(&of_region(MANAGEMENT, "changes"), "sqs:SendMessage", &sqs(HUB, "reconcile")));
    // An account that forwards its events has no functions, so functions of the hub write its facts. Its calls reach them by a queue.
    for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"] {
        calls.push(call(&of_region(HUB, "forwarded-invocations"), action, &sqs(HUB, "forwarded-calls")));
    }
    calls.push(call(&of_region(HUB, "forwarded-changes"), "sqs:ReceiveMessage", &sqs(HUB, "forwarded-undelivered")));
    calls.push(put(&of_region(HUB, "forwarded-invocations"), &[&own_key(FORWARDER)]));
    calls.push(put(&of_region(HUB, "forwarded-changes"), &[&own_key(FORWARDER)]));
    calls.push(call(&of_region(FORWARDER, "forward"), "events:PutEvents", BUS));
    // An account that forwards has a heartbeat, too.
    calls.push(assume(&of_region(FORWARDER, "changes"), &role(FORWARDER, "guardrail-audit-heartbeat")));
    check(&Deployment::of_an_organization(), Decision::Allowed, &calls);
}

/// What the router asks for of the tables that it writes.
fn what_the_router_asks_for() -> Vec<Call> {
    let hub = |function: &str| of_region(HUB, function);
    let mut calls = Vec::new();
    for (action, table, keys) in [
        ("GetItem", FINDINGS, ["ACCOUNT#222233334444", "PLACES"].as_slice()),
        ("Query", FINDINGS, &["QUIET"]),
        ("UpdateItem", FINDINGS, &["ACCOUNT#222233334444"]),
        ("PutItem", FINDINGS, &["ACCOUNT#222233334444", "PLACES", "HORIZON"]),
        ("PutItem", NOTES, &["KEPT#222233334444", "NOTES#222233334444"]),
        ("UpdateItem", NOTES, &["ACCOUNT#222233334444"]),
    ] {
        for key in keys {
            let action = format!("dynamodb:{action}");
            calls.push(call(&hub("route-observations"), &action, table).with("dynamodb:LeadingKeys", &[key]));
        }
    }
    calls
}

/// What a fold asks for besides facts, findings and the world.
fn what_a_fold_asks_for() -> Vec<Call> {
    let hub = |function: &str| of_region(HUB, function);
    let mut calls = Vec::new();
    for action in ["s3:GetObject", "s3:PutObject"] {
        calls.push(world(&hub("fold-findings"), action, "sealed/222233334444/0/calls"));
        calls.push(world(&hub("fold-findings"), action, "bundles/accounts/222233334444"));
    }
    for key in ["ACCOUNT#222233334444", "KEPT#222233334444", "NOTES#222233334444"] {
        calls.push(call(&hub("fold-findings"), "dynamodb:Query", NOTES).with("dynamodb:LeadingKeys", &[key]));
    }
    for action in ["dynamodb:GetItem", "dynamodb:PutItem"] {
        calls.push(call(&hub("fold-findings"), action, NOTES).with("dynamodb:LeadingKeys", &["DOCUMENT"]));
    }
    for action in ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility", "SendMessage"] {
        calls.push(call(&hub("fold-findings"), &format!("sqs:{action}"), &sqs(HUB, "folds.fifo")));
    }
    calls
}

#[test]
fn the_hub_reads_everybody_and_keeps_the_findings() {
    let hub = |function: &str| of_region(HUB, function);
    let mut calls = Vec::new();
    for account in [MEMBER, FORWARDER, MANAGEMENT, HUB] {
        calls.push(assume(&hub("reconcile"), &role(account, "guardrail-audit-reader")));
        let reader = role(account, "guardrail-audit-reader");
        for action in [
            "bedrock:ListGuardrails",
            "bedrock:ListEnforcedGuardrailsConfiguration",
            "cloudtrail:LookupEvents",
            "cloudtrail:DescribeTrails",
        ] {
            calls.push(call(&reader, action, "*"));
        }
        calls.push(
            call(&reader, "bedrock:GetGuardrail", "arn:aws:bedrock:eu-west-1:222233334444:guardrail/abcd1234efgh").in_account(account),
        );
        calls
            .push(call(&reader, "cloudtrail:GetEventSelectors", "arn:aws:cloudtrail:us-east-1:999988887777:trail/org").in_account(account));
        calls.push(call(&reader, "bedrock:GetAgent", &bedrock(account, "agent/ABCDEFGHIJ")));
    }
    for action in [
        "ListAccountsForParent",
        "ListRoots",
        "ListPolicies",
        "DescribePolicy",
        "DescribeEffectivePolicy",
        "ListAccountsWithInvalidEffectivePolicy",
        "ListEffectivePolicyValidationErrors",
    ] {
        calls.push(call(&role(MANAGEMENT, "guardrail-audit-reader"), &format!("organizations:{action}"), "*"));
    }
    calls.push(call(&hub("reconcile"), "sqs:ReceiveMessage", &sqs(HUB, "reconcile")));
    calls.push(call(&hub("reconcile"), "sqs:SendMessage", &sqs(HUB, "reconcile")));
    calls.push(put(&hub("reconcile"), &[&hub_key(MEMBER)]));
    calls.push(put(&hub("audit-trail"), &[&hub_key(MEMBER)]));
    calls.push(put(&hub("fold-findings"), &[&hub_key(MEMBER)]));
    calls.push(put(&hub("route-observations"), &[&hub_key(MEMBER)]));
    calls.push(call(&hub("audit-trail"), "s3:GetObject", "arn:aws:s3:::org-trail/AWSLogs/x.json.gz").in_account(HUB));
    calls.push(call(&hub("audit-trail"), "s3:ListBucket", "arn:aws:s3:::org-trail").in_account(HUB));
    calls.push(call(&hub("audit-trail"), "cloudtrail:ListPublicKeys", "*"));
    for function in ["reconcile", "fold-findings"] {
        calls.push(world(&hub(function), "s3:GetObject", "world/organization.json"));
        calls.push(list_world(&hub(function), "world/"));
        calls.push(key(&hub(function), "kms:Decrypt", "s3"));
    }
    calls.push(world(&hub("fold-findings"), "s3:GetObject", "configuration/guardrail-audit.toml"));
    calls.push(world(&hub("reconcile"), "s3:PutObject", "state/history/222233334444/us-east-1.json"));
    calls.push(key(&hub("report"), "kms:GenerateDataKey", "s3"));
    calls.push(world(&hub("reconcile"), "s3:PutObject", "world/organization.json"));
    calls.push(world(&hub("report"), "s3:PutObject", "reports/2026-11-01.json"));
    calls.push(world(&hub("report"), "s3:GetObject", "world/organization@20261101T000000Z.json"));
    calls.push(list_world(&hub("report"), "world/organization"));
    for action in ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query"] {
        calls.push(call(&hub("fold-findings"), action, FINDINGS));
    }
    let stream = |table: &str| format!("{table}/stream/2026-01-01T00:00:00.000");
    for action in ["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream"] {
        calls.push(call(&hub("route-observations"), action, &stream(OBSERVATIONS)));
        calls.push(call(&hub("send-alerts"), action, &stream(FINDINGS)));
        calls.push(call(&hub("import-findings"), action, &stream(FINDINGS)));
    }
    calls.push(call(&hub("fold-findings"), "dynamodb:Query", OBSERVATIONS));
    for queue in ["facts-dead", "folds.fifo", "reconcile"] {
        calls.push(call(&hub("route-observations"), "sqs:SendMessage", &sqs(HUB, queue)));
    }
    calls.extend(what_the_router_asks_for());
    calls.extend(what_a_fold_asks_for());
    calls.push(call(&hub("report"), "dynamodb:Query", &format!("{FINDINGS}/index/by_account")));
    for body in ["text", "json", "chat"] {
        calls.push(call(&hub("send-alerts"), "sns:Publish", &format!("arn:aws:sns:us-east-1:{HUB}:guardrail-audit-alerts-{body}")));
    }
    let bus = format!("arn:aws:events:us-east-1:{HUB}:event-bus/default");
    calls.push(call(&hub("send-alerts"), "events:PutEvents", &bus).with("events:source", &["guardrail-audit"]));
    calls.push(key(&hub("send-alerts"), "kms:GenerateDataKey", "sns"));
    for (action, key) in
        [("GetItem", "ALERT#x"), ("PutItem", "ALERT#x"), ("Query", "DIGEST"), ("PutItem", "DIGEST"), ("DeleteItem", "DIGEST")]
    {
        calls.push(call(&hub("send-alerts"), &format!("dynamodb:{action}"), NOTES).with("dynamodb:LeadingKeys", &[key]));
    }
    // An earlier release kept facts that were rewritten or removed in the table of findings.
    calls.push(call(&hub("send-alerts"), "dynamodb:DeleteItem", FINDINGS).with("dynamodb:LeadingKeys", &["DIGEST"]));
    for who in ["send-alerts", "import-findings", "fold-findings", "route-observations"] {
        calls.push(
            key(&hub(who), "kms:Decrypt", "dynamodb").with("kms:EncryptionContext:aws:dynamodb:tableName", &["guardrail-audit-notes"]),
        );
    }
    calls.push(call(&hub("send-alerts"), "dynamodb:GetItem", FINDINGS).with("dynamodb:LeadingKeys", &["FINDINGS#222233334444"]));
    calls.push(call(&hub("import-findings"), "securityhub:BatchImportFindings", &security_hub("product/111122223333/default")));
    for action in ["securityhub:BatchUpdateFindings", "securityhub:GetFindings"] {
        calls.push(call(&hub("import-findings"), action, &security_hub("hub/default")));
    }
    for action in ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem"] {
        calls.push(call(&hub("import-findings"), action, NOTES).with("dynamodb:LeadingKeys", &["SECURITYHUB#222233334444"]));
    }
    calls.push(key(&hub("import-findings"), "kms:GenerateDataKey", "dynamodb"));
    calls.push(call(&hub("import-findings"), "sqs:SendMessage", &sqs(HUB, "imports-dead")));
    check(&Deployment::of_an_organization(), Decision::Allowed, &calls);
}

#[test]
fn rules_schedules_and_topics_deliver() {
    let deliver = |rule: &str, queue: &str, account: &str| {
        let rule = format!("arn:aws:events:{REGION}:{account}:rule/{rule}");
        Call::by_service("events.amazonaws.com", "sqs:SendMessage", &sqs(account, queue)).with("aws:SourceArn", &[&rule])
    };
    let invoke = |rule: &str, function: &str, account: &str| {
        let rule = format!("arn:aws:events:{REGION}:{account}:rule/{rule}");
        let function = format!("arn:aws:lambda:{REGION}:{account}:function:guardrail-audit-{function}");
        Call::by_service("events.amazonaws.com", "lambda:InvokeFunction", &function).with("aws:SourceArn", &[&rule])
    };
    let mut calls = vec![
        deliver("guardrail-audit-reconcile", "reconcile", HUB),
        deliver("guardrail-audit-trail-files", "trail", HUB),
        deliver("guardrail-audit/guardrail-audit-trail-files", "trail", HUB),
        deliver("guardrail-audit/guardrail-audit-forwarded-calls", "forwarded-calls", HUB),
        deliver("guardrail-audit/guardrail-audit-forwarded-calls", "forwarded-undelivered", HUB),
        invoke("guardrail-audit/guardrail-audit-forwarded-watch", "forwarded-changes", HUB),
        invoke("guardrail-audit/guardrail-audit-forwarded-changes-data", "forwarded-changes", HUB),
        invoke("guardrail-audit-forwarded-heartbeat", "forwarded-changes", HUB),
        invoke("guardrail-audit-heartbeat", "changes", FORWARDER),
    ];
    for account in [MEMBER, HUB, MANAGEMENT] {
        calls.push(invoke("guardrail-audit-heartbeat", "changes", account));
        for rule in ["calls", "unknown-calls", "other-calls"] {
            calls.push(invoke(&format!("guardrail-audit-{rule}"), "invocations", account));
            calls.push(deliver(&format!("guardrail-audit-{rule}"), "undelivered", account));
        }
        for rule in
            ["changes-bedrock", "changes-organization", "changes-identity", "changes-evidence", "changes-auditor", "changes-data", "watch"]
        {
            calls.push(invoke(&format!("guardrail-audit-{rule}"), "changes", account));
            calls.push(deliver(&format!("guardrail-audit-{rule}"), "undelivered", account));
        }
    }
    let assumed = Call::by_service("events.amazonaws.com", "sts:AssumeRole", &of_region(FORWARDER, "forward"));
    let rule = format!("arn:aws:events:{REGION}:{FORWARDER}:rule/guardrail-audit-calls");
    calls.push(assumed.with("aws:SourceAccount", &[FORWARDER]).with("aws:SourceArn", &[&rule]));
    let logs = Call::by_service("logs.us-east-1.amazonaws.com", "kms:GenerateDataKey", KEY);
    let group = format!("arn:aws:logs:us-east-1:{HUB}:log-group:/aws/lambda/guardrail-audit-report");
    calls.push(logs.with("kms:EncryptionContext:aws:logs:arn", &[&group]));
    check(&Deployment::of_an_organization(), Decision::Allowed, &calls);

    let stranger = "arn:aws:events:us-east-1:444455556666:rule/guardrail-audit-calls";
    let calls = [
        deliver("something-else", "undelivered", MEMBER),
        invoke("something-else", "invocations", MEMBER),
        invoke("something-else-calls", "invocations", MEMBER),
        invoke("guardrail-audit-changes-data", "invocations", MEMBER),
        invoke("guardrail-audit-calls", "changes", MEMBER),
        invoke("guardrail-audit-calls", "invocations", MEMBER).with("aws:SourceArn", &[stranger]),
        invoke("guardrail-audit-calls", "forwarded-changes", HUB),
        invoke("guardrail-audit/guardrail-audit-forwarded-calls", "invocations", HUB),
        deliver("guardrail-audit-calls", "undelivered", MEMBER).with("aws:SourceArn", &[stranger]),
        deliver("guardrail-audit-calls", "reconcile", HUB),
        deliver("guardrail-audit-calls", "undelivered", MEMBER).with("aws:SecureTransport", &["false"]),
        Call::by_service("sns.amazonaws.com", "sqs:SendMessage", &sqs(HUB, "trail")).with("aws:SourceArn", &["arn:aws:sns:us-east-1:1:t"]),
    ];
    check(&Deployment::of_an_organization(), Decision::Denied, &calls);
}

/// Calls that a member's administrator could make as one of the auditor's roles or as a role of their own, all of which must be refused.
#[test]
#[expect(clippy::too_many_lines, reason = "a list of calls")]
fn members_can_do_nothing_else() {
    let mut calls = Vec::new();
    let auditors = [of_region(MEMBER, "invocations"), of_region(MEMBER, "changes"), role(MEMBER, "guardrail-audit-reader"), admin(MEMBER)];
    // A role that the administrator created below the path, with every permission: only resource policies can refuse it.
    let impostor = role(MEMBER, "impostor");
    for who in auditors.iter().chain([&impostor]) {
        calls.push(put(who, &[&own_key(HUB)]));
        calls.push(put(who, &[&own_key(FORWARDER)]));
        calls.push(put(who, &[&own_key(MEMBER), &own_key(HUB)]));
        calls.push(put(who, &["222233334444"]));
        calls.push(put(who, &[&hub_key(MEMBER)]));
        calls.push(put(who, &["2222333344445#us-east-1#2026"]));
        calls.push(put(who, &[]));
        for action in [
            "BatchGetItem",
            "BatchWriteItem",
            "ConditionCheckItem",
            "CreateBackup",
            "DeleteItem",
            "DeleteResourcePolicy",
            "DeleteTable",
            "DescribeTable",
            "ExportTableToPointInTime",
            "GetItem",
            "GetResourcePolicy",
            "PartiQLDelete",
            "PartiQLInsert",
            "PartiQLSelect",
            "PartiQLUpdate",
            "PutResourcePolicy",
            "Query",
            "RestoreTableToPointInTime",
            "Scan",
            "TagResource",
            "UpdateContinuousBackups",
            "UpdateItem",
            "UpdateTable",
            "UpdateTimeToLive",
        ] {
            for table in [OBSERVATIONS, FINDINGS] {
                let action = format!("dynamodb:{action}");
                calls.push(call(who, &action, table).with("dynamodb:LeadingKeys", &[&own_key(MEMBER)]));
            }
        }
        calls.push(call(who, "dynamodb:PutItem", FINDINGS).with("dynamodb:LeadingKeys", &[&own_key(MEMBER)]));
        calls.push(call(who, "dynamodb:Query", &format!("{FINDINGS}/index/by_status")));
        calls.push(call(who, "dynamodb:GetRecords", &format!("{OBSERVATIONS}/stream/2026-01-01T00:00:00.000")));
        for (action, path) in [
            ("GetObject", "world/organization.json"),
            ("PutObject", "world/organization.json"),
            ("PutObject", "configuration/guardrail-audit.toml"),
            ("GetObject", "configuration/guardrail-audit.toml"),
            ("DeleteObject", "reports/x.json"),
            ("GetObject", "reports/x.json"),
        ] {
            calls.push(world(who, &format!("s3:{action}"), path));
        }
        calls.push(list_world(who, "world/"));
        calls.push(call(who, "s3:PutBucketPolicy", WORLD).in_account(HUB));
        // The key may be used only by requests to the table.
        calls.push(call(who, "kms:Decrypt", KEY));
        calls.push(key(who, "kms:Decrypt", "s3"));
        calls.push(key(who, "kms:GenerateDataKey", "sns"));
        calls.push(key(who, "kms:Decrypt", "dynamodb").with("kms:ViaService", &["dynamodb.eu-west-1.amazonaws.com"]));
        calls.push(key(who, "kms:Decrypt", "dynamodb").with("kms:EncryptionContext:aws:dynamodb:tableName", &["guardrail-audit-findings"]));
        for action in ["CreateGrant", "DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion", "RetireGrant"] {
            calls.push(key(who, &format!("kms:{action}"), "dynamodb"));
        }
        for queue in ["reconcile", "trail", "undelivered", "facts-dead", "forwarded-calls", "forwarded-undelivered"] {
            calls.push(call(who, "sqs:SendMessage", &sqs(HUB, queue)));
            calls.push(call(who, "sqs:ReceiveMessage", &sqs(HUB, queue)));
        }
        for topic in ["alerts-text", "alerts-json", "alerts-chat", "alarms"] {
            calls.push(call(who, "sns:Publish", &format!("arn:aws:sns:us-east-1:{HUB}:guardrail-audit-{topic}")));
            calls.push(call(who, "sns:Subscribe", &format!("arn:aws:sns:us-east-1:{HUB}:guardrail-audit-{topic}")));
        }
        for other in [HUB, FORWARDER, MANAGEMENT] {
            calls.push(assume(who, &role(other, "guardrail-audit-reader")));
            calls.push(assume(who, &role(other, "guardrail-audit-heartbeat")));
        }
        calls.push(assume(who, &of_region(HUB, "reconcile")));
        calls.push(assume(who, &of_region(HUB, "fold-findings")));
        calls.push(call(who, "lambda:InvokeFunction", &format!("arn:aws:lambda:us-east-1:{HUB}:function:guardrail-audit-report")));
        calls.push(call(who, "lambda:InvokeFunctionUrl", &format!("arn:aws:lambda:us-east-1:{HUB}:function:guardrail-audit-report")));
        calls.push(call(
            who,
            "events:PutRule",
            &format!("arn:aws:events:us-east-1:{HUB}:rule/guardrail-audit/guardrail-audit-forwarded-calls"),
        ));
    }
    // A caller from outside of the organization, or not below the path, is refused even with the right key.
    let outside = put(&of_region(MEMBER, "invocations"), &[&own_key(MEMBER)]).with("aws:PrincipalOrgID", &["o-otherotherot"]);
    calls.push(outside);
    calls.push(put(&of_region(MEMBER, "invocations"), &[&own_key(MEMBER)]).with("aws:PrincipalOrgID", &[]));
    calls.push(put(&admin(MEMBER), &[&own_key(MEMBER)]));
    calls.push(put("arn:aws:iam::222233334444:user/guardrail-audit/x", &[&own_key(MEMBER)]));
    calls.push(key(&admin(MEMBER), "kms:Decrypt", "dynamodb"));
    calls.push(key(&of_region(MEMBER, "changes"), "kms:Decrypt", "dynamodb").with("aws:PrincipalOrgID", &["o-otherotherot"]));
    calls.push(call(&admin(MEMBER), "events:PutEvents", BUS).with("aws:PrincipalOrgID", &["o-otherotherot"]));
    // Only the principals that they trust may assume the roles.
    let (invocations, changes) = (of_region(MEMBER, "invocations"), of_region(MEMBER, "changes"));
    calls.push(assume(&invocations, &role(MEMBER, "guardrail-audit-heartbeat")));
    calls.push(assume(&admin(MEMBER), &role(MEMBER, "guardrail-audit-heartbeat")));
    calls.push(assume(&admin(MEMBER), &role(MEMBER, "guardrail-audit-reader")));
    calls.push(assume(&admin(HUB), &role(MEMBER, "guardrail-audit-reader")));
    calls.push(assume(&of_region(HUB, "fold-findings"), &role(MEMBER, "guardrail-audit-reader")));
    calls.push(
        assume(&of_region(HUB, "reconcile"), &role(MEMBER, "guardrail-audit-reader")).with("aws:PrincipalOrgID", &["o-otherotherot"]),
    );
    calls.push(
        assume(&of_region(HUB, "reconcile"), &role("444455556666", "guardrail-audit-reader"))
            .with("aws:ResourceOrgID", &["o-otherotherot"]),
    );
    calls.push(assume(&of_region(HUB, "reconcile"), &role(MEMBER, "guardrail-audit-heartbeat")));
    calls.push(assume(&of_region(HUB, "reconcile"), &admin(MEMBER)));
    for who in [&invocations, &changes] {
        calls.push(call(who, "bedrock:InvokeModel", &bedrock("", "foundation-model/anthropic.claude-3-haiku")));
        calls.push(call(who, "bedrock:UpdateGuardrail", &bedrock(MEMBER, "guardrail/abcd1234efgh")));
        calls.push(call(who, "bedrock:DeleteEnforcedGuardrailConfiguration", "*"));
        calls.push(call(who, "cloudtrail:StopLogging", &format!("arn:aws:cloudtrail:us-east-1:{MEMBER}:trail/t")));
        calls.push(call(who, "organizations:DetachPolicy", "*"));
        calls.push(call(who, "organizations:ListAccounts", "*"));
        calls.push(call(who, "iam:PutRolePolicy", &role(MEMBER, "guardrail-audit-reader")));
        calls.push(call(who, "sqs:SendMessage", &sqs(MEMBER, "calls")));
        calls.push(call(who, "sqs:PurgeQueue", &sqs(MEMBER, "undelivered")));
        calls.push(call(who, "s3:GetObject", "arn:aws:s3:::any/thing"));
        calls.push(call(
            who,
            "logs:DeleteLogGroup",
            &format!("arn:aws:logs:us-east-1:{MEMBER}:log-group:/aws/lambda/guardrail-audit-changes"),
        ));
    }
    calls.push(call(&invocations, "sqs:ReceiveMessage", &sqs(MEMBER, "undelivered")));
    calls.push(call(&role(MEMBER, "guardrail-audit-reader"), "organizations:ListAccounts", "*"));
    calls.push(call(&role(MANAGEMENT, "guardrail-audit-reader"), "organizations:DetachPolicy", "*"));
    calls.push(call(&role(MEMBER, "guardrail-audit-reader"), "bedrock:UpdateGuardrail", &bedrock(MEMBER, "guardrail/abcd1234efgh")));
    calls.push(call(&of_region(MEMBER, "changes"), "sqs:SendMessage", &sqs(HUB, "reconcile")));
    calls.push(call(&role(FORWARDER, "guardrail-audit-reader"), "events:PutEvents", BUS));
    // The heartbeat's role in an account that forwards can do nothing else.
    let beats = of_region(FORWARDER, "changes");
    calls.push(put(&beats, &[&own_key(FORWARDER)]));
    calls.push(call(&beats, "events:PutEvents", BUS));
    calls.push(call(&beats, "sqs:ReceiveMessage", &sqs(FORWARDER, "undelivered")));
    calls.push(call(&beats, "bedrock:GetGuardrail", &bedrock(FORWARDER, "guardrail/abcd1234efgh")));
    calls.push(call(&beats, "bedrock:Converse", &bedrock("", "foundation-model/anthropic.claude-3-haiku")));
    for action in ["bedrock:Converse", "bedrock:InvokeModel", "bedrock:ListGuardrails", "s3:ListAllMyBuckets"] {
        calls.push(call(&role(MEMBER, "guardrail-audit-heartbeat"), action, "*"));
    }
    check(&Deployment::of_an_organization(), Decision::Denied, &calls);
}

#[test]
fn a_function_of_the_hub_does_only_its_own_work() {
    let hub = |function: &str| of_region(HUB, function);
    let mut calls = vec![
        // Only fold-findings writes findings.
        call(&hub("reconcile"), "dynamodb:PutItem", FINDINGS),
        call(&hub("audit-trail"), "dynamodb:PutItem", FINDINGS),
        call(&hub("report"), "dynamodb:UpdateItem", FINDINGS),
        call(&hub("invocations"), "dynamodb:PutItem", FINDINGS),
        call(&hub("forwarded-invocations"), "dynamodb:PutItem", FINDINGS),
        // The functions that audit the hub's own account write facts of that account only.
        put(&hub("invocations"), &[&own_key(MEMBER)]),
        put(&hub("changes"), &[&own_key(MEMBER)]),
        put(&hub("forwarded-invocations"), &[]),
        put(&hub("forwarded-invocations"), &[&hub_key(MEMBER)]),
        // No function of the hub may write a fact under a member's key, because such facts count as the member's own report.
        put(&hub("reconcile"), &[&own_key(MEMBER)]),
        put(&hub("audit-trail"), &[&own_key(MEMBER)]),
        put(&hub("report"), &[&hub_key(MEMBER)]),
        // The statement that allows members allows no role of the hub's own account.
        put(&hub("report"), &[&own_key(HUB)]),
        call(&hub("fold-findings"), "dynamodb:PutItem", FINDINGS).with("dynamodb:LeadingKeys", &["ALERT#x"]),
        call(&hub("fold-findings"), "dynamodb:PutItem", NOTES).with("dynamodb:LeadingKeys", &["ALERT#x"]),
        // Only the router notes that a fact was rewritten or removed, and nobody may remove such a note.
        call(&hub("fold-findings"), "dynamodb:PutItem", NOTES).with("dynamodb:LeadingKeys", &["NOTES#222233334444"]),
        call(&hub("fold-findings"), "dynamodb:DeleteItem", NOTES).with("dynamodb:LeadingKeys", &["KEPT#222233334444"]),
        call(&hub("route-observations"), "dynamodb:DeleteItem", NOTES).with("dynamodb:LeadingKeys", &["NOTES#222233334444"]),
        call(&hub("route-observations"), "dynamodb:PutItem", NOTES).with("dynamodb:LeadingKeys", &["ALERT#x"]),
        call(&hub("send-alerts"), "dynamodb:PutItem", NOTES).with("dynamodb:LeadingKeys", &["NOTES#222233334444"]),
        call(&hub("send-alerts"), "dynamodb:PutItem", NOTES).with("dynamodb:LeadingKeys", &["SECURITYHUB#222233334444"]),
        // send-alerts writes its own state, and never a finding.
        call(&hub("send-alerts"), "dynamodb:PutItem", FINDINGS).with("dynamodb:LeadingKeys", &["FINDINGS#222233334444"]),
        call(&hub("send-alerts"), "dynamodb:DeleteItem", FINDINGS).with("dynamodb:LeadingKeys", &["KEPT#222233334444"]),
        call(&hub("send-alerts"), "dynamodb:UpdateItem", FINDINGS).with("dynamodb:LeadingKeys", &["ALERT#x"]),
        // import-findings notes what it imported into Security Hub, and may import findings of its own product only.
        call(&hub("import-findings"), "dynamodb:PutItem", FINDINGS).with("dynamodb:LeadingKeys", &["FINDINGS#222233334444"]),
        call(&hub("import-findings"), "dynamodb:PutItem", FINDINGS).with("dynamodb:LeadingKeys", &["ALERT#x"]),
        call(&hub("import-findings"), "securityhub:BatchImportFindings", &security_hub("product/aws/guardduty")),
        call(&hub("import-findings"), "securityhub:DisableSecurityHub", &security_hub("hub/default")),
        call(&hub("send-alerts"), "securityhub:BatchImportFindings", &security_hub("product/111122223333/default")),
        put(&hub("fold-findings"), &[&own_key(MEMBER)]),
        // The router writes the index and no finding. It may send messages to the queue of accounts, and receive none from it.
        call(&hub("route-observations"), "dynamodb:PutItem", FINDINGS).with("dynamodb:LeadingKeys", &["FINDINGS#222233334444"]),
        call(&hub("route-observations"), "dynamodb:PutItem", FINDINGS).with("dynamodb:LeadingKeys", &["QUARANTINE"]),
        call(&hub("route-observations"), "dynamodb:DeleteItem", FINDINGS).with("dynamodb:LeadingKeys", &["ACCOUNT#222233334444"]),
        call(&hub("route-observations"), "dynamodb:Query", OBSERVATIONS),
        call(&hub("route-observations"), "sqs:ReceiveMessage", &sqs(HUB, "folds.fifo")),
        put(&hub("route-observations"), &[&own_key(MEMBER)]),
        world(&hub("route-observations"), "s3:GetObject", "world/organization.json"),
        call(&hub("reconcile"), "sqs:SendMessage", &sqs(HUB, "folds.fifo")),
        call(&hub("fold-findings"), "sqs:SendMessage", &sqs(HUB, "reconcile")),
        call(&hub("send-alerts"), "dynamodb:Query", OBSERVATIONS),
        // Only reconcile reads accounts and writes the world; people write the configuration.
        assume(&hub("fold-findings"), &role(MEMBER, "guardrail-audit-reader")),
        world(&hub("fold-findings"), "s3:PutObject", "world/organization.json"),
        world(&hub("report"), "s3:PutObject", "world/organization.json"),
        world(&hub("report"), "s3:GetObject", "world/policies/p-1.json"),
        list_world(&hub("report"), "world/"),
        world(&hub("reconcile"), "s3:DeleteObject", "world/organization.json"),
        world(&hub("reconcile"), "s3:PutObject", "reports/x"),
        // Verdicts rest on what bundles hold, so only the function that judges accounts may write them.
        world(&hub("reconcile"), "s3:PutObject", "bundles/organization"),
        world(&hub("report"), "s3:PutObject", "bundles/organization"),
        world(&hub("audit-trail"), "s3:GetObject", "world/organization.json"),
        world(&hub("audit-trail"), "s3:PutObject", "world/organization.json"),
        list_world(&hub("send-alerts"), "world/"),
        call(&hub("audit-trail"), "s3:GetObject", "arn:aws:s3:::another/AWSLogs/x").in_account(HUB),
        call(&hub("audit-trail"), "s3:PutObject", "arn:aws:s3:::org-trail/AWSLogs/x").in_account(HUB),
        call(&hub("report"), "sns:Publish", &format!("arn:aws:sns:us-east-1:{HUB}:guardrail-audit-alerts-text")),
        call(&hub("send-alerts"), "sns:Publish", &format!("arn:aws:sns:us-east-1:{HUB}:guardrail-audit-alarms")),
        call(&hub("send-alerts"), "events:PutEvents", &format!("arn:aws:events:us-east-1:{HUB}:event-bus/default"))
            .with("events:source", &["aws.bedrock"]),
        call(&hub("reconcile"), "kms:Decrypt", KEY),
        key(&hub("reconcile"), "kms:Decrypt", "sqs"),
        key(&hub("reconcile"), "kms:PutKeyPolicy", "dynamodb"),
        world(&hub("report"), "s3:GetObject", "world/organization.json").with("aws:SecureTransport", &["false"]),
    ];
    for function in [
        "reconcile",
        "audit-trail",
        "route-observations",
        "fold-findings",
        "send-alerts",
        "import-findings",
        "report",
        "invocations",
        "changes",
        "forwarded-invocations",
        "forwarded-changes",
    ] {
        let who = hub(function);
        calls.push(world(&who, "s3:PutObject", "configuration/guardrail-audit.toml"));
        for action in ["UpdateItem", "DeleteItem", "BatchWriteItem", "DeleteTable", "UpdateTimeToLive", "PutResourcePolicy", "Scan"] {
            calls.push(call(&who, &format!("dynamodb:{action}"), OBSERVATIONS));
        }
        calls.push(call(&who, "dynamodb:DeleteTable", FINDINGS));
        calls.push(call(&who, "iam:PutRolePolicy", &who));
        calls.push(call(&who, "iam:PassRole", &who));
        calls.push(call(&who, "lambda:UpdateFunctionCode", &format!("arn:aws:lambda:us-east-1:{HUB}:function:guardrail-audit-report")));
        calls.push(call(&who, "bedrock:InvokeModel", "arn:aws:bedrock:us-east-1::foundation-model/x"));
    }
    check(&Deployment::of_an_organization(), Decision::Denied, &calls);
}

#[test]
fn alone_nobody_else_is_let_in() {
    let standalone = Deployment::standalone();
    let allowed = [
        put(&of_region(HUB, "invocations"), &[&own_key(HUB)]),
        key(&of_region(HUB, "invocations"), "kms:Decrypt", "dynamodb"),
        Call::by(&of_region(HUB, "reconcile"), "sts:AssumeRole", &role(HUB, "guardrail-audit-reader")),
    ];
    check(&standalone, Decision::Allowed, &allowed);
    let denied = [
        put(&of_region(MEMBER, "invocations"), &[&own_key(MEMBER)]),
        put(&role(MEMBER, "impostor"), &[&own_key(MEMBER)]),
        key(&role(MEMBER, "impostor"), "kms:Decrypt", "dynamodb"),
        assume(&of_region(HUB, "reconcile"), &role(MEMBER, "guardrail-audit-reader")),
        call(&of_region(MANAGEMENT, "changes"), "sqs:SendMessage", &sqs(HUB, "reconcile")),
        call(&admin(MEMBER), "events:PutEvents", BUS),
    ];
    check(&standalone, Decision::Denied, &denied);
    assert!(!standalone.stacks.iter().any(|stack| stack.resources.contains_key("Bus")), "no bus for others");
}

/// With a trail of its own, the trail may write its files and audit-trail read them, and nobody else may write.
#[test]
fn an_own_trail_is_written_by_the_trail_only() {
    let hub = Template::hub().stack(HUB, REGION, &[("CreateTrail", "true"), ("TrailDataEvents", "true")]);
    let deployment = Deployment { stacks: vec![hub], service_control: Vec::new() };
    let bucket = "arn:aws:s3:::guardrail-audit-trail-111122223333-us-east-1";
    let file = format!("{bucket}/AWSLogs/{HUB}/CloudTrail/us-east-1/2026/11/01/x.json.gz");
    let trail = format!("arn:aws:cloudtrail:us-east-1:{HUB}:trail/guardrail-audit");
    let by_trail = |action: &str, resource: &str, trail: &str| {
        Call::by_service("cloudtrail.amazonaws.com", action, resource).with("aws:SourceArn", &[trail])
    };
    let allowed = [
        by_trail("s3:PutObject", &file, &trail),
        by_trail("s3:GetBucketAcl", bucket, &trail),
        by_trail("kms:GenerateDataKey", KEY, &trail),
        call(&of_region(HUB, "audit-trail"), "s3:GetObject", &file).in_account(HUB),
        call(&of_region(HUB, "audit-trail"), "s3:ListBucket", bucket).in_account(HUB),
        key(&of_region(HUB, "audit-trail"), "kms:Decrypt", "s3"),
    ];
    check(&deployment, Decision::Allowed, &allowed);
    let denied = [
        by_trail("s3:PutObject", &file, "arn:aws:cloudtrail:us-east-1:444455556666:trail/guardrail-audit"),
        by_trail("s3:PutObject", &format!("{bucket}/AWSLogs/444455556666/x"), &trail),
        by_trail("s3:DeleteObject", &file, &trail),
        call(&of_region(HUB, "audit-trail"), "s3:DeleteObject", &file).in_account(HUB),
        call(&of_region(HUB, "fold-findings"), "s3:GetObject", &file).in_account(HUB),
    ];
    check(&deployment, Decision::Denied, &denied);
}
