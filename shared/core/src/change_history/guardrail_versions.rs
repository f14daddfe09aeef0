//! Finds the two contents of a guardrail that a change is judged by: the DRAFT before and after an update, a published version and the one
//! before it, or the versions that a change of enforcement replaces.

use std::{collections::HashSet, sync::Arc};

use super::{ChangeInContext, Outcome, RuleMatch, lowered, published_version};
use crate::{
    arn::{GuardrailKey, GuardrailVersion, GuardrailVersionArn},
    change::WorldChange,
    guardrail::CanonicalGuardrail,
    policy::GuardrailInference,
    timestamp::Timestamp,
};

/// The operations by which the content of a guardrail, or the version that is enforced, becomes another.
pub(crate) const COMPARED: &[&str] = &["UpdateGuardrail", "CreateGuardrailVersion", "PutEnforcedGuardrailConfiguration", "UpdatePolicy"];

/// The check of a rule that compares the content of a guardrail before and after a change by one of [`COMPARED`]: the DRAFT of an update, a
/// published version, or the versions that a change of enforcement replaces.
pub(crate) fn by_comparing(
    seen: &ChangeInContext<'_>,
    draft: fn(&ChangeInContext<'_>) -> Option<RuleMatch>,
    version: fn(&ChangeInContext<'_>) -> Option<RuleMatch>,
    enforced: fn(&ChangeInContext<'_>) -> Vec<RuleMatch>,
) -> Vec<Outcome> {
    let matches = match seen.change.operation.as_str() {
        "UpdateGuardrail" => draft(seen).into_iter().collect(),
        "CreateGuardrailVersion" => version(seen).into_iter().collect(),
        _ => enforced(seen),
    };
    matches.into_iter().map(RuleMatch::fires).collect()
}

/// The guardrail that an update changes, and the content of its DRAFT before and after, as far as known.
pub(crate) fn draft_before_and_after<'s>(
    seen: &ChangeInContext<'s>,
) -> Option<(GuardrailKey, Option<&'s CanonicalGuardrail>, Option<&'s CanonicalGuardrail>)> {
    let key = seen.guardrail()?;
    let read = |at: Timestamp| seen.history.draft(&key, at);
    let (before, after) = (read(seen.before()), if seen.change.is_refused() { None } else { read(seen.key.time) });
    Some((key, before, after))
}

/// The time of the first snapshot, after the change, in which no control of the guardrail's DRAFT is weaker than before the change.
pub(crate) fn draft_restored_at(seen: &ChangeInContext<'_>, key: &GuardrailKey, before: &CanonicalGuardrail) -> Option<Timestamp> {
    let timeline = seen.history.state.guardrail_timeline(&key.version(GuardrailVersion::Draft))?;
    let later = timeline.after(seen.key.time).filter(|(.., content)| content.is_some()).map(|(time, ..)| time);
    let is_right = |content: &CanonicalGuardrail| content.is_ready() && lowered(before, content).is_empty();
    seen.right_again(format!("the DRAFT of {}", key.arn()), later, |again| {
        let read = timeline.after(again.just_before()).take_while(|(time, ..)| *time == again);
        read.filter_map(|(.., content)| content?.as_deref()).any(is_right)
    })
}

/// A published version, then the version that it is compared with and its content, then the content of the first.
type Published<'s> = (GuardrailVersionArn, (GuardrailVersionArn, Option<&'s CanonicalGuardrail>), Option<&'s CanonicalGuardrail>);

/// The version that a change publishes and the version that it is compared with, with their contents as far as known. It is compared with
/// the highest version that is enforced, or else with the version before it.
pub(crate) fn version_before_and_after<'s>(seen: &ChangeInContext<'s>) -> Option<Published<'s>> {
    let key = seen.guardrail()?;
    let published = published_version(seen.change)?;
    let GuardrailVersion::Numbered(number) = published else {
        return None;
    };
    let (history, time) = (seen.history, seen.key.time);
    let enforced = history.enforced_versions(&key, seen.before()).into_iter().filter(|version| *version < published).max();
    let before = enforced.or_else(|| number.checked_sub(1).filter(|number| *number > 0).map(GuardrailVersion::Numbered))?;
    let before = key.version(before);
    let content_before = history.content_of(&before, time);
    let published = GuardrailVersionArn { key, version: published };
    let content = history.content_of(&published, time).or_else(|| history.draft(&published.key, time));
    Some((published, (before, content_before), content))
}

