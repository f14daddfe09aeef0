//! The computed effective policy of an account differs from the described one.

use crate::{
    arn::{AccountId, Region},
    change_history::{ChangeHistory, Outcome, RuleMatch, effective_policies::PROPAGATION_SECONDS},
    control_change::ControlChange,
    framework::{GOVERN_1_5, LENS_MONITORING, TENANT_POLICY},
    organization::GLOBAL_REGION,
    policy::{EffectivePolicy, GuardrailInference, Identifier},
    rule::{Check, Correlation, Group, Resolved, Rule, StateCheck},
    severity::Severity,
    timestamp::Timestamp,
    world::{InForce, PolicyBasis},
};

pub(super) static RULE: Rule = Rule {
    id: "policy-mismatch",
    title: "What the organization's policies amount to differs from what AWS describes",
    severity: Severity::Medium,
    group: Group::Organization,
    revealed_by: &["AttachPolicy", "DetachPolicy", "UpdatePolicy", "MoveAccount"],
    fires: "DescribeEffectivePolicy's answer for an account differs from the policy that its tree, attachments and policies amount to at that \
        moment, and at least fifteen minutes after the last change.",
    evidence: "Both sides at one moment: that of the reading; of a reading without a time, its LastUpdatedTimestamp, or after the last attachment \
        that has a date. If either side is not known then, or the effective policy is invalid, there is nothing to compare.",
    rationale: "Either a change was missed, or inheritance works differently from what is documented: verdicts rest on the wrong policy.",
    remediation: "Read the organization and its policies again; if the difference stays, compare attachments by hand and ask AWS.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_effective.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::Independent,
    controls: &[GOVERN_1_5, TENANT_POLICY, LENS_MONITORING],
    checks: &[Check::State(StateCheck(check))],
};

fn check(history: &ChangeHistory<'_>) -> Vec<Outcome> {
    let state = history.state;
    let region = Region::from(GLOBAL_REGION);
    let mut outcomes = Vec::new();
    for account in state.accounts() {
        let differs = |read: Timestamp, described: Option<&EffectivePolicy>| {
            let time = compared_at(history, account, read)?;
            let InForce::Known(computed) = state.computed_policy(account, time) else {
                return None;
            };
            let is_invalid = state.validity(account).iter().rev().find(|(at, _)| *at <= time).is_some_and(|(_, valid)| !valid);
            let is_propagated = time == Timestamp::BEGINNING
                || state.computed_policy(account, time.plus_seconds(-PROPAGATION_SECONDS)) == InForce::Known(computed.clone());
            (!is_invalid && is_propagated)
                .then(|| demands(described) != demands(computed.as_deref()))
                .map(|differs| (time, differs, computed))
        };
        let mut readings = state.described(account).filter_map(|(time, described)| Some((described, differs(time, described.as_deref())?)));
        let Some((described, (time, _, computed))) = readings.by_ref().find(|(_, (_, differs, _))| *differs) else {
            continue;
        };
        let restored_at = readings.find(|(_, (_, differs, _))| !differs).map(|(_, (time, ..))| time);
        let (computed, described) = (demands(computed.as_deref()), demands(described.as_deref()));
        let change = ControlChange { control: "effective policy".to_owned(), side: None, before: Some(computed), after: Some(described) };
        let because = "computed and described effective policy differ";
        outcomes.push(
            RuleMatch::new(account, &region, "effective policy", because).changing(vec![change]).at(time).restored_at(restored_at).fires(),
        );
    }
    outcomes
}

/// The time at which a reading and the computed policy can be compared: the time of the reading. For a reading without a time it is the
/// time at which AWS last updated the policy, or the last dated attachment if nothing changed in the organization until then; the beginning
/// of time if no attachment has a date.
fn compared_at(history: &ChangeHistory<'_>, account: &AccountId, read: Timestamp) -> Option<Timestamp> {
    if read > Timestamp::BEGINNING {
        return Some(read);
    }
    let state = history.state;
    if let Some(since) = state.world().described_since(account, read) {
        return Some(since.plus_seconds(PROPAGATION_SECONDS));
    }
    let organizations = state.world().organization_readings().map(|(_, organization)| organization);
    let attachments = organizations.flat_map(|organization| organization.attachments.values().flatten());
    let Some(last) = attachments.filter_map(|attachment| attachment.attached_at).max() else {
        return Some(read);
    };
    let at = last.plus_seconds(PROPAGATION_SECONDS);
    let still_holds = state.policy(account, at).state().is_some_and(|now| now.basis == PolicyBasis::Described && now.since == read);
    still_holds.then_some(at)
}

/// The demands of a policy as a text. Names of configurations have no case (docs/aws/bedrock-policies.md#inheritance).
fn demands(policy: Option<&EffectivePolicy>) -> String {
    let regions = policy.into_iter().flat_map(|policy| &policy.regions);
    let mut demands: Vec<String> = regions
        .flat_map(|(region, inferences)| {
            let word = move |inference: &GuardrailInference| {
                let identifier = match &inference.identifier {
                    Identifier::Guardrail(guardrail) => guardrail.to_string(),
                    Identifier::Unusable { text, why } => format!("{text} ({why})"),
                };
                format!("{region} {}: {identifier} for {}, {}", inference.name.to_lowercase(), inference.models, inference.guarding)
            };
            inferences.iter().map(word)
        })
        .collect();
    let unclear = policy.into_iter().flat_map(EffectivePolicy::all_unclear);
    demands.extend(unclear.map(|unclear| format!("{}: {}", unclear.pointer.to_lowercase(), unclear.value)));
    demands.sort_unstable();
    if demands.is_empty() { "nothing".to_owned() } else { demands.join("; ") }
}
