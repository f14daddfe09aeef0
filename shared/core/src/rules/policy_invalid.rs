//! A Bedrock policy contains errors, or an account's effective policy is invalid.

use crate::{
    arn::{AccountId, PolicyId, Region},
    change::{OrganizationChange, WorldChange},
    change_history::{ChangeHistory, ChangeInContext, Outcome, RuleMatch, policy_updates::PolicyUpdates},
    framework::POLICY_WEAKENED,
    organization::GLOBAL_REGION,
    policy::{
        BEDROCK_POLICY,
        lint::{Level, Lint, lint, lints_of_effective},
    },
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule, StateCheck},
    severity::Severity,
    timestamp::Timestamp,
    world::Validation,
};

pub(super) static RULE: Rule = Rule {
    id: "policy-invalid",
    title: "A Bedrock policy can't do what it says, or an account's effective policy is invalid",
    severity: Severity::High,
    group: Group::Organization,
    revealed_by: &["EffectivePolicyValidation", "CreatePolicy", "UpdatePolicy"],
    fires: "AWS reports an account's effective policy as invalid, so the last valid one stays in force; or a Bedrock policy that is written, or \
        attached, has an error: DRAFT, a guardrail of another Region or of an owner other than the management account, keys that are not \
        known or stand twice, values of the wrong type, more characters than allowed. Two steps lower while the policy is attached nowhere.",
    evidence: "The EffectivePolicyValidation event, or ListEffectivePolicyValidationErrors; the policy in the record, DescribePolicy or DescribeEffectivePolicy. An update whose content \
        the record hides says nothing until it is read.",
    rationale: "What AWS refuses as a document leaves the last valid policy in force, however old that is. A wrong guardrail identifier is \
        no such refusal: every Bedrock call of the accounts that the policy reaches fails, and nothing is safeguarded. What we don't \
        understand proves nothing: calls under it are not provable.",
    remediation: "Correct the policy; `guardrail-audit policy lint` shows each error with its place.",
    references: &[
        "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_bedrock_syntax.html",
        "https://docs.aws.amazon.com/organizations/latest/userguide/invalid-policy-alerts.html",
    ],
    resolved: Resolved::ByState,
    correlation: Correlation::Independent,
    controls: POLICY_WEAKENED,
    checks: &[
        Check::Change(ChangeCheck {
            attempt: "A Bedrock policy that can't do what it says would have been written",
            expected_of_administrators: true,
            look: check_change,
        }),
        Check::State(StateCheck(check_state)),
    ],
};

fn check_change(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let Some(WorldChange::Organization(change)) = &seen.change.effect else {
        // A policy whose creation was refused has no id.
        let is_ours = seen.change.is("organizations", &["CreatePolicy"]) && seen.change.text("type") == Some(BEDROCK_POLICY);
        let errors = seen.change.text("content").filter(|_| is_ours).and_then(|content| errors_of(content, seen.history));
        return errors
            .map(|errors| seen.rule_match("new policy", format!("{errors}{UNATTACHED}")).severity_steps(-2).fires())
            .into_iter()
            .collect();
    };
    let state = seen.history.state;
    let type_of = |policy: &_| state.organization_policy(policy, seen.key.time).state().map(|policy| policy.policy_type.clone());
    let written = match change {
        OrganizationChange::EffectivePolicyValidation { account, valid } => {
            return if *valid { Vec::new() } else { vec![invalid(seen, account)] };
        }
        OrganizationChange::CreatePolicy { policy, policy_type, content, .. } if policy_type == BEDROCK_POLICY => Some((policy, content)),
        OrganizationChange::UpdatePolicy { policy, content } if type_of(policy).is_some_and(|kind| kind == BEDROCK_POLICY) => {
            Some((policy, content))
        }
        _ => None,
    };
    let Some((policy, Some(content))) = written else {
        return Vec::new();
    };
    let Some(errors) = errors_of(content, seen.history) else {
        return Vec::new();
    };
    let (steps, reach) = if is_attached(seen, policy) { (0, "") } else { (-2, UNATTACHED) };
    let restored_at = updates(seen).right_after(policy, seen.key.time);
    vec![seen.rule_match(policy.as_str(), format!("{errors}{reach}")).severity_steps(steps).restored_at(restored_at).fires()]
}

