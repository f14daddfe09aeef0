//! The partial order *weaker than*, control by control.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    canonical::Canonical,
    control::{Action, Control, Effect, Side},
};

/// A control that differs between two guardrails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub control: Control,
    /// What it did; `None` if it was off.
    pub before: Option<Effect>,
    /// What it does.
    pub after: Option<Effect>,
    /// Where that leads.
    pub direction: Direction,
}

/// Which way a control went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Down, in some component at least.
    Weaker,
    /// Down in one component, up in another: any lowered component counts.
    Mixed,
    /// Neither, or nobody knows: the content is another, for people to look at.
    Changed,
    /// Up.
    Stronger,
}

impl Difference {
    /// Whether something got weaker.
    #[must_use]
    pub fn is_weaker(&self) -> bool {
        matches!(self.direction, Direction::Weaker | Direction::Mixed)
    }

    /// Whether it is about an automated-reasoning policy, with which a guardrail can't be enforced.
    #[must_use]
    pub fn is_about_reasoning(&self) -> bool {
        [&self.before, &self.after].into_iter().flatten().any(|effect| matches!(effect, Effect::Reasoning(_)))
    }
}

/// Two guardrails as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// They protect alike.
    Equal,
    /// The second protects less, and nothing more.
    Weaker,
    /// The second protects more, and nothing less.
    Stronger,
    /// Some controls went up or became others, and some went down, or none can be said to.
    Incomparable,
}

/// The controls that differ, in the order of their names. Topics are the same by what they define, whatever they are called.
#[must_use]
pub fn diff(before: &Canonical, after: &Canonical) -> Vec<Difference> {
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

/// Denied topics of one guardrail.
#[derive(Default)]
struct Topics<'c> {
    /// By side and content: the strongest action, and the first control of the name that has it.
    by_content: BTreeMap<(Option<Side>, &'c str), (Action, &'c Control)>,
    by_control: BTreeMap<&'c Control, (Action, &'c str)>,
}

impl<'c> Topics<'c> {
    fn of(guardrail: &'c Canonical, controls: &[&'c Control]) -> Self {
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
    // A topic that means something else under its old name is for people to look at.
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

/// How the second compares with the first.
#[must_use]
pub fn compare(before: &Canonical, after: &Canonical) -> Comparison {
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

/// Attributes that differ and protect nothing themselves: name, before, after.
#[must_use]
pub fn attribute_changes(before: &Canonical, after: &Canonical) -> Vec<(&'static str, Option<String>, Option<String>)> {
    let names: BTreeSet<&'static str> = before.attributes.keys().chain(after.attributes.keys()).copied().collect();
    names
        .into_iter()
        .map(|name| (name, before.attributes.get(name).cloned(), after.attributes.get(name).cloned()))
        .filter(|(_, before, after)| before != after)
        .collect()
}

/// Which way a control went; `None` if it didn't.
fn direction(before: Option<&Effect>, after: Option<&Effect>) -> Option<Direction> {
    use Effect::{Filter, Grounding, Match, Reasoning, Setting, Tier, Topic, Unknown};
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
        // A tier comes and goes with the policy that it belongs to, whose controls say enough.
        (None | Some(Tier(_)), None) | (None, Some(Tier(_))) => None,
        // What a new one does isn't known; one that is gone doesn't do it any more, whatever it was. Of a setting that isn't there it isn't
        // known what holds. And with automated reasoning a guardrail can't be enforced, so that one that comes is no gain for sure.
        (None, Some(Unknown(_) | Setting(_) | Reasoning(_))) | (Some(Setting(_)), None) => Some(Direction::Changed),
        (None, Some(_)) => Some(Direction::Stronger),
        (Some(_), None) => Some(Direction::Weaker),
        (Some(Filter { action: a, strength: s }), Some(Filter { action: b, strength: t })) => of(&[b.cmp(a), t.cmp(s)]),
        (Some(Grounding { action: a, threshold: s }), Some(Grounding { action: b, threshold: t })) => of(&[b.cmp(a), t.cmp(s)]),
        (Some(Topic { action: a, content: s }), Some(Topic { action: b, content: t })) if s == t => of(&[b.cmp(a)]),
        (Some(Match(a)), Some(Match(b))) => of(&[b.cmp(a)]),
        (Some(Reasoning(a)), Some(Reasoning(b))) => of(&[b.cmp(a)]),
        (Some(Tier(a)), Some(Tier(b))) => of(&[b.cmp(a)]),
        (Some(Unknown(a)), Some(Unknown(b))) | (Some(Setting(a)), Some(Setting(b))) if a == b => None,
        (Some(_), Some(_)) => Some(Direction::Changed),
    }
}

#[cfg(test)]
mod tests;
