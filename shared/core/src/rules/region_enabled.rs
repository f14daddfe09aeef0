//! A Region was enabled that the policy doesn't cover, or in which no auditor runs.

use crate::{
    arn::{AccountId, Region},
    change_history::{ChangeInContext, Outcome, RuleMatch},
    framework::{GOVERN_1_2, LENS_GUARDRAILS, UNUSED_REGIONS},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
    timestamp::Timestamp,
};

pub(super) static RULE: Rule = Rule {
    id: "region-enabled",
    title: "A Region was enabled that the policy doesn't cover, or where no auditor runs",
    severity: Severity::Medium,
    group: Group::Telemetry,
    revealed_by: &["EnableRegion"],
    fires: "EnableRegion of a Region that the account's effective Bedrock policy doesn't name; or, where `[auditor] heartbeat_role` is configured, \
        one whose auditor isn't heard within its interval and fifteen minutes.",
    evidence: "The record, the effective policy and the heartbeats. Where the policy is not known, the effect is not verified, one step lower; \
        whether an auditor runs can be told only if heartbeats are expected, and the input goes on for long enough.",
    rationale: "Bedrock policies name Regions one by one: a new Region starts without any guardrail and without an auditor.",
    remediation: "Name the Region in the policy and deploy the auditor there before models are used, or disable it again.",
    references: &["https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::Independent,
    controls: &[GOVERN_1_2, UNUSED_REGIONS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A Region would have been enabled that the policy doesn't cover",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    let account: AccountId = change.text("accountId").map_or_else(|| change.account.clone(), AccountId::from);
    let Some(region) = change.text("regionName").map(Region::from) else {
        return vec![
            seen.rule_match("Region", format!("which Region {} is not in the record", seen.did("was enabled", "would have been enabled")))
                .unverified(true)
                .fires(),
        ];
    };
    let covers = |at: Timestamp| {
        let in_force = seen.history.state.policy(&account, at).state()?;
        in_force.policy.as_ref().map_or(Some(false), |policy| policy.demands_in(&region))
    };
    let covered = covers(seen.key.time);
    let heartbeats = seen.history.heartbeats.get(&(account.clone(), region.clone()));
    let heartbeat = heartbeats.and_then(|heartbeats| heartbeats.get(heartbeats.partition_point(|time| *time < seen.key.time)));
    let longest = super::telemetry_gap::longest_silence(seen.history);
    let is_silent = !change.is_refused()
        && longest.is_some_and(|longest| {
            heartbeat.is_none_or(|heartbeat| heartbeat.seconds_since(seen.key.time) > longest)
                && seen.history.horizon.1.seconds_since(seen.key.time) > longest
        });
    if covered == Some(true) && !is_silent {
        return Vec::new();
    }
    let enabled = seen.did("was enabled", "would have been enabled");
    let because = match covered {
        Some(true) => format!("no auditor is heard in {region}"),
        Some(false) if is_silent => format!("the effective policy doesn't name {region}, and no auditor is heard there"),
        Some(_) => format!("{region} {enabled}, and the effective policy doesn't name it"),
        None => format!("{region} {enabled}, and whether the effective policy names it is not known"),
    };
    let disabled = seen.later(&region, &["DisableRegion"]);
    let later = seen.history.policy_boundaries(&account, &region, seen.key.time);
    let later = seen.right_again(format!("Region {region} {account}"), later, |at| covers(at) == Some(true));
    let restored_at = match covered {
        Some(true) => heartbeat.copied(),
        _ if is_silent => later.zip(heartbeat).map(|(covered, heartbeat)| covered.max(*heartbeat)),
        _ => later,
    };
    let restored_at = disabled.into_iter().chain(restored_at).min();
    vec![
        RuleMatch::new(&account, &region, format!("Region {region}"), because)
            .unverified(covered.is_none())
            .restored_at(restored_at)
            .fires(),
    ]
}
