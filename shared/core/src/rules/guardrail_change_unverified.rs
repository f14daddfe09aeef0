//! A guardrail changed, and its content before or after can't be read or compared.

use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn},
    change_history::{
        ChangeInContext, Exposure, RuleMatch,
        guardrail_versions::{
            COMPARED, by_comparing, draft_before_and_after, is_upgrade, refused_version, replaced_guardrails, version_before_and_after,
        },
        published_version, redefined,
    },
    control_change::ControlChange,
    framework::{ATLAS_GUARDRAILS, IMPAIR_TOOLS, LENS_GUARDRAILS, LENS_MONITORING, MEASURE_2_7},
    guardrail::CanonicalGuardrail,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-change-unverified",
    title: "A guardrail changed, and its content before or after is not known or can't be compared",
    severity: Severity::Medium,
    group: Group::Guardrails,
    revealed_by: COMPARED,
    fires: "A guardrail was updated, a version published, or an enforced version replaced by a higher one of the same guardrail, and the \
        earlier or the new content is not known, or can't be compared: a denied topic that means something else now, a strength, or a member at \
        any depth, that this auditor doesn't know. Of two updates between two readings neither can be told. Two steps lower while only a DRAFT, or a version that nothing \
        enforces or references, is concerned; one step where that is not known.",
    evidence: "GetGuardrail's answers around the event, read while the guardrail was READY; this rule is what says that one is missing. Controls \
        that can't be compared are named, their content hashed. A refused update says nothing of its content, so it is an attempt of this.",
    rationale: "An unread change is where a weakening hides.",
    remediation: "Read the guardrail (GetGuardrail of DRAFT and of each version in use) into the world, more often than it changes, and \
        compare it with its earlier content by hand: `guardrail-audit guardrail diff`.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetGuardrail.html"],
    resolved: Resolved::Never,
    correlation: Correlation::RemovesProtection,
    controls: &[MEASURE_2_7, IMPAIR_TOOLS, ATLAS_GUARDRAILS, LENS_GUARDRAILS, LENS_MONITORING],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A guardrail would have changed, in a way that is not known or can't be compared",
        expected_of_administrators: true,
        look: |seen| by_comparing(seen, draft, version, enforced),
    })],
};

fn draft(seen: &ChangeInContext<'_>) -> Option<RuleMatch> {
    let Some((key, before, after)) = draft_before_and_after(seen) else {
        return Some(
            seen.rule_match(
                "guardrail",
                format!("which guardrail {} is not in the record", seen.did("was updated", "would have been updated")),
            )
            .unverified(true),
        );
    };
    let (steps, reaches) = seen.exposure_of_draft(&key).steps("a published version of it that a policy or configuration names would");
    let rule_match = |what: &str| RuleMatch::new(&key.account, &key.region, key.arn(), format!("{what}; {reaches}")).severity_steps(steps);
    if seen.change.is_refused() {
        return Some(rule_match("what the update would have changed is not known"));
    }
    match (before, after) {
        (Some(before), Some(after)) => incomparable(before, after).map(|changes| rule_match(OTHERWISE).changing(changes)),
        (None, None) => Some(rule_match("its content before and after is not known")),
        (None, Some(_)) => Some(rule_match("its content before is not known")),
        (Some(_), None) => Some(rule_match("its content after is not known")),
    }
}

/// The phrase for controls that can't be compared.
const OTHERWISE: &str = "some controls mean something else, and whether that is weaker only people can tell";

fn incomparable(before: &CanonicalGuardrail, after: &CanonicalGuardrail) -> Option<Vec<ControlChange>> {
    Some(redefined(before, after)).filter(|changes| !changes.is_empty())
}

fn version(seen: &ChangeInContext<'_>) -> Option<RuleMatch> {
    let Some(key) = seen.guardrail() else {
        return Some(
            seen.rule_match(
                "guardrail",
                format!("of which guardrail a version {} is not in the record", seen.did("was published", "would have been published")),
            )
            .unverified(true),
        );
    };
    let (published, because, changes) = match version_before_and_after(seen) {
        Some((published, (before, Some(old)), Some(new))) => {
            let changes = incomparable(old, new)?;
            (
                Some(published.version),
                format!("version {} was published; compared with {}, {OTHERWISE}", published.version, before.version),
                changes,
            )
        }
        Some((published, (before, _), after)) => {
            let missing = if after.is_some() { before.to_string() } else { published.to_string() };
            (
                Some(published.version),
                format!("version {} was published; the content of {missing} is not known", published.version),
                Vec::new(),
            )
        }
        // The first version has no earlier one to compare it with.
        None if !seen.change.is_refused() && published_version(seen.change) == Some(GuardrailVersion::Numbered(1)) => return None,
        None => match refused_version(seen) {
            Some((before, old, new)) => (
                None,
                format!("the DRAFT would have been published; compared with {}, {OTHERWISE}", before.version),
                incomparable(old, new)?,
            ),
            None if seen.change.is_refused() => {
                (None, "a version would have been published; its content is not known".to_owned(), Vec::new())
            }
            None => (None, "a version was published; which is not known".to_owned(), Vec::new()),
        },
    };
    let reach = match published {
        Some(published) => seen.history.exposure_of(&key, Some(published), seen.key.time),
        None if seen.change.is_refused() => Exposure::Nothing,
        None => Exposure::Unknown,
    };
    let (steps, reaches) = reach.steps("a policy or configuration that names it would");
    Some(RuleMatch::new(&key.account, &key.region, key.arn(), format!("{because}; {reaches}")).changing(changes).severity_steps(steps))
}

/// Reports that a higher version of the same guardrail is enforced whose content isn't known or can't be compared.
fn enforced(seen: &ChangeInContext<'_>) -> Vec<RuleMatch> {
    let unread = |(old, new): (GuardrailVersionArn, GuardrailVersionArn)| {
        let unverified = seen.history.compare(&old, &new, seen.key.time).unverified;
        let contents = [&old, &new].map(|named| seen.history.content_of(named, seen.key.time));
        let (why, changes) = match contents {
            [Some(_), Some(_)] => (OTHERWISE, unverified.clone()),
            _ => ("the content of one of them is not known", Vec::new()),
        };
        let is = seen.did("is", "would be");
        let because = format!("version {} {is} enforced in place of {}, and {why}", new.version, old.version);
        let rule_match = || RuleMatch::new(&new.key.account, &new.key.region, new.key.arn(), because).changing(changes);
        (is_upgrade(&old, &new) && !unverified.is_empty()).then(rule_match)
    };
    replaced_guardrails(seen).into_iter().filter_map(unread).collect()
}
