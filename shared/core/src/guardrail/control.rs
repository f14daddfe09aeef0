//! What a guardrail controls, and what each control does.

use std::fmt;

use serde::Serialize;

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
    /// Something that this version of the auditor doesn't know: a policy, an entry, a value where a known one is usual. Another one is
    /// another, neither weaker nor stronger; one that is gone doesn't do any more what it did.
    Unknown(String),
    /// A member of a known policy or entry that this version of the auditor doesn't know, with one value. What holds where it is absent
    /// isn't known either, so it says nothing of a direction, whether it comes, changes or goes.
    Setting(String),
}

impl Effect {
    /// Whether this version of the auditor doesn't know what it does.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Effect::Unknown(_) | Effect::Setting(_))
    }
}

/// What happens on a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Reported in the trace only (`NONE`).
    Detect,
    /// Masked. Ranked below blocking, for confidentiality.
    Anonymize,
    /// Refused.
    Block,
}

/// Language and code coverage of a policy; STANDARD covers more.
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
