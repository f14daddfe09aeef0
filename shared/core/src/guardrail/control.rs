//! The controls of a guardrail and their effects.

use std::fmt;

use serde::Serialize;

/// One thing that a guardrail looks for, on one side of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Control {
    /// Its name, such as `content filter HATE on TEXT`, `PII EMAIL`, `word sha256:…`.
    pub name: String,
    /// The side; `None` for controls that have no sides.
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

/// A side of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What the caller sends to the model.
    Input,
    /// What the model responds.
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

/// What a control does when it finds something. One effect is weaker than another if any of its components is lower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A content filter.
    Filter {
        /// What it does on a match.
        action: Action,
        /// How much it finds, from 1 (LOW) to 3 (HIGH).
        strength: u8,
    },
    /// A denied topic.
    Topic {
        /// What it does on a match.
        action: Action,
        /// A hash of definition and examples. Topics with different content can't be compared.
        content: String,
    },
    /// A word, a managed word list, a kind of personal data, or a pattern.
    Match(Action),
    /// A contextual grounding check.
    Grounding {
        /// What it does on a match.
        action: Action,
        /// The threshold in millionths; a higher one is stricter.
        threshold: u32,
    },
    /// An automated-reasoning policy, with its confidence threshold in millionths. A guardrail with one can't be enforced.
    Reasoning(u32),
    /// The tier of a policy.
    Tier(Tier),
    /// Something that this version of the auditor doesn't know: a policy, an entry, or a value in place of a known one. A different one is
    /// neither weaker nor stronger; one that is removed counts as weaker, because it no longer has its effect.
    Unknown(String),
    /// A member, with its value, that this version of the auditor doesn't know within a policy or entry that it knows. Its default isn't
    /// known either, so no change of it, nor its appearance or removal, has a direction.
    Setting(String),
}

impl Effect {
    /// Whether this version of the auditor doesn't know the effect.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Effect::Unknown(_) | Effect::Setting(_))
    }
}

/// What a control does on a match, from weakest to strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Reports the match in the trace only (`NONE`).
    Detect,
    /// Masks the matched text. Ranked below blocking, because the rest of the text passes.
    Anonymize,
    /// Blocks the request or response.
    Block,
}

/// The tier of a policy: which languages it covers, and whether it covers code. STANDARD covers more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// CLASSIC, the default.
    Classic,
    /// STANDARD, which covers more than CLASSIC.
    Standard,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // At least three digits, and more if the value has more.
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
            Effect::Unknown(value) | Effect::Setting(value) => write!(f, "unknown ({value})"),
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
