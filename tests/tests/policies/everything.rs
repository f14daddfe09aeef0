//! Every identity tries every call.

use end_to_end::deployment::ORGANIZATION;

use super::*;

/// The identities that are tried: the auditor's roles and others, each with its account's organization.
fn everybody(deployment: &Deployment) -> Vec<(String, String, &'static str)> {
    const STRANGER: &str = "444455556666";
    let mut who: Vec<_> = deployment.roles().map(|(arn, _)| arn).map(|arn| (arn.rsplit_once('/').unwrap().1.to_owned(), arn)).collect();
    let account = |arn: &str| match arn.split(':').nth(4).unwrap() {
        HUB => "hub",
        MEMBER => "member",
        FORWARDER => "forwarder",
        MANAGEMENT => "management",
        _ => "stranger",
    };
    // These identities have every permission of their own, so that only resource policies can refuse them.
    for (name, arn) in [
        ("administrator", admin(MEMBER)),
        ("impostor", role(MEMBER, "impostor")),
        ("deeper", format!("arn:aws:iam::{MEMBER}:role/guardrail-audit/deeper/guardrail-audit-changes-{REGION}")),
        ("alike", format!("arn:aws:iam::{MEMBER}:role/guardrail-audit-alike/guardrail-audit-changes-{REGION}")),
        ("below-another", format!("arn:aws:iam::{MEMBER}:role/another/guardrail-audit/guardrail-audit-changes-{REGION}")),
        ("without-path", format!("arn:aws:iam::{MEMBER}:role/guardrail-audit-invocations-{REGION}")),
        ("user", format!("arn:aws:iam::{MEMBER}:user/guardrail-audit/guardrail-audit-changes-{REGION}")),
        ("root", format!("arn:aws:iam::{MEMBER}:root")),
        ("administrator", admin(MANAGEMENT)),
        ("administrator", admin(STRANGER)),
        ("invocations", of_region(STRANGER, "invocations")),
        ("reconcile", of_region(STRANGER, "reconcile")),
    ] {
        who.push((name.to_owned(), arn));
    }
    let short = |name: &str| name.replace("guardrail-audit-", "").replace(&format!("-{REGION}"), "");
    let organization = |arn: &str| if arn.contains(STRANGER) { "o-otherotherot" } else { ORGANIZATION };
    who.into_iter().map(|(name, arn)| (format!("{} {}", account(&arn), short(&name)), arn.clone(), organization(&arn))).collect()
}

