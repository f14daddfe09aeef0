//! Tests findings of single rules about changes, where what a record says decides severity and words.

use serde_json::{Value, json};

use crate::given::{ACCOUNT, Given, REQUIRED, Record, change};

/// Severity, resource, and the end of the detail, after the operation and its principal; empty without a finding.
fn fired(given: &Given, rule: &str) -> String {
    let findings = given.audit().findings;
    let of_rule = findings.iter().filter(|finding| finding.rule == rule);
    let line = |finding: &audit_core::finding::Finding| {
        let because = finding.detail.split_once(": ").map_or("", |(_, because)| because);
        let grade = if finding.grade.is_some() { " unverified" } else { "" };
        format!("{}{grade} {}: {because}", finding.severity, finding.resource)
    };
    of_rule.map(line).collect::<Vec<_>>().join("; ")
}

#[test]
fn delegations_count_by_what_they_are_of() {
    let fired = |service: &str, operation: &str, parameters: Value| {
        let record = change(1, "09:00", operation, parameters).of_service(service);
        fired(&Given::nothing().records([record]), "delegation-changed")
    };
    let of = |service: &str| json!({"accountId": "333344445555", "servicePrincipal": service});
    let (became, ceased) = ("became its administrator", "ceased to be its administrator");
    let (register, deregister) = ("RegisterDelegatedAdministrator", "DeregisterDelegatedAdministrator");
    let stack_sets = "member.org.stacksets.cloudformation.amazonaws.com";
    for (service, operation, parameters, expected) in [
        (
            "organizations",
            register,
            of("bedrock.amazonaws.com"),
            format!("MEDIUM delegated administrator of bedrock.amazonaws.com: account 333344445555 {became}"),
        ),
        (
            "organizations",
            deregister,
            of("cloudtrail.amazonaws.com"),
            format!("MEDIUM delegated administrator of cloudtrail.amazonaws.com: account 333344445555 {ceased}"),
        ),
        (
            "organizations",
            register,
            of(stack_sets),
            format!("MEDIUM delegated administrator of {stack_sets}: account 333344445555 {became}"),
        ),
        (
            "organizations",
            register,
            of("config.amazonaws.com"),
            format!("LOW delegated administrator of config.amazonaws.com: account 333344445555 {became}"),
        ),
        (
            "organizations",
            deregister,
            json!(null),
            format!("MEDIUM delegated administrator: an account {ceased}; which, and of what, is not in the record"),
        ),
        (
            "organizations",
            "PutResourcePolicy",
            json!({"content": "{}"}),
            "MEDIUM delegation policy: who may manage policies for the organization changed".to_owned(),
        ),
        (
            "organizations",
            "DeleteResourcePolicy",
            json!(null),
            "MEDIUM delegation policy: who may manage policies for the organization changed".to_owned(),
        ),
        (
            "cloudtrail",
            "RegisterOrganizationDelegatedAdmin",
            json!({"memberAccountId": "333344445555"}),
            format!("MEDIUM delegated administrator of cloudtrail.amazonaws.com: account 333344445555 {became}"),
        ),
        (
            "cloudtrail",
            "DeregisterOrganizationDelegatedAdmin",
            json!({"delegatedAdminAccountId": "333344445555"}),
            format!("MEDIUM delegated administrator of cloudtrail.amazonaws.com: account 333344445555 {ceased}"),
        ),
        ("bedrock", "PutResourcePolicy", json!({"resourceArn": REQUIRED, "resourcePolicy": "{}"}), String::new()),
    ] {
        assert_eq!(fired(service, operation, parameters.clone()), expected, "{operation} of {service}: {parameters}");
    }
}

