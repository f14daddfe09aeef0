//! An enforced guardrail can't be applied, so that calls fail or pass without it.

use std::collections::BTreeSet;

use crate::{
    arn::GuardrailVersionArn,
    change_history::{ChangeHistory, Outcome, RuleMatch},
    framework::{ATLAS_GUARDRAILS, ISO_OPERATION, LENS_GUARDRAILS, MEASURE_2_7},
    policy::GuardrailInference,
    rule::{Check, Correlation, Group, Resolved, Rule, StateCheck},
    severity::Severity,
    timestamp::Timestamp,
    world::Source,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-not-enforceable",
    title: "An enforced guardrail can't be applied",
    severity: Severity::High,
    group: Group::Guardrails,
    revealed_by: &["PutEnforcedGuardrailConfiguration", "UpdatePolicy", "AttachPolicy"],
    fires: "The version that an effective policy or an account's configuration names holds an automated-reasoning policy, is FAILED, or \
        doesn't exist.",
    evidence: "GetGuardrail of the version; an answer that there is none is evidence too. A guardrail that was not read says nothing.",
    rationale: "Enforcement fails closed: the calls of every account that it reaches are refused.",
    remediation: "Enforce a version without automated reasoning that is READY.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-enforcements.html"],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: &[MEASURE_2_7, ISO_OPERATION, ATLAS_GUARDRAILS, LENS_GUARDRAILS],
    checks: &[Check::State(StateCheck(check))],
};

fn check(history: &ChangeHistory<'_>) -> Vec<Outcome> {
    let state = history.state;
    let in_force = state.policies_in_force(Timestamp::END).filter_map(|(_, in_force)| in_force.state()?.policy.as_deref());
    let by_policy = in_force.flat_map(|policy| policy.regions.values().flatten()).filter_map(GuardrailInference::enforcement);
    let by_account =
        state.configured().filter_map(|(account, region)| state.configurations(account, region, Timestamp::END).state()).flatten().cloned();
    let enforced: BTreeSet<GuardrailVersionArn> = by_policy.chain(by_account).map(|enforcement| enforcement.guardrail).collect();
    enforced.into_iter().filter_map(|named| unusable(history, &named)).collect()
}

fn unusable(history: &ChangeHistory<'_>, named: &GuardrailVersionArn) -> Option<Outcome> {
    let timeline = history.state.guardrail_timeline(named)?;
    // A version that an event deleted is reported by another rule.
    let (time, _, content) = timeline.entries().rfind(|(_, source, _)| **source == Source::Snapshot)?;
    let why = match content? {
        None => "doesn't exist",
        Some(content) => content.why_not_enforceable()?,
    };
    let (account, region) = (&named.key.account, &named.key.region);
    Some(
        RuleMatch::new(account, region, named.to_string(), format!("the enforced version {} of {} {why}", named.version, named.key.id))
            .at(time)
            .fires(),
    )
}
