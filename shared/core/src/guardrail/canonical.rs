//! Converts a guardrail's configuration to a map from each control to its effect, so that two guardrails can be compared control by
//! control.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    control::{Action, Control, Effect, Side, Tier},
    reader::{Left, Reader, hash, natural_key, normal, shown, word},
};
use crate::json::printable;

/// A guardrail in canonical form. A control that is off is left out, so absent and switched off are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CanonicalGuardrail {
    /// The effect of each control that is on.
    pub controls: BTreeMap<Control, Effect>,
    /// Settings that don't guard content but matter otherwise: key, cross-Region profile, messages (as hashes), status.
    pub attributes: BTreeMap<&'static str, String>,
}

/// Members of GetGuardrail's response, and of requests that write a guardrail, that don't guard content, each with the reason.
const PROTECTS_NOTHING: &[(&str, &str)] = &[
    ("description", "tells people what it is for"),
    ("guardrailId", "says which guardrail it is"),
    ("guardrailArn", "says which guardrail it is"),
    ("version", "says which version it is"),
    ("statusReasons", "says why it is FAILED"),
    ("failureRecommendations", "says what to do about that"),
    ("createdAt", "says when it was made"),
    ("updatedAt", "says when it was changed"),
    ("clientRequestToken", "makes a request idempotent"),
    ("tags", "decide who may use it, not what it does"),
    ("ResponseMetadata", "is added by the AWS SDK for Python"),
];

/// The member of GetGuardrail's response that holds automated-reasoning policies.
const AUTOMATED_REASONING: &str = "automatedReasoningPolicy";

impl CanonicalGuardrail {
    /// Reads GetGuardrail's response. Never fails: what isn't understood is kept as unknown, at any depth.
    #[must_use]
    pub fn from_get_guardrail(json: &Value) -> Self {
        let mut canonical = CanonicalGuardrail::default();
        let mut answer = Reader::of(json);
        canonical.read_attributes(&mut answer);
        for (policy, read) in [
            ("contentPolicy", CanonicalGuardrail::read_content as fn(&mut CanonicalGuardrail, Reader<'_>)),
            ("topicPolicy", CanonicalGuardrail::read_topics),
            ("wordPolicy", CanonicalGuardrail::read_words),
            ("sensitiveInformationPolicy", CanonicalGuardrail::read_sensitive_information),
            ("contextualGroundingPolicy", CanonicalGuardrail::read_grounding),
            (AUTOMATED_REASONING, CanonicalGuardrail::read_reasoning),
        ] {
            if let Some(policy) = answer.object(policy) {
                read(&mut canonical, policy);
            }
        }
        for (member, _why) in PROTECTS_NOTHING {
            answer.ignore(member);
        }
        canonical.keep_rest(answer);
        canonical
    }

    /// SHA-256 over the canonical form, in hex. Guardrails that guard alike have the same fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        for (control, effect) in &self.controls {
            hasher.update(format!("{control}={effect}\n"));
        }
        hex::encode(hasher.finalize())
    }

