//! Finds what a change of IAM policies, or of service and resource control policies, newly allows.

use super::{
    ChangeInContext, Outcome,
    identity_history::{Before, entity},
    service_control::Loss,
};
use crate::{
    arn::{listed, short},
    change::Change,
    identity::{IdentityPolicy, Lost, NewlyPassing, in_words},
    missing_evidence::MissingEvidence,
};

/// The protection by policies whose loss a rule reports.
pub(crate) struct Concern {
    /// The requests that newly pass and that the rule reports.
    pub(crate) of: fn(&ChangeInContext<'_>, &Lost) -> Vec<NewlyPassing>,
    /// Whether it isn't known if the rule's protection was lost.
    pub(crate) is_open: fn(&Lost) -> bool,
    /// Whether a policy contains the rule's protection.
    pub(crate) is_guarded_by: fn(&IdentityPolicy) -> bool,
    /// The sentence of the match, for requests that newly pass.
    pub(crate) because: fn(&ChangeInContext<'_>, &[NewlyPassing]) -> String,
    /// A verb phrase for the protection, for sentences about a policy whose new content isn't known.
    pub(crate) did: &'static str,
    /// Whether the rule reports missing evidence if the policy before the change isn't known. One rule does, to report it once.
    pub(crate) is_missing_evidence: bool,
}

/// AWS's own policies that allow inference without a condition.
const OPEN_MANAGED_POLICIES: &[&str] = &["AdministratorAccess", "PowerUserAccess", "AmazonBedrockFullAccess", "AmazonBedrockLimitedAccess"];

impl Concern {
    /// The matches of the rule in a change.
    pub(crate) fn look(&self, seen: &ChangeInContext<'_>) -> Vec<Outcome> {
        match seen.change.service.as_str() {
            "iam" => self.at_identity(seen).into_iter().collect(),
            "organizations" => self.at_organization(seen).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn at_identity(&self, seen: &ChangeInContext<'_>) -> Option<Outcome> {
        let change = seen.change;
        let before = seen.identity_before();
        let effect = Effect::of(change, before)?;
        let resource = entity(change).map_or("policy".to_owned(), |(kind, name)| format!("{kind}/{name}"));
        let rule_match = |because: String| seen.rule_match(resource.clone(), because).discriminator(seen.name("policyName"));
        match effect {
            Effect::NotKnown => {
                let blind = || Outcome::MissingEvidence(change.account.clone(), change.region.clone(), MissingEvidence::IdentityPolicies);
                self.is_missing_evidence.then(blind)
            }
            Effect::Unreadable(before) if (self.is_guarded_by)(&before) => Some(
                rule_match(format!("it {}, and what it {} is not known", self.did, seen.did("says now", "would have said")))
                    .unverified(true)
                    .fires(),
            ),
            Effect::Unreadable(_) => None,
            Effect::Known { before, after } => {
                let took = seen.identity_lost(&before, &after);
                let newly = (self.of)(seen, &took);
                let right = |lost: &Lost| !(self.is_open)(lost) && (self.of)(seen, lost).is_empty();
                if newly.is_empty() {
                    return (self.is_open)(&took).then(|| rule_match(self.too_much(seen)).unverified(true).fires());
                }
                let finding = format!("{} {} {} {resource} {}", self.did, change.account, change.region, seen.name("policyName"));
                let restored_at = seen.identity_restored_at(finding, &before, right);
                Some(rule_match((self.because)(seen, &newly)).changing(in_words(&newly)).restored_at(restored_at).fires())
            }
        }
    }

    /// The match in a change of service or resource control policies.
    fn at_organization(&self, seen: &ChangeInContext<'_>) -> Option<Outcome> {
        let resource = seen.change.text("policyId").or_else(|| seen.change.text("accountId")).map(short).unwrap_or_default();
        let rule_match = |because: String| seen.rule_match(resource, because);
        match seen.service_control_loss()? {
            Loss::Of { accounts, lost, restored_at } => {
                let newly = (self.of)(seen, lost);
                let (known, of) = if accounts.is_empty() {
                    (false, "in accounts that are not known".to_owned())
                } else {
                    (true, format!("in {}", listed(accounts)))
                };
                if newly.is_empty() {
                    return (self.is_open)(lost).then(|| rule_match(format!("{} {of}", self.too_much(seen))).unverified(true).fires());
                }
                let rule_match = rule_match(format!("{} {of}", (self.because)(seen, &newly))).changing(in_words(&newly));
                Some(rule_match.unverified(!known).restored_at(restored_at.filter(|_| known)).fires())
            }
            Loss::Unattached(lost) => {
                let newly = (self.of)(seen, lost);
                let because = format!(
                    "{}, were it attached; it is attached nowhere, an attachment would make it reach accounts",
                    (self.because)(seen, &newly)
                );
                (!newly.is_empty()).then(|| rule_match(because).changing(in_words(&newly)).severity_steps(-2).fires())
            }
            Loss::NotKnown { accounts, before } => {
                // If the old content isn't known either, only one rule reports it.
                let guarded = before.as_ref().map_or(self.is_missing_evidence, self.is_guarded_by);
                let of = if accounts.is_empty() { String::new() } else { format!(" in {}", listed(accounts)) };
                let because = format!("it {}{of}, and what it {} is not known", self.did, seen.did("says now", "would have said"));
                guarded.then(|| rule_match(because).unverified(true).fires())
            }
        }
    }

    fn too_much(&self, seen: &ChangeInContext<'_>) -> String {
        format!("it {}, and asks for too much to tell whether it still {}", self.did, seen.did("does", "would have"))
    }
}

/// The policies of an identity before and after a change.
enum Effect {
    Known {
        before: IdentityPolicy,
        after: IdentityPolicy,
    },
    /// The policies before the change; the new document can't be read.
    Unreadable(IdentityPolicy),
    NotKnown,
}

impl Effect {
    /// The effect of a change; `None` if it can't remove a protection.
    fn of(change: &Change, before: Before) -> Option<Self> {
        let written = IdentityPolicy::parse(change.parameter("policyDocument"));
        let others = before.others.unwrap_or_default();
        let known =
            |before: &IdentityPolicy, after: &IdentityPolicy| Some(Effect::Known { before: others.and(before), after: others.and(after) });
        let nothing = IdentityPolicy::default();
        let replaced = |before: Option<IdentityPolicy>, after: Option<IdentityPolicy>| match (before, after) {
            (Some(before), Some(after)) => known(&before, &after),
            // A new document that allows inference bypasses the condition of the others.
            (None, Some(after)) if others.guards() && after.opens() => known(&nothing, &after),
            // The new document neither protects nor allows anything here, and the old one isn't known.
            (None, Some(after)) if !after.guards() && !after.opens() => None,
            (Some(before), None) => Some(Effect::Unreadable(others.and(&before))),
            (None, _) => Some(Effect::NotKnown),
        };
        match change.operation.as_str() {
            "DeleteRolePolicy" | "DeleteUserPolicy" | "DeleteGroupPolicy" | "DetachRolePolicy" | "DetachUserPolicy"
            | "DetachGroupPolicy" => known(&before.document?, &nothing),
            "CreatePolicyVersion" if change.parameter("setAsDefault") != true => None,
            "SetDefaultPolicyVersion" => replaced(before.document, before.replacement),
            "AttachRolePolicy" | "AttachUserPolicy" | "AttachGroupPolicy" if !others.guards() => None,
            "AttachRolePolicy" | "AttachUserPolicy" | "AttachGroupPolicy" => {
                let attached = change.text("policyArn").map(short).unwrap_or_default();
                match before.document {
                    Some(after) => known(&nothing, &after),
                    None if OPEN_MANAGED_POLICIES.contains(&attached) => known(&nothing, &IdentityPolicy::open_to_all()),
                    None => Some(Effect::NotKnown),
                }
            }
            // A boundary limits what the other policies allow. Without it, all of that is allowed, except for what they deny.
            operation if operation.ends_with("PermissionsBoundary") => {
                let boundary = before.boundary.filter(IdentityPolicy::guards)?;
                let denied = others.denials();
                let with = |boundary: &IdentityPolicy| denied.and(boundary);
                match before.replacement {
                    Some(after) => Some(Effect::Known { before: with(&boundary), after: with(&after) }),
                    None if operation.starts_with("Delete") => {
                        Some(Effect::Known { before: with(&boundary), after: with(&IdentityPolicy::open_to_all()) })
                    }
                    None => Some(Effect::Unreadable(boundary)),
                }
            }
            // PutRolePolicy, PutUserPolicy, PutGroupPolicy and CreatePolicyVersion.
            _ => replaced(before.document, written),
        }
    }
}
