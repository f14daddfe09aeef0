//! What the roles in a member may do, and what its administrator can't do with them.

use super::*;

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
