//! A Region was enabled that the policy doesn't cover.

use crate::{
    arn::{AccountId, Region},
    framework::{GOVERN_1_2, LENS_GUARDRAILS, UNUSED_REGIONS},
    moment::Moment,
    rule::{ChangeCheck, Check, Group, Resolved, Rule},
    scene::{Outcome, Seen, Sighting},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "region-enabled",
    title: "A Region was enabled that the account's effective policy doesn't cover",
    severity: Severity::Medium,
    group: Group::Telemetry,
    revealed_by: &["EnableRegion"],
    fires: "EnableRegion of a Region that the account's effective Bedrock policy doesn't name. An auditor has to be deployed there too.",
    evidence: "The record and the effective policy. Where the policy is not known, the effect is not verified, one step lower.",
    rationale: "Bedrock policies name Regions one by one: a new Region starts without any guardrail and without an auditor.",
    remediation: "Name the Region in the policy and deploy the auditor there before models are used, or disable it again.",
    references: &["https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html"],
    resolved: Resolved::ByState,
    controls: &[GOVERN_1_2, UNUSED_REGIONS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck(check))],
};

fn check(seen: &Seen<'_>) -> Vec<Outcome> {
    let change = seen.change;
    let account: AccountId = change.text("accountId").map_or_else(|| change.account.clone(), AccountId::from);
    let Some(region) = change.text("regionName").map(Region::from) else {
        return vec![seen.sighting("Region", "which Region is not in the record").unverified(true).fires()];
    };
    let covers = |at: Moment| {
        let in_force = seen.scene.state.policy(&account, at).state()?;
        Some(in_force.policy.as_ref().is_some_and(|policy| policy.regions.contains_key(&region)))
    };
    let covered = covers(seen.key.time);
    if covered == Some(true) {
        return Vec::new();
    }
    let because = match covered {
        Some(_) => format!("the effective policy doesn't name {region}"),
        None => format!("whether the effective policy names {region} is not known"),
    };
    let disabled = seen.later(&region, |later| later.operation == "DisableRegion").map(|(key, _)| key.time);
    let later = seen.scene.policy_boundaries(&account, &region, seen.key.time).into_iter().find(|at| covers(*at) == Some(true));
    let righted = disabled.into_iter().chain(later).min();
    vec![Sighting::new(&account, &region, format!("Region {region}"), because).unverified(covered.is_none()).righted(righted).fires()]
}
