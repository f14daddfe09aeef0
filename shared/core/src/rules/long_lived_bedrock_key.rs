//! A Bedrock API key that never ends, or lives longer than allowed.

use crate::{
    framework::{ADDITIONAL_CREDENTIALS, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE, UNBOUNDED_CONSUMPTION},
    rule::{ChangeCheck, Check, Group, Resolved, Rule},
    scene::{Outcome, Seen},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "long-lived-bedrock-key",
    title: "A Bedrock API key never ends, or lives longer than allowed",
    severity: Severity::High,
    group: Group::Identity,
    revealed_by: &["CreateServiceSpecificCredential"],
    fires: "CreateServiceSpecificCredential for bedrock.amazonaws.com without credentialAgeDays, or with more than `[api_keys] maximum_days` \
        (by default 90).",
    evidence: "The record. A record without parameters doesn't say which service the credential is for: effect not verified, one step lower.",
    rationale: "Such a key runs models from anywhere, with no session, no second factor and no role behind it.",
    remediation: "Delete the credential (DeleteServiceSpecificCredential) and use short-term keys or a role; deny the operation by a service \
        control policy.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html"],
    resolved: Resolved::Never,
    controls: &[UNBOUNDED_CONSUMPTION, ADDITIONAL_CREDENTIALS, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A Bedrock API key would never have ended, or would have lived longer than allowed",
        look: check,
    })],
};

fn check(seen: &Seen<'_>) -> Vec<Outcome> {
    let parameters = &seen.change.parameters;
    let service = seen.change.text("serviceName");
    if service.is_some_and(|service| service != "bedrock.amazonaws.com") {
        return Vec::new();
    }
    let age = &parameters["credentialAgeDays"];
    let days = age.as_u64().or_else(|| age.as_str()?.parse().ok());
    let allowed = seen.scene.configuration.api_key_days;
    let because = match days {
        Some(days) if days <= allowed => return Vec::new(),
        Some(days) => format!("it lives for {days} days, and {allowed} are allowed"),
        None => "it never ends".to_owned(),
    };
    let user = seen.change.text("userName").unwrap_or("unknown");
    vec![seen.sighting(format!("user/{user}"), because).unverified(service.is_none()).fires()]
}
