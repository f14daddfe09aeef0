//! Compares two guardrails control by control in the partial order *weaker than*.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    canonical::CanonicalGuardrail,
    control::{Action, Control, Effect, Side},
};

/// A control that differs between two guardrails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The control.
    pub control: Control,
    /// Its effect in the first guardrail; `None` if it was off.
    pub before: Option<Effect>,
    /// Its effect in the second guardrail; `None` if it is off.
    pub after: Option<Effect>,
    /// The direction of the change.
    pub direction: Direction,
}

/// The direction in which a control changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Some component is lower and none is higher.
    Weaker,
    /// One component is lower and another higher. Counts as weaker.
    Mixed,
    /// No component is lower or higher, or the direction isn't known: the content differs, and people have to compare it.
    Changed,
    /// Some component is higher and none is lower.
    Stronger,
}

impl Difference {
    /// Whether some component became weaker.
    #[must_use]
    pub fn is_weaker(&self) -> bool {
        matches!(self.direction, Direction::Weaker | Direction::Mixed)
    }

    /// Whether the control is an automated-reasoning policy, with which a guardrail can't be enforced.
    #[must_use]
    pub fn is_about_reasoning(&self) -> bool {
        [&self.before, &self.after].into_iter().flatten().any(|effect| matches!(effect, Effect::Reasoning(_)))
    }
}

/// The order of two guardrails as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Both have the same controls with the same effects.
    Equal,
    /// The second guards less in some control, and more in none.
    Weaker,
    /// The second guards more in some control, and less in none.
    Stronger,
    /// The second guards more or otherwise in some control and less in another, or the direction isn't known.
    Incomparable,
}

/// Lists the controls that differ, ordered by name. Topics are compared by definition and examples, whatever their names.
#[must_use]
pub fn diff(before: &CanonicalGuardrail, after: &CanonicalGuardrail) -> Vec<Difference> {
    let controls: BTreeSet<&Control> = before.controls.keys().chain(after.controls.keys()).collect();
    let is_topic = |effect: Option<&Effect>| effect.is_none_or(|effect| matches!(effect, Effect::Topic { .. }));
    let (topics, others): (Vec<&Control>, Vec<&Control>) =
        controls.into_iter().partition(|control| is_topic(before.controls.get(control)) && is_topic(after.controls.get(control)));
    let mut differences: Vec<Difference> = others
        .into_iter()
        .filter_map(|control| {
            let (old, new) = (before.controls.get(control), after.controls.get(control));
            let direction = direction(old, new)?;
            Some(Difference { control: control.clone(), before: old.cloned(), after: new.cloned(), direction })
        })
        .collect();
    differences.extend(diff_of_topics(&Topics::of(before, &topics), &Topics::of(after, &topics)));
    differences.sort_by(|a, b| a.control.cmp(&b.control));
    differences
}

/// The denied topics of a guardrail.
#[derive(Default)]
struct Topics<'c> {
    /// For each side and content, the strongest action and the first control with it.
    by_content: BTreeMap<(Option<Side>, &'c str), (Action, &'c Control)>,
    by_control: BTreeMap<&'c Control, (Action, &'c str)>,
}

impl<'c> Topics<'c> {
    fn of(guardrail: &'c CanonicalGuardrail, controls: &[&'c Control]) -> Self {
        let mut topics = Topics::default();
        for control in controls {
            if let Some((control, Effect::Topic { action, content })) = guardrail.controls.get_key_value(*control) {
                topics.by_control.insert(control, (*action, content));
                let strongest = topics.by_content.entry((control.side, content)).or_insert((*action, control));
                strongest.0 = strongest.0.max(*action);
            }
        }
        topics
    }
}

