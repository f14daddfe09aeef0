//! An attachment lower in the tree replaces or weakens what a higher one demands.

use std::collections::BTreeMap;

use crate::{
    arn::{AccountId, GuardrailVersionArn, PolicyId, Region},
    change::WorldChange,
    change_history::{
        ChangeHistory, ChangeInContext, Outcome, RuleMatch, effective_policies::weaker_policies, guardrail_versions::is_upgrade,
    },
    framework::POLICY_WEAKENED,
    organization::{GLOBAL_REGION, Organization},
    policy::{Attached, BEDROCK_POLICY, EffectivePolicy, GuardrailInference, Origin, Weakening, inherit, weakening},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule, StateCheck},
    severity::Severity,
    timestamp::Timestamp,
    world::{PolicyBasis, State},
};

pub(super) static RULE: Rule = Rule {
    id: "policy-overridden",
    title: "An attachment lower in the tree replaces or weakens what a higher one demands",
    severity: Severity::High,
    group: Group::Organization,
    revealed_by: &["AttachPolicy"],
    fires: "AttachPolicy makes some account's effective Bedrock policy weaker; or, whenever it was attached, a policy lower in the tree takes away \
        from what those above it demand of the account. One finding for each account and policy. Attaching a policy of another type, or one \
        that only adds, gives none. A second configuration for one Region is not verified: what AWS does with two is not documented.",
    evidence: "The tree, the attachments and the contents of policies in the world and in earlier events, and DescribeEffectivePolicy around the \
        event. The effect is computed for each account; where it can't be, it is not verified, one step lower.",
    rationale: "The organization's policy is still attached above, and no longer says what holds below.",
    remediation: "Detach the policy, and withhold the operators from child policies: @@operators_allowed_for_child_policies.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/policy-operators.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: POLICY_WEAKENED,
    checks: &[
        Check::Change(ChangeCheck {
            attempt: "An attachment lower in the tree would have replaced or weakened what a higher one demands",
            expected_of_administrators: true,
            look: check,
        }),
        Check::State(StateCheck(check_state)),
    ],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    weaker_policies(seen, &format!("what is demanded higher in the tree {} replaced or weakened", seen.did("is", "would be")))
}

/// Reports overrides that existed before the input. Changes in the input are reported by their own rules.
fn check_state(history: &ChangeHistory<'_>) -> Vec<Outcome> {
    let state = history.state;
    let Some(organization) = state.organization() else {
        return Vec::new();
    };
    let region = Region::from(GLOBAL_REGION);
    let mut touched: BTreeMap<AccountId, Timestamp> = BTreeMap::new();
    for (key, change) in history.changes.iter().filter(|(_, change)| !change.is_refused()) {
        if let Some(WorldChange::Organization(organization_change)) = &change.effect {
            for account in state.effect_of(key.time, &key.event_id, organization_change).accounts {
                touched.entry(account.account).or_insert(key.time);
            }
        }
    }
    let mut outcomes = Vec::new();
    for account in state.accounts() {
        let Some((upper, overriding)) = higher_and_lower(state, organization, account) else {
            continue;
        };
        let compare = |a: &GuardrailVersionArn, b: &GuardrailVersionArn| {
            let compared = history.compare(a, b, Timestamp::END);
            if is_upgrade(a, b) { Weakening { unverified: Vec::new(), ..compared } } else { compared }
        };
        let lost_at = |at: Timestamp| {
            let now = state.policy(account, at).state().filter(|now| now.basis != PolicyBasis::LastValid)?;
            Some(weakening(Some(&upper), now.policy.as_deref(), &compare)).filter(|lost| !lost.is_none())
        };
        let before_changes = touched.get(account).map(|time| time.just_before());
        let Some(lost) = lost_at(Timestamp::END).filter(|_| before_changes.is_none_or(|at| lost_at(at).is_some())) else {
            continue;
        };
        let unverified = lost.changes.is_empty();
        let changes = if unverified { lost.unverified } else { lost.changes };
        let because = format!("attached to {}, it replaces or weakens what is demanded higher in the tree", overriding.attached_to);
        outcomes
            .push(RuleMatch::new(account, &region, overriding.policy.as_str(), because).changing(changes).unverified(unverified).fires());
    }
    outcomes
}

/// The policy computed down to some level, if the next level demands less, and the attachment at that level that is the cause.
fn higher_and_lower(state: &State, organization: &Organization, account: &AccountId) -> Option<(EffectivePolicy, Origin)> {
    let path = organization.path_to(account).filter(|path| organization.is_enabled(BEDROCK_POLICY, path))?;
    let mut levels: Vec<Vec<Attached<'_>>> = Vec::new();
    let mut upper: Option<EffectivePolicy> = None;
    let same = |_: &GuardrailVersionArn, _: &GuardrailVersionArn| Weakening::default();
    for target in path {
        let attachments = organization.attachments.get(&target).into_iter().flatten();
        let of_policy = |policy: &PolicyId| {
            state.organization_policy(policy, Timestamp::END).state().filter(|version| version.policy_type == BEDROCK_POLICY)
        };
        let level: Vec<Attached<'_>> = attachments
            .filter_map(|attachment| {
                let origin = Origin { policy: attachment.policy.clone(), attached_to: target.clone() };
                Some(Attached { origin, document: &of_policy(&attachment.policy)?.document })
            })
            .collect();
        let origin = level.first().map(|attached| attached.origin.clone());
        levels.push(level);
        let Some(origin) = origin else {
            continue;
        };
        let effective = inherit(&levels).map(|inherited| EffectivePolicy::from_inherited(&inherited));
        if let Some(higher) = upper.take() {
            let replaced = |region: &Region, inferences: &[GuardrailInference]| {
                let now = effective.as_ref().and_then(|effective| effective.regions.get(region)).into_iter().flatten();
                let now: Vec<&GuardrailInference> = now.collect();
                inferences.iter().any(|old| now.iter().all(|new| new.identifier != old.identifier))
            };
            let is_lower = !weakening(Some(&higher), effective.as_ref(), &same).is_none()
                || higher.regions.iter().any(|(region, inferences)| replaced(region, inferences));
            if is_lower {
                return Some((higher, origin));
            }
        }
        upper = effective;
    }
    None
}
