//! A guardrail's configuration, lowered to a map from control to effect, so that two can be compared point by point (facts/07 §2).

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json::At;

/// What a guardrail controls, and on which side of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Control {
    /// Such as `content filter HATE on TEXT`, `PII EMAIL`, `word sha256:…`.
    pub name: String,
    /// `None` where there are no sides.
    pub side: Option<Side>,
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            Some(Side::Input) => write!(f, "{} (input)", self.name),
            Some(Side::Output) => write!(f, "{} (output)", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Prompts or completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What the caller sends.
    Input,
    /// What the model answers.
    Output,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Input => "input",
            Side::Output => "output",
        })
    }
}

/// What a control does when it finds something. Higher is stronger, component by component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A content filter: what it does, and how much it finds.
    Filter {
        /// Detects or blocks.
        action: Action,
        /// From 1 (LOW) to 3 (HIGH).
        strength: u8,
    },
    /// A denied topic.
    Topic {
        /// Detects or blocks.
        action: Action,
        /// Definition and examples, hashed: topics of other content can't be compared.
        content: String,
    },
    /// A word, a managed list, a kind of personal data, a pattern.
    Match(Action),
    /// Contextual grounding.
    Grounding {
        /// Detects or blocks.
        action: Action,
        /// In millionths; higher is stricter.
        threshold: u32,
    },
    /// An automated-reasoning policy, with its confidence threshold in millionths. An enforced guardrail must not have one.
    Reasoning(u32),
    /// The tier of a policy.
    Tier(Tier),
    /// Something that this version of the auditor doesn't know, hashed. Another value is another, neither weaker nor stronger.
    Unknown(String),
}

/// What happens on a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Reported in the trace only (`NONE`).
    Detect,
    /// Masked. Ranked below blocking, for confidentiality (facts/07 §3).
    Anonymize,
    /// Refused.
    Block,
}

/// Language and code coverage of a policy; STANDARD covers more (facts/07 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The default.
    Classic,
    /// The wider one.
    Standard,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Three digits, and as many more as it takes.
        let decimal = |f: &mut fmt::Formatter<'_>, value: &u32| {
            let (whole, rest) = (value / 1_000_000, format!("{:06}", value % 1_000_000));
            let (first, last) = rest.split_at(3);
            write!(f, "{whole}.{first}{}", last.trim_end_matches('0'))
        };
        match self {
            Effect::Filter { action, strength } => {
                let strength = ["NONE", "LOW", "MEDIUM", "HIGH"].get(usize::from(*strength)).copied().unwrap_or("HIGH");
                if *action == Action::Block { f.write_str(strength) } else { write!(f, "{strength}, detect only") }
            }
            Effect::Topic { action, content } => write!(f, "{action} ({content})"),
            Effect::Match(action) => action.fmt(f),
            Effect::Grounding { action, threshold } => {
                decimal(f, threshold)?;
                if *action == Action::Block { Ok(()) } else { f.write_str(", detect only") }
            }
            Effect::Reasoning(threshold) => {
                f.write_str("present, confidence ")?;
                decimal(f, threshold)
            }
            Effect::Tier(Tier::Classic) => f.write_str("CLASSIC"),
            Effect::Tier(Tier::Standard) => f.write_str("STANDARD"),
            Effect::Unknown(hash) => write!(f, "unknown ({hash})"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Detect => "NONE",
            Action::Anonymize => "ANONYMIZE",
            Action::Block => "BLOCK",
        })
    }
}

/// A guardrail in canonical form. What is off is left out: absent and switched off are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canonical {
    /// What it controls, and how.
    pub controls: BTreeMap<Control, Effect>,
    /// What doesn't protect content but matters in other ways: key, cross-Region profile, messages (hashed), status.
    pub attributes: BTreeMap<&'static str, String>,
}

/// Members of GetGuardrail's answer that are read, or describe it and protect nothing.
const KNOWN_MEMBERS: &[&str] = &[
    "name",
    "description",
    "guardrailId",
    "guardrailArn",
    "version",
    "status",
    "statusReasons",
    "failureRecommendations",
    "createdAt",
    "updatedAt",
    "blockedInputMessaging",
    "blockedOutputsMessaging",
    "kmsKeyArn",
    "crossRegionDetails",
    "topicPolicy",
    "contentPolicy",
    "wordPolicy",
    "sensitiveInformationPolicy",
    "contextualGroundingPolicy",
    "automatedReasoningPolicy",
    "ResponseMetadata",
];

