//! Who may manage the organization's policies was changed.

use crate::{
    framework::{ADDITIONAL_ROLES, GOVERN_1_2, TENANT_POLICY},
    rule::{ChangeCheck, Check, Group, Resolved, Rule},
    scene::{Outcome, Seen},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "delegation-changed",
    title: "The Organizations delegation policy or a delegated administrator changed",
    severity: Severity::Medium,
    group: Group::Organization,
    revealed_by: &[
        "PutResourcePolicy",
        "DeleteResourcePolicy",
        "RegisterDelegatedAdministrator",
        "DeregisterDelegatedAdministrator",
        "RegisterOrganizationDelegatedAdmin",
        "DeregisterOrganizationDelegatedAdmin",
    ],
    fires: "One of these operations of Organizations or CloudTrail. Resource policies of Bedrock and of other services are others.",
    evidence: "The record; nothing else is needed.",
    rationale: "A delegated administrator can detach or weaken what the management account attached.",
    remediation: "Review the delegation policy, and withdraw what isn't meant.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs-policy-delegate.html"],
    resolved: Resolved::Never,
    controls: &[GOVERN_1_2, ADDITIONAL_ROLES, TENANT_POLICY],
    checks: &[Check::Change(ChangeCheck {
        attempt: "The Organizations delegation policy or a delegated administrator would have changed",
        look: check,
    })],
};

fn check(seen: &Seen<'_>) -> Vec<Outcome> {
    let change = seen.change;
    if !["organizations", "cloudtrail"].contains(&change.service.as_str()) {
        return Vec::new();
    }
    let (resource, because) = match change.text("servicePrincipal") {
        Some(service) => {
            (format!("delegated administrator of {service}"), format!("account {}", change.text("accountId").unwrap_or("unknown")))
        }
        None if change.service == "cloudtrail" => {
            ("delegated administrator of cloudtrail.amazonaws.com".to_owned(), "of CloudTrail".to_owned())
        }
        None => ("delegation policy".to_owned(), "who may manage policies for the organization".to_owned()),
    };
    vec![seen.sighting(resource, because).fires()]
}
