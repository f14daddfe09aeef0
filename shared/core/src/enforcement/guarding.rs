//! Which content an enforced guardrail evaluates, and whether the caller chooses it.
//!
//! The system prompt and the messages are guarded separately: `selective_content_guarding` of a Bedrock policy and
//! `selectiveContentGuarding` of an account's configuration have a mode for each, whose default is comprehensive. The older syntax,
//! `input_tags` and `inputTags`, has one word for both: `honor` leaves the choice to the caller's tags.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Whether all of the system prompt (or of the messages) is evaluated, or only what the caller tags. Ordered from the weakest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardingMode {
    /// Only what the caller tags. Without tags, nothing of the system prompt is evaluated, but all of the messages.
    Selective,
    /// A word that this version of the auditor doesn't know.
    NotKnown,
    /// All content, whatever the caller tags.
    #[default]
    Comprehensive,
}

impl fmt::Display for GuardingMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GuardingMode::Selective => "selective",
            GuardingMode::NotKnown => "not known",
            GuardingMode::Comprehensive => "comprehensive",
        })
    }
}

/// The modes for the system prompt and for the messages of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Guarding {
    /// The mode for the system prompt.
    pub system: GuardingMode,
    /// The mode for the messages.
    pub messages: GuardingMode,
}

impl Guarding {
    /// All content, whatever the caller tags.
    pub const COMPREHENSIVE: Guarding = Guarding::both(GuardingMode::Comprehensive);
    /// What the caller tags, of the system prompt and of the messages.
    pub const SELECTIVE: Guarding = Guarding::both(GuardingMode::Selective);

    /// The same mode for the system prompt and the messages.
    #[must_use]
    pub const fn both(mode: GuardingMode) -> Self {
        Guarding { system: mode, messages: mode }
    }

    /// Both modes, each with AWS's name for the content.
    #[must_use]
    pub const fn sides(self) -> [(&'static str, GuardingMode); 2] {
        [("system", self.system), ("messages", self.messages)]
    }

    /// What is certainly evaluated if only one of two enforcements holds and it isn't known which: for each side the weaker mode.
    #[must_use]
    pub fn weaker(self, other: Self) -> Self {
        Guarding { system: self.system.min(other.system), messages: self.messages.min(other.messages) }
    }

    /// What is evaluated if two enforcements both hold: for each side the stronger mode.
    #[must_use]
    pub fn together(self, other: Self) -> Self {
        Guarding { system: self.system.max(other.system), messages: self.messages.max(other.messages) }
    }

    /// Whether this evaluates at least what is needed; `None` if that depends on an unknown word.
    #[must_use]
    pub fn satisfies(self, needed: Self) -> Option<bool> {
        use GuardingMode::{Comprehensive, NotKnown, Selective};
        let side = |is: GuardingMode, needed: GuardingMode| match (is, needed) {
            (_, Selective) | (Comprehensive, _) => Some(true),
            (Selective, Comprehensive) => Some(false),
            (NotKnown, _) | (Selective, NotKnown) => None,
        };
        match (side(self.system, needed.system), side(self.messages, needed.messages)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (None, _) | (_, None) => None,
            (Some(true), Some(true)) => Some(true),
        }
    }
}

/// A phrase for the content that is evaluated, with separate parts for the system prompt and the messages if they differ.
impl fmt::Display for Guarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.system {
            GuardingMode::Comprehensive => "all of the system prompt",
            GuardingMode::Selective => "what callers tag of the system prompt (nothing without tags)",
            GuardingMode::NotKnown => "an unknown part of the system prompt",
        })?;
        f.write_str(match self.messages {
            GuardingMode::Comprehensive => " and all of the messages",
            GuardingMode::Selective => " and what callers tag of the messages (all without tags)",
            GuardingMode::NotKnown => " and an unknown part of the messages",
        })
    }
}

/// Serialises as one word if both modes are the same, otherwise as `{"system": …, "messages": …}`.
impl Serialize for Guarding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Sides {
            system: GuardingMode,
            messages: GuardingMode,
        }
        let Guarding { system, messages } = *self;
        if system == messages { system.serialize(serializer) } else { Sides { system, messages }.serialize(serializer) }
    }
}

/// Accepts one word for both modes, as earlier versions stored it.
impl<'de> Deserialize<'de> for Guarding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> de::Visitor<'de> for Forms {
            type Value = Guarding;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`comprehensive`, `selective`, or one of the two for each of `system` and `messages`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Guarding, E> {
                GuardingMode::deserialize(de::value::StrDeserializer::new(word)).map(Guarding::both)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut members: A) -> Result<Guarding, A::Error> {
                let mut guarding = Guarding::default();
                while let Some(side) = members.next_key::<String>()? {
                    match side.as_str() {
                        "system" => guarding.system = members.next_value()?,
                        "messages" => guarding.messages = members.next_value()?,
                        other => return Err(de::Error::unknown_field(other, &["system", "messages"])),
                    }
                }
                Ok(guarding)
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

#[cfg(test)]
mod tests {
    use GuardingMode::{Comprehensive, NotKnown, Selective};
    use serde_json::json;

    use super::*;

    fn guarding(system: GuardingMode, messages: GuardingMode) -> Guarding {
        Guarding { system, messages }
    }

    #[test]
    fn what_is_needed_of_each_side_has_to_be_there() {
        for (is, needed, satisfies) in [
            (guarding(Selective, Comprehensive), Guarding::COMPREHENSIVE, Some(false)),
            (guarding(Comprehensive, Selective), guarding(Selective, Comprehensive), Some(false)),
            (guarding(Selective, Comprehensive), guarding(Selective, Comprehensive), Some(true)),
            (guarding(NotKnown, Comprehensive), Guarding::COMPREHENSIVE, None),
            (guarding(NotKnown, Selective), Guarding::COMPREHENSIVE, Some(false)),
            (guarding(NotKnown, Selective), Guarding::SELECTIVE, Some(true)),
            (guarding(Selective, Comprehensive), guarding(NotKnown, Comprehensive), None),
            (Guarding::COMPREHENSIVE, Guarding::both(NotKnown), Some(true)),
        ] {
            assert_eq!(is.satisfies(needed), satisfies, "{is:?} of {needed:?}");
        }
    }

    #[test]
    fn one_word_that_was_stored_means_both() {
        for (stored, read) in [
            (json!("selective"), Guarding::SELECTIVE),
            (json!("comprehensive"), Guarding::COMPREHENSIVE),
            (json!("not_known"), Guarding::both(NotKnown)),
            (json!({"system": "selective", "messages": "comprehensive"}), guarding(Selective, Comprehensive)),
        ] {
            assert_eq!(serde_json::from_value::<Guarding>(stored.clone()).unwrap(), read);
            assert_eq!(serde_json::to_value(read).unwrap(), stored);
        }
        assert_eq!(serde_json::from_value::<Guarding>(json!({"system": "selective"})).unwrap(), guarding(Selective, Comprehensive));
        for odd in [json!("lax"), json!({"sytem": "selective"}), json!({"system": 1}), json!(1)] {
            assert!(serde_json::from_value::<Guarding>(odd.clone()).is_err(), "{odd}");
        }
    }
}
