use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn canonical(json: &Value) -> CanonicalGuardrail {
    CanonicalGuardrail::from_get_guardrail(json)
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
    assert_eq!(compare(&canonical(&topic("a")), &CanonicalGuardrail::default()), Comparison::Weaker);
}

#[test]
fn a_topic_of_a_type_or_action_that_is_not_known_has_a_content_too() {
    for unknown in [json!({"type": "WARN"}), json!({"inputAction": "REWRITE", "outputAction": "REWRITE"})] {
        let topic = |definition: &str| {
            let mut topic = json!({"name": "t", "definition": definition});
            topic.as_object_mut().unwrap().extend(unknown.as_object().unwrap().clone());
            canonical(&json!({"topicPolicy": {"topics": [topic]}}))
        };
        assert_eq!(compare(&topic("a"), &topic("b")), Comparison::Incomparable, "{unknown}");
        assert_eq!(compare(&topic("a"), &topic("a")), Comparison::Equal, "{unknown}");
    }
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
    assert_eq!(compare(&with, &CanonicalGuardrail::default()), Comparison::Weaker);
    assert_eq!(compare(&CanonicalGuardrail::default(), &with), Comparison::Incomparable, "what it does isn't known");
    assert_eq!(compare(&with, &canonical(&json!({"codePolicy": {"language": "none"}}))), Comparison::Incomparable);
}

/// A guardrail that has each kind of control.
fn everything() -> Value {
    json!({"guardrailId": "abc", "version": "1", "status": "READY",
        "contentPolicy": {"filters": [
            {"type": "HATE", "inputStrength": "HIGH", "outputStrength": "HIGH", "inputModalities": ["TEXT", "IMAGE"]},
            {"type": "INSULTS", "inputStrength": "HIGH", "outputStrength": "HIGH"}], "tier": {"tierName": "STANDARD"}},
        "topicPolicy": {"topics": [{"name": "t", "definition": "d", "examples": ["e", "f"], "type": "DENY"}], "tier": {"tierName": "STANDARD"}},
        "wordPolicy": {"words": [{"text": "w"}, {"text": "v"}], "managedWordLists": [{"type": "PROFANITY"}]},
        "sensitiveInformationPolicy": {"piiEntities": [{"type": "EMAIL", "action": "BLOCK"}, {"type": "NAME", "action": "BLOCK"}],
            "regexes": [{"name": "r", "pattern": "p", "action": "BLOCK"}]},
        "contextualGroundingPolicy": {"filters": [{"type": "GROUNDING", "threshold": 0.7, "action": "BLOCK", "enabled": true}],
            "tier": {"tierName": "STANDARD"}},
        "automatedReasoningPolicy": {"policies": ["arn:x:1"], "confidenceThreshold": 0.9}})
}

/// The JSON pointer of each object in a guardrail's policies.
fn objects(json: &Value, at: &str, found: &mut Vec<String>) {
    let inside: Vec<(String, &Value)> = match json {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(entries) => entries.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => return,
    };
    if json.is_object() {
        found.push(at.to_owned());
    }
    for (name, value) in inside {
        objects(value, &format!("{at}/{name}"), found);
    }
}

#[test]
fn a_member_that_is_not_known_is_a_difference_wherever_it_stands() {
    let mut places = Vec::new();
    objects(&everything(), "", &mut places);
    assert!(places.len() > 15, "{places:?}");
    let with = |place: &str, value: &Value| {
        let mut json = everything();
        json.pointer_mut(place).unwrap()["newMember"] = value.clone();
        canonical(&json)
    };
    let without = canonical(&everything());
    for place in &places {
        for (value, other) in [
            (json!("ENFORCE"), json!("MONITOR")),
            (json!(true), json!(false)),
            (json!({"mode": "ENFORCE"}), json!({"mode": "MONITOR"})),
            (json!([{"type": "A", "action": "BLOCK"}]), json!([{"type": "A", "action": "NONE"}])),
        ] {
            let (one, two) = (with(place, &value), with(place, &other));
            for (before, after) in [(&one, &two), (&without, &one), (&one, &without)] {
                let differences = diff(before, after);
                let is_named = |difference: &Difference| difference.control.name.contains("newMember");
                assert!(
                    matches!(&differences[..], [one] if is_named(one) && one.direction != Direction::Stronger),
                    "{place} {differences:?}"
                );
            }
            assert_eq!(compare(&one, &with(place, &value)), Comparison::Equal, "{place}");
            assert_eq!(diff(&one, &two)[0].direction, Direction::Changed, "{place}: where it leads isn't known");
        }
        for nothing in [Value::Null, json!([]), json!({})] {
            assert_eq!(compare(&without, &with(place, &nothing)), Comparison::Equal, "{place}: {nothing} says nothing");
        }
    }
}