    /// Why AWS can't enforce the guardrail: it is FAILED, or contains an automated-reasoning policy. `None` if it can be enforced.
    #[must_use]
    pub fn why_not_enforceable(&self) -> Option<&'static str> {
        if self.has_automated_reasoning() {
            return Some("holds an automated-reasoning policy");
        }
        (self.status() == Some("FAILED")).then_some("is FAILED")
    }

    /// Whether the guardrail contains an automated-reasoning policy, with which enforcement fails.
    #[must_use]
    pub fn has_automated_reasoning(&self) -> bool {
        self.controls
            .iter()
            .any(|(control, effect)| matches!(effect, Effect::Reasoning(_)) || control.name.starts_with(AUTOMATED_REASONING))
    }

    /// GetGuardrail's `status`: `READY`, `UPDATING`, `FAILED`, ….
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.attributes.get("status").map(String::as_str)
    }

    /// Whether the status is `READY`. In any other status the content may still change.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status().is_none_or(|status| status == "READY")
    }

    /// The status, if AWS is still changing the guardrail, so that its content isn't final.
    #[must_use]
    pub fn why_not_settled(&self) -> Option<&str> {
        self.status().filter(|status| !matches!(*status, "READY" | "FAILED"))
    }

    /// The controls that this version of the auditor doesn't know.
    pub fn unknown(&self) -> impl Iterator<Item = &Control> {
        self.controls.iter().filter(|(_, effect)| effect.is_unknown()).map(|(control, _)| control)
    }

    fn set(&mut self, name: String, side: Option<Side>, effect: Option<Effect>) {
        let Some(effect) = effect else {
            return;
        };
        match self.controls.entry(Control { name, side }) {
            Entry::Vacant(vacant) => {
                vacant.insert(effect);
            }
            // Two entries for the same control with different effects: which of them AWS applies isn't known.
            Entry::Occupied(mut twice) if *twice.get() != effect => {
                let mut both = [twice.get(), &effect].map(ToString::to_string);
                both.sort();
                twice.insert(Effect::Unknown(both.join(" and ")));
            }
            Entry::Occupied(_) => {}
        }
    }

    /// Keeps as unknown whatever of an object wasn't read.
    fn keep_rest(&mut self, object: Reader<'_>) {
        for Left { path, value, is_private } in object.finish() {
            match value {
                Value::Array(entries) => {
                    for entry in entries {
                        let key = natural_key(entry, is_private);
                        let effect = if key.is_some() { hash(&normal(entry)) } else { "present".to_owned() };
                        let key = key.unwrap_or_else(|| shown(entry, is_private));
                        self.set(format!("{path}[{key}]"), None, Some(Effect::Unknown(effect)));
                    }
                }
                Value::Object(members) if members.values().all(Value::is_null) => {}
                Value::Object(_) => self.set(path, None, Some(Effect::Unknown(hash(&normal(value))))),
                scalar => self.set(path, None, Some(Effect::Setting(shown(scalar, is_private)))),
            }
        }
    }

    fn read_content(&mut self, mut policy: Reader<'_>) {
        let filters = policy.entries("filters", |filter| filter.text("type").map(word));
        self.read_tier("content filters", &mut policy, !filters.is_empty());
        self.keep_rest(policy);
        for mut filter in filters {
            let kind = filter.key().to_owned();
            for side in SIDES {
                let strength = filter.text(side.key("Strength"));
                let modalities = filter.texts(side.key("Modalities")).unwrap_or_else(|| vec!["TEXT"]);
                let effect = match (side.state(&mut filter, None), strength_level(strength)) {
                    (State::Off, _) | (_, Some(0)) => None,
                    // AWS requires NONE as the output strength of PROMPT_ATTACK.
                    (State::On(_), Some(_)) if kind == "PROMPT_ATTACK" && side == Side::Output => None,
                    (State::On(action), Some(strength)) => Some(Effect::Filter { action, strength }),
                    (action, _) => Some(Effect::Unknown(format!("{} {}", action.name(), word(strength.unwrap_or_default())))),
                };
                for modality in modalities {
                    self.set(format!("content filter {kind} on {}", word(modality)), Some(side), effect.clone());
                }
            }
            self.keep_rest(filter);
        }
    }

    fn read_topics(&mut self, mut policy: Reader<'_>) {
        // A topic is identified by its definition and examples; its name may change.
        let topics = policy.entries("topics", |topic| {
            let (definition, mut examples) = (topic.text("definition"), topic.texts("examples").unwrap_or_default());
            examples.sort_unstable();
            definition.map(|definition| hash(&format!("{definition}\n{}", examples.join("\n"))))
        });
        self.read_tier("denied topics", &mut policy, !topics.is_empty());
        self.keep_rest(policy);
        for mut topic in topics {
            let content = topic.key().to_owned();
            let name = printable(topic.text("name").unwrap_or_default()).into_owned();
            // DENY is the only type of topic, and the default.
            let other = topic.text("type").filter(|kind| *kind != "DENY");
            for side in SIDES {
                let effect = match (side.state(&mut topic, None), other) {
                    (State::Off, _) => None,
                    (_, Some(other)) => Some(Effect::Unknown(format!("{} ({content})", word(other)))),
                    (State::On(action), None) => Some(Effect::Topic { action, content: content.clone() }),
                    (State::Unknown(action), None) => Some(Effect::Unknown(format!("{action} ({content})"))),
                };
                self.set(format!("denied topic {name}"), Some(side), effect);
            }
            self.keep_rest(topic.private());
        }
    }

    fn read_words(&mut self, mut policy: Reader<'_>) {
        for entry in policy.entries("words", |entry| entry.text("text").map(|text| hash(&text.to_lowercase()))) {
            self.read_match("word", entry.private());
        }
        for list in policy.entries("managedWordLists", |list| list.text("type").map(word)) {
            self.read_match("managed words", list);
        }
        self.keep_rest(policy);
    }

    fn read_sensitive_information(&mut self, mut policy: Reader<'_>) {
        for entity in policy.entries("piiEntities", |entity| entity.text("type").map(word)) {
            self.read_match("PII", entity);
        }
        for mut regex in policy.entries("regexes", |regex| regex.text("pattern").map(hash)) {
            // A name for people only.
            regex.ignore("name");
            regex.ignore("description");
            self.read_match("pattern", regex.private());
        }
        self.keep_rest(policy);
    }

    fn read_match(&mut self, what: &str, mut entry: Reader<'_>) {
        let name = format!("{what} {}", entry.key());
        // A kind of personal data or a pattern has an action for both sides, which an action for one side overrides.
        let action = entry.text("action");
        for side in SIDES {
            let effect = match side.state(&mut entry, action) {
                State::Off => None,
                State::On(action) => Some(Effect::Match(action)),
                State::Unknown(action) => Some(Effect::Unknown(action)),
            };
            self.set(name.clone(), Some(side), effect);
        }
        self.keep_rest(entry);
    }

    fn read_grounding(&mut self, mut policy: Reader<'_>) {
        let filters = policy.entries("filters", |filter| filter.text("type").map(word));
        self.read_tier("contextual grounding", &mut policy, !filters.is_empty());
        self.keep_rest(policy);
        for mut filter in filters {
            let threshold = filter.number("threshold", millionths);
            let (enabled, action) = (filter.flag("enabled"), filter.text("action"));
            let effect = match (state(enabled, action), threshold) {
                (State::Off, _) => None,
                (State::On(action), Some(threshold)) => Some(Effect::Grounding { action, threshold }),
                (action, _) => Some(Effect::Unknown(action.name())),
            };
            self.set(format!("contextual grounding {}", filter.key()), None, effect);
            self.keep_rest(filter);
        }
    }

    fn read_reasoning(&mut self, mut policy: Reader<'_>) {
        let threshold = policy.number("confidenceThreshold", millionths).unwrap_or(0);
        for arn in policy.texts("policies").unwrap_or_default() {
            // `…:automated-reasoning-policy/<id>[:<version>]`
            let without_version = match arn.rsplit_once(':') {
                Some((head, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => head,
                _ => arn,
            };
            self.set(format!("automated reasoning {}", printable(without_version)), None, Some(Effect::Reasoning(threshold)));
        }
        self.keep_rest(policy);
    }

    /// Reads the tier of a policy. It has an effect only if the policy has entries.
    fn read_tier(&mut self, policy_name: &str, policy: &mut Reader<'_>, means_something: bool) {
        let mut tier = policy.object("tier");
        let name = tier.as_mut().and_then(|tier| tier.text("tierName"));
        if let Some(tier) = tier {
            self.keep_rest(tier);
        }
        let effect = match name {
            None | Some("CLASSIC") => Effect::Tier(Tier::Classic),
            Some("STANDARD") => Effect::Tier(Tier::Standard),
            Some(other) => Effect::Unknown(word(other)),
        };
        self.set(format!("tier of {policy_name}"), None, Some(effect).filter(|_| means_something));
    }

    fn read_attributes(&mut self, answer: &mut Reader<'_>) {
        // A cross-Region profile decides where content is evaluated, not how.
        let profile = answer.object("crossRegionDetails").and_then(|mut profile| profile.text("guardrailProfileId"));
        for (attribute, value) in [
            ("name", answer.text("name").map(str::to_owned)),
            ("status", answer.text("status").map(str::to_owned)),
            ("KMS key", answer.text("kmsKeyArn").map(str::to_owned)),
            ("cross-Region profile", profile.map(str::to_owned)),
            ("message for blocked inputs", answer.text("blockedInputMessaging").map(hash)),
            ("message for blocked outputs", answer.text("blockedOutputsMessaging").map(hash)),
        ] {
            if let Some(value) = value {
                self.attributes.insert(attribute, value);
            }
        }
    }
}

const SIDES: [Side; 2] = [Side::Input, Side::Output];

impl Side {
    fn key(self, suffix: &str) -> &'static str {
        match (self, suffix) {
            (Side::Input, "Strength") => "inputStrength",
            (Side::Output, "Strength") => "outputStrength",
            (Side::Input, "Modalities") => "inputModalities",
            (Side::Output, "Modalities") => "outputModalities",
            (Side::Input, "Action") => "inputAction",
            (Side::Output, "Action") => "outputAction",
            (Side::Input, _) => "inputEnabled",
            (Side::Output, _) => "outputEnabled",
        }
    }

    /// The state of an entry on this side: the side's own action, or else the action for both.
    fn state(self, entry: &mut Reader<'_>, for_both: Option<&str>) -> State {
        let (enabled, action) = (entry.flag(self.key("Enabled")), entry.text(self.key("Action")));
        state(enabled, action.or(for_both))
    }
}

