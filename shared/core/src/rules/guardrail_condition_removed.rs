//! An IAM policy or service control policy no longer asks for a guardrail.

use crate::{
    arn::AccountId,
    change::{Change, short},
    finding::ControlChange,
    framework::{ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, IMPAIR_TOOLS, LENS_LEAST_PRIVILEGE},
    identity::{
        IdentityPolicy,
        history::{Before, entity},
        service_control::Loss,
    },
    report::Blindness,
    rule::{ChangeCheck, Check, Group, Resolved, Rule},
    scene::{Outcome, Seen},
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
        "DetachPolicy",
        "DisablePolicyType",
    ],
    fires: "A policy allowed inference only with the condition bedrock:GuardrailIdentifier and now some Allow lacks it; or a Deny of inference \
        is gone. Operators that hold for calls without a guardrail (…IfExists, negations, a lone *) count as no condition. A Deny is still there \
        if an equal or a broader one is, in this document or another of the same entity; a service control policy only matters where it is \
        attached and no other on the way to the account says the same. Two steps lower if it is attached nowhere.",
    evidence: "The documents before and after: from the record, an earlier event, or the world's iam/ and policies/; for service control policies the \
        tree and the attachments. Where the document before is not known, that is a blind spot; where it guarded and the one after is not known, \
        or the tree isn't, the effect is not verified, one step lower.",
    rationale: "The condition is what makes a caller name the guardrail; without it the same role runs the same model unguarded.",
    remediation: "Restore the condition on every Allow of bedrock:InvokeModel*, or the Deny.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-permissions-id.html"],
    resolved: Resolved::ByState,
    controls: &[IMPAIR_TOOLS, ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE],
    checks: &[Check::Change(ChangeCheck {
        attempt: "An IAM policy or service control policy would no longer have asked for a guardrail",
        look: check,
    })],
};

/// What is no longer so, and what would no longer be so after a change that was refused.
const REFUSED_NO_LONGER: (&str, &str) =
    ("inference without a guardrail is no longer refused", "inference without a guardrail would no longer be refused");

/// What became of a document.
enum Loosened {
    No,
    By(Vec<ControlChange>),
    /// What took its place can't be read.
    NotVerified,
    NotKnown,
}

