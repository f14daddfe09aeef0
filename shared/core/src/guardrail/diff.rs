//! The partial order *weaker than*, control by control (facts/07 §2–3).

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::canonical::{Action, Canonical, Control, Effect, Side};

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
    /// Neither: the content is another, for people to look at.
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
    use Effect::{Filter, Grounding, Match, Reasoning, Tier, Topic, Unknown};
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
        // What a new one does isn't known; one that is gone doesn't do it any more, whatever it was.
        (None, Some(Unknown(_))) => Some(Direction::Changed),
        (None, Some(_)) => Some(Direction::Stronger),
        (Some(_), None) => Some(Direction::Weaker),
        (Some(Filter { action: a, strength: s }), Some(Filter { action: b, strength: t })) => of(&[b.cmp(a), t.cmp(s)]),
        (Some(Grounding { action: a, threshold: s }), Some(Grounding { action: b, threshold: t })) => of(&[b.cmp(a), t.cmp(s)]),
        (Some(Topic { action: a, content: s }), Some(Topic { action: b, content: t })) if s == t => of(&[b.cmp(a)]),
        (Some(Match(a)), Some(Match(b))) => of(&[b.cmp(a)]),
        (Some(Reasoning(a)), Some(Reasoning(b))) => of(&[b.cmp(a)]),
        (Some(Tier(a)), Some(Tier(b))) => of(&[b.cmp(a)]),
        (Some(Unknown(a)), Some(Unknown(b))) if a == b => None,
        (Some(_), Some(_)) => Some(Direction::Changed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn canonical(json: &Value) -> Canonical {
        Canonical::from_get_guardrail(json)
    }

    fn filter(input: &str, action: &str) -> Value {
        json!({"contentPolicy": {"filters": [{"type": "HATE", "inputStrength": input, "outputStrength": "NONE", "inputAction": action}]}})
    }

    #[test]
    fn a_lowered_strength_or_action_is_weaker() {
        let before = canonical(&filter("HIGH", "BLOCK"));
        for (strength, action, expected) in [
            ("HIGH", "BLOCK", Comparison::Equal),
            ("LOW", "BLOCK", Comparison::Weaker),
            ("HIGH", "NONE", Comparison::Weaker),
            ("NONE", "BLOCK", Comparison::Weaker),
            ("ULTRA", "BLOCK", Comparison::Incomparable),
        ] {
            assert_eq!(compare(&before, &canonical(&filter(strength, action))), expected, "{strength} {action}");
        }
        assert_eq!(compare(&canonical(&filter("LOW", "BLOCK")), &canonical(&filter("HIGH", "NONE"))), Comparison::Incomparable);
    }

    #[test]
    fn a_lowered_control_counts_however_many_others_rise() {
        let differences = diff(
            &canonical(&json!({"wordPolicy": {"words": [{"text": "a"}]}})),
            &canonical(&json!({"wordPolicy": {"words": [{"text": "b"}, {"text": "c"}]}})),
        );
        assert_eq!(differences.iter().filter(|difference| difference.is_weaker()).count(), 2, "both sides of the word that is gone");
    }

    #[test]
    fn an_edited_topic_is_for_people_to_look_at_and_a_removed_one_is_weaker() {
        let topic = |definition| json!({"topicPolicy": {"topics": [{"name": "t", "definition": definition, "type": "DENY"}]}});
        let edited = diff(&canonical(&topic("a")), &canonical(&topic("b")));
        assert!(edited.iter().all(|difference| difference.direction == Direction::Changed) && edited.len() == 2);
        assert_eq!(compare(&canonical(&topic("a")), &Canonical::default()), Comparison::Weaker);
    }

    #[test]
    fn a_topic_is_the_same_under_another_name() {
        let topics = |topics: &[(&str, &str)]| {
            let topics: Vec<Value> = topics.iter().map(|(name, definition)| json!({"name": name, "definition": definition})).collect();
            canonical(&json!({"topicPolicy": {"topics": topics}}))
        };
        assert_eq!(compare(&topics(&[("a", "x")]), &topics(&[("b", "x")])), Comparison::Equal);
        assert_eq!(compare(&topics(&[("a", "x"), ("b", "y")]), &topics(&[("b", "x")])), Comparison::Weaker);
        assert_eq!(compare(&topics(&[("a", "x")]), &topics(&[("a", "z"), ("b", "x")])), Comparison::Stronger);
    }

    #[test]
    fn standard_to_classic_is_weaker() {
        let tier = |name: &str| {
            let mut guardrail = filter("HIGH", "BLOCK");
            guardrail["contentPolicy"]["tier"] = json!({"tierName": name});
            canonical(&guardrail)
        };
        assert_eq!(compare(&tier("STANDARD"), &tier("CLASSIC")), Comparison::Weaker);
        assert_eq!(compare(&tier("CLASSIC"), &tier("STANDARD")), Comparison::Stronger);
    }

    #[test]
    fn a_control_that_we_do_not_know_is_missed_when_it_is_gone() {
        let with = canonical(&json!({"codePolicy": {"language": "any"}}));
        assert_eq!(compare(&with, &Canonical::default()), Comparison::Weaker);
        assert_eq!(compare(&Canonical::default(), &with), Comparison::Incomparable, "what it does isn't known");
        assert_eq!(compare(&with, &canonical(&json!({"codePolicy": {"language": "none"}}))), Comparison::Incomparable);
    }

    #[test]
    fn a_threshold_counts_to_its_last_digit() {
        let grounding =
            |threshold: f64| canonical(&json!({"contextualGroundingPolicy": {"filters": [{"type": "GROUNDING", "threshold": threshold}]}}));
        assert_eq!(compare(&grounding(0.7004), &grounding(0.7)), Comparison::Weaker);
        assert_eq!(compare(&grounding(0.7), &grounding(0.70)), Comparison::Equal);
    }

    #[test]
    fn keys_and_messages_are_no_strength() {
        let one = canonical(&json!({"kmsKeyArn": "k1", "blockedInputMessaging": "a"}));
        let other = canonical(&json!({"kmsKeyArn": "k2", "blockedInputMessaging": "a"}));
        assert_eq!(compare(&one, &other), Comparison::Equal);
        assert_eq!(attribute_changes(&one, &other), [("KMS key", Some("k1".into()), Some("k2".into()))]);
    }

    fn guardrail() -> impl Strategy<Value = Value> {
        let pick = |words: &[&'static str]| proptest::sample::select(words.to_vec());
        let strength = move || pick(&["NONE", "LOW", "MEDIUM", "HIGH", "ULTRA"]);
        let action = move || proptest::option::of(pick(&["BLOCK", "NONE", "ANONYMIZE", "REDACT"]));
        let enabled = || proptest::option::of(any::<bool>());
        let filter = (pick(&["HATE", "PROMPT_ATTACK"]), strength(), strength(), action(), enabled()).prop_map(|(kind, input, output, action, enabled)| {
            json!({"type": kind, "inputStrength": input, "outputStrength": output, "inputAction": action, "inputEnabled": enabled})
        });
        let entity = (pick(&["EMAIL", "NAME"]), action(), action(), enabled()).prop_map(
            |(kind, action, output, enabled)| json!({"type": kind, "action": action, "outputAction": output, "outputEnabled": enabled}),
        );
        let topic = (pick(&["t", "u"]), pick(&["a", "b"]), action())
            .prop_map(|(name, definition, action)| json!({"name": name, "definition": definition, "inputAction": action}));
        let grounding = (0_u32..3, action())
            .prop_map(|(threshold, action)| json!({"type": "GROUNDING", "threshold": f64::from(threshold) / 3.0, "action": action}));
        let list = |item: BoxedStrategy<Value>| proptest::collection::vec(item, 0..3);
        let tier = proptest::option::of(pick(&["CLASSIC", "STANDARD"]));
        (list(filter.boxed()), list(entity.boxed()), list(topic.boxed()), list(grounding.boxed()), tier).prop_map(|(filters, entities, topics, groundings, tier)| {
            json!({"contentPolicy": {"filters": filters, "tier": {"tierName": tier}}, "sensitiveInformationPolicy": {"piiEntities": entities},
                "topicPolicy": {"topics": topics}, "contextualGroundingPolicy": {"filters": groundings}})
        })
    }

    /// Of what comes or goes and isn't known, the worse is taken each way.
    fn is_one_way(difference: &Difference) -> bool {
        matches!((&difference.before, &difference.after), (Some(Effect::Unknown(_)), None) | (None, Some(Effect::Unknown(_))))
    }

    fn mirrored(direction: Direction) -> Direction {
        match direction {
            Direction::Weaker => Direction::Stronger,
            Direction::Stronger => Direction::Weaker,
            other => other,
        }
    }

    proptest! {
        #[test]
        fn nothing_differs_from_itself(a in guardrail()) {
            prop_assert_eq!(diff(&canonical(&a), &canonical(&a)), []);
        }

        #[test]
        fn a_diff_mirrors_its_reverse(a in guardrail(), b in guardrail()) {
            let (a, b) = (canonical(&a), canonical(&b));
            let there: Vec<Difference> = diff(&a, &b).into_iter().filter(|d| !is_one_way(d)).collect();
            let reverse: Vec<Difference> = diff(&b, &a)
                .into_iter()
                .filter(|d| !is_one_way(d))
                .map(|d| Difference { control: d.control, before: d.after, after: d.before, direction: mirrored(d.direction) })
                .collect();
            prop_assert_eq!(there, reverse);
        }

        #[test]
        fn weaker_than_is_transitive(a in guardrail(), b in guardrail(), c in guardrail()) {
            let (a, b, c) = (canonical(&a), canonical(&b), canonical(&c));
            let at_most = |x: &Canonical, y: &Canonical| matches!(compare(x, y), Comparison::Equal | Comparison::Stronger);
            if at_most(&a, &b) && at_most(&b, &c) {
                prop_assert!(at_most(&a, &c));
            }
        }

        #[test]
        fn what_is_neither_weaker_nor_stronger_protects_alike(a in guardrail(), b in guardrail()) {
            let (a, b) = (canonical(&a), canonical(&b));
            prop_assert_eq!(compare(&a, &b) == Comparison::Equal, diff(&a, &b).is_empty());
            prop_assume!(!diff(&a, &b).iter().any(is_one_way));
            let expected = match compare(&b, &a) {
                Comparison::Weaker => Comparison::Stronger,
                Comparison::Stronger => Comparison::Weaker,
                other => other,
            };
            prop_assert_eq!(compare(&a, &b), expected);
        }

        #[test]
        fn lowering_one_control_is_weaker(a in guardrail(), which in any::<proptest::sample::Index>()) {
            let before = canonical(&a);
            // What another topic says too isn't lost with one of them.
            let is_said_twice = |control: &Control, effect: &Effect| match effect {
                Effect::Topic { content, .. } => before.controls.iter().any(|(other, effect)| {
                    other != control && other.side == control.side && matches!(effect, Effect::Topic { content: said, .. } if said == content)
                }),
                _ => false,
            };
            let lowered: Vec<&Control> = before
                .controls
                .iter()
                .filter(|(control, effect)| !matches!(effect, Effect::Tier(_) | Effect::Unknown(_)) && !is_said_twice(control, effect))
                .map(|(control, _)| control)
                .collect();
            prop_assume!(!lowered.is_empty());
            let mut after = before.clone();
            after.controls.remove(*which.get(&lowered));
            prop_assert_eq!(compare(&before, &after), Comparison::Weaker);
            prop_assert_eq!(compare(&after, &before), Comparison::Stronger);
        }

        #[test]
        fn taking_all_away_is_never_stronger(a in guardrail()) {
            let comparison = compare(&canonical(&a), &Canonical::default());
            prop_assert!(matches!(comparison, Comparison::Equal | Comparison::Weaker | Comparison::Incomparable));
        }
    }
}
