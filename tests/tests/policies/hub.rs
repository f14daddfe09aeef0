//! What the functions of the hub may do, each only its own work.

use super::*;

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
