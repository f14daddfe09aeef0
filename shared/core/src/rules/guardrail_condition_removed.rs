//! An IAM policy or service control policy no longer asks for a guardrail.

use serde_json::Value;

use crate::{
    arn::AccountId,
    change::{Change, short},
    finding::ControlChange,
    framework::{ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, IMPAIR_TOOLS, LENS_LEAST_PRIVILEGE},
    identity::IdentityPolicy,
    json::At,
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

/// Whose documents an operation changes.
fn entity(change: &Change) -> Option<(&'static str, &str)> {
    let kinds = [("role", "roleName"), ("user", "userName"), ("group", "groupName"), ("policy", "policyArn")];
    kinds.into_iter().find_map(|(kind, key)| Some((kind, short(change.text(key)?))))
}

fn of_identity(seen: &Seen<'_>) -> Loosened {
    let change = seen.change;
    let Some((kind, name)) = entity(change) else {
        return Loosened::No;
    };
    let written = IdentityPolicy::parse(&change.parameters["policyDocument"]);
    let compare = |before: Option<IdentityPolicy>, after: Option<IdentityPolicy>| match (before, after) {
        (Some(before), Some(after)) => by(before.loosened_by(&after)),
        // Neither side speaks of guardrails, as far as one can see.
        (None, Some(after)) if !after.guards() && !after.opens() => Loosened::No,
        (Some(before), None) if !before.guards() => Loosened::No,
        _ => Loosened::NotKnown,
    };
    let nothing = IdentityPolicy::default();
    match change.operation.as_str() {
        "PutRolePolicy" | "PutUserPolicy" | "PutGroupPolicy" => {
            let policy = change.text("policyName").unwrap_or_default();
            let others = documents(seen, kind, name).into_iter().filter(|(named, _)| named != policy);
            match (inline(seen, kind, name, policy), written) {
                // A new policy beside others: it opens what they ask for.
                (None, Some(after)) if after.opens() => {
                    let all = others.map(|(_, other)| other).reduce(|a, b| a.and(&b));
                    all.map_or(Loosened::NotKnown, |before| by(before.loosened_by(&before.and(&after))))
                }
                (before, after) => compare(before, after),
            }
        }
        "DeleteRolePolicy" | "DeleteUserPolicy" | "DeleteGroupPolicy" => {
            let before = inline(seen, kind, name, change.text("policyName").unwrap_or_default());
            before.map_or(Loosened::No, |before| by(before.denials_lost(&nothing)))
        }
        "CreatePolicyVersion" if change.parameters["setAsDefault"] != true => Loosened::No,
        "CreatePolicyVersion" => compare(managed(seen, name), written),
        "SetDefaultPolicyVersion" => {
            let wanted = change.text("versionId").unwrap_or_default();
            let versions = seen.earlier(name).into_iter().filter(|earlier| earlier.response.at("/policyVersion/versionId") == wanted);
            let version = versions.filter_map(|earlier| IdentityPolicy::parse(&earlier.parameters["policyDocument"])).next();
            compare(managed(seen, name), version)
        }
        "AttachRolePolicy" | "AttachUserPolicy" | "AttachGroupPolicy" => {
            let attached = change.text("policyArn").map(short).unwrap_or_default();
            let known = documents(seen, kind, name).into_iter().map(|(_, document)| document).reduce(|a, b| a.and(&b));
            let Some(before) = known.filter(IdentityPolicy::guards) else {
                return Loosened::No;
            };
            match managed(seen, attached) {
                Some(after) => by(before.loosened_by(&before.and(&after))),
                None if OPEN_MANAGED_POLICIES.contains(&attached) => by(vec![ControlChange {
                    control: format!("Allow by {attached}"),
                    side: None,
                    before: None,
                    after: Some("without a condition on the guardrail".to_owned()),
                }]),
                None => Loosened::NotKnown,
            }
        }
        "DetachRolePolicy" | "DetachUserPolicy" | "DetachGroupPolicy" => {
            let detached = managed(seen, change.text("policyArn").map(short).unwrap_or_default());
            detached.map_or(Loosened::No, |before| by(before.denials_lost(&nothing)))
        }
        // A boundary allows at most what it names: without it, all that the other policies give.
        _ => {
            let before = boundary(seen, name);
            let after = change.text("permissionsBoundary").map(short).and_then(|after| managed(seen, after));
            let opened = || {
                vec![ControlChange {
                    control: "permissions boundary".to_owned(),
                    side: None,
                    before: Some("inference only with bedrock:GuardrailIdentifier".to_owned()),
                    after: change.text("permissionsBoundary").map(str::to_owned),
                }]
            };
            match (before.filter(IdentityPolicy::guards), after) {
                (None, _) => Loosened::No,
                (Some(before), Some(after)) => by(before.loosened_by(&after)),
                (Some(_), None) if change.operation.starts_with("Delete") => by(opened()),
                (Some(_), None) => Loosened::NotKnown,
            }
        }
    }
}

/// AWS's own policies that allow inference without a condition.
const OPEN_MANAGED_POLICIES: &[&str] = &["AdministratorAccess", "PowerUserAccess", "AmazonBedrockFullAccess", "AmazonBedrockLimitedAccess"];

fn by(changes: Vec<ControlChange>) -> Loosened {
    if changes.is_empty() { Loosened::No } else { Loosened::By(changes) }
}

/// An inline policy before the change: by an earlier event, else by the world.
fn inline(seen: &Seen<'_>, kind: &str, name: &str, policy: &str) -> Option<IdentityPolicy> {
    let put = seen
        .earlier(name)
        .into_iter()
        .find(|earlier| earlier.text("policyName") == Some(policy) && entity(earlier).is_some_and(|(of, _)| of == kind));
    if let Some(put) = put {
        return if put.operation.starts_with("Delete") {
            Some(IdentityPolicy::default())
        } else {
            IdentityPolicy::parse(&put.parameters["policyDocument"])
        };
    }
    let mut read = snapshot(seen, kind, name);
    match read.iter().position(|(named, _)| named == policy) {
        Some(at) => Some(read.swap_remove(at).1),
        None if read.len() == 1 && read.first().is_some_and(|(named, _)| named.is_empty()) => read.pop().map(|(_, document)| document),
        None => None,
    }
}

/// All documents of an entity that are known before the change.
fn documents(seen: &Seen<'_>, kind: &str, name: &str) -> Vec<(String, IdentityPolicy)> {
    let mut documents = snapshot(seen, kind, name);
    for earlier in seen.earlier(name).into_iter().rev() {
        if let Some(policy) = earlier.text("policyName") {
            documents.retain(|(named, _)| named != policy);
            documents.extend(IdentityPolicy::parse(&earlier.parameters["policyDocument"]).map(|document| (policy.to_owned(), document)));
        }
    }
    documents
}

/// A managed policy before the change.
fn managed(seen: &Seen<'_>, name: &str) -> Option<IdentityPolicy> {
    let written = seen.scene.changes_of(&seen.change.account, "iam", name).into_iter().rev().find(|(key, earlier)| {
        let is_default = earlier.operation == "CreatePolicy" || earlier.parameters["setAsDefault"] == true;
        (key.time, &key.event_id) < (seen.key.time, &seen.key.event_id) && is_default
    });
    if let Some((_, written)) = written {
        return IdentityPolicy::parse(&written.parameters["policyDocument"]);
    }
    snapshot(seen, "policy", name).into_iter().map(|(_, document)| document).reduce(|a, b| a.and(&b))
}

/// The permissions boundary before the change, if an earlier event set it, or the world names one.
fn boundary(seen: &Seen<'_>, name: &str) -> Option<IdentityPolicy> {
    let set =
        seen.earlier(name).into_iter().find_map(|earlier| earlier.text("permissionsBoundary").map(|boundary| short(boundary).to_owned()));
    let read = || {
        snapshot(seen, "role", name)
            .into_iter()
            .chain(snapshot(seen, "user", name))
            .find(|(named, _)| named.to_lowercase().contains("boundary"))
    };
    match set {
        Some(boundary) => managed(seen, &boundary),
        None => read().map(|(_, document)| document),
    }
}

/// The documents of an entity in the world, by the names that its file may have.
fn snapshot(seen: &Seen<'_>, kind: &str, name: &str) -> Vec<(String, IdentityPolicy)> {
    let names = [name.to_owned(), format!("{kind}-{name}"), format!("{kind}_{name}"), format!("{kind}.{name}"), format!("{kind}:{name}")];
    let read = |entity: &String| seen.scene.state.identity_documents(&seen.change.account, entity, seen.before()).state();
    names.iter().find_map(read).cloned().unwrap_or_default()
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
