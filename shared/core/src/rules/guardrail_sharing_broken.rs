//! A guardrail's resource policy no longer allows accounts that need the guardrail.

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersionArn, listed},
    change::WorldChange,
    change_history::{ChangeInContext, Outcome, RuleMatch},
    framework::{ATLAS_GUARDRAILS, GOVERN_1_2, ISO_OPERATION, LENS_GUARDRAILS},
    guardrail::sharing::{Sharing, shares_resource_with},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-sharing-broken",
    title: "A guardrail's resource policy no longer reaches accounts that need it",
    severity: Severity::High,
    group: Group::Guardrails,
    revealed_by: &["PutResourcePolicy", "DeleteResourcePolicy"],
    fires: "The resource policy of a guardrail or guardrail profile was deleted or replaced, and an account whose effective policy names \
        the guardrail may no longer apply it. Policies of other resources, and of Organizations itself, are others.",
    evidence: "The policy in the record, or GetResourcePolicy after it; the effective policies that name the guardrail. Where the policy or \
        those who need it are not known, the effect is not verified, one step lower.",
    rationale: "Enforcement fails closed: calls in those accounts are refused from this moment, and somebody will look for a way around.",
    remediation: "Put a resource policy that allows bedrock:ApplyGuardrail for the organization (aws:PrincipalOrgID), also on the guardrail \
        profile of each Region that requests may go to. A caller in another account needs both: that, and bedrock:ApplyGuardrail in its own \
        identity policies.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-resource-based-policies.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::Independent,
    controls: &[GOVERN_1_2, ISO_OPERATION, ATLAS_GUARDRAILS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A guardrail's resource policy would no longer have reached accounts that need it",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let is_unnamed = ["resourceArn", "resourceARN"].iter().all(|key| seen.change.text(key).is_none());
    if seen.change.service == "bedrock" && is_unnamed {
        return vec![
            seen.rule_match(
                "guardrail",
                format!("whose policy {} is not in the record", seen.did("was changed", "would have been changed")),
            )
            .unverified(true)
            .fires(),
        ];
    }
    let (Some(WorldChange::ResourcePolicyChanged { key, policy }), "bedrock") = (&seen.change.effect, seen.change.service.as_str()) else {
        return Vec::new();
    };
    let state = seen.history.state;
    let read_later = || state.resource_policy(key, seen.key.time).state().filter(|_| !seen.change.is_refused());
    let policy = policy.as_ref().or_else(read_later);
    let resource = seen.change.text("resourceArn").or_else(|| seen.change.text("resourceARN")).map_or_else(|| key.arn(), str::to_owned);
    let rule_match = |because: String| RuleMatch::new(&key.account, &key.region, resource.clone(), because);
    let Some(needing) = needing(seen, key) else {
        // A policy for the whole organization serves every account that needs it.
        let serves_all =
            policy.is_some_and(|policy| shares_resource_with(policy, &resource, None, state.organization()) == Sharing::Reaches);
        let changed = seen.did("was changed", "would have been changed");
        let because = format!("its policy {changed}, and which accounts need the guardrail is not known");
        return if serves_all { Vec::new() } else { vec![rule_match(because).unverified(true).fires()] };
    };
    if needing.is_empty() {
        return Vec::new();
    }
    let Some(policy) = policy else {
        let says = seen.did("says now", "would say");
        let because = format!("what the policy {says} is not known; {} need it", listed(&needing));
        return vec![rule_match(because).unverified(true).fires()];
    };
    let cut = |policy: &str| {
        needing
            .iter()
            .filter(|account| shares_resource_with(policy, &resource, Some(account), state.organization()) == Sharing::CutOff)
            .cloned()
            .collect::<Vec<_>>()
    };
    let now_cut = cut(policy);
    let were_cut = state.resource_policy(key, seen.before()).state().map(|before| cut(before)).unwrap_or_default();
    let lost: Vec<AccountId> = now_cut.into_iter().filter(|account| !were_cut.contains(account)).collect();
    if lost.is_empty() {
        return Vec::new();
    }
    let later = state.resource_policy_boundaries(key, seen.key.time);
    let finding = format!("sharing of {resource} in {} {}", key.account, key.region);
    let restored_at =
        seen.right_again(finding, later, |again| state.resource_policy(key, again).state().is_some_and(|policy| cut(policy).is_empty()));
    let may = seen.did("may no longer apply", "would no longer be allowed to apply");
    vec![rule_match(format!("{} {may} the guardrail that their effective policy names", listed(&lost))).restored_at(restored_at).fires()]
}

/// The other accounts whose effective policy names the guardrail, or one that uses this guardrail profile; `None` if they aren't known.
fn needing(seen: &ChangeInContext<'_>, key: &GuardrailKey) -> Option<Vec<AccountId>> {
    let state = seen.history.state;
    let (mut any, mut all_known) = (false, true);
    let mut needing = Vec::new();
    for account in state.accounts() {
        let Some(in_force) = state.policy(account, seen.before()).state() else {
            all_known = false;
            continue;
        };
        any = true;
        let named = in_force
            .policy
            .iter()
            .flat_map(|policy| policy.regions.values().flatten())
            .filter_map(crate::policy::GuardrailInference::enforcement);
        let needs: Vec<Option<bool>> = named
            .map(|enforcement| enforcement.guardrail)
            .map(|named| if named.key == *key { Some(true) } else { uses_profile(seen, &named, key) })
            .collect();
        if *account == key.account {
            continue;
        }
        if needs.contains(&Some(true)) {
            needing.push(account.clone());
        } else if needs.contains(&None) {
            all_known = false;
        }
    }
    (any && (all_known || !needing.is_empty())).then_some(needing)
}

/// Whether a guardrail uses a guardrail profile; `None` if its content isn't known.
fn uses_profile(seen: &ChangeInContext<'_>, named: &GuardrailVersionArn, profile: &GuardrailKey) -> Option<bool> {
    // Ids of guardrails contain no dot (docs/aws/guardrails.md#getguardrail), ids of guardrail profiles do.
    if named.key.account != profile.account || !profile.id.contains('.') {
        return Some(false);
    }
    let content = seen.history.content_of(named, seen.before())?;
    Some(content.attributes.get("cross-Region profile").is_some_and(|used| **used == *profile.id))
}