fn check(seen: &Seen<'_>) -> Vec<Outcome> {
    match seen.change.service.as_str() {
        "iam" => check_identity(seen),
        "organizations" => check_organization(seen).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn check_identity(seen: &Seen<'_>) -> Vec<Outcome> {
    let change = seen.change;
    let resource = entity(change).map_or("policy".to_owned(), |(kind, name)| format!("{kind}/{name}"));
    let before = seen.identity_before();
    let guarded = all_before(change, &before);
    let loosened = of_identity(change, before);
    let righted = || seen.identity_righted(|after| guarded.loosened_by(after).is_empty());
    let sighting = |because: &str| seen.sighting(resource.clone(), because).apart_by(seen.name("policyName")).righted(righted());
    match loosened {
        Loosened::No => Vec::new(),
        Loosened::NotKnown => vec![Outcome::Blind(change.account.clone(), change.region.clone(), Blindness::IdentityPolicies)],
        Loosened::NotVerified => vec![sighting("it asked for a guardrail, and what it says now is not known").unverified(true).fires()],
        Loosened::By(changes) => vec![sighting(seen.did(REFUSED_NO_LONGER.0, REFUSED_NO_LONGER.1)).changing(changes).fires()],
    }
}

/// What counted before a change: all documents, or the boundary.
fn all_before(change: &Change, before: &Before) -> IdentityPolicy {
    let attaches = change.operation.starts_with("Attach");
    let parts = if change.operation.ends_with("PermissionsBoundary") {
        [before.boundary.as_ref(), None]
    } else {
        [before.document.as_ref().filter(|_| !attaches), before.others.as_ref()]
    };
    parts.into_iter().flatten().cloned().reduce(|a, b| a.and(&b)).unwrap_or_default()
}

fn of_identity(change: &Change, before: Before) -> Loosened {
    let written = IdentityPolicy::parse(change.parameter("policyDocument"));
    let others = before.others.unwrap_or_default();
    let compare = |before: Option<IdentityPolicy>, after: Option<IdentityPolicy>| match (before, after) {
        (Some(before), Some(after)) => by(others.and(&before).loosened_by(&others.and(&after))),
        // A new document beside others: it opens what they ask for.
        (None, Some(after)) if others.guards() && after.opens() => by(others.loosened_by(&others.and(&after))),
        // Neither side speaks of guardrails, as far as one can see.
        (None, Some(after)) if !after.guards() && !after.opens() => Loosened::No,
        (Some(before), None) if before.guards() || others.guards() => Loosened::NotVerified,
        (Some(_), None) => Loosened::No,
        (None, _) => Loosened::NotKnown,
    };
    match change.operation.as_str() {
        "DeleteRolePolicy" | "DeleteUserPolicy" | "DeleteGroupPolicy" | "DetachRolePolicy" | "DetachUserPolicy" | "DetachGroupPolicy" => {
            before.document.map_or(Loosened::No, |document| by(document.denials_lost(&others)))
        }
        "CreatePolicyVersion" if change.parameter("setAsDefault") != true => Loosened::No,
        "SetDefaultPolicyVersion" => compare(before.document, before.replacement),
        "AttachRolePolicy" | "AttachUserPolicy" | "AttachGroupPolicy" if !others.guards() => Loosened::No,
        "AttachRolePolicy" | "AttachUserPolicy" | "AttachGroupPolicy" => {
            let attached = change.text("policyArn").map(short).unwrap_or_default();
            match before.document {
                Some(after) => by(others.loosened_by(&others.and(&after))),
                None if OPEN_MANAGED_POLICIES.contains(&attached) => {
                    let opened = others.loosened_by(&others.and(&IdentityPolicy::open_to_all()));
                    by(opened.first().map(|_| opened_by(attached)).into_iter().collect())
                }
                None => Loosened::NotKnown,
            }
        }
        // A boundary allows at most what it names: without it, all that the other policies give.
        operation if operation.ends_with("PermissionsBoundary") => {
            match (before.boundary.filter(IdentityPolicy::guards), before.replacement) {
                (None, _) => Loosened::No,
                (Some(boundary), Some(after)) => by(boundary.loosened_by(&after)),
                (Some(_), None) if operation.starts_with("Delete") => by(vec![ControlChange {
                    control: "permissions boundary".to_owned(),
                    side: None,
                    before: Some("inference only with bedrock:GuardrailIdentifier".to_owned()),
                    after: None,
                }]),
                (Some(_), None) => Loosened::NotVerified,
            }
        }
        // Put…Policy and CreatePolicyVersion.
        _ => compare(before.document, written),
    }
}

fn opened_by(attached: &str) -> ControlChange {
    ControlChange {
        control: format!("Allow by {attached}"),
        side: None,
        before: None,
        after: Some("without a condition on the guardrail".to_owned()),
    }
}

/// AWS's own policies that allow inference without a condition.
const OPEN_MANAGED_POLICIES: &[&str] = &["AdministratorAccess", "PowerUserAccess", "AmazonBedrockFullAccess", "AmazonBedrockLimitedAccess"];

fn by(changes: Vec<ControlChange>) -> Loosened {
    if changes.is_empty() { Loosened::No } else { Loosened::By(changes) }
}

/// Service control policies: what they deny, or allow only with a condition.
fn check_organization(seen: &Seen<'_>) -> Option<Outcome> {
    let resource = seen.name("policyId");
    let because = seen.did(REFUSED_NO_LONGER.0, REFUSED_NO_LONGER.1);
    Some(match seen.service_control_loss()? {
        Loss::Of { accounts, changes, righted } if !accounts.is_empty() => {
            seen.sighting(resource, format!("{because} in {}", named(accounts))).changing(changes.clone()).righted(*righted).fires()
        }
        Loss::Of { changes, .. } => {
            seen.sighting(resource, format!("{because}, in accounts that are not known")).changing(changes.clone()).unverified(true).fires()
        }
        Loss::Unattached(changes) => {
            let because =
                "it no longer refuses inference without a guardrail; it is attached nowhere, an attachment would make it reach accounts";
            seen.sighting(resource, because).changing(changes.clone()).stepped(-2).fires()
        }
        Loss::NotKnown(accounts) => {
            let of = if accounts.is_empty() { String::new() } else { format!(" in {}", named(accounts)) };
            let because = format!("it refused inference without a guardrail{of}, and what it says now is not known");
            seen.sighting(resource, because).unverified(true).fires()
        }
    })
}

fn named(accounts: &[AccountId]) -> String {
    let shown: Vec<&str> = accounts.iter().take(10).map(AccountId::as_str).collect();
    let more = accounts.len().saturating_sub(10);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}