/// The calls that every identity tries on each resource of the hub, each with a name.
#[expect(clippy::too_many_lines, reason = "a list of calls")]
fn everything(who: &str) -> Vec<(String, Call)> {
    let own = who.split(':').nth(4).unwrap();
    let mut calls = Vec::new();
    let mut add = |name: String, call: Call| calls.push((name, call));
    for (table, arn) in [("observations", OBSERVATIONS), ("findings", FINDINGS), ("notes", NOTES)] {
        for action in [
            "BatchGetItem",
            "BatchWriteItem",
            "ConditionCheckItem",
            "CreateTableReplica",
            "DeleteItem",
            "DeleteTable",
            "GetItem",
            "PartiQLDelete",
            "PartiQLInsert",
            "PartiQLSelect",
            "PartiQLUpdate",
            "PutResourcePolicy",
            "Query",
            "RestoreTableFromBackup",
            "Scan",
            "UpdateItem",
            "UpdateTable",
            "UpdateTimeToLive",
        ] {
            // With another account's key: only calls that are allowed without regard to the key, or under the caller's own key.
            let key = own_key(own);
            add(format!("{action} {table}"), call(who, &format!("dynamodb:{action}"), arn).with("dynamodb:LeadingKeys", &[&key]));
        }
        let stream = format!("{arn}/stream/2026-01-01T00:00:00.000");
        add(format!("GetRecords {table}"), call(who, "dynamodb:GetRecords", &stream));
        add(format!("Query {table}/index"), call(who, "dynamodb:Query", &format!("{arn}/index/by_account")));
    }
    let stranger = if own == FORWARDER { MEMBER } else { FORWARDER };
    for (name, keys) in [
        ("own", vec![own_key(own)]),
        ("another's", vec![own_key(stranger)]),
        ("own and another's", vec![own_key(own), own_key(stranger)]),
        ("the hub's", vec![hub_key(own)]),
        ("own without #", vec![own.to_owned()]),
        ("own with more digits", vec![format!("{own}0#us-east-1#2026")]),
        ("none", vec![]),
    ] {
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        add(format!("PutItem observations, key: {name}"), put(who, &keys));
    }
    // A key of each kind of item that the tables hold (docs/data-model.md#findings-and-what-lies-beside-them).
    let actions = ["GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"];
    for (table, arn, action) in
        [("findings", FINDINGS), ("notes", NOTES)].iter().flat_map(|(table, arn)| actions.map(|action| (table, arn, action)))
    {
        for key in [
            "FINDINGS#222233334444",
            "ROLLUP#222233334444#us-east-1",
            "DAYS#222233334444#us-east-1",
            "ACCOUNT#222233334444",
            "KEPT#222233334444",
            "NOTES#222233334444",
            "PLACES",
            "HORIZON",
            "QUIET",
            "QUARANTINE",
            "ALERT#f",
            "SECURITYHUB#222233334444",
            "DIGEST",
            "DOCUMENT",
        ] {
            let call = call(who, &format!("dynamodb:{action}"), arn).with("dynamodb:LeadingKeys", &[key]);
            add(format!("{action} {table}, key: {key}"), call);
        }
    }
    for folder in ["world", "state", "configuration", "reports", "sealed", "bundles"] {
        for action in ["GetObject", "PutObject", "DeleteObject", "DeleteObjectVersion"] {
            add(format!("{action} {folder}/"), world(who, &format!("s3:{action}"), &format!("{folder}/x")));
        }
        add(format!("ListBucket {folder}/"), list_world(who, &format!("{folder}/")));
    }
    for action in ["DeleteBucket", "PutBucketPolicy", "PutLifecycleConfiguration", "PutBucketVersioning", "ListBucketVersions"] {
        add(action.to_owned(), call(who, &format!("s3:{action}"), WORLD).in_account(HUB));
    }
    for queue in [
        "reconcile",
        "reconcile-dead",
        "trail",
        "trail-dead",
        "folds.fifo",
        "folds-dead.fifo",
        "facts-dead",
        "alerts-dead",
        "imports-dead",
        "undelivered",
        "forwarded-calls",
        "forwarded-undelivered",
    ] {
        for action in ["SendMessage", "ReceiveMessage", "DeleteMessage", "PurgeQueue", "SetQueueAttributes"] {
            add(format!("{action} {queue}"), call(who, &format!("sqs:{action}"), &sqs(HUB, queue)));
        }
    }
    for topic in ["alerts-text", "alerts-json", "alerts-chat", "alarms"] {
        for action in ["Publish", "Subscribe", "SetTopicAttributes", "AddPermission"] {
            add(
                format!("{action} {topic}"),
                call(who, &format!("sns:{action}"), &format!("arn:aws:sns:us-east-1:{HUB}:guardrail-audit-{topic}")),
            );
        }
    }
    for action in ["Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptTo", "CreateGrant", "PutKeyPolicy", "ScheduleKeyDeletion"] {
        add(format!("{action} by itself"), call(who, &format!("kms:{action}"), KEY));
        for service in ["dynamodb", "s3", "sns", "sqs", "logs", "secretsmanager"] {
            add(format!("{action} through {service}"), key(who, &format!("kms:{action}"), service));
        }
        let elsewhere = key(who, &format!("kms:{action}"), "dynamodb").with("kms:ViaService", &["dynamodb.eu-west-1.amazonaws.com"]);
        add(format!("{action} through dynamodb of another Region"), elsewhere);
        let of_findings = "kms:EncryptionContext:aws:dynamodb:tableName";
        let of_findings = key(who, &format!("kms:{action}"), "dynamodb").with(of_findings, &["guardrail-audit-findings"]);
        add(format!("{action} of findings"), of_findings);
    }
    for action in ["PutEvents", "PutRule", "PutPermission", "DeleteEventBus"] {
        add(format!("{action} bus"), call(who, &format!("events:{action}"), BUS));
    }
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
        "forwarded-changes",
    ] {
        let arn = format!("arn:aws:lambda:us-east-1:{HUB}:function:guardrail-audit-{function}");
        for action in ["InvokeFunction", "InvokeFunctionUrl", "UpdateFunctionCode", "UpdateFunctionConfiguration", "AddPermission"] {
            let call = call(who, &format!("lambda:{action}"), &arn).with("lambda:FunctionUrlAuthType", &["AWS_IAM"]);
            add(format!("{action} {function}"), call);
        }
    }
    for (action, resource) in [
        ("BatchImportFindings", "product/111122223333/default"),
        ("BatchUpdateFindings", "hub/default"),
        ("GetFindings", "hub/default"),
        ("UpdateSecurityHubConfiguration", "hub/default"),
        ("DisableSecurityHub", "hub/default"),
    ] {
        add(action.to_owned(), call(who, &format!("securityhub:{action}"), &security_hub(resource)).in_account(HUB));
    }
    for (account, name) in [(HUB, "hub"), (MEMBER, "member"), (FORWARDER, "forwarder"), (MANAGEMENT, "management")] {
        for global in ["reader", "heartbeat"] {
            add(format!("AssumeRole {name} {global}"), assume(who, &role(account, &format!("guardrail-audit-{global}"))));
        }
    }
    for function in ["reconcile", "fold-findings", "changes"] {
        for action in ["sts:AssumeRole", "iam:PassRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"] {
            add(format!("{} hub {function}", action.split(':').nth(1).unwrap()), call(who, action, &of_region(HUB, function)));
        }
    }
    calls
}

/// Every identity tries every call on the hub's resources: exactly the calls of the list are allowed, whatever else is added to the
/// templates.
#[test]
fn nothing_is_allowed_that_isn_t_here() {
    let deployment = Deployment::of_an_organization();
    let mut allowed = Vec::new();
    for (name, arn, organization) in everybody(&deployment) {
        let mut may: Vec<String> = Vec::new();
        for (what, call) in everything(&arn) {
            // Members may use their own roles.
            let own = arn.split(':').nth(4) == call.resource.split(':').nth(4) && !arn.contains(&format!(":{HUB}:"));
            let call = call.with("aws:PrincipalOrgID", &[organization]);
            if own || deployment.decide(&call) != Decision::Allowed {
                continue;
            }
            // The keys of one action stand one behind the other.
            match (what.split_once(", key: "), may.last_mut()) {
                (Some((action, key)), Some(last)) if last.starts_with(&format!("{action}, key: ")) => last.extend([", ", key]),
                _ => may.push(what),
            }
        }
        allowed.push(format!("{name}: {}", may.join("; ")).trim_end().to_owned());
    }
    let expected: Vec<_> = include_str!("allowed.txt").lines().collect();
    assert!(allowed == expected, "tests/tests/policies/allowed.txt lists other calls than these:\n{}", allowed.join("\n"));
}
