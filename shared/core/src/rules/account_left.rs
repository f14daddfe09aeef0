//! An account left the organization, or was removed or closed, while an enforced guardrail covered it.

use crate::{
    change_history::{ChangeInContext, Outcome, RuleMatch},
    framework::POLICY_WEAKENED,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
    timestamp::Timestamp,
};

pub(super) static RULE: Rule = Rule {
    id: "account-left",
    title: "An account left the organization while it had cover",
    severity: Severity::High,
    group: Group::Organization,
    revealed_by: &["LeaveOrganization", "RemoveAccountFromOrganization", "CloseAccount", "DeleteOrganization"],
    fires: "LeaveOrganization, RemoveAccountFromOrganization or CloseAccount of an account whose effective Bedrock policy demanded something; or \
        DeleteOrganization, with which all policies are gone, by a management account of which the same is so.",
    evidence: "The record: the effect is in its name. An account that is known to have had no policy loses nothing.",
    rationale: "Outside of the organization no policy reaches the account, and the credentials and data that it holds go with it.",
    remediation: "Invite the account back, deny organizations:LeaveOrganization to members by a service control policy, and review what it ran \
        since.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_leave.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: POLICY_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "An account that has cover would have left the organization",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    // LeaveOrganization is recorded in the member account that leaves (docs/aws/bedrock-policies.md#records-of-organizations).
    let is_of_caller = ["LeaveOrganization", "DeleteOrganization"].contains(&change.operation.as_str());
    if !is_of_caller && change.text("accountId").is_none() {
        return vec![
            seen.rule_match("account", format!("which account {} is not in the record", seen.did("left", "would have left")))
                .unverified(true)
                .fires(),
        ];
    }
    let account = match change.text("accountId") {
        Some(account) if !is_of_caller => account.into(),
        _ => change.account.clone(),
    };
    let demands = |at: Timestamp| {
        let in_force = seen.history.state.policy(&account, at).state()?;
        in_force.policy.as_ref().map_or(Some(false), |policy| policy.demands_anything())
    };
    let because = match demands(seen.before()) {
        Some(false) => return Vec::new(),
        Some(true) => seen.did("which demanded a guardrail", "which demands a guardrail"),
        None => "and what that demands is not known",
    };
    let because = format!("it {} out of reach of its effective policy, {because}", seen.did("got", "would have got"));
    let later = seen.history.policy_boundaries(&account, &change.region, seen.key.time);
    let restored_at = seen.right_again(format!("account {account} left"), later, |at| demands(at) == Some(true));
    let resource = format!("AWS::::Account:{account}");
    vec![RuleMatch::new(&account, &change.region, resource, because).restored_at(restored_at).fires()]
}
