//! A published version reads differently from its first snapshot.

use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn},
    framework::PROTECTION_WEAKENED,
    guardrail::diff,
    rule::{Check, Group, Resolved, Rule, StateCheck},
    scene::{Outcome, Scene, Sighting, control_change},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-version-altered",
    title: "A published, immutable guardrail version reads differently from its first snapshot",
    severity: Severity::Critical,
    group: Group::Guardrails,
    revealed_by: &["CreateGuardrailVersion"],
    fires: "Two snapshots of the same numbered version, both taken while it was READY, protect differently.",
    evidence: "GetGuardrail's answers of a numbered version at two times. With one snapshot there is nothing to compare, and nothing is \
        said of it.",
    rationale: "Versions don't change. If one does, the evidence was tampered with, or AWS changed what it enforces.",
    remediation: "Read the version again from a trusted account, compare both snapshots, and open a case with AWS if it really changed.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-versions.html"],
    resolved: Resolved::Never,
    controls: PROTECTION_WEAKENED,
    checks: &[Check::State(StateCheck(check))],
};

fn check(scene: &Scene<'_>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (GuardrailVersionArn { key, version }, timeline) in scene.state.guardrails() {
        if *version != GuardrailVersion::Draft {
            let read = timeline.entries().filter_map(|(time, _, content)| Some((time, content?.as_deref()?)));
            let mut read = read.filter(|(_, content)| content.is_ready());
            let Some((_, first)) = read.next() else {
                continue;
            };
            let Some((time, other)) = read.find(|(_, other)| first.fingerprint() != other.fingerprint()) else {
                continue;
            };
            let changes = diff(first, other).into_iter().map(control_change);
            let resource = format!("{}:{version}", key.arn());
            let because = format!("version {version} of {} is immutable and reads differently", key.id);
            outcomes.push(Sighting::new(&key.account, &key.region, resource, because).changing(changes.collect()).at(time).fires());
        }
    }
    outcomes
}
