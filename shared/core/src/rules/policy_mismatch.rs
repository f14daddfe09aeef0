//! The computed effective policy of an account differs from the described one.

use crate::{
    arn::Region,
    finding::ControlChange,
    framework::{GOVERN_1_5, LENS_MONITORING, TENANT_POLICY},
    moment::Moment,
    organization::GLOBAL_REGION,
    policy::EffectivePolicy,
    rule::{Check, Group, Resolved, Rule, StateCheck},
    scene::{Outcome, Scene, Sighting},
    severity::Severity,
    world::InForce,
};

pub(super) static RULE: Rule = Rule {
    id: "policy-mismatch",
    title: "What the organization's policies amount to differs from what AWS describes",
    severity: Severity::Medium,
    group: Group::Organization,
    revealed_by: &["AttachPolicy", "DetachPolicy", "UpdatePolicy", "MoveAccount"],
    fires: "DescribeEffectivePolicy's answer for an account differs from the policy that its tree, attachments and policies amount to at that \
        moment, and at least fifteen minutes after the last change.",
    evidence: "Both sides at one moment. If either is not known, or the effective policy is invalid, there is nothing to compare.",
    rationale: "Either a change was missed, or inheritance works differently from what is documented: verdicts rest on the wrong policy.",
    remediation: "Read the organization and its policies again; if the difference stays, compare attachments by hand and ask AWS.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_effective.html"],
    resolved: Resolved::ByState,
    controls: &[GOVERN_1_5, TENANT_POLICY, LENS_MONITORING],
    checks: &[Check::State(StateCheck(check))],
};

/// AWS takes its time to apply a change.
const SETTLING_SECONDS: i64 = 15 * 60;

fn check(scene: &Scene<'_>) -> Vec<Outcome> {
    let state = scene.state;
    let region = Region::from(GLOBAL_REGION);
    let mut outcomes = Vec::new();
    for account in state.accounts() {
        let differs = |time: Moment, described: Option<&EffectivePolicy>| {
            let InForce::Known(computed) = state.computed_policy(account, time) else {
                return None;
            };
            let is_invalid = state.validity(account).iter().rev().find(|(at, _)| *at <= time).is_some_and(|(_, valid)| !valid);
            let settled = time == Moment::BEGINNING
                || state.computed_policy(account, time.plus_seconds(-SETTLING_SECONDS)) == InForce::Known(computed.clone());
            (!is_invalid && settled).then(|| demands(described) != demands(computed.as_deref())).map(|differs| (differs, computed))
        };
        let mut readings =
            state.described(account).filter_map(|(time, described)| Some((time, described, differs(time, described.as_deref())?)));
        let Some((time, described, (_, computed))) = readings.by_ref().find(|(_, _, (differs, _))| *differs) else {
            continue;
        };
        let righted = readings.find(|(_, _, (differs, _))| !differs).map(|(time, ..)| time);
        let (computed, described) = (demands(computed.as_deref()), demands(described.as_deref()));
        let change = ControlChange { control: "effective policy".to_owned(), side: None, before: Some(computed), after: Some(described) };
        let because = "computed and described effective policy differ";
        outcomes
            .push(Sighting::new(account, &region, "effective policy", because).changing(vec![change]).at(time).righted(righted).fires());
    }
    outcomes
}

/// What a policy demands, wherever it comes from.
fn demands(policy: Option<&EffectivePolicy>) -> String {
    let regions = policy.into_iter().flat_map(|policy| &policy.regions);
    let demands: Vec<String> = regions
        .flat_map(|(region, inferences)| {
            let word = move |inference: &crate::policy::GuardrailInference| {
                format!("{region} {} {:?} {} {}", inference.name, inference.identifier, inference.models, inference.guarding)
            };
            inferences.iter().map(word)
        })
        .collect();
    if demands.is_empty() { "nothing".to_owned() } else { demands.join("; ") }
}
