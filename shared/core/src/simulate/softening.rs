//! Finds what the guardrails enforced after a change guard less than those before it.

use crate::{
    arn::{GuardrailVersionArn, Region},
    change_history::{lowered_where_enforced, redefined},
    control_change::ControlChange,
    enforcement::{Enforcement, ModelScope},
    guardrail::CanonicalGuardrail,
    policy::{EffectivePolicy, Weakening, weakening, weakening_of},
    world::State,
};

/// What certainly becomes weaker, and what may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Softening {
    pub(super) changes: Vec<ControlChange>,
    pub(super) not_known: Vec<String>,
}

impl Softening {
    fn is_none(&self) -> bool {
        self.changes.is_empty() && self.not_known.is_empty()
    }

    fn of(weakening: Weakening) -> Self {
        let unsure = weakening.unverified.into_iter().map(|change| format!("whether {change} is weaker is not known"));
        Softening { not_known: unsure.collect(), changes: weakening.changes }
    }
}

/// What a call loses when some enforcements replace others. Guardrails that are enforced together all apply, so one that stays compensates
/// for one that is removed.
pub(super) fn softening(region: &Region, before: &[Enforcement], after: &[Enforcement], state: &State) -> Softening {
    let mut lost = Softening::default();
    for old in before {
        let compared: Vec<(bool, Softening)> =
            after.iter().map(|new| (new.guardrail.key == old.guardrail.key, replaced(region, old, new, state))).collect();
        if compared.iter().any(|(_, softening)| softening.is_none()) {
            continue;
        }
        let least = compared.into_iter().min_by_key(|(is_same, lost)| (!is_same, lost.changes.len(), lost.not_known.len()));
        let gone = || Softening {
            changes: vec![ControlChange {
                control: format!("{region} identifier"),
                side: None,
                before: Some(old.guardrail.to_string()),
                after: None,
            }],
            not_known: Vec::new(),
        };
        let Softening { changes, not_known } = least.map_or_else(gone, |(_, lost)| lost);
        lost.changes.extend(changes.into_iter().filter(|change| !lost.changes.contains(change)).collect::<Vec<_>>());
        lost.not_known.extend(not_known.into_iter().filter(|text| !lost.not_known.contains(text)).collect::<Vec<_>>());
    }
    lost
}

/// What a call loses when one enforcement replaces another. Both are known to apply to its model.
fn replaced(region: &Region, old: &Enforcement, new: &Enforcement, state: &State) -> Softening {
    let alike = |of: &Enforcement| Enforcement { guardrail: old.guardrail.clone(), models: ModelScope::ALL, ..of.clone() };
    let mut softening = Softening::of(weakening_of(region, &alike(old), &alike(new), &|_, _| Weakening::default()));
    if old.guardrail != new.guardrail {
        let content = Softening::of(compare(&old.guardrail, &new.guardrail, state));
        softening.changes.extend(content.changes);
        softening.not_known.extend(content.not_known);
    }
    softening
}

/// What one version guards less than another that it replaces.
fn compare(old: &GuardrailVersionArn, new: &GuardrailVersionArn, state: &State) -> Weakening {
    match (content(old, state), content(new, state)) {
        (Some(old), Some(new)) => {
            Weakening { changes: lowered_where_enforced(old, new), unverified: redefined(old, new), was_unusable: false }
        }
        _ => Weakening {
            unverified: vec![ControlChange {
                control: "guardrail".to_owned(),
                side: None,
                before: Some(old.to_string()),
                after: Some(new.to_string()),
            }],
            ..Weakening::default()
        },
    }
}

/// The content of a version. Published versions never change, so any reading of it is right.
fn content<'s>(named: &GuardrailVersionArn, state: &'s State) -> Option<&'s CanonicalGuardrail> {
    let timeline = state.guardrail_timeline(named)?;
    timeline.entries().find_map(|(_, _, content)| content?.as_deref().filter(|content| content.is_ready()))
}

/// What an account's effective policy demands less in a Region.
pub(super) fn demanded_less(
    region: &Region,
    before: Option<&EffectivePolicy>,
    after: Option<&EffectivePolicy>,
    state: &State,
) -> Option<Softening> {
    let here = |policy: Option<&EffectivePolicy>| {
        let mut policy = policy.cloned()?;
        policy.regions.retain(|name, _| name == region);
        Some(policy)
    };
    let lost = weakening(here(before).as_ref(), here(after).as_ref(), &|old, new| compare(old, new, state));
    Some(Softening::of(lost)).filter(|lost| !lost.is_none())
}