#[test]
fn logging_is_lost_by_what_was_logged_before() {
    let put = |config: Value| change(1, "09:00", "PutModelInvocationLoggingConfiguration", json!({ "loggingConfig": config }));
    let delete = || change(1, "09:00", "DeleteModelInvocationLoggingConfiguration", json!(null));
    let read = |config: Value| {
        Given::nothing().file(&format!("telemetry/{ACCOUNT}/us-east-1@20261120T080000Z.json"), json!({ "loggingConfig": config }))
    };
    let bucket = |name: &str, text: bool| json!({"textDataDeliveryEnabled": text, "s3Config": {"bucketName": name}});
    let both = json!({"textDataDeliveryEnabled": true, "s3Config": {"bucketName": "logs"}, "cloudWatchConfig": {"logGroupName": "group"}});
    let nothing = "HIGH model invocation logging: nothing is logged any more";
    let texts = "HIGH model invocation logging: texts are no longer delivered, and with them no trace of guardrails";
    let again =
        "MEDIUM unverified model invocation logging: it was put again, and where the logs went before is not known; effect not verified";
    let hidden = "MEDIUM unverified model invocation logging: what is logged now is not known; effect not verified";
    for (what, given, record, expected) in [
        ("deleted, before not known", Given::nothing(), delete(), nothing),
        ("deleted", read(bucket("logs", true)), delete(), nothing),
        ("deleted where there was none", read(json!(null)), delete(), ""),
        ("put empty", read(bucket("logs", true)), put(json!({})), nothing),
        ("put empty, before not known", Given::nothing(), put(json!({})), nothing),
        ("put the same", read(bucket("logs", true)), put(bucket("logs", true)), ""),
        ("put without texts", read(bucket("logs", true)), put(bucket("logs", false)), texts),
        ("put without texts as before", read(bucket("logs", false)), put(bucket("logs", false)), ""),
        ("put with texts as never before", read(bucket("logs", false)), put(bucket("logs", true)), ""),
        ("put without texts, before not known", Given::nothing(), put(bucket("logs", false)), texts),
        ("put, before not known", Given::nothing(), put(bucket("logs", true)), again),
        (
            "put elsewhere",
            read(bucket("logs", true)),
            put(bucket("mine", true)),
            "HIGH model invocation logging: the logs go to mine instead",
        ),
        ("put to one of two", read(both.clone()), put(bucket("logs", true)), "HIGH model invocation logging: the logs go to logs instead"),
        ("put to another besides", read(bucket("logs", true)), put(both), ""),
        ("put, and the record hides what", read(bucket("logs", true)), put(json!(null)), hidden),
    ] {
        assert_eq!(fired(&given.records([record]), "invocation-logging-disabled"), expected, "{what}");
    }
    let refused = |record: Record| fired(&read(bucket("logs", true)).records([record.refused()]), "invocation-logging-disabled");
    assert_eq!(refused(delete()), "MEDIUM model invocation logging: nothing would be logged any more");
    assert_eq!(refused(put(bucket("mine", true))), "MEDIUM model invocation logging: the logs would go to mine instead");
}

#[test]
fn what_the_user_behind_a_bedrock_key_got_is_named() {
    let user = "BedrockAPIKey-abcd";
    let fired = |record: Record| fired(&Given::nothing().records([record.of_service("iam")]), "bedrock-key-user-changed");
    let with = |operation: &str, more: Value| {
        let mut parameters = json!({ "userName": user });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        change(1, "09:00", operation, parameters)
    };
    let aws = |policy: &str| json!({"policyArn": format!("arn:aws:iam::aws:policy/{policy}")});
    for (operation, more, got) in [
        ("CreateAccessKey", json!({}), "an access key"),
        ("UpdateAccessKey", json!({"status": "Active"}), "an access key that is active again"),
        ("UpdateAccessKey", json!({"status": "Inactive"}), ""),
        ("DeleteUserPermissionsBoundary", json!({}), "rid of its permissions boundary"),
        ("UpdateUser", json!({"newUserName": "app"}), "the name app"),
        ("UpdateUser", json!({"newPath": "/a/"}), ""),
        ("CreateLoginProfile", json!({}), "a password"),
        ("UpdateLoginProfile", json!({}), "another password"),
        ("AddUserToGroup", json!({"groupName": "admins"}), "the group admins"),
        ("AddUserToGroup", json!({}), "a group"),
        ("AttachUserPolicy", aws("AdministratorAccess"), "the policy AdministratorAccess"),
        ("AttachUserPolicy", aws("AmazonBedrockLimitedAccess"), ""),
        ("PutUserPolicy", json!({"policyName": "more"}), "the policy more"),
    ] {
        let found = fired(with(operation, more.clone()));
        assert_eq!(found.ends_with(&format!(": {user} got {got}")), !got.is_empty(), "{operation} {more}: {found}");
        assert_eq!(found.is_empty(), got.is_empty(), "{operation} {more}: {found}");
    }
    let other = change(1, "09:00", "CreateAccessKey", json!({"userName": "somebody"}));
    assert_eq!(fired(other), "", "a user of another name");
    let refused = fired(with("CreateLoginProfile", json!({})).refused());
    assert!(refused.ends_with(&format!("{user} would have got a password")), "{refused}");
}

