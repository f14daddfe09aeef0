//! An IAM policy, or a policy of the organization, no longer demands a guardrail.

use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn},
    change_history::{ChangeInContext, Outcome, identity_changes::Concern},
    framework::{ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, IMPAIR_TOOLS, LENS_LEAST_PRIVILEGE},
    identity::{IdentityPolicy, Lost, Named, NewlyPassing},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-condition-removed",
    title: "An IAM policy or service control policy no longer asks for a guardrail",
    severity: Severity::High,
    group: Group::Identity,
    revealed_by: &[
        "PutRolePolicy",
        "PutUserPolicy",
        "PutGroupPolicy",
        "DeleteRolePolicy",
        "DeleteUserPolicy",
        "DeleteGroupPolicy",
        "AttachRolePolicy",
        "AttachUserPolicy",
        "AttachGroupPolicy",
        "DetachRolePolicy",
        "DetachUserPolicy",
        "DetachGroupPolicy",
        "CreatePolicyVersion",
        "SetDefaultPolicyVersion",
        "PutRolePermissionsBoundary",
        "DeleteRolePermissionsBoundary",
        "PutUserPermissionsBoundary",
        "DeleteUserPermissionsBoundary",
        "UpdatePolicy",
        "AttachPolicy",
        "DetachPolicy",
        "DisablePolicyType",
        "MoveAccount",
    ],
    fires: "Policies let requests to run a model through that they refused before: without a guardrail, with another version than they asked \
        for, the DRAFT, another guardrail or another account's, or where guardrails don't reach (bedrock-mantle, the Claude Platform on AWS, \
        the Responses API by way of project/default). Documents are compared by what they let through, as IAM evaluates them, not by how they \
        are written; whatever else they ask for (who, from where, in which Region) is the same before and after. It counts if the policies \
        before told requests apart by their guardrail, or if a Deny of inference itself is gone. What another document of the same entity still \
        refuses isn't lost, nor what another service or resource control policy on the way to the account does. A higher version in the place \
        of one that was asked for, and a guardrail version that is enforced or required, are no loss. Two steps lower if a policy of the organization is \
        attached nowhere.",
    evidence: "The documents before and after: from the record, an earlier event, or the world's iam/ and policies/; for service and resource \
        control policies the tree and the attachments. Where the document before is not known, that is a blind spot; where it guarded and the \
        one after is not known, or the tree isn't, or the documents ask for too many different things to go through, the effect is not \
        verified, one step lower.",
    rationale: "The condition is what makes a caller name the guardrail; without it the same role runs the same model unguarded.",
    remediation: "Restore the condition on every Allow of bedrock:InvokeModel*, or the Deny. Of operators that are negated only those without \
        ForAnyValue refuse a call that names no guardrail.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-permissions-id.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: &[IMPAIR_TOOLS, ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE],
    checks: &[Check::Change(ChangeCheck {
        attempt: "An IAM policy or service control policy would no longer have asked for a guardrail",
        expected_of_administrators: true,
        look: check,
    })],
};

static CONCERN: Concern = Concern {
    of: lost_in,
    is_open: |lost| lost.inference_is_open,
    is_guarded_by: IdentityPolicy::asks,
    because,
    did: "asked for a guardrail",
    is_missing_evidence: true,
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    CONCERN.look(seen)
}

/// The lost requests without those that name an enforced or required guardrail version, because these have what is demanded.
fn lost_in(seen: &ChangeInContext<'_>, lost: &Lost) -> Vec<NewlyPassing> {
    let is_required = |named: &GuardrailVersionArn| {
        seen.history.configuration.requirements.iter().any(|required| {
            let lowest = GuardrailVersion::Numbered(required.minimum_version.unwrap_or(1));
            required.guardrail.as_ref() == Some(&named.key) && named.version != GuardrailVersion::Draft && named.version >= lowest
        })
    };
    let is_enforced = |named: &GuardrailVersionArn| seen.history.enforced_versions(&named.key, seen.key.time).contains(&named.version);
    let is_demanded = |newly: &&NewlyPassing| newly.named().version().is_some_and(|named| is_enforced(&named) || is_required(&named));
    lost.inference.iter().filter(|newly| !is_demanded(newly)).cloned().collect()
}

fn because(seen: &ChangeInContext<'_>, newly: &[NewlyPassing]) -> String {
    let what = if newly.iter().all(NewlyPassing::is_out_of_reach) {
        "inference where guardrails don't reach"
    } else if newly.iter().any(|newly| *newly.named() == Named::Nothing) {
        "inference without a guardrail"
    } else {
        "inference with another guardrail, or another version, than was asked for"
    };
    format!("{what} {}", seen.did("is no longer refused", "would no longer be refused"))
}