/// For a publication that was refused: the version that the DRAFT is compared with, and the contents of that version and of the DRAFT. It
/// is compared with the highest version that is enforced, or else with the highest that was read.
pub(crate) fn refused_version<'s>(
    seen: &ChangeInContext<'s>,
) -> Option<(GuardrailVersionArn, &'s CanonicalGuardrail, &'s CanonicalGuardrail)> {
    let key = seen.guardrail().filter(|_| seen.change.is_refused())?;
    let read =
        || seen.history.state.versions_of(&key).map(|(version, _)| version).filter(|version| *version != GuardrailVersion::Draft).last();
    let before = seen.history.enforced_versions(&key, seen.before()).into_iter().max().or_else(read)?;
    let draft = seen.history.draft(&key, seen.key.time)?;
    let before = GuardrailVersionArn { key, version: before };
    let content_before = seen.history.content_of(&before, seen.key.time)?;
    Some((before, content_before, draft))
}

/// The pairs of an old and a new guardrail version that a change of enforcement replaces one by the other, without duplicates.
pub(crate) fn replaced_guardrails(seen: &ChangeInContext<'_>) -> Vec<(GuardrailVersionArn, GuardrailVersionArn)> {
    let state = seen.history.state;
    let mut replaced = Vec::new();
    match &seen.change.effect {
        Some(WorldChange::ConfigurationPut { account, region, enforcement: Some(after) }) => {
            for before in state.configurations(account, region, seen.before()).state().unwrap_or_default() {
                replaced.push((before.guardrail.clone(), after.guardrail.clone()));
            }
        }
        Some(WorldChange::Organization(change)) => {
            // Most accounts have the same two policies.
            let mut known = HashSet::new();
            for account in state.effect_of(seen.key.time, &seen.key.event_id, change).accounts {
                let (Some(Some(before)), Some(Some(after))) = (account.before.state(), account.after.state()) else {
                    continue;
                };
                if !known.insert([&before, &after].map(|policy| Arc::as_ptr(policy).addr())) {
                    continue;
                }
                for (region, inference) in
                    before.regions.iter().flat_map(|(region, inferences)| inferences.iter().map(move |one| (region, one)))
                {
                    let now = after.regions.get(region).into_iter().flatten().find(|now| now.name.eq_ignore_ascii_case(&inference.name));
                    if let (Some(old), Some(new)) = (inference.enforcement(), now.and_then(GuardrailInference::enforcement)) {
                        replaced.push((old.guardrail, new.guardrail));
                    }
                }
            }
        }
        _ => {}
    }
    replaced.retain(|(old, new)| old != new);
    replaced.sort();
    replaced.dedup();
    replaced
}

/// The first time after a change at which another version than the weaker one is known to be enforced.
pub(crate) fn replaced_again(seen: &ChangeInContext<'_>, weaker: &GuardrailVersionArn) -> Option<Timestamp> {
    let state = seen.history.state;
    let (account, region) = (&seen.change.account, &seen.change.region);
    let boundaries = seen.history.all_boundaries(account, region, seen.key.time);
    seen.right_again(format!("replaced {}", weaker.key.arn()), boundaries, |at| {
        let enforced = seen.history.enforced_versions(&weaker.key, at);
        let is_known = state.configurations(account, region, at).state().is_some() || state.accounts().next().is_some();
        is_known && !enforced.is_empty() && !enforced.contains(&weaker.version)
    })
}

/// Whether the new version is a higher one of the same guardrail.
pub(crate) fn is_upgrade(old: &GuardrailVersionArn, new: &GuardrailVersionArn) -> bool {
    old.key == new.key && old.version < new.version && new.version != GuardrailVersion::Draft
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_higher_published_version_of_the_same_guardrail_is_an_upgrade() {
        let named = |text: &str| {
            let (key, version) = GuardrailVersionArn::split(&format!("arn:aws:bedrock:us-east-1:111122223333:guardrail/{text}")).unwrap();
            key.version(version.unwrap())
        };
        for (old, new, expected) in [
            ("org:1", "org:2", true),
            ("org:9", "org:10", true),
            ("org:DRAFT", "org:1", true),
            ("org:2", "org:1", false),
            ("org:1", "org:1", false),
            ("org:1", "org:DRAFT", false),
            ("org:1", "mine:2", false),
        ] {
            assert_eq!(is_upgrade(&named(old), &named(new)), expected, "{old} to {new}");
        }
    }
}