impl Canonical {
    /// From GetGuardrail's answer. Never fails: what is not understood is kept as unknown.
    #[must_use]
    pub fn from_get_guardrail(json: &Value) -> Self {
        let mut canonical = Canonical::default();
        canonical.read_content(json.at("/contentPolicy"));
        canonical.read_topics(json.at("/topicPolicy"));
        canonical.read_words(json.at("/wordPolicy"));
        canonical.read_sensitive_information(json.at("/sensitiveInformationPolicy"));
        canonical.read_grounding(json.at("/contextualGroundingPolicy"));
        canonical.read_reasoning(json.at("/automatedReasoningPolicy"));
        for (key, value) in json.as_object().into_iter().flatten() {
            if !KNOWN_MEMBERS.contains(&key.as_str()) && !value.is_null() {
                canonical.set(key.clone(), None, Some(Effect::Unknown(hash(&value.to_string()))));
            }
        }
        canonical.read_attributes(json);
        canonical
    }

    /// SHA-256 over the canonical form, in hex: the same for guardrails that protect alike.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        for (control, effect) in &self.controls {
            hasher.update(format!("{control}={effect}\n"));
        }
        hex::encode(hasher.finalize())
    }

    /// Why enforcement can't apply the guardrail, if it can't: it is FAILED, or holds an automated-reasoning policy (facts/01 §2).
    #[must_use]
    pub fn why_not_enforceable(&self) -> Option<&'static str> {
        if self.has_automated_reasoning() {
            return Some("holds an automated-reasoning policy");
        }
        self.attributes.get("status").is_some_and(|status| status == "FAILED").then_some("is FAILED")
    }

    /// Whether the guardrail holds an automated-reasoning policy, which makes it fail where it is enforced (facts/01 §2).
    #[must_use]
    pub fn has_automated_reasoning(&self) -> bool {
        self.controls.values().any(|effect| matches!(effect, Effect::Reasoning(_)))
    }

    /// Whether it was read while nothing was being done to it: otherwise its content says nothing yet (facts/07 §3).
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.attributes.get("status").is_none_or(|status| status == "READY")
    }

    fn set(&mut self, name: String, side: Option<Side>, effect: Option<Effect>) {
        if let Some(effect) = effect {
            self.controls.insert(Control { name, side }, effect);
        }
    }

    fn read_content(&mut self, policy: &Value) {
        for filter in items(&policy["filters"]) {
            let kind = text(&filter["type"]);
            for side in SIDES {
                // The output strength of PROMPT_ATTACK has to be NONE (facts/07 §1).
                if kind == "PROMPT_ATTACK" && side == Side::Output {
                    continue;
                }
                let strength = &filter[side.key("Strength")];
                let modalities = match &filter[side.key("Modalities")] {
                    Value::Array(list) => list.iter().map(text).collect(),
                    _ => vec!["TEXT".to_owned()],
                };
                for modality in modalities {
                    let effect = match (side.state(filter), strength_level(strength)) {
                        (State::Off, _) | (_, Some(0)) => None,
                        (State::On(action), Some(strength)) => Some(Effect::Filter { action, strength }),
                        (_, None) | (State::Unknown(_), _) => Some(unknown(filter, &[side.key("Action"), side.key("Strength")])),
                    };
                    self.set(format!("content filter {kind} on {modality}"), Some(side), effect);
                }
            }
        }
        self.read_tier("content filters", &policy["tier"], policy.get("filters"));
    }

    fn read_topics(&mut self, policy: &Value) {
        for topic in items(&policy["topics"]) {
            let mut examples: Vec<String> = items(&topic["examples"]).map(text).collect();
            examples.sort();
            let content = hash(&format!("{}\n{}", text(&topic["definition"]), examples.join("\n")));
            for side in SIDES {
                let effect = match side.state(topic) {
                    State::Off => None,
                    State::On(action) => Some(Effect::Topic { action, content: content.clone() }),
                    State::Unknown(effect) => Some(effect),
                };
                self.set(format!("denied topic {}", text(&topic["name"])), Some(side), effect);
            }
        }
        self.read_tier("denied topics", &policy["tier"], policy.get("topics"));
    }

    fn read_words(&mut self, policy: &Value) {
        for word in items(&policy["words"]) {
            self.set_match(&format!("word {}", hash(&text(&word["text"]).to_lowercase())), word);
        }
        for list in items(&policy["managedWordLists"]) {
            self.set_match(&format!("managed words {}", text(&list["type"])), list);
        }
    }

    fn read_sensitive_information(&mut self, policy: &Value) {
        for entity in items(&policy["piiEntities"]) {
            self.set_match(&format!("PII {}", text(&entity["type"])), entity);
        }
        for regex in items(&policy["regexes"]) {
            self.set_match(&format!("pattern {}", hash(&text(&regex["pattern"]))), regex);
        }
    }

    fn set_match(&mut self, name: &str, item: &Value) {
        for side in SIDES {
            let effect = match side.state(item) {
                State::Off => None,
                State::On(action) => Some(Effect::Match(action)),
                State::Unknown(effect) => Some(effect),
            };
            self.set(name.to_owned(), Some(side), effect);
        }
    }

    fn read_grounding(&mut self, policy: &Value) {
        for filter in items(&policy["filters"]) {
            let effect = match (state(&filter["enabled"], &[&filter["action"]]), millionths(&filter["threshold"])) {
                (State::Off, _) => None,
                (State::On(action), Some(threshold)) => Some(Effect::Grounding { action, threshold }),
                (_, None) | (State::Unknown(_), _) => Some(unknown(filter, &["action", "threshold"])),
            };
            self.set(format!("contextual grounding {}", text(&filter["type"])), None, effect);
        }
        self.read_tier("contextual grounding", &policy["tier"], policy.get("filters"));
    }

    fn read_reasoning(&mut self, policy: &Value) {
        for arn in items(&policy["policies"]) {
            let arn = text(arn);
            // …:automated-reasoning-policy/<id>[:<version>]
            let without_version = match arn.rsplit_once(':') {
                Some((head, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => head,
                _ => &arn,
            };
            let threshold = millionths(&policy["confidenceThreshold"]).unwrap_or(0);
            self.set(format!("automated reasoning {without_version}"), None, Some(Effect::Reasoning(threshold)));
        }
    }

    /// A tier means something only where there is a policy for it.
    fn read_tier(&mut self, policy_name: &str, tier: &Value, items: Option<&Value>) {
        if items.and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return;
        }
        let effect = match tier["tierName"].as_str() {
            None | Some("CLASSIC") => Effect::Tier(Tier::Classic),
            Some("STANDARD") => Effect::Tier(Tier::Standard),
            Some(other) => Effect::Unknown(other.to_owned()),
        };
        self.set(format!("tier of {policy_name}"), None, Some(effect));
    }

    fn read_attributes(&mut self, json: &Value) {
        let mut attribute = |name, value: Option<String>| {
            if let Some(value) = value {
                self.attributes.insert(name, value);
            }
        };
        attribute("name", json.at("/name").as_str().map(str::to_owned));
        attribute("status", json.at("/status").as_str().map(str::to_owned));
        attribute("KMS key", json.at("/kmsKeyArn").as_str().map(str::to_owned));
        attribute("cross-Region profile", json.at("/crossRegionDetails/guardrailProfileId").as_str().map(str::to_owned));
        attribute("message for blocked inputs", json.at("/blockedInputMessaging").as_str().map(hash));
        attribute("message for blocked outputs", json.at("/blockedOutputsMessaging").as_str().map(hash));
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

    fn state(self, item: &Value) -> State {
        state(&item[self.key("Enabled")], &[&item[self.key("Action")], &item["action"]])
    }
}

enum State {
    Off,
    On(Action),
    Unknown(Effect),
}

/// Absent `enabled` means on, an absent action means the next one that is there, else BLOCK (facts/07 §1).
fn state(enabled: &Value, actions: &[&Value]) -> State {
    if enabled.as_bool() == Some(false) {
        return State::Off;
    }
    match actions.iter().find_map(|action| action.as_str()) {
        None | Some("BLOCK") => State::On(Action::Block),
        Some("ANONYMIZE") => State::On(Action::Anonymize),
        Some("NONE") => State::On(Action::Detect),
        Some(other) => State::Unknown(Effect::Unknown(other.to_owned())),
    }
}

fn strength_level(strength: &Value) -> Option<u8> {
    match strength.as_str() {
        None | Some("NONE") => Some(0),
        Some("LOW") => Some(1),
        Some("MEDIUM") => Some(2),
        Some("HIGH") => Some(3),
        Some(_) => None,
    }
}

fn unknown(item: &Value, keys: &[&str]) -> Effect {
    Effect::Unknown(keys.iter().map(|key| text(&item[*key])).collect::<Vec<_>>().join(" "))
}

fn millionths(value: &Value) -> Option<u32> {
    let value = value.as_f64().filter(|value| (0.0..=1000.0).contains(value))?;
    // In range by the filter above, and never negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be between 0 and 1,000,000,000")]
    Some((value * 1_000_000.0).round() as u32)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Words, patterns and messages never appear in our data; their hashes do.
fn hash(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text).into_iter().take(8).collect::<Vec<u8>>()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn effect(json: &Value, name: &str, side: Option<Side>) -> Option<Effect> {
        Canonical::from_get_guardrail(json).controls.remove(&Control { name: name.into(), side })
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
        let canonical = Canonical::from_get_guardrail(&guardrail);
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
        let fingerprint = |json| Canonical::from_get_guardrail(json).fingerprint();
        assert_eq!(fingerprint(&one), fingerprint(&other));
        assert_ne!(fingerprint(&one), fingerprint(&third));
    }
}