/// The phrase for a policy that isn't attached.
const UNATTACHED: &str = "; it is attached nowhere yet: an attachment would make it reach accounts";

/// Whether a policy is, or may be, attached now or later.
fn is_attached(seen: &ChangeInContext<'_>, policy: &PolicyId) -> bool {
    let known = match seen.history.state.organization() {
        Some(organization) => organization.targets_of(policy).next().is_some(),
        // A policy that was just created isn't attached; for others it isn't known.
        None => seen.change.operation != "CreatePolicy",
    };
    known || updates(seen).attached(policy)
}

const INVALID: &str = "AWS reports the effective policy as invalid, and the last valid one stays in force";

fn invalid(seen: &ChangeInContext<'_>, account: &AccountId) -> Outcome {
    let valid_again = seen.history.state.valid_after(account, seen.key.time);
    RuleMatch::new(account, &seen.change.region, "effective policy", INVALID).restored_at(valid_again).fires()
}

/// Reports errors in attached policies, and in described effective policies whose source policies aren't known.
fn check_state(history: &ChangeHistory<'_>) -> Vec<Outcome> {
    let state = history.state;
    let region = Region::from(GLOBAL_REGION);
    let mut outcomes = Vec::new();
    if let Some(organization) = state.organization() {
        let owner = organization.management_account.clone().unwrap_or_else(|| AccountId::from("unknown"));
        for (policy, version) in
            state.organization_policies(Timestamp::END).filter(|(policy, _)| organization.targets_of(policy).next().is_some())
        {
            if version.policy_type == BEDROCK_POLICY
                && let Some(errors) = errors_of(&version.content, history)
            {
                outcomes.push(RuleMatch::new(&owner, &region, policy.as_str(), errors).fires());
            }
        }
    }
    for account in state.accounts() {
        let Some((time, Some(policy))) = state.described(account).last() else {
            continue;
        };
        let attributed = state.computed_policy(account, time).state().is_some();
        if !attributed && let Some(errors) = in_words(&lints_of_effective(policy, history.management_account())) {
            outcomes.push(RuleMatch::new(account, &region, "effective policy", errors).at(time).fires());
        }
    }
    outcomes.extend(state.validations().flat_map(|(account, validations)| said_to_be_invalid(history, account, validations)));
    outcomes
}

/// The periods in which AWS reports an account's policy as invalid, each with the last report.
fn said_to_be_invalid<'v>(
    history: &ChangeHistory<'_>,
    account: &AccountId,
    validations: impl Iterator<Item = (Timestamp, &'v Validation)>,
) -> Vec<Outcome> {
    let mut stretches: Vec<(Timestamp, &Validation)> = Vec::new();
    let mut was_valid = true;
    for (time, validation) in validations {
        match stretches.last_mut().filter(|_| !was_valid) {
            Some((_, latest)) if !validation.is_valid() => *latest = validation,
            None if !validation.is_valid() => stretches.push((time, validation)),
            _ => {}
        }
        was_valid = validation.is_valid();
    }
    let outcome = |(since, validation): (Timestamp, &Validation)| {
        let because = format!("{INVALID}: {}", validation.listed());
        let valid_again = history.state.valid_after(account, since);
        let rule_match = RuleMatch::new(account, &Region::from(GLOBAL_REGION), "effective policy", because);
        rule_match.at(since).restored_at(valid_again).fires()
    };
    stretches.into_iter().map(outcome).collect()
}

fn errors_of(content: &str, history: &ChangeHistory<'_>) -> Option<String> {
    in_words(&lint(content, history.management_account()).unwrap_or_default())
}

fn in_words(lints: &[Lint]) -> Option<String> {
    // A policy that demands nothing is useless, but not invalid.
    let is_error = |lint: &&Lint| lint.level == Level::Error && lint.kind != "demands-nothing";
    let errors: Vec<String> = lints.iter().filter(is_error).map(|lint| format!("{} (at {})", lint.message, lint.pointer)).collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}

/// The updates of policies whose content has no error.
fn updates<'s>(seen: &'s ChangeInContext<'_>) -> &'s PolicyUpdates {
    seen.history.policy_updates(|content| errors_of(content, seen.history).is_none())
}