enum State {
    Off,
    On(Action),
    /// An unknown action.
    Unknown(String),
}

impl State {
    fn name(self) -> String {
        match self {
            State::Off => String::new(),
            State::On(action) => action.to_string(),
            State::Unknown(action) => action,
        }
    }
}

/// The state from the two members of an entry. Without `enabled` it is on, and without an action it blocks
/// (docs/aws/guardrails.md#defaults).
fn state(enabled: Option<bool>, action: Option<&str>) -> State {
    if enabled == Some(false) {
        return State::Off;
    }
    match action {
        None | Some("BLOCK") => State::On(Action::Block),
        Some("ANONYMIZE") => State::On(Action::Anonymize),
        Some("NONE") => State::On(Action::Detect),
        Some(other) => State::Unknown(word(other)),
    }
}

fn strength_level(strength: Option<&str>) -> Option<u8> {
    match strength {
        None | Some("NONE") => Some(0),
        Some("LOW") => Some(1),
        Some("MEDIUM") => Some(2),
        Some("HIGH") => Some(3),
        Some(_) => None,
    }
}

fn millionths(value: f64) -> Option<u32> {
    let value = Some(value).filter(|value| (0.0..=1000.0).contains(value))?;
    // The filter above keeps the value in range and non-negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be between 0 and 1,000,000,000")]
    Some((value * 1_000_000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn effect(json: &Value, name: &str, side: Option<Side>) -> Option<Effect> {
        CanonicalGuardrail::from_get_guardrail(json).controls.remove(&Control { name: name.into(), side })
    }

    #[test]
    fn absent_members_have_their_documented_meaning() {
        let guardrail = json!({"contentPolicy": {"filters": [{"type": "HATE", "inputStrength": "HIGH", "outputStrength": "LOW"}]},
            "sensitiveInformationPolicy": {"piiEntities": [{"type": "EMAIL", "action": "ANONYMIZE", "inputAction": "NONE"}]},
            "contextualGroundingPolicy": {"filters": [{"type": "GROUNDING", "threshold": 0.7}]}});
        let filter = |strength| Some(Effect::Filter { action: Action::Block, strength });
        assert_eq!(effect(&guardrail, "content filter HATE on TEXT", Some(Side::Input)), filter(3));
        assert_eq!(effect(&guardrail, "content filter HATE on TEXT", Some(Side::Output)), filter(1));
        assert_eq!(effect(&guardrail, "PII EMAIL", Some(Side::Input)), Some(Effect::Match(Action::Detect)));
        assert_eq!(effect(&guardrail, "PII EMAIL", Some(Side::Output)), Some(Effect::Match(Action::Anonymize)));
        assert_eq!(
            effect(&guardrail, "contextual grounding GROUNDING", None),
            Some(Effect::Grounding { action: Action::Block, threshold: 700_000 })
        );
        assert_eq!(effect(&guardrail, "tier of content filters", None), Some(Effect::Tier(Tier::Classic)));
    }

    #[test]
    fn off_is_the_same_as_absent() {
        for filter in [
            json!({"type": "HATE", "inputStrength": "NONE", "outputStrength": "NONE"}),
            json!({"type": "HATE", "inputStrength": "HIGH", "outputStrength": "HIGH", "inputEnabled": false, "outputEnabled": false}),
        ] {
            assert_eq!(effect(&json!({"contentPolicy": {"filters": [filter]}}), "content filter HATE on TEXT", Some(Side::Input)), None);
        }
        let attack = json!({"contentPolicy": {"filters": [{"type": "PROMPT_ATTACK", "inputStrength": "HIGH", "outputStrength": "HIGH"}]}});
        assert_eq!(effect(&attack, "content filter PROMPT_ATTACK on TEXT", Some(Side::Output)), None);
    }

    #[test]
    fn texts_are_hashed_and_values_from_the_future_are_kept_apart() {
        let guardrail = json!({"wordPolicy": {"words": [{"text": "Bluebird"}]}, "blockedInputMessaging": "sorry, Bluebird",
            "sensitiveInformationPolicy": {"regexes": [{"name": "n", "pattern": "Bluebird-\\d+", "action": "REDACT"}]},
            "topicPolicy": {"topics": [{"name": "t", "definition": "about Bluebird", "examples": ["Bluebird?"], "type": "DENY"}]},
            "codePolicy": {"language": "Bluebird"}});
        let canonical = CanonicalGuardrail::from_get_guardrail(&guardrail);
        assert!(!format!("{canonical:?}").contains("luebird"), "{canonical:?}");
        assert!(canonical.controls.keys().any(|control| control.name == "codePolicy"));
        assert!(canonical.controls.values().any(|effect| *effect == Effect::Unknown("REDACT".into())));
    }

    #[test]
    fn the_fingerprint_ignores_order_and_cosmetics() {
        let word = |text| json!({"text": text});
        let one = json!({"name": "a", "wordPolicy": {"words": [word("x"), word("y")]}});
        let other = json!({"name": "b", "wordPolicy": {"words": [word("Y"), word("x")]}});
        let third = json!({"wordPolicy": {"words": [word("x")]}});
        let fingerprint = |json| CanonicalGuardrail::from_get_guardrail(json).fingerprint();
        assert_eq!(fingerprint(&one), fingerprint(&other));
        assert_ne!(fingerprint(&one), fingerprint(&third));
    }
}