#[test]
fn a_list_that_is_not_known_is_compared_entry_by_entry() {
    let entities = |entities: Value| canonical(&json!({"sensitiveInformationPolicy": {"customEntities": entities}}));
    let both = entities(json!([{"type": "BADGE", "action": "BLOCK"}, {"type": "DESK", "action": "BLOCK"}]));
    assert_eq!(
        compare(&both, &entities(json!([{"type": "DESK", "action": "BLOCK"}, {"action": "BLOCK", "type": "BADGE"}]))),
        Comparison::Equal
    );
    let names = |before: &CanonicalGuardrail, after: &CanonicalGuardrail| {
        let differences = diff(before, after);
        differences.into_iter().map(|difference| (difference.control.name, difference.direction)).collect::<Vec<_>>()
    };
    let only = |key: &str, direction| vec![(format!("sensitiveInformationPolicy.customEntities[{key}]"), direction)];
    assert_eq!(names(&both, &entities(json!([{"type": "DESK", "action": "BLOCK"}]))), only("BADGE", Direction::Weaker));
    let detecting = entities(json!([{"type": "BADGE", "action": "NONE"}, {"type": "DESK", "action": "BLOCK"}]));
    assert_eq!(names(&both, &detecting), only("BADGE", Direction::Changed));
    let words = |words: Value| canonical(&json!({"codePolicy": {"mode": "X"}, "languages": words}));
    assert_eq!(compare(&words(json!(["PYTHON", "RUST"])), &words(json!(["RUST", "PYTHON"]))), Comparison::Equal);
    assert_eq!(compare(&words(json!(["PYTHON", "RUST"])), &words(json!(["RUST"]))), Comparison::Weaker);
}

#[test]
fn another_type_or_value_than_usual_is_a_difference() {
    let before = canonical(&everything());
    for (place, value) in [
        ("/contentPolicy", json!([{"type": "HATE"}])),
        ("/contentPolicy/filters", json!({"HATE": "HIGH"})),
        ("/contentPolicy/filters/0", json!("HATE")),
        ("/contentPolicy/filters/0/type", json!(1)),
        ("/contentPolicy/filters/0/type", json!("NEWTYPE")),
        ("/contentPolicy/filters/0/inputStrength", json!("ULTRA")),
        ("/contentPolicy/filters/0/inputStrength", json!(3)),
        ("/contentPolicy/filters/0/inputModalities", json!("TEXT")),
        ("/contentPolicy/filters/0/inputModalities", json!(["TEXT", "IMAGE", {"type": "VIDEO"}])),
        ("/contentPolicy/tier", json!("STANDARD")),
        ("/contentPolicy/tier/tierName", json!("PREMIUM")),
        ("/topicPolicy/topics/0/type", json!("ALLOW")),
        ("/topicPolicy/topics/0/definition", json!(["d"])),
        ("/topicPolicy/topics/0/examples", json!([1])),
        ("/wordPolicy/words", json!("w")),
        ("/wordPolicy/words/0", json!("w")),
        ("/sensitiveInformationPolicy/piiEntities/0/action", json!("REDACT")),
        ("/sensitiveInformationPolicy/piiEntities/0/action", json!({"BLOCK": true})),
        ("/sensitiveInformationPolicy/regexes/0/pattern", json!(null)),
        ("/contextualGroundingPolicy/filters/0/threshold", json!("0.7")),
        ("/contextualGroundingPolicy/filters/0/enabled", json!("false")),
        ("/automatedReasoningPolicy/policies/0", json!({"arn": "arn:x:1"})),
        ("/automatedReasoningPolicy", json!("arn:x:1")),
        ("/wordPolicy/words/1", json!({"text": "w", "inputAction": "NONE"})),
    ] {
        let mut json = everything();
        *json.pointer_mut(place).unwrap() = value.clone();
        let after = canonical(&json);
        for (one, other) in [(&before, &after), (&after, &before)] {
            let comparison = compare(one, other);
            assert!(comparison != Comparison::Equal, "{place} {value}");
        }
        assert!(
            compare(&before, &after) != Comparison::Stronger || value == json!("NEWTYPE"),
            "{place} {value}: {:?}",
            diff(&before, &after)
        );
        assert!(!format!("{after:?}").contains("\"w\""), "{place} {value}: a customer's word is never kept");
    }
}

