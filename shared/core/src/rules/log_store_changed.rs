//! A bucket, log group or key that evidence is stored in was changed.

use std::collections::BTreeSet;

use crate::{
    change::Change,
    change_history::{ChangeInContext, Outcome},
    framework::{INDICATOR_REMOVAL, ISO_EVENT_LOGS, LENS_MONITORING, MANAGE_4_1},
    missing_evidence::MissingEvidence,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
    telemetry::store_name,
};

pub(super) static RULE: Rule = Rule {
    id: "log-store-changed",
    title: "A bucket, log group or key that evidence is kept in was changed",
    severity: Severity::Medium,
    group: Group::Telemetry,
    revealed_by: &[
        "DeleteLogGroup",
        "DeleteLogStream",
        "PutRetentionPolicy",
        "DeleteSubscriptionFilter",
        "DeleteRetentionPolicy",
        "AssociateKmsKey",
        "DisassociateKmsKey",
        "DeleteBucket",
        "PutBucketPolicy",
        "DeleteBucketPolicy",
        "PutBucketLifecycle",
        "PutBucketLifecycleConfiguration",
        "PutBucketVersioning",
        "PutBucketEncryption",
        "DeleteBucketEncryption",
        "DeleteObject",
        "DeleteObjects",
        "DisableKey",
        "ScheduleKeyDeletion",
        "PutKeyPolicy",
        "UpdateTrail",
    ],
    fires: "One of these operations on a bucket, log group or key that a trail or model invocation logging delivers to, or on a bucket or log \
        group that is named like CloudTrail's own; an object in such a bucket, or under AWSLogs/, deleted; a trail that delivers to another \
        bucket or log group than before, or encrypts with another key. Switching versioning on is no loss.",
    evidence: "The names in the trails' and the logging's configuration, from the world or from events. Where neither is known, stores can't \
        be told apart: that is a blind spot.",
    rationale: "Evidence that can be deleted, expires or can't be decrypted proves nothing afterwards.",
    remediation: "Restore the setting; protect log stores with object lock, a bucket policy and a service control policy.",
    references: &["https://docs.aws.amazon.com/awscloudtrail/latest/userguide/best-practices-security.html"],
    resolved: Resolved::Never,
    correlation: Correlation::RemovesProtection,
    controls: &[MANAGE_4_1, ISO_EVENT_LOGS, INDICATOR_REMOVAL, LENS_MONITORING],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A bucket, log group or key that evidence is kept in would have been changed",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    if change.is("cloudtrail", &["UpdateTrail"]) {
        return trail_redirected(seen).into_iter().collect();
    }
    let Some(store) = store_of(change) else {
        return Vec::new();
    };
    let is_enabling = change.operation == "PutBucketVersioning" && change.parameter("VersioningConfiguration")["Status"] == "Enabled";
    let known = seen.history.log_stores;
    if is_enabling {
        return Vec::new();
    }
    if !known.contains(store) && !looks_like_evidence(change, store) {
        // Keys have many other uses, so an unknown key is no evidence of anything.
        let is_blind = known.is_empty() && change.service != "kms";
        return if is_blind {
            vec![Outcome::MissingEvidence(change.account.clone(), change.region.clone(), MissingEvidence::LogStores)]
        } else {
            Vec::new()
        };
    }
    let object = change.text("key").map(|key| format!(", object {key}")).unwrap_or_default();
    let kept = |days| if days == 1 { ", kept for 1 day".to_owned() } else { format!(", kept for {days} days") };
    let days = change.parameter("retentionInDays").as_u64().map(kept).unwrap_or_default();
    let is_gone =
        ["DeleteBucket", "DeleteLogGroup", "DeleteLogStream", "DeleteObject", "DeleteObjects"].contains(&change.operation.as_str());
    let became =
        if is_gone { seen.did("was deleted", "would have been deleted") } else { seen.did("was changed", "would have been changed") };
    let because = format!("evidence is kept in {store}{object}, which {became}{days}");
    vec![seen.rule_match(store, because).discriminator(change.operation.clone()).fires()]
}

/// The bucket, log group or key that a change in these services is about.
pub(crate) fn store_of(change: &Change) -> Option<&str> {
    let named = ["bucketName", "logGroupName", "keyId", "id", "resourceArn"].iter().find_map(|key| change.text(key));
    named.filter(|_| ["logs", "s3", "kms"].contains(&change.service.as_str())).map(store_name)
}

/// Whether a store is named like CloudTrail's own, or an object in it was deleted, of which only those in stores of evidence are recorded.
pub(crate) fn looks_like_evidence(change: &Change, store: &str) -> bool {
    store.starts_with("aws-cloudtrail-logs") || change.operation.starts_with("DeleteObject")
}

/// Reports a trail whose destination changed.
fn trail_redirected(seen: &ChangeInContext<'_>) -> Option<Outcome> {
    const DESTINATIONS: [&str; 3] = ["s3BucketName", "cloudWatchLogsLogGroupArn", "kmsKeyId"];
    let change = seen.change;
    let trail = super::trail_stopped::trail_of(change);
    let known = stores_before(seen);
    let mut elsewhere = Vec::new();
    for key in DESTINATIONS {
        let Some(now) = change.parameter(key).as_str().map(store_name) else {
            continue;
        };
        let set = seen.latest(key, trail, |earlier| earlier.parameter(key).is_string());
        let is_same = match set {
            Some(earlier) => earlier.text(key).map(store_name).unwrap_or_default() == now,
            None if known.is_empty() => {
                return Some(Outcome::MissingEvidence(change.account.clone(), change.region.clone(), MissingEvidence::LogStores));
            }
            None => known.contains(now),
        };
        if !is_same {
            elsewhere.push(if now.is_empty() { "nowhere".to_owned() } else { now.to_owned() });
        }
    }
    let because = format!("what the trail records {} to {} instead", seen.did("goes", "would go"), elsewhere.join(", "));
    (!elsewhere.is_empty()).then(|| seen.rule_match(format!("trail/{trail}"), because).discriminator(change.operation.clone()).fires())
}

/// The buckets, log groups and keys of the account's evidence before a change, as far as they were read.
fn stores_before(seen: &ChangeInContext<'_>) -> BTreeSet<String> {
    let of_account = seen.history.state.telemetry_of(&seen.change.account);
    let read = of_account.filter_map(|timeline| timeline.before(seen.key.time).rev().find_map(|(_, _, telemetry)| telemetry));
    read.flat_map(|telemetry| telemetry.stores.iter().cloned()).collect()
}
