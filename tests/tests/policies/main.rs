//! Evaluates the policies of both templates: calls that the product makes are allowed, and a list of others is refused.

#![expect(clippy::unwrap_used, reason = "tests")]

mod everything;
mod examples;
mod hub;
mod members;

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