#[test]
fn each_known_setting_has_a_direction() {
    let before = canonical(&everything());
    for (place, value) in [
        ("/contentPolicy/filters/0/inputStrength", json!("MEDIUM")),
        ("/contentPolicy/filters/0/outputStrength", json!("NONE")),
        ("/contentPolicy/filters/0/inputModalities", json!(["TEXT"])),
        ("/contentPolicy/filters/0/outputModalities", json!([])),
        ("/contentPolicy/filters/0/inputAction", json!("NONE")),
        ("/contentPolicy/filters/0/outputEnabled", json!(false)),
        ("/contentPolicy/tier/tierName", json!("CLASSIC")),
        ("/topicPolicy/topics/0/inputAction", json!("NONE")),
        ("/topicPolicy/topics/0/outputEnabled", json!(false)),
        ("/topicPolicy/tier/tierName", json!("CLASSIC")),
        ("/wordPolicy/words/0/inputAction", json!("NONE")),
        ("/wordPolicy/words/0/outputEnabled", json!(false)),
        ("/wordPolicy/managedWordLists/0/outputAction", json!("NONE")),
        ("/wordPolicy/managedWordLists/0/inputEnabled", json!(false)),
        ("/sensitiveInformationPolicy/piiEntities/0/action", json!("ANONYMIZE")),
        ("/sensitiveInformationPolicy/piiEntities/0/inputAction", json!("NONE")),
        ("/sensitiveInformationPolicy/piiEntities/0/outputEnabled", json!(false)),
        ("/sensitiveInformationPolicy/regexes/0/outputAction", json!("ANONYMIZE")),
        ("/sensitiveInformationPolicy/regexes/0/inputEnabled", json!(false)),
        ("/contextualGroundingPolicy/filters/0/threshold", json!(0.6)),
        ("/contextualGroundingPolicy/filters/0/action", json!("NONE")),
        ("/contextualGroundingPolicy/filters/0/enabled", json!(false)),
        ("/contextualGroundingPolicy/tier/tierName", json!("CLASSIC")),
        ("/automatedReasoningPolicy/confidenceThreshold", json!(0.5)),
    ] {
        let mut json = everything();
        let (parent, name) = place.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[name] = value.clone();
        let after = canonical(&json);
        assert_eq!(compare(&before, &after), Comparison::Weaker, "{place} {value}");
        assert_eq!(compare(&after, &before), Comparison::Stronger, "{place} {value}");
        assert_eq!(after.unknown().count(), 0, "{place} {value}");
    }
}

#[test]
fn an_automated_reasoning_policy_that_comes_is_no_gain() {
    let with = canonical(&everything());
    let mut json = everything();
    json["automatedReasoningPolicy"] = Value::Null;
    let without = canonical(&json);
    assert_eq!((compare(&without, &with), compare(&with, &without)), (Comparison::Incomparable, Comparison::Weaker));
    assert!(diff(&without, &with).iter().all(Difference::is_about_reasoning));
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
    let unknown = proptest::option::of(pick(&["ENFORCE", "MONITOR"]));
    let settings = (tier, unknown);
    (list(filter.boxed()), list(entity.boxed()), list(topic.boxed()), list(grounding.boxed()), settings).prop_map(|(filters, entities, topics, groundings, (tier, mode))| {
        json!({"contentPolicy": {"filters": filters, "tier": {"tierName": tier}, "mode": mode}, "sensitiveInformationPolicy": {"piiEntities": entities},
            "topicPolicy": {"topics": topics}, "contextualGroundingPolicy": {"filters": groundings}})
    })
}

/// Whether the difference is about something unknown that appears or disappears: its direction isn't mirrored when the two are swapped.
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
    // Most pairs differ in something unknown on one side only, and the law about swapping leaves those out.
    #![proptest_config(ProptestConfig { max_global_rejects: 65_536, ..ProptestConfig::default() })]

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
        let at_most = |x: &CanonicalGuardrail, y: &CanonicalGuardrail| matches!(compare(x, y), Comparison::Equal | Comparison::Stronger);
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
        // Content that another topic has too isn't lost with one of them.
        let is_said_twice = |control: &Control, effect: &Effect| match effect {
            Effect::Topic { content, .. } => before.controls.iter().any(|(other, effect)| {
                other != control && other.side == control.side && matches!(effect, Effect::Topic { content: said, .. } if said == content)
            }),
            _ => false,
        };
        let lowered: Vec<&Control> = before
            .controls
            .iter()
            .filter(|(control, effect)| !matches!(effect, Effect::Tier(_)) && !effect.is_unknown() && !is_said_twice(control, effect))
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
        let comparison = compare(&canonical(&a), &CanonicalGuardrail::default());
        prop_assert!(matches!(comparison, Comparison::Equal | Comparison::Weaker | Comparison::Incomparable));
    }
}
