//! A policy no longer denies changes of guardrails, or of what enforces and records them.

use crate::{
    change_history::{ChangeInContext, Outcome, identity_changes::Concern},
    framework::{ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, IMPAIR_TOOLS, LENS_LEAST_PRIVILEGE},
    identity::{IdentityPolicy, Lost, NewlyPassing},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-protection-removed",
    title: "A policy no longer refuses changes of guardrails, enforcement, invocation logging or trails",
    severity: Severity::Medium,
    group: Group::Identity,
    revealed_by: super::guardrail_condition_removed::RULE.revealed_by,
    fires: "A Deny of a service control policy, resource control policy, IAM policy or permissions boundary refused to change or delete guardrails, \
        enforced configurations, resource policies, invocation logging, trails, or the organization's policies, and no longer does, for \
        somebody. Documents are compared by what they refuse, as IAM evaluates them. A Deny of a whole service counts if somebody is never \
        refused any more: one Region more in a policy about Regions is none. What another document of the same entity still refuses isn't \
        lost, nor what another policy on the way to the account does. Two steps lower if a policy of the organization is attached nowhere.",
    evidence: "The documents before and after: from the record, an earlier event, or the world's iam/ and policies/; for service and resource \
        control policies the tree and the attachments. Where the document before is not known, nothing is said; where it refused and the one \
        after is not known, or the tree isn't, the effect is not verified, one step lower.",
    rationale: "What was refused to everybody is an administrator's next step now: a guardrail that can be changed by whom it guards protects \
        nobody.",
    remediation: "Restore the Deny, with the same exceptions as before.",
    references: &[
        "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html",
    ],
    resolved: Resolved::ByState,
    correlation: Correlation::Independent,
    controls: &[IMPAIR_TOOLS, ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A policy would no longer have refused changes of guardrails, enforcement, invocation logging or trails",
        expected_of_administrators: true,
        look: check,
    })],
};

static CONCERN: Concern = Concern {
    of: lost_in,
    is_open: |lost| lost.protection_is_open,
    is_guarded_by: IdentityPolicy::protects,
    because,
    did: "refused changes of guardrails or of what enforces and records them",
    is_missing_evidence: false,
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    CONCERN.look(seen)
}

fn lost_in(_: &ChangeInContext<'_>, lost: &Lost) -> Vec<NewlyPassing> {
    lost.protection.clone()
}

fn because(seen: &ChangeInContext<'_>, _: &[NewlyPassing]) -> String {
    let refused = seen.did("are no longer refused", "would no longer be refused");
    format!("changes of guardrails, or of what enforces and records them, {refused}")
}
