//! A guardrail changed, and what it was or what it is can't be read.

use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn},
    framework::{ATLAS_GUARDRAILS, IMPAIR_TOOLS, LENS_GUARDRAILS, LENS_MONITORING, MEASURE_2_7},
    rule::{ChangeCheck, Check, Group, Resolved, Rule},
    scene::{Outcome, Reach, Seen, Sighting},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-change-unverified",
    title: "A guardrail changed, and its content before or after is not known",
    severity: Severity::Medium,
    group: Group::Guardrails,
    revealed_by: &["UpdateGuardrail", "CreateGuardrailVersion", "PutEnforcedGuardrailConfiguration", "UpdatePolicy"],
    fires: "A guardrail was updated, a version published, or an enforced version replaced by a higher one of the same guardrail, and the \
        earlier or the new content is not known. Of two updates between two readings neither can be told. Two steps lower while only a \
        DRAFT, or a version that nothing enforces or references, is concerned.",
    evidence: "GetGuardrail's answers around the event; this rule is what says that one is missing. A refused update says nothing of its \
        content, so it is an attempt of this.",
    rationale: "An unread change is where a weakening hides.",
    remediation: "Read the guardrail (GetGuardrail of DRAFT and of each version in use) into the world, more often than it changes, and \
        compare it with its earlier content by hand: `guardrail-audit guardrail diff`.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetGuardrail.html"],
    resolved: Resolved::Never,
    controls: &[MEASURE_2_7, IMPAIR_TOOLS, ATLAS_GUARDRAILS, LENS_GUARDRAILS, LENS_MONITORING],
    checks: &[Check::Change(ChangeCheck(check))],
};

fn check(seen: &Seen<'_>) -> Vec<Outcome> {
    match seen.change.operation.as_str() {
        "UpdateGuardrail" => draft(seen).into_iter().collect(),
        "CreateGuardrailVersion" => version(seen).into_iter().collect(),
        _ => enforced(seen),
    }
    .into_iter()
    .map(Sighting::fires)
    .collect()
}

fn draft(seen: &Seen<'_>) -> Option<Sighting> {
    let Some((key, before, after)) = super::draft_before_and_after(seen) else {
        return Some(seen.sighting("guardrail", "which guardrail was updated is not in the record").unverified(true));
    };
    let missing = match (before.is_some(), after.is_some() && !seen.change.is_refused()) {
        (true, true) => return None,
        (false, false) => "its content before and after",
        (false, true) => "its content before",
        (true, false) => "its content after",
    };
    let (steps, reaches) = super::reach_of_draft(seen, &key).steps("a published version of it that a policy or configuration names would");
    Some(Sighting::new(&key.account, &key.region, key.arn(), format!("{missing} is not known; {reaches}")).stepped(steps))
}

fn version(seen: &Seen<'_>) -> Option<Sighting> {
    let Some(key) = seen.guardrail() else {
        return Some(seen.sighting("guardrail", "of which guardrail a version was published is not in the record").unverified(true));
    };
    let because = match super::version_before_and_after(seen) {
        Some((_, (_, Some(_)), Some(_))) => return None,
        Some((made, (before, _), after)) => {
            let missing = if after.is_some() { before.to_string() } else { made.to_string() };
            format!("version {} was published; the content of {missing} is not known", made.version)
        }
        // The first version has nothing to be compared with.
        None if !seen.change.is_refused() && seen.change.answer("version") == "1" => return None,
        None => "a version was published; which is not known".to_owned(),
    };
    let made = super::version_before_and_after(seen).map(|(made, ..)| made.version);
    let steps = match seen.scene.reach_of(&key, made, seen.key.time) {
        Reach::Production(_) if made.is_some() => 0,
        _ => -2,
    };
    Some(Sighting::new(&key.account, &key.region, key.arn(), because).stepped(steps))
}

/// A higher version of the same guardrail is enforced, and what it says is not known.
fn enforced(seen: &Seen<'_>) -> Vec<Sighting> {
    let unread = |(old, new): (GuardrailVersionArn, GuardrailVersionArn)| {
        let higher = matches!((old.version, new.version), (GuardrailVersion::Numbered(a), GuardrailVersion::Numbered(b)) if b > a);
        let unverified = old.key == new.key && higher && !seen.scene.compare(&old, &new, seen.key.time).unverified.is_empty();
        let because =
            format!("version {} is enforced in place of {}, and the content of one of them is not known", new.version, old.version);
        unverified.then(|| Sighting::new(&new.key.account, &new.key.region, new.key.arn(), because))
    };
    super::replaced_guardrails(seen).into_iter().filter_map(unread).collect()
}