#[test]
fn stores_of_evidence_are_known_by_trails_or_by_their_name() {
    let trail = json!({"name": "o", "s3BucketName": "evidence", "kmsKeyId": "key-1", "cloudWatchLogsLogGroupArn": "group"});
    let known = || Given::nothing().records([change(1, "08:00", "UpdateTrail", trail.clone()).of_service("cloudtrail")]);
    let of = |service: &str, operation: &str, parameters: Value| change(2, "09:00", operation, parameters).of_service(service);
    let bucket = |name: &str| json!({ "bucketName": name });
    let versioning = |status: &str| json!({"bucketName": "evidence", "VersioningConfiguration": {"Status": status}});
    let (deleted, changed) = ("which was deleted", "which was changed");
    for (service, operation, parameters, expected) in [
        ("s3", "DeleteBucket", bucket("evidence"), format!("evidence: evidence is kept in evidence, {deleted}")),
        ("s3", "DeleteBucket", bucket("other"), String::new()),
        ("s3", "PutBucketPolicy", bucket("evidence"), format!("evidence: evidence is kept in evidence, {changed}")),
        ("s3", "PutBucketVersioning", versioning("Suspended"), format!("evidence: evidence is kept in evidence, {changed}")),
        ("s3", "PutBucketVersioning", versioning("Enabled"), String::new()),
        (
            "s3",
            "DeleteBucket",
            bucket("aws-cloudtrail-logs-1"),
            format!("aws-cloudtrail-logs-1: evidence is kept in aws-cloudtrail-logs-1, {deleted}"),
        ),
        (
            "s3",
            "DeleteObject",
            json!({"bucketName": "other", "key": "AWSLogs/1"}),
            format!("other: evidence is kept in other, object AWSLogs/1, {deleted}"),
        ),
        ("kms", "ScheduleKeyDeletion", json!({"keyId": "key-1"}), format!("key-1: evidence is kept in key-1, {changed}")),
        ("kms", "ScheduleKeyDeletion", json!({"keyId": "key-2"}), String::new()),
        ("logs", "DeleteLogGroup", json!({"logGroupName": "group"}), format!("group: evidence is kept in group, {deleted}")),
        (
            "logs",
            "PutRetentionPolicy",
            json!({"logGroupName": "group", "retentionInDays": 7}),
            format!("group: evidence is kept in group, {changed}, kept for 7 days"),
        ),
    ] {
        let found = fired(&known().records([of(service, operation, parameters.clone())]), "log-store-changed");
        assert_eq!(found.trim_start_matches("MEDIUM "), expected, "{operation} {parameters}");
    }
    let blind = |record: Record| Given::nothing().records([record]).blind().contains(&"log_stores");
    assert!(blind(of("s3", "DeleteBucket", bucket("other"))), "where no store is known, it may be one");
    assert!(!blind(of("kms", "ScheduleKeyDeletion", json!({"keyId": "key-2"}))), "keys have many other uses");
    assert!(!blind(of("s3", "DeleteBucket", bucket("aws-cloudtrail-logs-1"))), "its name says what it is");
}

#[test]
fn what_was_done_to_the_key_of_a_guardrail_is_named() {
    const RULE: &str = "guardrail-key-disabled";
    let key = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555";
    let content = json!({"guardrailId": "org", "guardrailArn": REQUIRED, "version": "2", "status": "READY", "kmsKeyArn": key});
    let given = Given::demanded().file("guardrails/111122223333/us-east-1/org/2.json", content);
    let of =
        |number: usize, time: &str, operation: &str, key: &str| change(number, time, operation, json!({ "keyId": key })).of_service("kms");
    for (operation, did, would_have, is_unread, can_be_enabled) in [
        ("DisableKey", "was disabled", "would have been disabled", false, true),
        ("ScheduleKeyDeletion", "was scheduled for deletion", "would have been scheduled for deletion", false, true),
        ("DeleteImportedKeyMaterial", "lost its material", "would have lost its material", false, false),
        ("RevokeGrant", "lost a grant", "would have lost a grant", false, false),
        ("RetireGrant", "lost a grant", "would have lost a grant", false, false),
        ("PutKeyPolicy", "got another policy", "would have got another policy", true, false),
        ("UpdateAlias", "lost an alias, or got one", "would have lost an alias, or got one", true, false),
        ("DeleteAlias", "lost an alias, or got one", "would have lost an alias, or got one", true, false),
    ] {
        let because = |done: &str| {
            let unverified = if is_unread { "; effect not verified" } else { "" };
            let reach = "it reaches production: the effective policy of 222233334444 enforces version 2";
            format!("{REQUIRED}: the key of {REQUIRED} {done}; {reach}{unverified}")
        };
        let record = of(1, "09:00", operation, key);
        let (done, attempted) = if is_unread { ("MEDIUM unverified", "LOW unverified") } else { ("HIGH", "MEDIUM") };
        assert_eq!(fired(&given.clone().records([record.clone()]), RULE), format!("{done} {}", because(did)));
        assert_eq!(fired(&given.clone().records([record.clone().refused()]), RULE), format!("{attempted} {}", because(would_have)));
        let enabled = |time: &str| {
            let finding = given.clone().records([record.clone(), of(2, time, "EnableKey", key)]).finding(RULE);
            finding.resolved_at.is_some()
        };
        assert_eq!(enabled("10:00"), can_be_enabled, "{operation}, and enabled");
        assert!(!enabled("08:00"), "enabled, and {operation}");
    }
    let other = key.replace("1111-2222", "1111-0000");
    assert_eq!(fired(&given.clone().records([of(1, "09:00", "DisableKey", &other)]), RULE), "", "another key");
    let elsewhere = of(1, "09:00", "DisableKey", key).of_service("s3");
    assert_eq!(fired(&given.records([elsewhere]), RULE), "", "another service");
}
