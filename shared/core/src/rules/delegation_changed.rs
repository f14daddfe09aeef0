//! The delegation of managing the organization's policies was changed.

use crate::{
    change_history::{ChangeInContext, Outcome},
    framework::{ADDITIONAL_ROLES, GOVERN_1_2, TENANT_POLICY},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
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
    fires: "One of these operations of Organizations or CloudTrail. Resource policies of Bedrock and of other services are others. One step lower \
        for delegated administrators of services other than bedrock.amazonaws.com, CloudTrail, which keeps the evidence, and CloudFormation's \
        StackSets, by which auditors are deployed.",
    evidence: "The record; nothing else is needed.",
    rationale: "A delegated administrator can detach or weaken what the management account attached.",
    remediation: "Review the delegation policy, and withdraw what isn't meant.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs-policy-delegate.html"],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: &[GOVERN_1_2, ADDITIONAL_ROLES, TENANT_POLICY],
    checks: &[Check::Change(ChangeCheck {
        attempt: "The Organizations delegation policy or a delegated administrator would have changed",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    if !["organizations", "cloudtrail"].contains(&change.service.as_str()) {
        return Vec::new();
    }
    let administers = if change.operation.starts_with("Register") {
        seen.did("became its administrator", "would have become its administrator")
    } else {
        seen.did("ceased to be its administrator", "would have ceased to be its administrator")
    };
    let account = ["accountId", "memberAccountId", "delegatedAdminAccountId"].iter().find_map(|key| change.text(key)).unwrap_or("unknown");
    let steps = match change.text("servicePrincipal") {
        Some(service) if !MATTER.contains(&service) => -1,
        _ => 0,
    };
    let (resource, because) = match change.text("servicePrincipal") {
        Some(service) => (format!("delegated administrator of {service}"), format!("account {account} {administers}")),
        None if change.service == "cloudtrail" => {
            ("delegated administrator of cloudtrail.amazonaws.com".to_owned(), format!("account {account} {administers}"))
        }
        None if change.operation.ends_with("DelegatedAdministrator") => {
            ("delegated administrator".to_owned(), format!("an account {administers}; which, and of what, is not in the record"))
        }
        None => {
            let changed = seen.did("changed", "would have changed");
            ("delegation policy".to_owned(), format!("who may manage policies for the organization {changed}"))
        }
    };
    vec![seen.rule_match(resource, because).severity_steps(steps).fires()]
}

/// The services whose delegated administrators can affect guardrails, evidence or auditors.
const MATTER: &[&str] = &["bedrock.amazonaws.com", "cloudtrail.amazonaws.com", "member.org.stacksets.cloudformation.amazonaws.com"];
