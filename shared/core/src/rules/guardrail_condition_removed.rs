//! An IAM policy or service control policy no longer asks for a guardrail.

use serde_json::Value;

use crate::{
    arn::AccountId,
    change::short,
    finding::ControlChange,
    framework::{ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, IMPAIR_TOOLS, LENS_LEAST_PRIVILEGE},
    identity::{IdentityPolicy, history::entity},
    moment::Moment,
    policy::BEDROCK_POLICY,
    report::Blindness,
    rule::{ChangeCheck, Check, Group, Resolved, Rule},
    scene::{Outcome, Seen},
    severity::Severity,
    world::{OrganizationChange, WorldChange},
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
        "DetachPolicy",
        "DisablePolicyType",
    ],
    fires: "A policy allowed inference only with the condition bedrock:GuardrailIdentifier and now some Allow lacks it; or a Deny of inference \
        is gone. Operators that hold for calls without a guardrail (…IfExists, negations, a lone *) count as no condition.",
    evidence: "The documents before and after: from the record, an earlier event, or the world's iam/ and policies/. Where the one before is \
        not known, that is a blind spot.",
    rationale: "The condition is what makes a caller name the guardrail; without it the same role runs the same model unguarded.",
    remediation: "Restore the condition on every Allow of bedrock:InvokeModel*, or the Deny.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-permissions-id.html"],
    resolved: Resolved::Never,
    controls: &[IMPAIR_TOOLS, ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE],
    checks: &[Check::Change(ChangeCheck(check))],
};

/// What became of a document.
enum Loosened {
    No,
    By(Vec<ControlChange>),
    NotKnown,
}

fn check(seen: &Seen<'_>) -> Vec<Outcome> {
    let change = seen.change;
    let (resource, loosened) = match change.service.as_str() {
        "iam" => (entity(change).map_or("policy".to_owned(), |(kind, name)| format!("{kind}/{name}")), of_identity(seen)),
        "organizations" => (seen.name("policyId").to_owned(), of_organization(seen)),
        _ => return Vec::new(),
    };
    match loosened {
        Loosened::No => Vec::new(),
        Loosened::NotKnown => vec![Outcome::Blind(change.account.clone(), change.region.clone(), Blindness::IdentityPolicies)],
        Loosened::By(changes) => {
            let because = "inference without a guardrail is no longer refused";
            vec![seen.sighting(resource, because).apart_by(seen.name("policyName")).changing(changes).fires()]
        }
    }
}

fn of_identity(seen: &Seen<'_>) -> Loosened {
    let change = seen.change;
    let before = seen.identity_before();
    let written = IdentityPolicy::parse(change.parameter("policyDocument"));
    let compare = |before: Option<IdentityPolicy>, after: Option<IdentityPolicy>| match (before, after) {
        (Some(before), Some(after)) => by(before.loosened_by(&after)),
        // Neither side speaks of guardrails, as far as one can see.
        (None, Some(after)) if !after.guards() && !after.opens() => Loosened::No,
        (Some(before), None) if !before.guards() => Loosened::No,
        _ => Loosened::NotKnown,
    };
    let nothing = IdentityPolicy::default();
    match change.operation.as_str() {
        "PutRolePolicy" | "PutUserPolicy" | "PutGroupPolicy" => match (before.document, before.others, written) {
            // A new policy beside others: it opens what they ask for.
            (None, Some(others), Some(after)) if after.opens() => by(others.loosened_by(&others.and(&after))),
            (document, _, after) => compare(document, after),
        },
        "DeleteRolePolicy" | "DeleteUserPolicy" | "DeleteGroupPolicy" | "DetachRolePolicy" | "DetachUserPolicy" | "DetachGroupPolicy" => {
            before.document.map_or(Loosened::No, |document| by(document.denials_lost(&nothing)))
        }
        "CreatePolicyVersion" if change.parameter("setAsDefault") != true => Loosened::No,
        "CreatePolicyVersion" => compare(before.document, written),
        "SetDefaultPolicyVersion" => compare(before.document, before.replacement),
        "AttachRolePolicy" | "AttachUserPolicy" | "AttachGroupPolicy" => {
            let Some(others) = before.others else {
                return Loosened::No;
            };
            let attached = change.text("policyArn").map(short).unwrap_or_default();
            match before.document {
                Some(after) => by(others.loosened_by(&others.and(&after))),
                None if OPEN_MANAGED_POLICIES.contains(&attached) => by(vec![ControlChange {
                    control: format!("Allow by {attached}"),
                    side: None,
                    before: None,
                    after: Some("without a condition on the guardrail".to_owned()),
                }]),
                None => Loosened::NotKnown,
            }
        }
        // A boundary allows at most what it names: without it, all that the other policies give.
        _ => match (before.boundary.filter(IdentityPolicy::guards), before.replacement) {
            (None, _) => Loosened::No,
            (Some(boundary), Some(after)) => by(boundary.loosened_by(&after)),
            (Some(_), None) if change.operation.starts_with("Delete") => by(vec![ControlChange {
                control: "permissions boundary".to_owned(),
                side: None,
                before: Some("inference only with bedrock:GuardrailIdentifier".to_owned()),
                after: None,
            }]),
            (Some(_), None) => Loosened::NotKnown,
        },
    }
}

/// AWS's own policies that allow inference without a condition.
const OPEN_MANAGED_POLICIES: &[&str] = &["AdministratorAccess", "PowerUserAccess", "AmazonBedrockFullAccess", "AmazonBedrockLimitedAccess"];

fn by(changes: Vec<ControlChange>) -> Loosened {
    if changes.is_empty() { Loosened::No } else { Loosened::By(changes) }
}

/// Service control policies: what they deny, or allow only with a condition.
fn of_organization(seen: &Seen<'_>) -> Loosened {
    let state = seen.scene.state;
    let account: &AccountId = &seen.change.account;
    let document = |policy: &crate::arn::PolicyId, at: Moment| {
        let version = state.organization_policy(policy, at).state().filter(|version| version.policy_type != BEDROCK_POLICY)?;
        IdentityPolicy::parse(&Value::String(version.content.clone()))
    };
    let nothing = IdentityPolicy::default();
    match &seen.change.effect {
        Some(WorldChange::Organization(OrganizationChange::UpdatePolicy { policy, content })) => {
            let before = document(policy, seen.before());
            let written = content.as_ref().and_then(|content| IdentityPolicy::parse(&Value::String(content.clone())));
            match (before.filter(IdentityPolicy::guards), written.or_else(|| document(policy, seen.key.time))) {
                (Some(before), Some(after)) => by(before.loosened_by(&after)),
                (Some(_), None) => Loosened::NotKnown,
                (None, _) => Loosened::No,
            }
        }
        Some(WorldChange::Organization(OrganizationChange::DetachPolicy { policy, .. })) => {
            document(policy, seen.before()).map_or(Loosened::No, |before| by(before.denials_lost(&nothing)))
        }
        Some(WorldChange::Organization(OrganizationChange::DisablePolicyType { policy_type, .. }))
            if policy_type == "SERVICE_CONTROL_POLICY" =>
        {
            let attached = state.organization_policies(seen.before()).filter(|(_, version)| version.policy_type == *policy_type);
            let all =
                attached.filter_map(|(_, version)| IdentityPolicy::parse(&Value::String(version.content.clone()))).reduce(|a, b| a.and(&b));
            all.map_or_else(
                || if state.accounts().any(|known| known == account) { Loosened::No } else { Loosened::NotKnown },
                |before| by(before.denials_lost(&nothing)),
            )
        }
        _ => Loosened::No,
    }
}
