//! A Bedrock API key never expires, or is valid for longer than allowed.

use crate::{
    change::Change,
    change_history::{ChangeInContext, Outcome},
    framework::{ADDITIONAL_CREDENTIALS, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE, UNBOUNDED_CONSUMPTION},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "long-lived-bedrock-key",
    title: "A Bedrock API key never ends, or lives longer than allowed",
    severity: Severity::High,
    group: Group::Identity,
    revealed_by: &["CreateServiceSpecificCredential", "UpdateServiceSpecificCredential", "ResetServiceSpecificCredential"],
    fires: "CreateServiceSpecificCredential for bedrock.amazonaws.com without credentialAgeDays, or with more than `[api_keys] maximum_days` \
        (by default 90); or such a credential made active again, or given a new secret. The same of Claude Platform on AWS.",
    evidence: "The record, and for what happens to a credential later the record of its creation. Without that, or without parameters, it isn't known \
        which service the credential is for or how long it lives: effect not verified, one step lower.",
    rationale: "Such a key runs models from anywhere, with no session, no second factor and no role behind it.",
    remediation: "Delete the credential (DeleteServiceSpecificCredential) and use short-term keys or a role; deny the operation by a service \
        control policy.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html"],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: &[UNBOUNDED_CONSUMPTION, ADDITIONAL_CREDENTIALS, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A Bedrock API key would never have ended, or would have lived longer than allowed",
        expected_of_administrators: true,
        look: check,
    })],
};

/// The services whose service-specific credentials run models.
const SERVICES: &[&str] = &["bedrock.amazonaws.com", "aws-external-anthropic.amazonaws.com"];

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    let user = change.text("userName").unwrap_or("unknown");
    let (service, life, because) = if change.operation == "CreateServiceSpecificCredential" {
        let life = Life::of(change);
        (change.text("serviceName"), life, life.in_words(seen))
    } else {
        if change.operation.starts_with("Update") && ["Inactive", "Expired"].map(Some).contains(&change.text("status")) {
            return Vec::new();
        }
        let credential = id_of(change);
        let made = credential.and_then(|credential| seen.earlier_with("CreateServiceSpecificCredential", user, credential, id_of));
        let answered = || change.answer("serviceSpecificCredential").get("serviceName")?.as_str();
        let of_key_user = || user.starts_with("BedrockAPIKey-").then_some("bedrock.amazonaws.com");
        let service = made.and_then(|made| made.text("serviceName")).or_else(answered).or_else(of_key_user);
        let life = made.map_or(Life::NotKnown, Life::of);
        let renewed = if change.operation.starts_with("Reset") {
            seen.did("it got a new secret", "it would have got a new secret")
        } else {
            seen.did("it was made active again", "it would have been made active again")
        };
        (service, life, format!("{renewed}, and {}", life.in_words(seen)))
    };
    if service.is_some_and(|service| !SERVICES.contains(&service)) || life.is_within(seen.history.configuration.api_key_days) {
        return Vec::new();
    }
    let unverified = service.is_none() || life == Life::NotKnown;
    vec![seen.rule_match(format!("user/{user}"), because).unverified(unverified).fires()]
}

/// The id of the credential in a record.
fn id_of(change: &Change) -> Option<&str> {
    let answered = || change.answer("serviceSpecificCredential").get("serviceSpecificCredentialId")?.as_str();
    change.text("serviceSpecificCredentialId").or_else(answered)
}

/// The validity of a credential.
#[derive(Clone, Copy, PartialEq)]
enum Life {
    Days(u64),
    Endless,
    NotKnown,
}

impl Life {
    /// Reads the record of its creation.
    fn of(change: &Change) -> Self {
        let age = change.parameter("credentialAgeDays");
        age.as_u64().or_else(|| age.as_str()?.parse().ok()).map_or(Life::Endless, Life::Days)
    }

    fn is_within(self, allowed: u64) -> bool {
        matches!(self, Life::Days(days) if days <= allowed)
    }

    fn in_words(self, seen: &ChangeInContext<'_>) -> String {
        let allowed = seen.history.configuration.api_key_days;
        match self {
            Life::Days(days) => format!("it {} for {days} days, and {allowed} are allowed", seen.did("lives", "would live")),
            Life::Endless => format!("it {}", seen.did("never ends", "would never end")),
            Life::NotKnown => "how long it lives is not known".to_owned(),
        }
    }
}