fn diff_of_topics<'c>(before: &Topics<'c>, after: &Topics<'c>) -> Vec<Difference> {
    let topic = |action: Action, content: &str| Some(Effect::Topic { action, content: content.to_owned() });
    // Topics whose name stays and whose content changes: people have to look at them.
    let mut redefined: BTreeSet<(Option<Side>, &str)> = BTreeSet::new();
    let mut differences = Vec::new();
    for (control, (old_action, old)) in &before.by_control {
        if let Some((new_action, new)) = after.by_control.get(control)
            && old != new
            && !after.by_content.contains_key(&(control.side, *old))
            && !before.by_content.contains_key(&(control.side, *new))
        {
            redefined.extend([(control.side, *old), (control.side, *new)]);
            let (before, after) = (topic(*old_action, old), topic(*new_action, new));
            differences.push(Difference { control: (*control).clone(), before, after, direction: Direction::Changed });
        }
    }
    let contents: BTreeSet<_> = before.by_content.keys().chain(after.by_content.keys()).copied().collect();
    for (side, content) in contents.into_iter().filter(|content| !redefined.contains(content)) {
        let (old, new) = (before.by_content.get(&(side, content)), after.by_content.get(&(side, content)));
        let direction = match (old, new) {
            (Some((old, _)), Some((new, _))) if old == new => continue,
            (Some((old, _)), new) if new.is_none_or(|(new, _)| new < old) => Direction::Weaker,
            _ => Direction::Stronger,
        };
        let control = [old, new].into_iter().flatten().map(|(_, control)| *control).min();
        let effect = |of: Option<&(Action, &Control)>| of.and_then(|(action, _)| topic(*action, content));
        differences.extend(control.map(|control| Difference {
            control: control.clone(),
            before: effect(old),
            after: effect(new),
            direction,
        }));
    }
    differences
}

/// The order of the second guardrail relative to the first.
#[must_use]
pub fn compare(before: &CanonicalGuardrail, after: &CanonicalGuardrail) -> Comparison {
    let differences = diff(before, after);
    if differences.is_empty() {
        Comparison::Equal
    } else if differences.iter().all(|difference| difference.direction == Direction::Weaker) {
        Comparison::Weaker
    } else if differences.iter().all(|difference| difference.direction == Direction::Stronger) {
        Comparison::Stronger
    } else {
        Comparison::Incomparable
    }
}

/// The attributes that differ, which guard no content: name, value before, value after.
#[must_use]
pub fn attribute_changes(before: &CanonicalGuardrail, after: &CanonicalGuardrail) -> Vec<(&'static str, Option<String>, Option<String>)> {
    let names: BTreeSet<&'static str> = before.attributes.keys().chain(after.attributes.keys()).copied().collect();
    names
        .into_iter()
        .map(|name| (name, before.attributes.get(name).cloned(), after.attributes.get(name).cloned()))
        .filter(|(_, before, after)| before != after)
        .collect()
}

/// The direction in which an effect changed; `None` if it didn't change.
fn direction(before: Option<&Effect>, after: Option<&Effect>) -> Option<Direction> {
    use Effect::{Filter, Grounding, Match, Reasoning, Setting, Tier, Unknown};
    let of = |components: &[Ordering]| {
        let (down, up) = (components.contains(&Ordering::Less), components.contains(&Ordering::Greater));
        match (down, up) {
            (true, true) => Some(Direction::Mixed),
            (true, false) => Some(Direction::Weaker),
            (false, true) => Some(Direction::Stronger),
            (false, false) => None,
        }
    };
    match (before, after) {
        // A tier appears and disappears with its policy, whose controls show the direction.
        (None | Some(Tier(_)), None) | (None, Some(Tier(_))) => None,
        // The effect of a new unknown isn't known, but one that is removed surely no longer has it. For a setting, the default isn't known.
        // An automated-reasoning policy makes the guardrail impossible to enforce, so adding one isn't surely a gain.
        (None, Some(Unknown(_) | Setting(_) | Reasoning(_))) | (Some(Setting(_)), None) => Some(Direction::Changed),
        (None, Some(_)) => Some(Direction::Stronger),
        (Some(_), None) => Some(Direction::Weaker),
        (Some(Filter { action: a, strength: s }), Some(Filter { action: b, strength: t })) => of(&[b.cmp(a), t.cmp(s)]),
        (Some(Grounding { action: a, threshold: s }), Some(Grounding { action: b, threshold: t })) => of(&[b.cmp(a), t.cmp(s)]),
        (Some(Match(a)), Some(Match(b))) => of(&[b.cmp(a)]),
        (Some(Reasoning(a)), Some(Reasoning(b))) => of(&[b.cmp(a)]),
        (Some(Tier(a)), Some(Tier(b))) => of(&[b.cmp(a)]),
        (Some(Unknown(a)), Some(Unknown(b))) | (Some(Setting(a)), Some(Setting(b))) if a == b => None,
        (Some(_), Some(_)) => Some(Direction::Changed),
    }
}

#[cfg(test)]
mod tests;
